"""Universal approximation made constructive: theorems that return a network and a certified error."""

from nnlimits.approximation.adversarial import Adversarial, adversarial_error
from nnlimits.approximation.approximation import Approximation
from nnlimits.approximation.barron import BarronConstant, barron, barron_constant
from nnlimits.approximation.certificate import Certificate
from nnlimits.approximation.deep_narrow import deep_narrow, narrow
from nnlimits.approximation.depth_separation import DepthSeparation, depth_separation, sawtooth_distance
from nnlimits.approximation.derivative_bounds import derivative_bounds
from nnlimits.approximation.domain import Box
from nnlimits.approximation.expression import Expression, expression
from nnlimits.approximation.files import load_network, save_network
from nnlimits.approximation.from_weights import from_weights
from nnlimits.approximation.measured_error import MeasuredError, measured_error
from nnlimits.approximation.minimum_width import minimum_width
from nnlimits.approximation.piecewise_polynomial import PiecewisePolynomial
from nnlimits.approximation.piecewise_polynomial_network import approximate_piecewise_polynomial
from nnlimits.approximation.relu_calculus.linear_pieces import linear_pieces, piece_bound, pieces
from nnlimits.approximation.relu_calculus.relu_network import ReluNetwork
from nnlimits.approximation.sawtooth import sawtooth
from nnlimits.approximation.shallow import Obstruction, PolynomialActivationError, distance_from_polynomials, shallow
from nnlimits.approximation.spectrum import NormalMixture, Spectrum, Waves
from nnlimits.approximation.target import Target
from nnlimits.approximation.targets import TARGETS, NamedTarget, named_target
from nnlimits.approximation.theorems import THEOREMS, approximate
from nnlimits.approximation.verification import Verified, verify
from nnlimits.approximation.yarotsky import yarotsky

__all__ = [
    "TARGETS",
    "THEOREMS",
    "Adversarial",
    "Approximation",
    "BarronConstant",
    "Box",
    "Certificate",
    "DepthSeparation",
    "Expression",
    "MeasuredError",
    "NamedTarget",
    "NormalMixture",
    "Obstruction",
    "PiecewisePolynomial",
    "PolynomialActivationError",
    "ReluNetwork",
    "Spectrum",
    "Target",
    "Verified",
    "Waves",
    "adversarial_error",
    "approximate",
    "approximate_piecewise_polynomial",
    "barron",
    "barron_constant",
    "deep_narrow",
    "depth_separation",
    "derivative_bounds",
    "distance_from_polynomials",
    "expression",
    "from_weights",
    "linear_pieces",
    "load_network",
    "measured_error",
    "minimum_width",
    "named_target",
    "narrow",
    "piece_bound",
    "pieces",
    "save_network",
    "sawtooth",
    "sawtooth_distance",
    "shallow",
    "verify",
    "yarotsky",
]
