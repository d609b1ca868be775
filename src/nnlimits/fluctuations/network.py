"""What an expression says of a network: its first layer's kernel, and one step for each layer after it.

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
from nnlimits.fluctuations.positions import Filter, Pool, PositionMap, Reads, everywhere, reads_of
from nnlimits.kernels.needs import kernel_parameterization

Scalar = Any
"""A number without axes in the dtype of the inputs: of NumPy where it is known, of JAX where it is traced."""

_INSTEAD = (
    "Supported are nn.Dense and nn.Conv with one activation between two of them, pools, nn.Identity, nn.Scale, nn.Flatten, "
    "nn.Sequential and nn.Repeat; the kernel of any finite network can be estimated with nnlimits.empirical.monte_carlo"
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
    """A hidden layer of `width` units (at each position), their nonlinearity, and the layer that reads them."""

    activation: nn.Layer
    scales: Scales
    width: Scalar
    positions: int = eqx.field(static=True, default=1)
    """How many positions the nonlinearity acts at."""
    before: tuple[PositionMap, ...] = ()
    """What happens over positions before the nonlinearity."""
    reads: tuple[PositionMap, ...] = ()
    """What happens over positions after it, and in the layer that reads."""


class Reading(eqx.Module):
    """A network as far as it has been read."""

    x: Float[Array, "n ..."]
    first: Scales | None
    steps: tuple[HiddenStep, ...]
    activation: nn.Layer | None
    """The nonlinearity since the last layer with weights."""
    factor: Scalar
    """What its output has been multiplied with."""
    shape: tuple[int, ...] = eqx.field(static=True)
    parameterization: str = eqx.field(static=True)
    first_reads: tuple[PositionMap, ...] = ()
    """What the first layer does over positions."""
    before: tuple[PositionMap, ...] = ()
    """What happened over positions between the last layer with weights and its nonlinearity, or the end."""
    after: tuple[PositionMap, ...] = ()
    """What happened over positions since the nonlinearity."""
    positions: int = eqx.field(static=True, default=1)
    """How many positions there are, `Flatten` or not."""
    shared: str | None = eqx.field(static=True, default=None)
    """The first layer whose weights are shared by positions."""


def read(network: nn.Layer, x: Float[Array, "n ..."]) -> Reading:
    """The layers of `network`, with hyper-parameters in the dtype of the inputs `x`.

    **Raises:** `NotImplementedError` for a layer or an order of layers that has no finite-width rule.
    """
    shape = tuple(x.shape[1:])
    network.output_shape(shape)
    one = np.ones((), x.dtype)
    reading = read_layer(network, Reading(x, None, (), None, one, shape, kernel_parameterization(network)))
    if reading.first is None or reading.activation is not None:
        last = "no nn.Dense" if reading.first is None else f"{reading.activation!r} after its last layer with weights"
        raise NotImplementedError(
            f"the first order in 1/width needs a network that ends in nn.Dense; this one has {last}"
        )
    if reading.positions > 1:
        raise NotImplementedError(
            f"the first order in 1/width needs outputs without positions; this network's have {reading.positions}. End it with "
            "nn.Flatten() and nn.Dense(...), or with nn.GlobalAvgPool()"
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
            "Repeat with infinite depth has no expansion in 1/width: its parameter is depth/width. Give it a finite depth; "
            "shaped networks at a fixed depth/width are in nnlimits.infinite_depth.covariance_samples"
        )
    block = layer.resolved_block()
    for _ in range(int(layer.depth)):
        reading = read_layer(block, reading)
    return reading


@read_layer.register
def _identity(layer: nn.Identity, reading: Reading) -> Reading:
    return reading


@read_layer.register
def _flatten(layer: nn.Flatten, reading: Reading) -> Reading:
    if reading.first is None:
        x = reading.x.reshape(len(reading.x), -1)
        return dataclasses.replace(reading, x=x, shape=x.shape[1:])
    return dataclasses.replace(reading, shape=(math.prod(reading.shape),))


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
def _pool(layer: nn.AvgPool | nn.SumPool, reading: Reading) -> Reading:
    windows = layer.windows(reading.shape)
    factor = 1 / math.prod(windows.kernel) if isinstance(layer, nn.AvgPool) else 1.0
    return _pooled(layer, reading, reads_of(windows, reading.shape[:-1]), factor)


@read_layer.register
def _global_pool(layer: nn.GlobalAvgPool | nn.GlobalSumPool, reading: Reading) -> Reading:
    positions = math.prod(reading.shape[:-1])
    factor = 1 / positions if isinstance(layer, nn.GlobalAvgPool) else 1.0
    return _pooled(layer, reading, everywhere(positions), factor)


def _pooled(layer: nn.Layer, reading: Reading, reads: Reads, factor: float) -> Reading:
    shape = layer.output_shape(reading.shape)
    if reading.first is None:
        return dataclasses.replace(reading, x=layer.apply({}, reading.x), shape=shape)
    pool = Pool(reads, reading.positions, factor)
    if reading.activation is None:
        return dataclasses.replace(reading, before=(*reading.before, pool), positions=pool.outputs, shape=shape)
    return dataclasses.replace(reading, after=(*reading.after, pool), positions=pool.outputs, shape=shape)


@read_layer.register
def _conv(layer: nn.Conv, reading: Reading) -> Reading:
    positions = reading.shape[:-1]
    reads = Filter(reads_of(layer.windows(reading.shape), positions), math.prod(positions))
    return _affine(layer, reading, (reads,))


@read_layer.register
def _dense(layer: nn.Dense, reading: Reading) -> Reading:
    return _whole(layer, reading)


def _whole(layer: nn.Dense | nn.Linear, reading: Reading) -> Reading:
    """A layer that reads all positions, laid out along one axis."""
    if reading.positions == 1:
        return _affine(layer, reading, ())
    return _affine(layer, reading, (Filter(everywhere(reading.positions), reading.positions),))


@read_layer.register
def _linear(layer: nn.Linear, reading: Reading) -> Reading:
    contracted = len(layer.contracted(reading.shape))
    if contracted == len(reading.shape):
        return _whole(layer, _flatten(nn.Flatten(), reading))
    if contracted == 1:
        return _affine(layer, reading, ())
    raise NotImplementedError(
        f"{layer!r} contracts some of the positions {reading.shape[:-1]} and not others, which has no rule at first order in "
        "1/width. Contract all axes, or the last alone"
    )


def _affine(layer: nn.Dense | nn.Linear | nn.Conv, reading: Reading, reads: tuple[PositionMap, ...]) -> Reading:
    shape = layer.output_shape(reading.shape)
    scales = _scales(layer, layer.fan_in(reading.shape), reading)
    outputs = math.prod(shape[:-1])
    shares = isinstance(layer, nn.Conv) or outputs > 1
    shared = reading.shared or (type(layer).__name__ if shares else None)
    new = {"shape": shape, "positions": outputs, "shared": shared}
    if reading.first is None:
        return dataclasses.replace(reading, first=scales, first_reads=reads, **new)
    gain = reading.factor**2
    scales = dataclasses.replace(
        scales, weight_variance=scales.weight_variance * gain, weight_rate=scales.weight_rate * gain
    )
    activation = nn.Identity() if reading.activation is None else reading.activation
    acting = reading.after[0].positions if reading.after else reading.positions
    width = _scalar(math.prod(reading.shape) // reading.positions, reading.x.dtype)
    before, after = reading.before, (*reading.after, *reads)
    step = HiddenStep(activation, scales, width, acting, before, after)
    one = np.ones((), reading.x.dtype)
    steps = (*reading.steps, step)
    return dataclasses.replace(reading, steps=steps, activation=None, factor=one, before=(), after=(), **new)


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
