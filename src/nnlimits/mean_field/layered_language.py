"""From multilayer perceptrons of the language to mean-field networks of several layers, and back."""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from nnlimits import nn
from nnlimits.kernels.blocks import flatten
from nnlimits.mean_field.embedding import Embedding
from nnlimits.mean_field.laws import gaussian
from nnlimits.mean_field.layered import Layered, Rates

_NAME = "mean_field"


class _Perceptron(NamedTuple):
    dense: tuple[nn.Dense, ...]
    activations: tuple[nn.Activation, ...]


class _Scale(NamedTuple):
    """What the parameters of a layer are multiplied by in its function."""

    weight: float
    bias: float


def embedding_of(network: nn.Layer, input_shape: tuple[int, ...], *, output_bias: Any = None) -> Embedding:
    """What a multilayer perceptron becomes at infinite width, from the parameters that its `init` draws.

    Independent centred weights between hidden layers average to nothing as the width grows, so the embedding's are zero at the
    start, and what training adds to them is a function of the labels: the first layer's weights and bias, the last one's bias and
    readout weights, and the biases between (Nguyen & Pham 2023; with three or more hidden layers and no biases, all neurons of a
    layer between are one). Finite networks approach it as the root of their width.

    **Arguments:** `network`, of `nn.Dense` and activations in turn with `parameterization="mean_field"`, whose widths are free,
    but for their ratios; `input_shape`, that of an example, `(d,)`; `output_bias`, the bias of the last layer at the start
    (outputs,), if it has one: its draw is random at any width.

    **Raises:** `NotImplementedError` for other layers, or a kink where the limit starts; `ValueError` for another
    parameterization, inputs that are not flat, or an output bias that is missing or has no place.
    """
    dense, activations = _perceptron(network)
    if len(input_shape) != 1:
        raise ValueError(f"input_shape must be that of one flat example, such as (10,); received {input_shape}")
    _check_kinks(dense, activations)
    d, outputs, depth = input_shape[0], dense[-1].width, len(activations)
    scales = _scales(dense, d)
    start = _output_bias(dense[-1], output_bias)
    sizes = [int(bool(layer.b_std)) for layer in dense[:-1]]
    sizes[0] += d
    sizes[-1] += outputs
    laws = [gaussian(max(size, 1)) for size in sizes]  # a label that nothing depends on where there would be none
    functions = [
        lambda label: scales[0].weight * label[:d],
        *(_nothing for _ in range(depth - 1)),
        lambda label: scales[-1].weight * label[-outputs:],
    ]
    places = (d, *itertools.repeat(0, depth - 1))
    biases = [_bias(layer, scale, place) for layer, scale, place in zip(dense, scales, places, strict=False)]
    rates = _rates(dense, scales)
    return Embedding(laws, functions, activations, biases=biases, output_bias=start, rates=rates)


def layered_of(network: nn.Layer, params: PyTree) -> Layered:
    """The function of a finite multilayer perceptron as a `Layered` of masses `1/n`.

    Gradient descent on the network by `training.optimizer(network, input_shape, "sgd", step)` is `layered_descent` by `step`.

    **Arguments:** `network`, as of `embedding_of`; `params`, from its `init`.

    **Raises:** as `embedding_of`.
    """
    dense, activations = _perceptron(network)
    held = [own for layer, own in _with_params(network, params) if isinstance(layer, nn.Dense)]
    scales = _scales(dense, held[0]["weight"].shape[0])
    weights = tuple(_times(scale.weight, own["weight"]) for scale, own in zip(scales, held, strict=True))
    biases = tuple(
        _times(scale.bias, own["bias"]) if "bias" in own else None for scale, own in zip(scales, held, strict=True)
    )
    masses = tuple(np.full(layer.width, 1 / layer.width, weights[0].dtype) for layer in dense[:-1])
    return Layered(weights, masses, activations, biases, _rates(dense, scales))


def network_of(layered: Layered) -> tuple[nn.Sequential, PyTree]:
    """The network of the language, and its parameters, that computes what a `Layered` of equal masses does.

    Its `w_std` and `b_std` are what gives the `rates` of `layered`: gradient descent on it by
    `training.optimizer(network, input_shape, "sgd", step)` is `layered_descent` by `step`.

    **Raises:** `ValueError` for masses that are not equal, or weights other than zero that do not learn.
    """
    for masses in map(np.asarray, layered.masses):
        if not np.allclose(masses, 1 / len(masses), rtol=1e-4, atol=0):
            raise ValueError(
                "masses must be equal, as those of Embedding.sample: a network of the language averages over its neurons with "
                f"equal weights; received masses from {masses.min():.3g} to {masses.max():.3g}"
            )
    row, params = [], []
    for index, (weight, bias, rate) in enumerate(zip(layered.weights, layered.biases, layered.rates, strict=True)):
        fan_in, width = weight.shape
        between = 0 < index < len(layered.activations)
        w_scale, b_scale = math.sqrt(rate.weight * (width / fan_in if between else 1)), math.sqrt(rate.bias)
        params.append({"weight": _over(w_scale, weight, index)})
        if bias is not None:
            params[-1]["bias"] = _over(b_scale, bias, index)
        w_std = w_scale * math.sqrt(fan_in) if index == 0 else w_scale
        row.append(nn.Dense(width, w_std, None if bias is None else b_scale))
        if index < len(layered.activations):
            row.append(layered.activations[index])
            params.append(())
    return nn.Sequential(*row, parameterization=_NAME), tuple(params)


