"""What an expression says of a fully connected network: its first layer's kernel, and one step for each layer after it.

A word takes part by a rule registered for its type,

    @read_layer.register
    def _(layer: MyLayer, reading: Reading) -> Reading: ...
"""

import dataclasses
import math
from functools import singledispatch
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.kernels.needs import kernel_parameterization

Scalar = Any
"""A number without axes in the dtype of the inputs: of NumPy where it is known, of JAX where it is traced."""

_INSTEAD = (
    "Supported are nn.Dense with one activation between two of them, nn.Identity, nn.Scale, nn.Flatten, nn.Sequential and "
    "nn.Repeat; the kernel of any finite network can be estimated with nnlimits.empirical.monte_carlo"
)


class Scales(eqx.Module):
    """What a Dense layer makes of the second moments of its inputs.

    With `m_ab` the mean over units of the products of its inputs, the covariance of an output given the layers before is
    `bias_variance + weight_variance m_ab`, and its own parameters add `bias_rate + weight_rate m_ab` to the NTK (`C_b`,
    `C_W`, `lambda_b` and `lambda_W` of Roberts, Yaida & Hanin 2022). In the NTK parameterization the rates are the variances.
    """

    weight_variance: Scalar
    bias_variance: Scalar
    weight_rate: Scalar
    bias_rate: Scalar

    def __mul__(self, factor: Scalar) -> "Scales":
        """The same layer followed by a multiplication with the square root of `factor`."""
        return Scales(
            self.weight_variance * factor,
            self.bias_variance * factor,
            self.weight_rate * factor,
            self.bias_rate * factor,
        )


class HiddenStep(eqx.Module):
    """A hidden layer of `width` units, their nonlinearity, and the Dense layer that reads them."""

    activation: nn.Layer
    scales: Scales
    width: Scalar


class Reading(eqx.Module):
    """A network as far as it has been read."""

    x: Float[Array, "n ..."]
    first: Scales | None
    steps: tuple[HiddenStep, ...]
    activation: nn.Layer | None
    """The nonlinearity since the last Dense layer."""
    factor: Scalar
    """What its output has been multiplied with."""
    shape: tuple[int, ...] = eqx.field(static=True)
    parameterization: str = eqx.field(static=True)


def read(network: nn.Layer, x: Float[Array, "n ..."]) -> Reading:
    """The layers of `network`, with hyper-parameters in the dtype of the inputs `x`.

    **Raises:** `NotImplementedError` for a layer or an order of layers that has no finite-width rule.
    """
    shape = tuple(x.shape[1:])
    network.output_shape(shape)
    one = np.ones((), x.dtype)
    reading = read_layer(network, Reading(x, None, (), None, one, shape, kernel_parameterization(network)))
    if reading.first is None or reading.activation is not None:
        last = "no nn.Dense" if reading.first is None else f"{reading.activation!r} after its last nn.Dense"
        raise NotImplementedError(
            f"the first order in 1/width needs a network that ends in nn.Dense; this one has {last}"
        )
    return reading


@singledispatch
def read_layer(layer: nn.Layer, reading: Reading) -> Reading:
    """The reading after one more layer."""
    raise NotImplementedError(f"{type(layer).__name__} has no rule at first order in 1/width. {_INSTEAD}")


@read_layer.register
def _sequential(layer: nn.Sequential, reading: Reading) -> Reading:
    for inner in layer.layers:
        reading = read_layer(inner, reading)
    return reading


@read_layer.register
def _repeat(layer: nn.Repeat, reading: Reading) -> Reading:
    if math.isinf(layer.depth):
        raise NotImplementedError(
            "Repeat with infinite depth has no expansion in 1/width: its parameter is depth/width. Give it a finite depth"
        )
    for _ in range(int(layer.depth)):
        reading = read_layer(layer.block, reading)
    return reading


@read_layer.register
def _identity(layer: nn.Identity, reading: Reading) -> Reading:
    return reading


@read_layer.register
def _flatten(layer: nn.Flatten, reading: Reading) -> Reading:
    if reading.first is None:
        x = reading.x.reshape(len(reading.x), -1)
        return dataclasses.replace(reading, x=x, shape=x.shape[1:])
    return reading


@read_layer.register
def _scale(layer: nn.Scale, reading: Reading) -> Reading:
    factor = _scalar(layer.factor, reading.x.dtype)
    if reading.first is None:
        return dataclasses.replace(reading, x=factor * reading.x)
    if reading.activation is not None:
        return dataclasses.replace(reading, factor=factor * reading.factor)
    if not reading.steps:
        return dataclasses.replace(reading, first=reading.first * factor**2)
    *before, last = reading.steps
    last = dataclasses.replace(last, scales=last.scales * factor**2)
    return dataclasses.replace(reading, steps=(*before, last))


@read_layer.register
def _activation(layer: nn.Activation, reading: Reading) -> Reading:
    if reading.first is None:
        return dataclasses.replace(reading, x=layer(reading.x))
    if reading.activation is not None:
        raise NotImplementedError(
            f"{layer!r} directly after {reading.activation!r} has no rule at first order in 1/width: put an nn.Dense "
            "between them, or write both as one nn.Elementwise"
        )
    if isinstance(layer, nn.Step | nn.Sign):
        raise NotImplementedError(
            f"{type(layer).__name__} jumps, and has no expansion at first order in 1/width for inputs that nearly coincide. "
            "Use a continuous activation such as nn.Erf(), or estimate with nnlimits.empirical.monte_carlo"
        )
    return dataclasses.replace(reading, activation=layer)


@read_layer.register
def _dense(layer: nn.Dense, reading: Reading) -> Reading:
    return _affine(layer, reading)


@read_layer.register
def _linear(layer: nn.Linear, reading: Reading) -> Reading:
    if len(reading.shape) != 1:
        raise NotImplementedError(
            f"Linear over positions {reading.shape} has no rule at first order in 1/width: add nn.Flatten(), or estimate with "
            "nnlimits.empirical.monte_carlo"
        )
    return _affine(layer, reading)


def _affine(layer: nn.Dense | nn.Linear, reading: Reading) -> Reading:
    (fan_in,) = reading.shape
    scales = _scales(layer, fan_in, reading)
    shape = (layer.width,)
    if reading.first is None:
        return dataclasses.replace(reading, first=scales, shape=shape)
    gain = reading.factor**2
    scales = dataclasses.replace(
        scales, weight_variance=scales.weight_variance * gain, weight_rate=scales.weight_rate * gain
    )
    activation = nn.Identity() if reading.activation is None else reading.activation
    step = HiddenStep(activation, scales, _scalar(fan_in, reading.x.dtype))
    one = np.ones((), reading.x.dtype)
    return dataclasses.replace(reading, steps=(*reading.steps, step), activation=None, factor=one, shape=shape)


def _scales(layer: Any, fan_in: int, reading: Reading) -> Scales:
    dtype = reading.x.dtype
    weight = _scalar(layer.w_std, dtype) ** 2
    bias = _scalar(0.0 if layer.b_std is None else layer.b_std, dtype) ** 2
    if reading.parameterization == "ntk":
        return Scales(weight, bias, weight, bias)
    return Scales(weight, bias, _scalar(fan_in, dtype), _scalar(layer.b_std is not None, dtype))


def _scalar(value: Any, dtype: Any) -> Scalar:
    """A number in the dtype of the inputs; of NumPy where it is known, which costs no call of the device."""
    return jnp.asarray(value, dtype) if isinstance(value, jax.Array) else np.asarray(value, dtype)
