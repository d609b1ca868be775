"""Finite networks in training, to hold against their idealisations."""

from nnlimits.training.gradient_descent import Training, train_ensemble, train_linearized_ensemble

__all__ = ["Training", "train_ensemble", "train_linearized_ensemble"]
