"""One network after another."""

from nnlimits.approximation.relu_calculus.identity import identity
from nnlimits.approximation.relu_calculus.relu_network import ReluNetwork
from nnlimits.validation import check_instance


def compose(outer: ReluNetwork, *inner: ReluNetwork) -> ReluNetwork:
    """The function `x -> outer(inner(x))`, the last of several applied first.

    The last affine map of the inner network and the first one of the outer merge into one, so that depths and units add:

        depth(f after g) = depth(f) + depth(g),   units(f after g) = units(f) + units(g),
        width(f after g) = max(width(f), width(g)).

    The merged matrix may have as many entries as fit into it; `compose_sparsely` bounds their number.

    **Raises:** `ValueError` if a network takes another number of inputs than the one inside it gives; `TypeError` for what is no
    `ReluNetwork`.
    """
    check_instance("outer", outer, ReluNetwork)
    result = outer
    for one in inner:
        check_instance("inner", one, ReluNetwork)
        if result.inputs != one.outputs:
            raise ValueError(f"the outer network takes {result.inputs} numbers, and the inner one gives {one.outputs}")
        merged = one.maps[-1].then(result.maps[0])
        result = ReluNetwork((*one.maps[:-1], merged, *result.maps[1:]))
    return result


def compose_sparsely(outer: ReluNetwork, inner: ReluNetwork) -> ReluNetwork:
    """The same function with an identity of depth 1 between the two, so that no matrices multiply.

        depth = depth(f) + depth(g) + 1,   units = units(f) + units(g) + 2 outputs(g),
        weights = weights(f) + weights(g) + weights(last map of g) + nonzeros of W of the first map of f
                <= 2 (weights(f) + weights(g)).

    The sparse concatenation of Petersen & Voigtlaender (2018, Definition 2.5 and Remark 2.6), whose depth counts affine maps.

    **Raises:** as `compose`.
    """
    return compose(outer, identity(inner.outputs, 1), inner)
