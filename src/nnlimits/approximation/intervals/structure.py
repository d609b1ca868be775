"""Operations that only move entries: each end moves alike."""

from typing import Any

import numpy as np

from nnlimits.approximation.intervals.concrete import evaluated
from nnlimits.approximation.intervals.interval import Interval, known
from nnlimits.approximation.intervals.registry import register


@register("copy", "copy_p", "optimization_barrier", "pvary", "stop_gradient")
def unchanged(_: Any, *operands: Interval) -> list[Interval]:
    """The operands."""
    return list(operands)


@register("reshape")
def reshape(equation: Any, a: Interval, *_: Interval) -> Interval:
    """Entries in the same order in another shape; the order may be that of axes exchanged before."""
    shape, axes = equation.outvars[0].aval.shape, equation.params["dimensions"]
    return a.moved(lambda values: np.reshape(values if axes is None else np.transpose(values, axes), shape))


@register("squeeze", "expand_dims")
def squeeze(equation: Any, a: Interval) -> Interval:
    """Without axes of length one, or with more of them."""
    return a.moved(lambda values: np.reshape(values, equation.outvars[0].aval.shape))


@register("transpose")
def transpose(equation: Any, a: Interval) -> Interval:
    """Axes in another order."""
    return a.moved(lambda values: np.transpose(values, equation.params["permutation"]))


@register("broadcast_in_dim")
def broadcast(equation: Any, a: Interval, *_: Interval) -> Interval:
    """Repeated along new axes and along those of length one."""
    shape, axes = equation.params["shape"], equation.params["broadcast_dimensions"]
    aligned = [1] * len(shape)
    for axis, size in zip(axes, np.shape(a.lower), strict=True):
        aligned[axis] = size
    return a.moved(lambda values: np.broadcast_to(np.reshape(values, aligned), shape))


@register("iota")
def counted(equation: Any) -> Interval:
    """0, 1, 2, ... along an axis."""
    shape, axis = equation.params["shape"], equation.params["dimension"]
    along = [-1 if place == axis else 1 for place in range(len(shape))]
    return known(np.broadcast_to(np.arange(shape[axis], dtype=np.float64).reshape(along), shape))


@register("empty", "empty2")
def unused(equation: Any) -> Interval:
    """What stands for the values of a branch that is not taken."""
    return known(np.zeros(equation.outvars[0].aval.shape))


@register("concatenate")
def concatenate(equation: Any, *operands: Interval) -> Interval:
    """One behind the other."""
    axis = equation.params["dimension"]
    lower = np.concatenate([operand.lower for operand in operands], axis)
    if all(operand.exact for operand in operands):
        return known(lower)
    return Interval(lower, np.concatenate([operand.upper for operand in operands], axis))


@register("stack")
def stack(equation: Any, *operands: Interval) -> Interval:
    """Side by side along a new axis."""
    axis = equation.params["axis"]
    lower = np.stack([operand.lower for operand in operands], axis)
    if all(operand.exact for operand in operands):
        return known(lower)
    return Interval(lower, np.stack([operand.upper for operand in operands], axis))


@register("tile")
def tile(equation: Any, a: Interval) -> Interval:
    """Repeated side by side."""
    return a.moved(lambda values: np.tile(values, equation.params["reps"]))


@register("slice")
def cut(equation: Any, a: Interval) -> Interval:
    """From a start to a limit along each axis."""
    params = equation.params
    strides = params["strides"] or (1,) * len(params["start_indices"])
    ends = zip(params["start_indices"], params["limit_indices"], strides, strict=True)
    places = tuple(slice(*end) for end in ends)
    return a.moved(lambda values: values[places])


@register("split")
def split(equation: Any, a: Interval) -> list[Interval]:
    """Parts along an axis."""
    sizes, axis = equation.params["sizes"], equation.params["axis"]
    ends = np.cumsum(sizes)[:-1]
    lower = np.split(a.lower, ends, axis)
    upper = lower if a.exact else np.split(a.upper, ends, axis)
    return [Interval(*part) for part in zip(lower, upper, strict=True)]


@register("rev")
def reverse(equation: Any, a: Interval) -> Interval:
    """Backward along some axes."""
    return a.moved(lambda values: np.flip(values, equation.params["dimensions"]))


@register("pad")
def pad(equation: Any, a: Interval, padding: Interval) -> Interval:
    """With a value around and between."""
    shape = equation.outvars[0].aval.shape
    places, cut_places = [], []
    for (low, high, between), size, length in zip(
        equation.params["padding_config"], np.shape(a.lower), shape, strict=True
    ):
        positions = low + np.arange(size) * (between + 1)
        kept = (positions >= 0) & (positions < length)
        places.append(positions[kept])
        cut_places.append(np.flatnonzero(kept))
        del high

    def padded(values: Any, value: Any) -> Any:
        result = np.full(shape, value, values.dtype)
        result[np.ix_(*places)] = values[np.ix_(*cut_places)]
        return result

    lower = padded(a.lower, padding.lower)
    return known(lower) if a.exact and padding.exact else Interval(lower, padded(a.upper, padding.upper))


@register("gather", "dynamic_slice")
def pick(equation: Any, a: Interval, *indices: Interval) -> Interval:
    """Entries at known places.

    **Raises:** `NotImplementedError` for places that depend on the point.
    """
    if not all(index.exact for index in indices):
        raise NotImplementedError(f"the primitive {equation.primitive.name} at indices that depend on the point")
    positions = np.arange(np.size(a.lower), dtype=np.int64).reshape(np.shape(a.lower))
    (picked,) = evaluated(equation, positions, *(index.lower for index in indices))
    if (picked < 0).any() or (picked >= positions.size).any():
        raise NotImplementedError(f"the primitive {equation.primitive.name} at indices out of bounds")
    return a.moved(lambda values: np.ravel(values)[picked])


@register("scatter")
def placed(equation: Any, a: Interval, index: Interval, updates: Interval) -> Interval:
    """With entries replaced, at known places.

    **Raises:** `NotImplementedError` for places that depend on the point.
    """
    if not index.exact:
        raise NotImplementedError("the primitive scatter at indices that depend on the point")
    count = np.size(a.lower)
    old = np.arange(count).reshape(np.shape(a.lower))
    new = count + np.arange(np.size(updates.lower)).reshape(np.shape(updates.lower))
    (picked,) = evaluated(equation, old, index.lower, new)

    def scattered(values: Any, others: Any) -> Any:
        return np.concatenate([np.ravel(values), np.ravel(others)])[picked]

    return Interval(scattered(a.lower, updates.lower), scattered(a.upper, updates.upper))


@register("dynamic_update_slice")
def put(_: Any, a: Interval, update: Interval, *indices: Interval) -> Interval:
    """A part replaced, at a known place."""
    if not all(index.exact for index in indices):
        raise NotImplementedError("the primitive dynamic_update_slice at indices that depend on the point")
    sizes = np.shape(update.lower)
    limits = np.subtract(np.shape(a.lower), sizes)
    starts = np.clip([int(index.lower) for index in indices], 0, limits)
    places = tuple(slice(start, start + size) for start, size in zip(starts, sizes, strict=True))

    def updated(values: Any, new: Any) -> Any:
        result = np.array(values)
        result[places] = new
        return result

    return Interval(updated(a.lower, update.lower), updated(a.upper, update.upper))
