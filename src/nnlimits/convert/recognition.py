"""Which word of the language a function of numbers is, found by evaluating it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnlimits import nn

_GRID = np.concatenate([-np.geomspace(8.0, 1e-3, 60), np.geomspace(1e-3, 8.0, 61)])
_KNOWN = (
    nn.Identity(),
    nn.Relu(),
    nn.Tanh(),
    nn.Gelu(),
    nn.Gelu(approximate=True),
    nn.Sigmoid(),
    nn.Silu(),
    nn.Softplus(),
    nn.Elu(),
    nn.Selu(),
    nn.Mish(),
    nn.HardTanh(),
    nn.Erf(),
    nn.Sin(),
    nn.Cos(),
    nn.Exp(),
    nn.Abs(),
    nn.RectifiedMonomial(2),
    nn.Monomial(2),
    nn.Monomial(3),
)
_ACCURACY = 1e-6
"""Relative: constants of a function may be written in float32."""


def word_of(function: Callable[[Any], Any]) -> nn.Layer | None:
    """The word for a function that acts on each number by itself; `None` for one that does not."""
    with jax.enable_x64(True), jax.ensure_compile_time_eval():
        values = _values(function)
        if values is None:
            return None
        for word in _KNOWN:
            if _equal(values, np.asarray(word.apply((), _GRID[None])[0])):
                return word
    negative, positive = values[0] / _GRID[0], values[-1] / _GRID[-1]
    if _equal(values, np.where(_GRID > 0, positive, negative) * _GRID):
        if abs(negative - positive) <= _ACCURACY * abs(positive):
            return nn.Scale(_short(positive))
        leaky = abs(positive - 1) <= _ACCURACY
        return nn.LeakyRelu(_short(negative)) if leaky else nn.ABRelu(_short(negative), _short(positive))
    return nn.Elementwise(function)


def _values(function: Callable[[Any], Any]) -> np.ndarray | None:
    """The function on the grid, if it maps entries one by one."""
    try:
        together = np.asarray(function(jnp.asarray(_GRID)))
        turned = np.asarray(function(jnp.asarray(_GRID[::-1].reshape(1, 11, 11))))
    except (TypeError, ValueError, IndexError):
        return None
    if together.shape != _GRID.shape or turned.shape != (1, 11, 11):
        return None
    return together.astype(np.float64) if np.allclose(together, turned.ravel()[::-1], equal_nan=True) else None


def _equal(values: np.ndarray, others: np.ndarray) -> bool:
    return bool(np.allclose(values, others, rtol=_ACCURACY, atol=_ACCURACY / 100, equal_nan=True))


def _short(value: float) -> float:
    """Without the digits that float32 leaves."""
    return float(f"{value:.7g}")
