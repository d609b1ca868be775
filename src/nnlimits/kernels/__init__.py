"""Infinite width, kernel regime: the NNGP and NTK of a network, as an interpreter of its expression."""

from nnlimits.kernels import (
    attention,
    combinators,
    convolution,
    embedding,
    equilibrium,
    error_function,
    exponential,
    gains,
    hermite,
    linear,
    neural_ode,
    piecewise,
    pooling,
    quadrature,
    recurrence,
    resampling,
)
from nnlimits.kernels.covariance import Covariance
from nnlimits.kernels.dual import Dual, Moments, dual, moments
from nnlimits.kernels.kernel import Kernel, KernelPair, kernel
from nnlimits.kernels.rules import covariance_rule
from nnlimits.kernels.smoothing import smoothed

__all__ = [
    "Covariance",
    "Dual",
    "Kernel",
    "KernelPair",
    "Moments",
    "covariance_rule",
    "dual",
    "kernel",
    "moments",
    "smoothed",
]

# Importing these modules registers their rules.
_RULES = (
    attention,
    combinators,
    convolution,
    embedding,
    equilibrium,
    error_function,
    exponential,
    gains,
    hermite,
    linear,
    neural_ode,
    piecewise,
    pooling,
    quadrature,
    recurrence,
    resampling,
)
