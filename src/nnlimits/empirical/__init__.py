"""Finite networks seen as kernels."""

from nnlimits.empirical.ntk import ntk

__all__ = ["ntk"]
