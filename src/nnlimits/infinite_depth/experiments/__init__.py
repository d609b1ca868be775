"""Experiments of the literature on infinitely deep networks: each function returns what `nnlimits.plots` draws."""

from nnlimits.infinite_depth.experiments.adjoints import Adjoints, adjoints
from nnlimits.infinite_depth.experiments.euler import Euler, euler
from nnlimits.infinite_depth.experiments.flow import Flow, flow, two_moons

__all__ = ["Adjoints", "Euler", "Flow", "adjoints", "euler", "flow", "two_moons"]
