"""What every computation at first order in 1/width does: check the inputs, read the network, run its layers."""

import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike

from nnlimits import nn
from nnlimits.compute.precision import precision_of
from nnlimits.fluctuations.derivatives import check_continuous
from nnlimits.fluctuations.network import HiddenStep, Reading, read
from nnlimits.validation import check_inputs, is_traced

_State = TypeVar("_State")


def read_inputs(network: nn.Layer, x: ArrayLike) -> Reading:
    """The network as read, for inputs that have been checked."""
    if not isinstance(network, nn.Layer):
        raise TypeError(f"network must be an expression of nnlimits.nn; received {type(network).__name__}")
    inputs = check_inputs("x", x, rank=max(np.ndim(x), 2))
    with inputs_precision(network, inputs):
        reading = read(network, jnp.asarray(inputs))
    for step in reading.steps:
        check_continuous(step.activation)
    return reading


def inputs_precision(network: nn.Layer, x: Any) -> contextlib.AbstractContextManager:
    """Double precision for known double-precision inputs; what there is, if anything is traced."""
    return precision_of(*([] if is_traced(network) else [x]))


def typed_steps(reading: Reading) -> tuple[HiddenStep, ...]:
    """The steps with all numbers in the dtype of the inputs."""
    return jax.tree.map(lambda leaf: _typed(leaf, reading.x.dtype), reading.steps)


def _typed(leaf: Any, dtype: Any) -> Any:
    return leaf.astype(dtype) if isinstance(leaf, jax.Array) else np.asarray(leaf, dtype)


def run(next_layer: Callable[[HiddenStep, _State], _State], steps: tuple[HiddenStep, ...], state: _State) -> _State:
    """The state after all steps; layers that are alike under one `lax.scan`."""
    for group in _rows(steps):
        if len(group) == 1:  # alone, it may change the number of positions
            state = next_layer(group[0], state)
        else:
            state = jax.lax.scan(lambda s, step: (next_layer(step, s), None), state, _stacked(group))[0]
    return state


def grouped(steps: tuple[HiddenStep, ...]) -> list[HiddenStep]:
    """Consecutive steps of one kind, stacked."""
    return [_stacked(row) for row in _rows(steps)]


def _rows(steps: tuple[HiddenStep, ...]) -> list[list[HiddenStep]]:
    rows: list[list[HiddenStep]] = []
    for step in steps:
        if rows and jax.tree.structure(rows[-1][0]) == jax.tree.structure(step):
            rows[-1].append(step)
        else:
            rows.append([step])
    return rows


def _stacked(row: list[HiddenStep]) -> HiddenStep:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *row)
