"""Derivatives by what a program computes, not by what it claims."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from nnlimits.approximation.intervals import enclose_derivatives, plain


@jax.custom_jvp
def claims_to_be_constant(x):
    return jnp.sin(50 * x)


claims_to_be_constant.defjvp(lambda primals, tangents: (claims_to_be_constant(*primals), 0 * tangents[0]))


@jax.custom_vjp
def without_forward_rule(x):
    return jnp.sin(50 * x)


without_forward_rule.defvjp(lambda x: (without_forward_rule(x), None), lambda _, g: (g,))

WAVES = {
    "custom_jvp": claims_to_be_constant,
    "custom_vjp": without_forward_rule,
    "stop_gradient": lambda x: lax.stop_gradient(jnp.sin(50 * x)),
    "in a loop": lambda x: lax.scan(lambda c, _: (claims_to_be_constant(c) / 1, None), x, length=1)[0],
    "in a branch": lambda x: lax.cond(x.size > 0, jax.jit(claims_to_be_constant), jnp.cos, x),
}


@pytest.mark.parametrize("name", WAVES)
def test_rules_of_ones_own_are_not_believed(name) -> None:
    jacobian = enclose_derivatives(WAVES[name], np.array([[0.0]]), np.array([[0.01]])).jacobian
    # 50 cos(50 x) from 0 to 0.01
    assert jacobian.lower.item() <= 50 * np.cos(0.5)
    assert 50 <= jacobian.upper.item() < 50 + 1e-9
    assert jacobian.lower.item() > 43


@pytest.mark.parametrize("largest", [jnp.max, jnp.min])
def test_extremes_of_many_have_bounded_derivatives(largest) -> None:
    lower = np.array([[0.0, 0.1, 0.3], [0.0, 0.5, 1.0]])
    jacobian = enclose_derivatives(lambda x: largest(x, axis=1), lower, lower + 0.25).jacobian
    assert np.isfinite(jacobian.magnitude).all()
    single = [2, 0][largest is jnp.min]  # where one entry is certainly the extreme one
    assert np.allclose(jacobian.lower[1, 0], np.eye(3)[single], atol=1e-300)
    assert np.allclose(jacobian.upper[1, 0], np.eye(3)[single], atol=1e-300)
    assert (jacobian.upper[0, 0] <= 1 + 1e-14).all()


def test_values_and_true_derivatives_stay() -> None:
    def function(x):
        steps = lax.scan(lambda c, row: (jnp.tanh(c) + row, c), x[:, 0], jnp.stack([x[:, 1], x[:, 0]]))
        return (
            steps[0]
            + steps[1].sum(0)
            + lax.switch(1, [jnp.sin, jnp.cos], jax.nn.logsumexp(x, axis=1))
            + jax.nn.relu(x).max(1)
        )

    with jax.enable_x64(True):
        x = jnp.asarray(np.random.default_rng(0).standard_normal((5, 2)))
        for one, other in zip(*(jax.jvp(f, (x,), (jnp.cos(x),)) for f in (function, plain(function))), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-14, atol=1e-14)
