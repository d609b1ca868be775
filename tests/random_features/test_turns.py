"""The cosines and sines of the hot path, against NumPy's in double precision, and against mpmath."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from nnlimits.random_features.turns import cosine, full_turn, sine, traced_cosine, traced_sine


@pytest.mark.parametrize("wave", [cosine, sine])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_to_rounding(wave, dtype):
    turns = np.concatenate([np.linspace(-3, 3, 4801), np.random.default_rng(0).uniform(-50, 50, 2000)])
    angle = (turns * full_turn(dtype)).astype(dtype)
    # of the angle as it was rounded: two units of one, and the product with 2 pi below
    exact_angle = angle.astype(np.float64) * (2 * np.pi / full_turn(dtype))
    expected = {cosine: np.cos, sine: np.sin}[wave](exact_angle)
    found = wave(angle)
    assert found.dtype == dtype
    eps = np.finfo(dtype).eps
    allowed = 2 * eps + 2 * abs(exact_angle) * np.finfo(np.float64).eps
    assert (abs(found - expected) <= allowed).all()


TRACED = {traced_cosine: mpmath.cos, traced_sine: mpmath.sin}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("wave", TRACED)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_traced_to_rounding(wave, dtype):
    turns = np.concatenate([np.linspace(-2, 2, 161), np.random.default_rng(1).uniform(-1000, 1000, 200)]).astype(dtype)
    found = np.asarray(jax.jit(wave)(turns))
    assert found.dtype == dtype
    with mpmath.workdps(30):
        expected = [TRACED[wave](2 * mpmath.pi * mpmath.mpf(float(turn))) for turn in turns]
        error = max(float(abs(float(value) - exact)) for value, exact in zip(found, expected, strict=True))
    # the reduction is exact, so that an angle of many turns is as accurate as a small one
    assert error <= 2.5 * np.finfo(dtype).eps


@pytest.mark.usefixtures("x64")
def test_traced_derivatives():
    turns = jnp.linspace(-1.3, 1.3, 105)  # quarters and halves of turns among them
    for wave, reference in ((traced_cosine, jnp.cos), (traced_sine, jnp.sin)):
        in_turns = _in_turns(reference)
        for order in range(3):
            found, expected = jax.vmap(wave)(turns), jax.vmap(in_turns)(turns)
            np.testing.assert_allclose(found, expected, atol=4e-15 * (2 * np.pi) ** order)
            wave, in_turns = jax.grad(wave), jax.grad(in_turns)


def _in_turns(function):
    return lambda turns: function(2 * np.pi * turns)
