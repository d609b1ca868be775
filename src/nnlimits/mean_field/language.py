"""From the language to mean-field networks and back: the same network with finitely many neurons."""

import math
from typing import Any

import numpy as np
from jaxtyping import PyTree

from nnlimits import nn
from nnlimits.kernels.blocks import flatten
from nnlimits.mean_field.laws import GaussianMixture, gaussian
from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.two_layer import TwoLayer


def two_layer(network: nn.Layer, input_shape: tuple[int, ...]) -> tuple[TwoLayer, GaussianMixture]:
    """What `network` becomes at infinite width in the mean-field parameterization: its neurons, and their law at the start.

    `Dense, activation, Dense`, whose width is free. A finite network that `network.init` draws with
    `parameterization="mean_field"` is a sample of the law; gradient descent on it, at the rate `step * width` for all
    parameters, is `descent` at `step`.

    **Arguments:** `network`; `input_shape`, that of an example, `(d,)`.

    **Raises:** `NotImplementedError` for another row of layers, or a bias of the last one, whose noise is not averaged over
    neurons.
    """
    first, activation, last = _layers(network)
    if last.b_std not in (None, 0):
        raise NotImplementedError(f"{last!r} has a bias, which belongs to no neuron; give it b_std=None")
    if len(input_shape) != 1:
        raise ValueError(f"input_shape must be that of one flat example, such as (10,); received {input_shape}")
    scales = float(first.w_std) / math.sqrt(input_shape[0]), float(first.b_std or 0), float(last.w_std)
    units = TwoLayer(activation, input_shape[0], last.width, bias=bool(first.b_std), scales=scales)
    return units, gaussian(units.size)


def neurons_of(network: nn.Layer, params: PyTree) -> Neurons:
    """The neurons of a finite network, whose units are those of `two_layer`, from the parameters of its `init`."""
    first, _, _ = _layers(network)
    columns = [np.asarray(params[0]["weight"]).T]
    if first.b_std:
        columns.append(np.asarray(params[0]["bias"])[:, None])
    return Neurons(np.concatenate([*columns, np.asarray(params[2]["weight"])], axis=1))


def parameters_of(network: nn.Layer, neurons: Neurons) -> PyTree:
    """The parameters of the finite network that has these neurons, of the width `len(neurons)`; masses that differ go into the
    readout weights.
    """
    first, _, last = _layers(network)
    positions = np.asarray(neurons.positions)
    d = positions.shape[1] - last.width - bool(first.b_std)
    a = positions[:, -last.width :] * (len(neurons) * np.asarray(neurons.masses))[:, None]
    dtype = positions.dtype
    parts: tuple[dict[str, Any], dict[str, Any]] = {"weight": positions[:, :d].T}, {"weight": a.astype(dtype)}
    if first.b_std is not None:
        parts[0]["bias"] = positions[:, d] if first.b_std else np.zeros(len(neurons), dtype)
    if last.b_std is not None:
        parts[1]["bias"] = np.zeros(last.width, dtype)
    return parts[0], (), parts[1]


def _layers(network: Any) -> tuple[nn.Dense, nn.Activation, nn.Dense]:
    if not isinstance(network, nn.Layer):
        raise TypeError(f"network must be an expression of nnlimits.nn; received {type(network).__name__}")
    match flatten((network,)):
        case (nn.Dense() as first, nn.Activation() as activation, nn.Dense() as last):
            return first, activation, last
    raise NotImplementedError(
        f"{network!r} is not a network with one hidden layer, nn.Sequential(nn.Dense(m), activation, nn.Dense(outputs))"
    )