def _scales(dense: tuple[nn.Dense, ...], d: int) -> list[_Scale]:
    """In the function; averages over neurons are not among them."""
    stds = [(float(layer.w_std), float(layer.b_std or 0)) for layer in dense]
    return [_Scale(w / math.sqrt(d) if index == 0 else w, b) for index, (w, b) in enumerate(stds)]


def _rates(dense: tuple[nn.Dense, ...], scales: list[_Scale]) -> tuple[Rates, ...]:
    """What is multiplied by s in the function moves at the square of s; weights between layers at the square of their fan-in in
    place of the product of two widths.
    """
    ratios = [1.0, *(a.width / b.width for a, b in itertools.pairwise(dense[:-1])), 1.0]
    return tuple(Rates(s.weight**2 * ratio, s.bias**2) for s, ratio in zip(scales, ratios, strict=True))


def _check_kinks(dense: tuple[nn.Dense, ...], activations: tuple[nn.Activation, ...]) -> None:
    """From the second hidden layer on, units without bias start at zero in the limit, and on both sides of it at any width."""
    for layer, activation in zip(dense[1:-1], activations[1:], strict=True):
        if not layer.b_std and 0.0 in activation.kinks:
            raise NotImplementedError(
                f"the units of {layer!r} start at zero at infinite width, as it has no bias, where {activation!r} has a kink: "
                "which slope each of them has is no function of labels; give it a positive b_std, or a smooth activation"
            )


def _output_bias(last: nn.Dense, start: Any) -> np.ndarray | None:
    if last.b_std is None:
        if start is not None:
            raise ValueError(
                f"output_bias has no place: {last!r} has no bias; give it a b_std, or leave output_bias out"
            )
        return None
    if start is None:
        if last.b_std:
            raise ValueError(
                f"the bias of {last!r} is drawn once, and random at any width: give its start as output_bias, or b_std=None"
            )
        return np.zeros(last.width)
    start = np.asarray(start, np.float64)
    if start.shape != (last.width,):
        raise ValueError(f"output_bias must have the shape ({last.width},) of the outputs; received {start.shape}")
    return start


def _bias(layer: nn.Dense, scale: _Scale, place: int) -> Callable[[Array], Any] | None:
    if layer.b_std is None:
        return None
    return (lambda label: scale.bias * label[place]) if layer.b_std else (lambda label: jnp.zeros((), label.dtype))


def _nothing(source: Array, target: Array) -> Array:
    return jnp.zeros((), jnp.result_type(source, target))


def _times(scale: float, values: Any) -> np.ndarray:
    values = np.asarray(values)
    return values * values.dtype.type(scale)


def _over(scale: float, values: Any, index: int) -> np.ndarray:
    values = np.asarray(values)
    if scale == 0:
        if values.any():
            raise ValueError(
                f"layer {index} of weights has the rate 0 and values other than zero; in a network of the language the rate is "
                "the square of its scale, so give it a positive rate"
            )
        return values
    return values / values.dtype.type(scale)


def _perceptron(network: Any) -> _Perceptron:
    if not isinstance(network, nn.Layer):
        raise TypeError(f"network must be an expression of nnlimits.nn; received {type(network).__name__}")
    row = flatten((network,))
    for position, layer in enumerate(row):
        expected = nn.Dense if position % 2 == 0 else nn.Activation
        if not isinstance(layer, expected):
            raise NotImplementedError(
                f"{layer!r} in the place {position} of the network has no mean-field limit of several layers here, which are "
                "nn.Dense and an activation in turn; "
                + (
                    "write its blocks out"
                    if isinstance(layer, nn.Repeat)
                    else f"an {expected.__name__} would be taken there"
                )
            )
    if len(row) < 3 or len(row) % 2 == 0:
        raise NotImplementedError(f"{network!r} must have a hidden layer, and end in nn.Dense(outputs)")
    if network.network_parameterization().exponents != nn.ABC.named(_NAME):
        raise ValueError(
            f'network must have parameterization="{_NAME}", in which layers average over neurons: '
            f'nn.Sequential(..., parameterization="{_NAME}")'
        )
    return _Perceptron(row[::2], row[1::2])  # pyright: ignore[reportArgumentType]


def _with_params(layer: nn.Layer, params: PyTree) -> Iterator[tuple[nn.Layer, Any]]:
    """Each layer of nested rows with its own parameters."""
    if not isinstance(layer, nn.Sequential):
        yield layer, params
        return
    for inner, own in zip(layer.layers, params, strict=True):
        yield from _with_params(inner, own)
