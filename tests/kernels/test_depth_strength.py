"""By how much layers amplify, at most: what the steps at infinite depth are chosen by."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.kernels.depth_limit import refinement
from nnlimits.kernels.depth_strength import strength

BODY = nn.Sequential(nn.Relu(), nn.Dense(4, 1.5))


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Sequential(nn.ABRelu(0.5, -3.0), nn.Scale(2.0), nn.Dense(4, 1.5)), 9 * 4 * 2.25),
        (nn.Parallel(nn.Dense(4, 2.0), nn.Sequential(nn.Dense(4, 3.0), nn.Sin(1.0, 2.0))), 4 + 9 * 4),
        (nn.Parallel(nn.Dense(4, 2.0), nn.Dense(4, 3.0), merge=nn.Product()), 4 * 9),
        (nn.Repeat(nn.Residual(nn.Sequential(BODY, nn.DepthScale(0.5))), 10), (1 + 2.25 / 10) ** 10),
        (nn.Repeat(nn.Residual(nn.Sequential(BODY, nn.DepthScale(0.5))), math.inf), math.exp(2.25)),
        (nn.NeuralODE(BODY, span=(1.0, 3.0)), math.exp(2 * 2 * 1.5)),
        (nn.Equilibrium(nn.Cell(nn.Dense(4, 0.5), nn.Dense(4, 2.0), nn.Relu())), 4 / 0.75),
        (nn.SelfAttention(4, w_value_std=2.0, w_out_std=3.0), 36),
    ],
    ids=["row", "branches", "product", "deep", "infinite", "ode", "equilibrium", "attention"],
)
def test_rows_multiply_and_branches_add(layer, expected):
    assert strength(layer) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("function", "expected"),
    [(lambda u: 3 * jnp.maximum(u, 0), 9.0), (lambda u: u**3, 2 * 27.0), (lambda u: 5.0 + 0 * u, 0.0)],
    ids=["relu", "cube", "constant"],
)
def test_functions_whose_slopes_are_not_known(function, expected):
    """Twice `E[phi'^2]` at a variance of one: of `max(u, 0)` a half, of `u^3` 27; 2001 points on a kink leave half a per cent,
    and rounding 1e-9.
    """
    np.testing.assert_allclose(strength(nn.Elementwise(function, kinks=(0.0,))), expected, rtol=5e-3, atol=1e-9)


def test_is_known_while_other_values_are_traced_and_traced_with_its_own():
    assert jax.jit(lambda x: x * strength(nn.ABRelu(0.0, jnp.asarray(3.0))))(1.0) == 9
    assert jax.jit(lambda w: strength(nn.Dense(4, w)))(3.0) == 9


def test_steps_follow_the_gain_of_activations_and_all_branches():
    def block(*layers):
        return nn.Residual(nn.Sequential(*layers, nn.DepthScale()))

    assert refinement(block(nn.ABRelu(0.0, 5.0), nn.Dense(4))) == refinement(block(nn.Relu(), nn.Dense(4, 5.0))) == 7
    assert refinement(block(nn.Relu(), nn.Parallel(nn.Dense(4, 4.0), nn.Dense(4, 0.1)))) == 5
    with pytest.raises(ValueError, match="largest slope of the activation, is 81, and this is computed up to 64"):
        refinement(block(nn.ABRelu(0.0, 9.0), nn.Dense(4)))
