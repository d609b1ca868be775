"""Networks made deeper without a change of their function."""

from nnlimits.approximation.relu_calculus.compose import compose
from nnlimits.approximation.relu_calculus.identity import identity
from nnlimits.approximation.relu_calculus.relu_network import ReluNetwork


def pad_to_depth(network: ReluNetwork, depth: int) -> ReluNetwork:
    """The same function with `depth` hidden layers: an identity of its outputs behind it.

    Exact in floating point; units grow by 2 outputs for each layer added.

    **Raises:** `ValueError` if the network is deeper already.
    """
    missing = depth - network.depth
    if missing < 0:
        raise ValueError(f"depth={depth} is less than the network's own, {network.depth}")
    return compose(identity(network.outputs, missing), network) if missing else network
