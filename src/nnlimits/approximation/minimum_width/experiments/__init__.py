"""What `nnlimits.plots` draws of the minimum width, one file each."""

from nnlimits.approximation.minimum_width.experiments.rates import CASES, Approached, Case, approached
from nnlimits.approximation.minimum_width.experiments.too_narrow import Obstructed, Trained, too_narrow

__all__ = ["CASES", "Approached", "Case", "Obstructed", "Trained", "approached", "too_narrow"]
