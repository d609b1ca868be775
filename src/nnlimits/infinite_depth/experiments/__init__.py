"""Experiments with networks of infinite depth: each returns what `plots` draws and the command line prints."""

from nnlimits.infinite_depth.experiments.fixed_point_solvers import FixedPointSolvers, SolverCurve, fixed_point_solvers

__all__ = ["FixedPointSolvers", "SolverCurve", "fixed_point_solvers"]
