"""Universal approximation made constructive: theorems that return a network and a certified error."""

from nnlimits.approximation.adversarial import Adversarial, adversarial_error
from nnlimits.approximation.approximation import Approximation
from nnlimits.approximation.certificate import Certificate
from nnlimits.approximation.domain import Box
from nnlimits.approximation.from_weights import from_weights
from nnlimits.approximation.measured_error import MeasuredError, measured_error
from nnlimits.approximation.target import Target
from nnlimits.approximation.verification import Verified, verify

__all__ = [
    "Adversarial",
    "Approximation",
    "Box",
    "Certificate",
    "MeasuredError",
    "Target",
    "Verified",
    "adversarial_error",
    "from_weights",
    "measured_error",
    "verify",
]
