"""Finite width, to first order in 1/width, as an interpreter of the expression: how a random network fluctuates."""

from nnlimits.fluctuations.fluctuations import Fluctuations, fluctuations, layerwise
from nnlimits.fluctuations.network import read_layer

__all__ = ["Fluctuations", "fluctuations", "layerwise", "read_layer"]
