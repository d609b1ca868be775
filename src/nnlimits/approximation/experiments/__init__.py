"""The theorems on many targets: what their certificates promise and what is measured."""

from nnlimits.approximation.experiments.relu_networks import ReluExperiment, ReluRate, ReluRow, relu_networks
from nnlimits.approximation.experiments.trained_sawtooth import TrainedSawtooth, trained_sawtooth

__all__ = ["ReluExperiment", "ReluRate", "ReluRow", "TrainedSawtooth", "relu_networks", "trained_sawtooth"]
