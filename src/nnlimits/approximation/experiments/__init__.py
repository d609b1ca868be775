"""Experiments with universal approximation: what each theorem reaches, and how fast greedy networks approach functions."""

from nnlimits.approximation.experiments.greedy_rates import GreedyRate, greedy_rate, greedy_rates
from nnlimits.approximation.experiments.theorem_table import CASES, Case, Row, theorem_table

__all__ = ["CASES", "Case", "GreedyRate", "Row", "greedy_rate", "greedy_rates", "theorem_table"]
