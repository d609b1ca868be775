"""Experiments with universal approximation: what each theorem reaches, and how fast errors fall."""

from nnlimits.approximation.experiments.greedy_rates import GreedyRate, greedy_rate, greedy_rates
from nnlimits.approximation.experiments.relu_networks import ReluExperiment, ReluRate, ReluRow, relu_networks
from nnlimits.approximation.experiments.theorem_rates import RATES, RateCase, TheoremRate, theorem_rates
from nnlimits.approximation.experiments.theorem_table import CASES, Case, Row, theorem_table
from nnlimits.approximation.experiments.trained_sawtooth import TrainedSawtooth, trained_sawtooth
from nnlimits.approximation.experiments.unit_mixture import unit_mixture

__all__ = [
    "CASES",
    "RATES",
    "Case",
    "GreedyRate",
    "RateCase",
    "ReluExperiment",
    "ReluRate",
    "ReluRow",
    "Row",
    "TheoremRate",
    "TrainedSawtooth",
    "greedy_rate",
    "greedy_rates",
    "relu_networks",
    "theorem_rates",
    "theorem_table",
    "trained_sawtooth",
    "unit_mixture",
]
