"""Initializations at criticality: signals and gradients that neither grow nor shrink with depth."""

import dataclasses
import math
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from nnlimits import nn
from nnlimits.signal.homogeneous import AFFINE, homogeneous
from nnlimits.signal.maps import BlockMap
from nnlimits.validation import check_non_negative

Universality = Literal["scale-invariant", "vanishing variance", "finite variance", "edge of chaos", "normalized"]

_GRID = np.geomspace(1e-8, 1e6, 281)
_FLAT = 1e-9
"""Relative difference of two growth factors that counts as none."""


class CriticalPoint(NamedTuple):
    """Scales of weights and biases at which `chi_perp = 1`."""

    w_std: float
    b_std: float
    variance: float
    """`q*` there; NaN where every variance is a fixed point."""
    universality: Universality
    """`"scale-invariant"` (ReLU), `"vanishing variance"` (tanh: `q* = 0`, approached like 1/depth) and `"finite variance"` (GELU,
    SiLU): `chi_parallel = 1` as well (Roberts, Yaida & Hanin 2022, section 5.3); `"edge of chaos"`: at a given bias, where
    `chi_parallel < 1`; `"normalized"`: a `LayerNorm` keeps the variance.
    """


def critical(network: nn.Layer, *, b_std: float | None = None) -> nn.Layer:
    """The same network with `w_std` and `b_std` of every affine layer at criticality for the activation before it.

    **Arguments:** `network`, an expression of `nnlimits.nn` of affine layers, activations and `LayerNorm`; `b_std`, a scale of
    the biases to keep, for the edge of chaos at it (Schoenholz et al. 2017); left out, both growth factors are one where that
    is possible.

    **Returns:** the network. The first affine layer takes the scales for the first activation; one that follows another without
    an activation between them takes `w_std=1` and no noise of biases, and so does the output of an attention.

    **Raises:** `ValueError` where there is no critical point, saying why; `NotImplementedError` for a layer that is no map of
    variance and correlation.
    """
    words = _words(homogeneous(network))
    normalized = any(isinstance(word, nn.LayerNorm) for word in words)
    activations = [word for word in words if isinstance(word, nn.Activation)]
    if not activations:
        raise ValueError(f"{network!r} has no activation; without one, w_std=1 and b_std=0 are critical")
    points = {activation: critical_point(activation, b_std=b_std, normalized=normalized) for activation in activations}
    scales = (points[activations[0]].w_std, points[activations[0]].b_std)

    def at_criticality(word: Any) -> Any:
        nonlocal scales
        if isinstance(word, nn.Repeat):  # twice: what its first layer follows is its last
            return dataclasses.replace(word, block=rescaled(rescaled(word.block)))
        if isinstance(word, nn.Activation):
            scales = points[word].w_std, points[word].b_std
        if not isinstance(word, AFFINE | nn.SelfAttention):
            return word
        (w_std, bias), scales = scales, (1.0, 0.0)
        b_std = None if word.b_std is None else bias
        if isinstance(word, nn.SelfAttention):
            return dataclasses.replace(word, w_value_std=w_std, w_out_std=1.0, b_std=b_std)
        return dataclasses.replace(word, w_std=w_std, b_std=b_std)

    def rescaled(expression: nn.Layer) -> nn.Layer:
        return jax.tree.map(at_criticality, expression, is_leaf=lambda v: _is_word(v) or isinstance(v, nn.Repeat))

    return rescaled(network)


def critical_point(activation: nn.Activation, *, b_std: float | None = None, normalized: bool = False) -> CriticalPoint:
    """The critical scales of dense layers with an activation between them, to some ten digits.

    **Arguments:** `activation`; `b_std`, a scale of the biases to keep; `normalized`, whether a `LayerNorm` precedes the
    activation.

    **Raises:** `ValueError` where there is none, saying why.

    Criticality asks for `w_std^2 E[phi'^2] = 1` at a fixed point of the variance, `q = w_std^2 E[phi^2] + b_std^2`; with
    `w_std` and `b_std` both free, also for `w_std^2 d E[phi^2] / dq = 1`. Each is one equation in q.
    """
    if not isinstance(activation, nn.Activation):
        raise TypeError(f"activation must be an activation of nnlimits.nn, such as nn.Tanh(); received {activation!r}")
    if b_std is not None:
        check_non_negative("b_std", b_std)
    if not np.all(_moments(activation, 1.0).slope > 0):
        raise ValueError(f"{activation!r} has no critical point: it has no slope, so no gradient passes it")
    if normalized:
        return _normalized(activation, b_std)
    return _both(activation) if b_std is None else _edge_of_chaos(activation, b_std)


class _Moments(NamedTuple):
    square: Float[np.ndarray, " n"]
    """`E[phi^2]`."""
    slope: Float[np.ndarray, " n"]
    """`E[phi'^2]`."""
    growth: Float[np.ndarray, " n"]
    """`d E[phi^2] / dq`."""


def _moments(activation: nn.Activation, q: Any) -> _Moments:
    with jax.enable_x64(True):
        maps = BlockMap(nn.Sequential(activation, nn.Dense(1, w_std=1.0, b_std=None)))
        found = _compiled(maps, jnp.atleast_1d(jnp.asarray(q, jnp.float64)))
    return _Moments(*map(np.asarray, found))


@jax.jit
def _compiled(maps: BlockMap, q: jax.Array) -> tuple[jax.Array, ...]:
    return maps.variance(q), maps.chi_perp(q), maps.chi_parallel(q)


