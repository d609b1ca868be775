"""Depth to infinity: networks that are differential equations, fixed points, or flows of distributions of layers."""

from nnlimits.infinite_depth.jacobian_penalty import jacobian_penalty
from nnlimits.infinite_depth.solutions import Solutions, solutions
from nnlimits.infinite_depth.well_posedness import WellPosedness, well_posedness

__all__ = ["Solutions", "WellPosedness", "jacobian_penalty", "solutions", "well_posedness"]
