"""Finite networks in training, to hold against their idealisations: flows, catapult, edge of stability, parameterizations."""

from nnlimits.training.advice import Bound, LearningRateAdvice, learning_rate_advice
from nnlimits.training.catapult import Catapult, LinearCatapult, catapult, linear_catapult
from nnlimits.training.central_flow import CentralFlow, central_flow
from nnlimits.training.classification import Classification, classify, classify_layers
from nnlimits.training.complementarity import semidefinite_complementarity
from nnlimits.training.coordinate_check import CoordinateCheck, PowerLaw, coordinate_check
from nnlimits.training.curvature import gauss_newton_operator, hessian_operator
from nnlimits.training.descent import descent, momentum
from nnlimits.training.epochs import DivergenceError, Epochs, train_in_epochs
from nnlimits.training.first_step import LayerChange, first_step
from nnlimits.training.flow import flow, inertial_flow, modified_flow
from nnlimits.training.gradient_descent import Training, train_ensemble, train_linearized_ensemble
from nnlimits.training.optimizers import learning_rates, optimizer
from nnlimits.training.order import Order, order_of_error
from nnlimits.training.phases import Phases, phase, phases
from nnlimits.training.preactivations import preactivations
from nnlimits.training.problem import Objective, Problem, Trajectory
from nnlimits.training.sgd import modified_sgd_flow, sgd, sgd_flow
from nnlimits.training.sharpness import SharpnessTrack, track_sharpness
from nnlimits.training.thresholds import Thresholds, measured_thresholds
from nnlimits.training.width_exponents import WidthExponents, width_exponents

__all__ = [
    "Bound",
    "Catapult",
    "CentralFlow",
    "Classification",
    "CoordinateCheck",
    "DivergenceError",
    "Epochs",
    "LayerChange",
    "LearningRateAdvice",
    "LinearCatapult",
    "Objective",
    "Order",
    "Phases",
    "PowerLaw",
    "Problem",
    "SharpnessTrack",
    "Thresholds",
    "Training",
    "Trajectory",
    "WidthExponents",
    "catapult",
    "central_flow",
    "classify",
    "classify_layers",
    "coordinate_check",
    "descent",
    "first_step",
    "flow",
    "gauss_newton_operator",
    "hessian_operator",
    "inertial_flow",
    "learning_rate_advice",
    "learning_rates",
    "linear_catapult",
    "measured_thresholds",
    "modified_flow",
    "modified_sgd_flow",
    "momentum",
    "optimizer",
    "order_of_error",
    "phase",
    "phases",
    "preactivations",
    "semidefinite_complementarity",
    "sgd",
    "sgd_flow",
    "track_sharpness",
    "train_ensemble",
    "train_in_epochs",
    "train_linearized_ensemble",
    "width_exponents",
]
