"""The command line. Nothing here imports JAX until a command runs."""

from nnlimits.cli.app import main

__all__ = ["main"]
