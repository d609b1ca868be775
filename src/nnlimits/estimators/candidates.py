"""The networks among which an estimator chooses."""

import itertools
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import equinox as eqx
import jax

from nnlimits import nn, presets
from nnlimits.validation import check_non_negative

ACTIVATIONS: dict[str, type[nn.Layer]] = {
    word.__name__.lower(): word
    for word in (nn.Relu, nn.Erf, nn.Gelu, nn.Tanh, nn.Silu, nn.Sigmoid, nn.Softplus, nn.Elu, nn.Sin, nn.Rbf, nn.Abs)
}
"""Activations that can be given by name."""

INITIAL_B_STD = 0.3
"""Where the selection of a preset's bias scale begins."""


def candidates(network: Any, depth: Any, activation: Any, w_std: Any, b_std: Any) -> list[nn.Layer]:
    """All networks that the arguments of an estimator describe, before their scales are selected.

    A `network` given as an expression is the only candidate; a preset is built for each depth and activation. Numbers for
    `w_std` and `b_std` replace those of all layers but the readout; a layer without bias keeps none.

    **Raises:** `ValueError` or `TypeError` naming the argument that is out of range.
    """
    check_scale("w_std", w_std)
    check_scale("b_std", b_std)
    if isinstance(network, nn.Layer):
        return [_with_scales(network, w_std, b_std)]
    build = _preset(network)
    depths = [_as_depth(d) for d in _options("depth", depth)]
    activations = [_as_activation(a) for a in _options("activation", activation)]
    return [
        _with_scales(build(depth=d, activation=a, b_std=INITIAL_B_STD), w_std, b_std)
        for a, d in itertools.product(activations, depths)
    ]


def dense_groups(network: nn.Layer) -> dict[str, list[nn.Dense]]:
    """The dense layers of a network: its `input` layer, its `readout` if it ends in one, and the `hidden` ones between."""
    found = dense_layers(network)
    last = network
    while isinstance(last, nn.Sequential) and last.layers:
        last = last.layers[-1]
    readout = found[-1:] if len(found) > 1 and isinstance(last, nn.Dense) else []
    rest = found[: len(found) - len(readout)]
    groups = {"input": rest[:1], "hidden": rest[1:], "readout": readout}
    return {name: layers for name, layers in groups.items() if layers}


def dense_layers(network: Any) -> list[nn.Dense]:
    """All dense layers of a network, in the order of the expression."""
    return [word for word in jax.tree.leaves(network, is_leaf=_is_dense) if _is_dense(word)]


def replace_dense_layers(network: Any, layers: Sequence[nn.Dense]) -> Any:
    """The network with its dense layers, in the order of the expression, replaced."""
    remaining = iter(layers)
    return jax.tree.map(lambda word: next(remaining) if _is_dense(word) else word, network, is_leaf=_is_dense)


def check_scale(name: str, value: Any) -> None:
    """Raise unless `value` is "auto", `None`, or a number that can be a scale."""
    if value is None or (isinstance(value, str) and value == "auto"):
        return
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f'{name} must be "auto", None (as the network says) or a number; received {value!r}')
    check_non_negative(name, value)


def _is_dense(word: Any) -> bool:
    return isinstance(word, nn.Dense)


def _with_scales(network: nn.Layer, w_std: Any, b_std: Any) -> nn.Layer:
    groups = dense_groups(network)
    n_readout = len(groups.get("readout", []))
    layers = dense_layers(network)
    body = layers[: len(layers) - n_readout]
    for name, value in (("w_std", w_std), ("b_std", b_std)):
        if isinstance(value, Real):
            body = [
                layer
                if getattr(layer, name) is None
                else eqx.tree_at(lambda layer, name=name: getattr(layer, name), layer, float(value))
                for layer in body
            ]
    return replace_dense_layers(network, [*body, *layers[len(body) :]])


def _preset(name: Any) -> Any:
    if not isinstance(name, str) or name not in presets.FLAT:
        raise ValueError(
            f"network must be an expression of nnlimits.nn or the name of a preset ({', '.join(sorted(presets.FLAT))}); "
            f"received {name!r}"
        )
    return presets.FLAT[name]


def _options(name: str, value: Any) -> list[Any]:
    options = list(value) if isinstance(value, tuple | list) else [value]
    if not options:
        raise ValueError(f"{name} must be a value or a tuple of candidates; received an empty one")
    return options


def _as_depth(depth: Any) -> int:
    if isinstance(depth, bool) or not isinstance(depth, Integral) or depth < 1:
        raise ValueError(f"depth must be a positive integer, or a tuple of them; received {depth!r}")
    return int(depth)


def _as_activation(activation: Any) -> nn.Layer:
    if isinstance(activation, nn.Layer):
        return activation
    if isinstance(activation, str) and activation in ACTIVATIONS:
        return ACTIVATIONS[activation]()
    raise ValueError(
        f"activation must be a layer of nnlimits.nn, one of {', '.join(sorted(ACTIVATIONS))}, or a tuple of these; "
        f"received {activation!r}"
    )
