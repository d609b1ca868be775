"""Experiments on networks of infinite depth, one file each: they return what `plots` draws."""

from nnlimits.infinite_depth.experiments.euler import Euler, euler
from nnlimits.infinite_depth.experiments.fixed_point_solvers import FixedPointSolvers, SolverCurve, fixed_point_solvers
from nnlimits.infinite_depth.experiments.images import Images, Trained, compare_on_images

__all__ = [
    "Euler",
    "FixedPointSolvers",
    "Images",
    "SolverCurve",
    "Trained",
    "compare_on_images",
    "euler",
    "fixed_point_solvers",
]
