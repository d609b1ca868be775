"""Depth to infinity: networks that are differential equations, fixed points, or flows of distributions of layers.

The last have a package of their own, `infinite_depth.mean_field_residual`.
"""

from nnlimits.infinite_depth import mean_field_residual as mean_field_residual
from nnlimits.infinite_depth.continuous_flow import ContinuousFlow, Density
from nnlimits.infinite_depth.correlation_sde import correlation_samples, mean_kernel
from nnlimits.infinite_depth.covariance_sde import CovarianceSamples, covariance_samples
from nnlimits.infinite_depth.discretization import residual_network
from nnlimits.infinite_depth.jacobian_penalty import jacobian_penalty
from nnlimits.infinite_depth.solutions import Solutions, solutions
from nnlimits.infinite_depth.well_posedness import WellPosedness, well_posedness

__all__ = [
    "ContinuousFlow",
    "CovarianceSamples",
    "Density",
    "Solutions",
    "WellPosedness",
    "correlation_samples",
    "covariance_samples",
    "jacobian_penalty",
    "mean_kernel",
    "residual_network",
    "solutions",
    "well_posedness",
]
