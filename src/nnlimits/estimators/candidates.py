"""The networks among which an estimator chooses."""

import itertools
from numbers import Integral, Real
from typing import Any

import numpy as np

from nnlimits import nn, presets
from nnlimits.estimators.weights import replace_weighted_layers, weight_groups, weighted_layers, with_scale
from nnlimits.kernels.first_layers import check_values
from nnlimits.validation import check_non_negative

PRESETS = {"mlp": presets.mlp, "cnn": presets.cnn, "gcn": presets.gcn}
"""Presets that can be given by name: those with a depth and an activation."""

ACTIVATIONS: dict[str, type[nn.Layer]] = {
    word.__name__.lower(): word
    for word in (nn.Relu, nn.Erf, nn.Gelu, nn.Tanh, nn.Silu, nn.Sigmoid, nn.Softplus, nn.Elu, nn.Sin, nn.Rbf, nn.Abs)
}
"""Activations that can be given by name."""

INITIAL_B_STD = 0.3
"""Where the selection of a preset's bias scale begins."""


def candidates(network: Any, depth: Any, activation: Any, w_std: Any, b_std: Any, *, rank: int = 1) -> list[nn.Layer]:
    """All networks that the arguments of an estimator describe, before their scales are selected.

    A `network` given as an expression is the only candidate; a preset is built for each depth and activation. "auto" is the
    preset that suits examples of `rank` axes: `mlp` for one, `cnn` for more. Numbers for `w_std` and `b_std` replace those of
    all layers but the readout; a layer without bias keeps none.

    **Raises:** `ValueError` or `TypeError` naming the argument that is out of range.
    """
    check_scale("w_std", w_std)
    check_scale("b_std", b_std)
    if isinstance(network, nn.Layer):
        return [_with_scales(network, w_std, b_std)]
    build = _preset(network, rank)
    depths = [_as_depth(d) for d in _options("depth", depth)]
    activations = [_as_candidate(a) for a in _options("activation", activation)]
    return [
        _with_scales(build(depth=d, activation=a, b_std=INITIAL_B_STD), w_std, b_std)
        for a, d in itertools.product(activations, depths)
    ]


def check_takes(network: nn.Layer, x: np.ndarray) -> None:
    """Raise `ValueError` unless the network takes the examples `x`, and gives them outputs without positions."""
    shape = x.shape[1:]
    try:
        output = network.output_shape(shape)
        check_values(network, x)
    except ValueError as error:
        hint = ""
        if len(shape) > 1 and isinstance(error, nn.ShapeError):
            hint = '; for images and sequences give network="cnn", or start a flat network with nn.Flatten()'
        raise ValueError(f"the network cannot take X, whose examples have shape {shape}: {error}{hint}") from error
    if len(output) != 1:
        raise ValueError(
            f"the network gives examples of shape {shape} outputs with positions, {output}; end it in nn.Flatten() or "
            "nn.GlobalAvgPool(), and an nn.Dense"
        )


def check_scale(name: str, value: Any) -> None:
    """Raise unless `value` is "auto", `None`, or a number that can be a scale."""
    if value is None or (isinstance(value, str) and value == "auto"):
        return
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f'{name} must be "auto", None (as the network says) or a number; received {value!r}')
    check_non_negative(name, value)


def _with_scales(network: nn.Layer, w_std: Any, b_std: Any) -> nn.Layer:
    n_readout = len(weight_groups(network).get("readout", []))
    layers = weighted_layers(network)
    body = layers[: len(layers) - n_readout]
    for name, value in (("w_std", w_std), ("b_std", b_std)):
        if isinstance(value, Real):
            body = [with_scale(layer, name, float(value)) for layer in body]
    return replace_weighted_layers(network, [*body, *layers[len(body) :]])


def _preset(name: Any, rank: int) -> Any:
    if isinstance(name, str) and name == "auto":
        return presets.mlp if rank == 1 else presets.cnn
    if not isinstance(name, str) or name not in PRESETS:
        raise ValueError(
            f'network must be an expression of nnlimits.nn, "auto", or the name of a preset ({", ".join(sorted(PRESETS))}); '
            f"received {name!r}"
        )
    return PRESETS[name]


def _options(name: str, value: Any) -> list[Any]:
    options = list(value) if isinstance(value, tuple | list) else [value]
    if not options:
        raise ValueError(f"{name} must be a value or a tuple of candidates; received an empty one")
    return options


def _as_depth(depth: Any) -> int:
    if isinstance(depth, bool) or not isinstance(depth, Integral) or depth < 1:
        raise ValueError(f"depth must be a positive integer, or a tuple of them; received {depth!r}")
    return int(depth)


def as_activation(activation: Any) -> nn.Layer:
    """The layer itself, or that of the name.

    **Raises:** `ValueError` for anything else.
    """
    if not _is_activation(activation):
        raise ValueError(
            f"activation must be a layer of nnlimits.nn, or one of {', '.join(sorted(ACTIVATIONS))}; received {activation!r}"
        )
    return activation if isinstance(activation, nn.Layer) else ACTIVATIONS[activation]()


def _as_candidate(activation: Any) -> nn.Layer:
    """As `as_activation`, where a tuple would do too."""
    if not _is_activation(activation):
        raise ValueError(
            f"activation must be a layer of nnlimits.nn, one of {', '.join(sorted(ACTIVATIONS))}, or a tuple of these; "
            f"received {activation!r}"
        )
    return as_activation(activation)


def _is_activation(value: Any) -> bool:
    return isinstance(value, nn.Layer) or (isinstance(value, str) and value in ACTIVATIONS)
