"""Experiments of the literature on infinitely deep networks: each function returns what `nnlimits.plots` draws."""

from nnlimits.infinite_depth.experiments.euler import Euler, euler

__all__ = ["Euler", "euler"]
