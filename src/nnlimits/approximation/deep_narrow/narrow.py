"""Any shallow network, compiled into a deep one of width d_in + d_out + 1 (ReLU) or d_in + d_out + 2."""

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, PyTree

from nnlimits import nn
from nnlimits.approximation.deep_narrow.curvature import derivative
from nnlimits.approximation.deep_narrow.hidden_layer import HiddenLayer, hidden_layer
from nnlimits.approximation.deep_narrow.partial_sums import PartialSums, partial_sums, well_ordered
from nnlimits.approximation.deep_narrow.passing import MARGIN, Passing, passing
from nnlimits.approximation.deep_narrow.stacked import stacked
from nnlimits.approximation.domain import Box, as_box
from nnlimits.nn.fields import as_floating

_LEAST = 2.0**-6
"""Of the largest radius of a sum, that of the others at least."""


class Narrowed(NamedTuple):
    """A deep narrow network, and how far it is from its shallow parent."""

    network: nn.Sequential
    params: PyTree
    width: int
    """Of every hidden layer."""
    depth: int
    """The number of hidden layers."""
    truncation: float
    """A bound of the distance to the parent on the domain in real numbers: 0 where the activation has an affine piece."""
    rounding: float
    """A bound of what rounding adds in the precision of the parameters, to first order."""
    passing: Passing
    """How the activation lets inputs and partial sums pass."""
    proved: bool
    """Whether the truncation's bound is proved; otherwise derivatives of the activation were estimated on samples."""


def narrow(
    network: Any, params: PyTree, domain: Any, activation: Any = None, *, dtype: Any = np.float64
) -> tuple[nn.Sequential, PyTree]:
    """A deep network of width d_in + d_out + 1 (ReLU) or d_in + d_out + 2 that equals a shallow one on a box.

    Kidger & Lyons (2020), Proposition 4.2, the register model, and 4.9: d_in units of each layer hold the input, d_out a partial
    sum of the shallow network's outputs, and the others compute its hidden units, one in each layer for ReLU, two otherwise.
    What a unit holds passes through the activation where that is affine, or nearly so (see `passing.py`). A random network of
    200 units with two inputs and outputs is followed to about 1e-6 in float32, and 1e-14 in float64, where the activation has an
    affine piece or is zero at zero; other activations lose a third of the digits, so that sigmoid, cosine and Gaussian follow it
    to 5e-5, 1.4e-4 and 4e-4 in float32, and 1e-10 in float64: take that where digits matter.

    **Arguments:** `network`, a shallow network: affine layers and one activation, of any parameterization; `params`, its
    parameters; `domain`, a `Box` or what `as_box` takes; `activation`, that of the deep network, as is the shallow one's if
    absent; `dtype`, of the deep network's parameters.

    **Returns:** the network and its parameters.

    **Raises:** as `narrowed`.
    """
    found = narrowed(network, params, domain, activation, dtype=dtype)
    return found.network, found.params


def narrowed(network: Any, params: PyTree, domain: Any, activation: Any = None, *, dtype: Any = np.float64) -> Narrowed:
    """As `narrow`, with bounds of the distance to the shallow network.

    **Raises:** `TypeError` for what is no network or activation; `ValueError` for a network that is not shallow and fully
    connected, for an activation that is affine, flat, or not the network's own, and for more layers than values survive in the
    precision `dtype`, naming how many they do.
    """
    box, kind = as_box(domain), as_floating(dtype)
    layer = hidden_layer(network, params, box.dimension)
    if activation is not None and activation != layer.activation:
        raise ValueError(
            f"activation={activation!r}, and the shallow network's is {layer.activation!r}: its hidden units are computed as "
            "they are; approximate the function by a shallow network of the activation that you want, and compile that"
        )
    return compiled_through(layer, box, passing(layer.activation, kind), kind)


def compiled_through(layer: HiddenLayer, box: Box, through: Passing, kind: np.dtype) -> Narrowed:
    """As `narrowed`, with values that pass the activation where one says, at any reach."""
    units = 1 if isinstance(layer.activation, nn.Relu) else 2
    layer = _padded(well_ordered(layer, box), units)
    sums = partial_sums(layer, box, units)
    registers = _Registers.made(box, sums)
    registers = registers.widened(_drifts(layer, sums, registers.without_sums, through.typical, 0.0))
    truncation = _distance(layer, sums, registers, through.truncation, 0.0)
    roundoff = float(np.finfo(kind).eps) / 2
    whole = _distance(layer, sums, registers, through.change, roundoff)
    depth = layer.units // units
    _check_survives(layer, sums, registers, through, kind)
    compiled, deep_params = _compiled(layer, registers, through, kind)
    width = box.dimension + layer.outer.shape[1] + units
    return Narrowed(
        compiled, deep_params, width, depth, truncation, whole - truncation, through, through.proved and sums.proved
    )


