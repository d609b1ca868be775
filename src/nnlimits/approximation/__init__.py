"""Universal approximation made constructive: theorems that return a network and a certified error."""

from nnlimits.approximation.adversarial import Adversarial, adversarial_error
from nnlimits.approximation.approximation import Approximation
from nnlimits.approximation.barron import BarronConstant, barron, barron_constant
from nnlimits.approximation.certificate import Certificate
from nnlimits.approximation.deep_narrow import deep_narrow, narrow
from nnlimits.approximation.domain import Box
from nnlimits.approximation.expression import Expression, expression
from nnlimits.approximation.from_weights import from_weights
from nnlimits.approximation.measured_error import MeasuredError, measured_error
from nnlimits.approximation.minimum_width import minimum_width
from nnlimits.approximation.obstruction import Obstruction, PolynomialActivationError, distance_from_polynomials
from nnlimits.approximation.shallow import shallow
from nnlimits.approximation.spectrum import NormalMixture, Spectrum, Waves
from nnlimits.approximation.target import Target
from nnlimits.approximation.targets import TARGETS, NamedTarget, named_target
from nnlimits.approximation.verification import Verified, verify

__all__ = [
    "TARGETS",
    "Adversarial",
    "Approximation",
    "BarronConstant",
    "Box",
    "Certificate",
    "Expression",
    "MeasuredError",
    "NamedTarget",
    "NormalMixture",
    "Obstruction",
    "PolynomialActivationError",
    "Spectrum",
    "Target",
    "Verified",
    "Waves",
    "adversarial_error",
    "barron",
    "barron_constant",
    "deep_narrow",
    "distance_from_polynomials",
    "expression",
    "from_weights",
    "measured_error",
    "minimum_width",
    "named_target",
    "narrow",
    "shallow",
    "verify",
]
