"""Universal approximation made constructive: theorems that return a network and a certified error."""

from nnlimits.approximation.adversarial import Adversarial, adversarial_error
from nnlimits.approximation.approximation import Approximation
from nnlimits.approximation.certificate import Certificate
from nnlimits.approximation.deep_narrow import deep_narrow, narrow
from nnlimits.approximation.domain import Box
from nnlimits.approximation.from_weights import from_weights
from nnlimits.approximation.measured_error import MeasuredError, measured_error
from nnlimits.approximation.minimum_width import minimum_width
from nnlimits.approximation.obstruction import Obstruction, PolynomialActivationError, distance_from_polynomials
from nnlimits.approximation.shallow import shallow
from nnlimits.approximation.target import Target
from nnlimits.approximation.verification import Verified, verify

__all__ = [
    "Adversarial",
    "Approximation",
    "Box",
    "Certificate",
    "MeasuredError",
    "Obstruction",
    "PolynomialActivationError",
    "Target",
    "Verified",
    "adversarial_error",
    "deep_narrow",
    "distance_from_polynomials",
    "from_weights",
    "measured_error",
    "minimum_width",
    "narrow",
    "shallow",
    "verify",
]
