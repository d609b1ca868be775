"""Sums of independent terms, with deficits that do not cancel."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnlimits.kernels.covariance import sum_of_covariances, tiny

variances = st.floats(1e-6, 1e6)
deficits = st.one_of(st.floats(0, 2), st.floats(1e-14, 1e-2), st.just(0.0), st.just(2.0))
terms = st.lists(st.tuples(variances, variances, deficits), min_size=2, max_size=4)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(terms)
def test_against_mpmath(drawn):
    """The covariance of the sum to rounding, and its deficit too: to a part in 1e13 of the size of its terms, never less.

    The last bound is 1e-13 of the whole deficit plus the rounding of the variances' own difference.
    """
    with jax.enable_x64(True):
        q1, q2, deficit = (float(v) for v in sum_of_covariances([tuple(jnp.asarray(v) for v in t) for t in drawn]))
    with mp.workdps(50):
        exact1, exact2 = (mp.fsum(mp.mpf(t[i]) for t in drawn) for i in (0, 1))
        k = mp.fsum(mp.sqrt(mp.mpf(a) * mp.mpf(b)) * (1 - mp.mpf(d)) for a, b, d in drawn)
        exact = 1 - k / mp.sqrt(exact1 * exact2)
    assert abs(q1 / exact1 - 1) < 1e-15
    assert abs(q2 / exact2 - 1) < 1e-15
    # a ratio of norms is known to eps, its square to 2 eps times itself
    skewed = abs(mp.sqrt(exact1 / exact2) - mp.sqrt(exact2 / exact1))
    assert abs(deficit - exact) < 1e-13 * exact + 4e-15 * skewed * mp.sqrt(exact) + 1e-30


def test_equal_inputs_have_no_deficit():
    """Exactly zero on the diagonal, under jit too, where multiplications and additions may be fused."""
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        with jax.enable_x64(True):
            q, b = jnp.asarray(rng.uniform(0.1, 9, 500), dtype), jnp.asarray(rng.uniform(0, 2, 500), dtype)
            zero = jnp.zeros_like(q)
            assert (jax.jit(sum_of_covariances)([(q, q, zero), (b, b, None)])[2] == 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_derivatives_are_finite_at_zero_variance(dtype):
    with jax.enable_x64(True):

        def deficit(q1, q2, b, d):
            return sum_of_covariances([(q1, q2, d), (b, b, None)])[2]

        for q1 in (tiny(dtype), 1.0):
            for b in (0.0, 0.5):
                arguments = [jnp.asarray(v, dtype) for v in (q1, tiny(dtype), b, 1.0)]
                assert np.isfinite(jax.grad(deficit, argnums=(0, 1, 2, 3))(*arguments)).all()