def _both(activation: nn.Activation) -> CriticalPoint:
    found = _moments(activation, _GRID)

    def equation(log_q: float) -> float:
        at = _moments(activation, math.exp(log_q))
        return float(1 - at.growth[0] / at.slope[0])

    difference = 1 - found.growth / found.slope
    for q in _roots(equation, np.where(abs(difference) < _FLAT, 0.0, difference)):
        at = _moments(activation, q)
        bias = q - float(at.square[0] / at.slope[0])
        if bias >= 0:
            return CriticalPoint(float(1 / np.sqrt(at.slope[0])), math.sqrt(bias), q, "finite variance")
    special = _without_bias(activation, found)
    if special is None:
        raise ValueError(f"{activation!r} has no critical point: {_why(found)}")
    return special


def _without_bias(activation: nn.Activation, found: _Moments) -> CriticalPoint | None:
    """Criticality at every variance, or at that which vanishes."""
    if np.all(abs(1 - found.growth / found.slope) < _FLAT):
        return CriticalPoint(float(1 / np.sqrt(found.slope[0])), 0.0, math.nan, "scale-invariant")
    value, below, above = _at_zero(activation)
    if value == 0 and above != 0 and abs(below - above) < 1e-6 * abs(above):
        return CriticalPoint(1 / abs(above), 0.0, 0.0, "vanishing variance")
    return None


def _edge_of_chaos(activation: nn.Activation, b_std: float) -> CriticalPoint:
    def excess(at: _Moments, q: Any) -> Any:
        return (q - at.square / at.slope - b_std**2) / q

    def equation(log_q: float) -> float:
        q = math.exp(log_q)
        return float(excess(_moments(activation, q), q)[0])

    found = _moments(activation, _GRID)
    special = _without_bias(activation, found) if b_std == 0 else None
    if special is not None:
        return special
    for q in _roots(equation, excess(found, _GRID)):
        at = _moments(activation, q)
        if at.growth[0] < at.slope[0]:  # a fixed point that attracts
            return CriticalPoint(float(1 / np.sqrt(at.slope[0])), float(b_std), q, "edge of chaos")
    raise ValueError(
        f"{activation!r} has no critical point at b_std={b_std:g}: where w_std^2 E[phi'^2] = 1, no variance is a stable fixed "
        "point of w_std^2 E[phi^2] + b_std^2; leave b_std out for its own, if it has one"
    )


def _normalized(activation: nn.Activation, b_std: float | None) -> CriticalPoint:
    """With units normalized before it, `chi_perp = w_std^2 E[phi'^2] / (w_std^2 E[phi^2] + b_std^2)` at variance 1."""
    at = _moments(activation, 1.0)
    ratio = float((at.slope - at.square)[0])
    if abs(ratio) < _FLAT and not b_std:
        return CriticalPoint(float(1 / np.sqrt(at.slope[0])), 0.0, 1.0, "normalized")
    if ratio <= 0 or b_std == 0:
        place = "" if b_std is None else f" at b_std={b_std:g}"
        raise ValueError(
            f"{activation!r} after a LayerNorm has no critical point{place}: gradients grow by E[phi'^2] / (E[phi^2] + b_std^2 / "
            f"w_std^2) with E[phi'^2] = {at.slope[0]:.6g} and E[phi^2] = {at.square[0]:.6g}"
        )
    w_std = 1 / math.sqrt(float(at.slope[0])) if b_std is None else b_std / math.sqrt(ratio)
    return CriticalPoint(w_std, w_std * math.sqrt(ratio), 1.0, "normalized")


def _roots(equation: Any, values: Float[np.ndarray, " n"]) -> list[float]:
    """Variances at which an equation in their logarithm changes sign, from the smallest."""
    changes = np.flatnonzero(values[:-1] * values[1:] < 0)
    return [math.exp(brentq(equation, *np.log(_GRID[i : i + 2]), xtol=1e-14, rtol=1e-14)) for i in changes]


def _at_zero(activation: nn.Activation) -> tuple[float, float, float]:
    """The value at zero, and the slopes on either side of it."""
    with jax.enable_x64(True):
        below, above = (float(jax.grad(activation.__call__)(jnp.asarray(x, jnp.float64))) for x in (-1e-12, 1e-12))
        return float(activation(jnp.zeros((), jnp.float64))), below, above


def _why(found: _Moments) -> str:
    ratio = found.growth / found.slope
    low, high = float(np.min(ratio)), float(np.max(ratio))
    bias = _GRID - found.square / found.slope
    text = f"chi_parallel / chi_perp lies between {low:.4g} and {high:.4g} at all variances, so both are one at none"
    if bias.max() < 0:
        text += "; and where chi_perp = 1 the variance has no fixed point, as the activation does not vanish at zero"
    return text


def _is_word(value: Any) -> bool:
    return isinstance(value, nn.Layer) and not isinstance(value, nn.Sequential | nn.Repeat)


def _words(network: nn.Layer) -> list[nn.Layer]:
    words = [word for word in jax.tree.leaves(network, is_leaf=_is_word) if isinstance(word, nn.Layer)]
    for word in words:
        if isinstance(word, nn.Residual | nn.Parallel):
            raise ValueError(
                "a network with branches has no critical point by its scales alone: every branch that is added lets variance and "
                "gradients grow; give the branches w_std of order 1 / sqrt(depth)"
            )
        if isinstance(word, nn.Dropout):
            raise ValueError(
                "with nn.Dropout there is no critical point: it makes two equal inputs differ, so correlation one is no fixed "
                "point at any w_std and b_std (Schoenholz et al. 2017, section 4)"
            )
    return words
