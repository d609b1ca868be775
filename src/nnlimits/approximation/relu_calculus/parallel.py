"""Networks side by side."""

from collections.abc import Callable

import numpy as np
from scipy import sparse

from nnlimits.approximation.relu_calculus.affine_map import AffineMap, beside, of_the_same
from nnlimits.approximation.relu_calculus.pad_to_depth import pad_to_depth
from nnlimits.approximation.relu_calculus.relu_network import ReluNetwork
from nnlimits.nn.fields import as_integer


def parallel(*networks: ReluNetwork) -> ReluNetwork:
    """The function `(x_1, ..., x_k) -> (f_1(x_1), ..., f_k(x_k))` of separate inputs, one after another.

    Shallower networks are padded to the depth of the deepest. For equal depths widths add layer by layer, and weights add
    exactly (Petersen & Voigtlaender 2018, Lemma 2.7 for shared inputs).

    **Raises:** `ValueError` for no networks.
    """
    return _side_by_side(networks, beside)


def stack(*networks: ReluNetwork) -> ReluNetwork:
    """The function `x -> (f_1(x), ..., f_k(x))` of the same inputs. Counts are as those of `parallel`.

    **Raises:** `ValueError` for no networks, or networks of different inputs.
    """
    dimensions = {network.inputs for network in networks}
    if len(dimensions) > 1:
        raise ValueError(f"networks must take the same inputs; received dimensions {sorted(dimensions)}; try parallel")
    return _side_by_side(networks, of_the_same)


def copies(network: ReluNetwork, count: int) -> ReluNetwork:
    """`parallel` of a network with itself, `count` times.

    **Raises:** `ValueError` for a count below 1.
    """
    count = as_integer("count", 1, count)
    eye = sparse.eye_array(count)
    return ReluNetwork(tuple(AffineMap(sparse.kron(eye, m.weight), np.tile(m.bias, count)) for m in network.maps))


def _side_by_side(networks: tuple[ReluNetwork, ...], join_first: Callable[[list[AffineMap]], AffineMap]) -> ReluNetwork:
    if not networks:
        raise ValueError("at least one network is needed; received none")
    depth = max(network.depth for network in networks)
    layers = list(zip(*(pad_to_depth(network, depth).maps for network in networks), strict=True))
    return ReluNetwork((join_first(list(layers[0])), *(beside(list(layer)) for layer in layers[1:])))
