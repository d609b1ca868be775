"""Networks of the calculus handed over as approximations."""

from nnlimits.approximation.approximation import Approximation
from nnlimits.approximation.certificate import Certificate
from nnlimits.approximation.measured_error import measured_error
from nnlimits.approximation.relu_calculus import ReluNetwork
from nnlimits.approximation.target import Target


def relu_approximation(
    network: ReluNetwork, target: Target, certificate: Certificate, *, points: int = 2**15
) -> Approximation:
    """An `Approximation` by an expression of the language, its error measured on the sparse form of the same parameters.

    The two forms differ by rounding alone, and the sparse one takes a fraction of the time for wide layers.

    **Raises:** `ValueError` as `ReluNetwork.network`.
    """
    expression, params = network.network()
    return Approximation(expression, params, target, measured_error(target, network, points=points), certificate)
