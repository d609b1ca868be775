"""Universal approximation made constructive: theorems that return a network and a certified error."""

from nnlimits.approximation.adversarial import Adversarial, adversarial_error
from nnlimits.approximation.approximation import Approximation
from nnlimits.approximation.certificate import Certificate
from nnlimits.approximation.depth_separation import DepthSeparation, depth_separation, sawtooth_distance
from nnlimits.approximation.derivative_bounds import derivative_bounds
from nnlimits.approximation.domain import Box
from nnlimits.approximation.from_weights import from_weights
from nnlimits.approximation.measured_error import MeasuredError, measured_error
from nnlimits.approximation.network_size import NetworkSize, network_size
from nnlimits.approximation.piecewise_polynomial import PiecewisePolynomial
from nnlimits.approximation.piecewise_polynomial_network import approximate_piecewise_polynomial
from nnlimits.approximation.relu_calculus.linear_pieces import linear_pieces, piece_bound, pieces
from nnlimits.approximation.relu_calculus.relu_network import ReluNetwork
from nnlimits.approximation.sawtooth import sawtooth
from nnlimits.approximation.target import Target
from nnlimits.approximation.verification import Verified, verify
from nnlimits.approximation.yarotsky import yarotsky

__all__ = [
    "Adversarial",
    "Approximation",
    "Box",
    "Certificate",
    "DepthSeparation",
    "MeasuredError",
    "NetworkSize",
    "PiecewisePolynomial",
    "ReluNetwork",
    "Target",
    "Verified",
    "adversarial_error",
    "approximate_piecewise_polynomial",
    "depth_separation",
    "derivative_bounds",
    "from_weights",
    "linear_pieces",
    "measured_error",
    "network_size",
    "piece_bound",
    "pieces",
    "sawtooth",
    "sawtooth_distance",
    "verify",
    "yarotsky",
]
