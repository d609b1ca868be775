"""Finite networks in training, to hold against their idealisations."""

from nnlimits.training.descent import descent, momentum
from nnlimits.training.flow import flow, inertial_flow, modified_flow
from nnlimits.training.gradient_descent import Training, train_ensemble, train_linearized_ensemble
from nnlimits.training.order import Order, order_of_error
from nnlimits.training.problem import Objective, Problem, Trajectory
from nnlimits.training.sgd import modified_sgd_flow, sgd, sgd_flow

__all__ = [
    "Objective",
    "Order",
    "Problem",
    "Training",
    "Trajectory",
    "descent",
    "flow",
    "inertial_flow",
    "modified_flow",
    "modified_sgd_flow",
    "momentum",
    "order_of_error",
    "sgd",
    "sgd_flow",
    "train_ensemble",
    "train_linearized_ensemble",
]
