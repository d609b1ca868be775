"""Networks of the calculus handed over as approximations."""

from collections.abc import Sequence

from nnlimits.approximation.approximation import Approximation
from nnlimits.approximation.certificate import Certificate
from nnlimits.approximation.domain import Box
from nnlimits.approximation.measured_error import measured_error, stratified_error
from nnlimits.approximation.relu_calculus import ReluNetwork
from nnlimits.approximation.target import Target


def relu_approximation(
    network: ReluNetwork, target: Target, certificate: Certificate, strata: Sequence[Box] = ()
) -> Approximation:
    """An `Approximation` by an expression of the language, its error measured on the sparse form of the same parameters.

    The two forms differ by rounding alone, and the sparse one takes a fraction of the time for wide layers. Where `strata` are
    given, parts of the domain, the error is measured in each.

    **Raises:** `ValueError` as `ReluNetwork.network`.
    """
    expression, params = network.network()
    error = stratified_error(target, network, strata) if strata else measured_error(target, network)
    return Approximation(expression, params, target, error, certificate)
