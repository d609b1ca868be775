"""Finite networks in training, to hold against their idealisations."""

from nnlimits.training.classification import Classification, classify, classify_layers
from nnlimits.training.coordinate_check import CoordinateCheck, PowerLaw, coordinate_check
from nnlimits.training.gradient_descent import Training, train_ensemble, train_linearized_ensemble
from nnlimits.training.optimizers import learning_rates, optimizer
from nnlimits.training.preactivations import preactivations
from nnlimits.training.width_exponents import WidthExponents, width_exponents

__all__ = [
    "Classification",
    "CoordinateCheck",
    "PowerLaw",
    "Training",
    "WidthExponents",
    "classify",
    "classify_layers",
    "coordinate_check",
    "learning_rates",
    "optimizer",
    "preactivations",
    "train_ensemble",
    "train_linearized_ensemble",
    "width_exponents",
]