class _Registers(NamedTuple):
    """The values that registers hold: centre + radius v with v in [-1, 1]; radii are powers of two, so that scaling is exact."""

    input_centre: Float[np.ndarray, " d"]
    input_radius: Float[np.ndarray, " d"]
    sum_centre: Float[np.ndarray, "layers outputs"]
    sum_radius: Float[np.ndarray, "layers outputs"]

    @classmethod
    def made(cls, box: Box, sums: PartialSums) -> "_Registers":
        return cls(
            box.centre,
            _power_of_two(box.sides / 2),
            (sums.low + sums.high) / 2,
            _power_of_two(_growing((sums.high - sums.low) / 2)),
        )

    @property
    def without_sums(self) -> "_Registers":
        """The same with sums that are held without error, to see what inputs do to them."""
        return self._replace(sum_radius=np.zeros_like(self.sum_radius))

    def widened(self, drifts: Float[np.ndarray, "layers outputs"]) -> "_Registers":
        """With radii beside which such drifts behind each layer are small, none larger than the largest."""
        before = np.concatenate([np.zeros_like(drifts[:1]), drifts[:-1]]) * (2 / MARGIN)
        needed = np.minimum(before, self.sum_radius.max(axis=0))
        return self._replace(sum_radius=_power_of_two(np.maximum(self.sum_radius, needed)))


def _growing(half_ranges: Float[np.ndarray, "layers outputs"]) -> Float[np.ndarray, "layers outputs"]:
    """At least those of all layers before, so that what these made wrong stays small beside them, and a share of the last."""
    return np.maximum(np.maximum.accumulate(half_ranges, axis=0), _LEAST * half_ranges.max(axis=0))


