"""Depth to infinity: networks that are differential equations, fixed points, or flows of distributions of layers."""

from nnlimits.infinite_depth.continuous_flow import ContinuousFlow, Density
from nnlimits.infinite_depth.discretization import residual_network

__all__ = ["ContinuousFlow", "Density", "residual_network"]
