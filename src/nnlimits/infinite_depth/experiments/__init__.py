"""Experiments at infinite depth: each function returns what `nnlimits.plots` draws."""

from nnlimits.infinite_depth.experiments.residual_rates import RatesAtTime, ResidualRates, residual_rates
from nnlimits.infinite_depth.experiments.residual_training import ResidualTraining, residual_digits, residual_spiral

__all__ = [
    "RatesAtTime",
    "ResidualRates",
    "ResidualTraining",
    "residual_digits",
    "residual_rates",
    "residual_spiral",
]