def _power_of_two(radius: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """The least powers of two that are not less; 1 for 0."""
    return np.exp2(np.ceil(np.log2(np.where(radius > 0, radius, 1.0))))


def _padded(layer: HiddenLayer, units: int) -> HiddenLayer:
    """The layer with a number of units that `units` divides; those added do nothing."""
    missing = -layer.units % units
    return layer._replace(
        inner=np.pad(layer.inner, ((0, 0), (0, missing))),
        inner_bias=np.pad(layer.inner_bias, (0, missing)),
        outer=np.pad(layer.outer, ((0, missing), (0, 0))),
    )


def _compiled(
    layer: HiddenLayer, registers: _Registers, through: Passing, dtype: np.dtype
) -> tuple[nn.Sequential, PyTree]:
    depth, outputs = registers.sum_centre.shape
    d, units = len(layer.inner), layer.units // depth
    width = d + outputs + units
    inputs, sums, computing = slice(0, d), slice(d, d + outputs), slice(d + outputs, width)
    inner = layer.inner.T.reshape(depth, units, d).transpose(0, 2, 1)  # (layer, d, units)
    inner_bias, outer = layer.inner_bias.reshape(depth, units), layer.outer.reshape(depth, units, outputs)
    centre, radius = registers.input_centre, registers.input_radius
    value, slope = _as_computed(layer.activation, through, dtype)
    # a register's content is centre + unit_size (its unit's output - value)
    unit_size = radius / (through.reach * slope)
    sum_size = registers.sum_radius[-1] / (through.reach * slope)

    first, first_bias = np.zeros((d, width)), np.zeros(width)
    first[:, inputs], first_bias[inputs] = (
        np.diag(through.reach / radius),
        through.point - through.reach * centre / radius,
    )
    first_bias[sums] = through.point - through.reach * registers.sum_centre[0] / registers.sum_radius[0]
    first[:, computing], first_bias[computing] = inner[0], inner_bias[0]

    weight, bias = np.zeros((depth - 1, width, width)), np.zeros((depth - 1, width))
    held = np.arange(d + outputs)
    readings = _readings(slope, depth - 1, dtype)[:, None]
    # a sum's radius changes from layer to layer, by powers of two
    readings = np.broadcast_to(readings, (depth - 1, d + outputs)).copy()
    readings[:, sums] *= registers.sum_radius[:-1] / registers.sum_radius[1:]
    weight[:, held, held], bias[:, held] = readings, through.point - value * readings
    bias[:, sums] -= through.reach * np.diff(registers.sum_centre, axis=0) / registers.sum_radius[1:]
    weight[:, computing, sums] = outer[:-1] * (through.reach / registers.sum_radius[1:, None])
    weight[:, inputs, computing] = inner[1:] * unit_size[:, None]
    bias[:, computing] = inner_bias[1:] + np.einsum("d,ldu->lu", centre - unit_size * value, inner[1:])

    last, last_bias = np.zeros((width, outputs)), layer.outer_bias + registers.sum_centre[-1] - sum_size * value
    last[sums], last[computing] = np.diag(sum_size), outer[-1]
    return stacked((first, first_bias), (weight, bias), (last, last_bias), layer.activation, dtype)


def _distance(layer: HiddenLayer, sums: PartialSums, registers: _Registers, change: float, roundoff: float) -> float:
    """A bound of the distance to the shallow network if each layer changes a register's content, in radii, by `change`.

    Roundings come with `roundoff`.
    """
    last = np.abs(layer.outer_bias) + np.abs(registers.sum_centre[-1]) + registers.sum_radius[-1]
    return float((_drifts(layer, sums, registers, change, roundoff)[-1] + 4 * roundoff * last).max())


def _drifts(
    layer: HiddenLayer, sums: PartialSums, registers: _Registers, change: float, roundoff: float
) -> Float[np.ndarray, "layers outputs"]:
    """By how much a sum is wrong behind each layer, at most.

    The inputs that layer l reads have passed l - 1 activations, and move its units by their weights; each layer changes the sums
    by a share of their radius. Roundings of a unit's pre-activation, its evaluation, and the parameters come with `roundoff`.
    """
    depth, outputs = registers.sum_radius.shape
    passed = np.repeat(np.arange(depth), layer.units // depth)
    weights, radius = np.abs(layer.inner), registers.input_radius
    size = (np.abs(registers.input_centre) + 2 * radius) @ weights + np.abs(layer.inner_bias)
    summands = len(weights) + 3
    moved = passed * change * (radius @ weights) + summands * roundoff * size
    values = abs(float(derivative(layer.activation, 0, 0.0))) + sums.lipschitz * size
    by_units = np.abs(layer.outer) * (sums.lipschitz * moved + 8 * roundoff * values)[:, None]
    by_layers = by_units.reshape(depth, -1, outputs).sum(axis=1) + change * registers.sum_radius
    return np.cumsum(by_layers, axis=0)


def _check_survives(
    layer: HiddenLayer, sums: PartialSums, registers: _Registers, through: Passing, dtype: np.dtype
) -> None:
    """Refuse if contents may leave the neighbourhood in which the passing is bounded."""
    depth = len(registers.sum_centre)
    of_sums = _drifts(layer, sums, registers, through.typical, 0.0)[:-1] / registers.sum_radius[1:]
    drift = max(depth * through.typical, float(of_sums.max(initial=0.0)))
    if drift > MARGIN:
        fewer = max(1, math.floor(layer.units * MARGIN / drift))
        remedy = "take dtype=np.float64, or " if dtype == np.float32 else ""
        raise ValueError(
            f"values do not survive {depth} layers of {layer.activation!r} in {dtype.name}: each changes them by about "
            f"{through.typical:.2g} of their range, by which the sums could drift by {drift:.2g} of theirs, more than "
            f"{MARGIN:g}; {remedy}compile a network of fewer hidden units (about {fewer}) or smaller weights"
        )


def _as_computed(activation: nn.Activation, through: Passing, dtype: np.dtype) -> tuple[float, float]:
    """The activation's value and slope at the point as they come out in a precision.

    They differ from the true ones by a rounding, which would add up over layers, as it is the same in each.
    """
    ends = through.point + through.reach * np.array([-1.0, 0.0, 1.0])
    left, value, right = derivative(activation, 0, ends, dtype).astype(np.float64)
    secant = float(right - left) / (2 * through.reach)
    known = abs(secant / through.slope - 1) <= 4 * float(np.finfo(dtype).eps)
    return float(value), secant if known else through.slope


def _readings(slope: float, depth: int, dtype: np.dtype) -> Float[np.ndarray, " layers"]:
    """What each layer multiplies a register's output by: one over the slope, rounded so that the product of all is right."""
    product, readings = 1.0, []
    for _ in range(depth):
        readings.append(float(np.asarray(1 / (slope * product), dtype)))
        product *= readings[-1] * slope
    return np.asarray(readings)
