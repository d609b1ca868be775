"""The theorems on many targets: what their certificates promise and what is measured."""

from nnlimits.approximation.experiments.relu_networks import ReluExperiment, ReluRate, ReluRow, relu_networks

__all__ = ["ReluExperiment", "ReluRate", "ReluRow", "relu_networks"]
