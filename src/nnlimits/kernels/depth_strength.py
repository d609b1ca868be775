"""How much layers amplify what they see, at most: by it the solvers of infinite depth choose their steps before they begin.

Known from the expression alone, whatever the inputs: one rule a word, like the rules of covariances.
"""

import dataclasses
import math
from functools import singledispatch
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from nnlimits import nn
from nnlimits.kernels.depth_exponents import residual_branches
from nnlimits.nn.slopes import slopes
from nnlimits.validation import is_traced

_VARIANCES = (0.25, 1.0)
_REACH, _COUNT = 8.0, 2001
_LEAST_LEFT = 0.1

Strength = float | Array
"""Factors by which variances and NTKs grow; a traced scalar where a scale is traced."""


def strength(layer: nn.Layer) -> Strength:
    """An upper estimate of the factor by which `layer` multiplies variances, differences of inputs, and NTKs.

    Factors of layers in a row multiply, of branches in parallel add up. That of weights is `w_std^2`, that of an activation the
    square of its Lipschitz constant, where that is known (`nn/slopes.py`), or what is found at a few variances.
    """
    if is_traced(layer):
        return amplification(layer)
    with jax.ensure_compile_time_eval():
        return float(amplification(layer))


@singledispatch
def amplification(layer: Any) -> Strength:
    """The rule of each word, for `strength`: the product of the squares of its scales, and of what the words in it have."""
    scales = [getattr(layer, name) for name in ("w_std", "factor") if hasattr(layer, name)]
    return _product(scale**2 for scale in scales) * _product(amplification(word) for word in _words_in(layer))


@amplification.register
def _(layer: nn.Activation) -> Strength:
    bounds = slopes(layer)
    return _sampled(layer) if bounds is None else bounds.lipschitz**2


@amplification.register
def _(layer: nn.Parallel) -> Strength:
    branches = [amplification(branch) for branch in layer.branches]
    return _product(branches) if isinstance(layer.merge, nn.Product) else sum(branches)


@amplification.register
def _(layer: nn.Residual) -> Strength:
    return amplification(layer.body) + amplification(layer.shortcut)


@amplification.register
def _(layer: nn.Repeat) -> Strength:
    if not math.isinf(layer.depth):
        return amplification(layer.resolved_block()) ** layer.depth
    added = [amplification(one.body) for one in residual_branches(layer.block) or () if one.exponent == 0.5]
    return jnp.exp(sum(added))


@amplification.register
def _(layer: nn.NeuralODE) -> Strength:
    start, end = layer.span
    return jnp.exp(2 * (end - start) * jnp.sqrt(amplification(layer.field)))  # the growth of I_0(2 w s)


@amplification.register
def _(layer: nn.Equilibrium) -> Strength:
    cell = layer.cell
    activation = amplification(cell.activation)
    left = jnp.maximum(1 - amplification(cell.recurrent) * activation, _LEAST_LEFT)
    return amplification(cell.injection) * activation / left


@amplification.register
def _(layer: nn.SelfAttention) -> Strength:
    return (layer.w_value_std * layer.w_out_std) ** 2


def _words_in(layer: Any) -> list[nn.Layer]:
    values = [getattr(layer, field.name) for field in dataclasses.fields(layer)]
    members = [one for value in values for one in (value if isinstance(value, tuple) else (value,))]
    return [one for one in members if isinstance(one, nn.Layer)]


def _product(factors: Any) -> Strength:
    product = 1.0
    for factor in factors:
        product = product * factor
    return product


def _sampled(activation: nn.Activation) -> Strength:
    """Twice the variance after an activation over that before it, or the mean square of its slope if that is larger.

    Twice, as it is then what Lipschitz constants give for a ReLU, which is flat on one side.
    """
    z = np.linspace(-_REACH, _REACH, _COUNT)
    weights = np.exp(-(z**2) / 2)
    weights /= weights.sum()
    found = []
    for variance in _VARIANCES:
        x = jnp.asarray(math.sqrt(variance) * z)
        value, slope = jax.jvp(activation, (x,), (jnp.ones_like(x),))
        mean = jnp.sum(weights * value)
        found += [jnp.sum(weights * (value - mean) ** 2) / variance, jnp.sum(weights * slope**2)]
    return 2 * jnp.max(jnp.stack(found))
