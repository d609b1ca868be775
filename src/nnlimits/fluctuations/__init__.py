"""Finite width, to first order in 1/width, as an interpreter of the expression: how a random network fluctuates."""

from nnlimits.fluctuations.exact import ExactLinearMoments, ExactMoments, exact_linear_moments, exact_moments
from nnlimits.fluctuations.fluctuations import Fluctuations, fluctuations, layerwise
from nnlimits.fluctuations.kernel_fluctuations import KernelFluctuations, kernel_fluctuations
from nnlimits.fluctuations.network import read_layer
from nnlimits.fluctuations.posterior import PosteriorCorrection, posterior_correction
from nnlimits.fluctuations.verdict import Verdict, verdict

__all__ = [
    "ExactLinearMoments",
    "ExactMoments",
    "Fluctuations",
    "KernelFluctuations",
    "PosteriorCorrection",
    "Verdict",
    "exact_linear_moments",
    "exact_moments",
    "fluctuations",
    "kernel_fluctuations",
    "layerwise",
    "posterior_correction",
    "read_layer",
    "verdict",
]
