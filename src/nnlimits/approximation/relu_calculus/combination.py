"""Sums and multiples of networks."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from nnlimits.approximation.relu_calculus.affine import affine
from nnlimits.approximation.relu_calculus.compose import compose
from nnlimits.approximation.relu_calculus.parallel import stack
from nnlimits.approximation.relu_calculus.relu_network import ReluNetwork
from nnlimits.validation import check_finite


def linear_combination(coefficients: Sequence[float], networks: Sequence[ReluNetwork]) -> ReluNetwork:
    """The function `x -> c_1 f_1(x) + ... + c_k f_k(x)`.

    For networks of equal depth, at least 1, widths add, and so do the weights of hidden layers and the matrices of the last
    ones; the biases of the last ones merge. Shallower networks are padded first.

    **Raises:** `ValueError` for no networks, other numbers of coefficients, inputs or outputs, or coefficients not finite.
    """
    factors = np.asarray(coefficients, np.float64)
    check_finite("coefficients", factors)
    if len(networks) == 0 or factors.shape != (len(networks),):
        raise ValueError(f"each network needs a coefficient: {len(networks)} networks and {factors.shape} received")
    outputs = {network.outputs for network in networks}
    if len(outputs) > 1:
        raise ValueError(f"networks must have as many outputs as each other; received {sorted(outputs)}")
    total = sparse.kron(factors[:, None], sparse.eye_array(outputs.pop()))
    return compose(affine(total), stack(*networks))


def add(*networks: ReluNetwork) -> ReluNetwork:
    """The function `x -> f_1(x) + ... + f_k(x)`; counts and errors as those of `linear_combination`."""
    return linear_combination([1.0] * len(networks), networks)


def scale(network: ReluNetwork, factor: float) -> ReluNetwork:
    """The function `x -> c f(x)`; all counts stay for c that is not zero. **Raises:** `ValueError` for c not finite."""
    return linear_combination([factor], [network])
