"""What stops the solver of a differential equation is told."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn

FAILURES = [
    (
        nn.Scale(-1e5),
        {"max_steps": 100},
        1.0,
        r"came to s=0.00.* in 100 steps, \d+ of them rejected: .*size 1e\+05.*is stiff.*kvaerno5",
    ),
    (nn.Scale(30.0), {"max_steps": 5}, 1.0, "max_steps=5.*[Tt]ake a larger max_steps"),
    (
        nn.Elementwise(jnp.square),
        {},
        2.0,
        r"came to s=0\.(5|4999).*: the states grow without bound: the largest entry of example 2",
    ),
    (
        nn.Elementwise(lambda x: x**3),
        {"span": (0.0, 5.0), "max_steps": 400},
        1.0,
        r"came to s=0\.(5|4999).*: the states grow without bound: the largest entry of example 2",
    ),
    (
        nn.Elementwise(lambda x: jnp.where(jnp.sin(1e6 * x) > 0, 1e3, -1e3)),  # flat, where it does not jump
        {"max_steps": 50},
        1.0,
        "max_steps=50 is exhausted.*a field that jumps",
    ),
    (
        nn.Elementwise(lambda x: -jnp.sqrt(x)),
        {"span": (0.0, 3.0)},
        0.5,
        "came to s=1.41.*the field is not finite there: nan in example",
    ),
    (
        nn.Elementwise(jnp.square),
        {"steps": 20, "solver": "heun"},
        1e5,
        r"step \d+ of 20, from s=.* not finite: inf in example 2",
    ),
    (
        nn.Elementwise(lambda x: jnp.log(x - 2)),
        {"steps": 4},
        1.0,
        "the field is not finite at s=0: nan in example 0, at index",
    ),
    (nn.Elementwise(jnp.square), {"steps": 2, "solver": "kvaerno3"}, 1e3, "Newton's method found no solution"),
    # in the last step, at whose end the time is that asked for
    (nn.Elementwise(jnp.square), {"steps": 1, "solver": "implicit_euler"}, 1e3, "Newton's method found no solution"),
]


@pytest.mark.parametrize(
    ("field", "options", "size", "message"),
    [FAILURES[0], *(pytest.param(*case, marks=pytest.mark.slow) for case in FAILURES[1:])],
)
def test_failures_are_explained(field, options, size, message):
    x = np.zeros((3, 2), np.float32)
    x[2] = size
    with pytest.raises(nn.SolveError, match=message):
        nn.NeuralODE(field, **options).apply((), x)


@pytest.mark.parametrize(
    ("options", "message"), [({"max_steps": 20}, "max_steps was exhausted"), ({}, "an input that is not finite")]
)
def test_failures_under_jit_are_raised(options, message):
    layer = nn.NeuralODE(nn.Scale(-1e5), **options)
    x = jnp.ones((3, 2)).at[1, 1].set(1.0 if options else jnp.nan)
    with pytest.raises(eqx.EquinoxRuntimeError, match=message):
        jax.block_until_ready(eqx.filter_jit(lambda x: layer.apply((), x))(x))


def test_inputs_that_are_not_finite():
    x = np.ones((4, 3), np.float32)
    x[2, 1] = np.nan
    with pytest.raises(nn.SolveError, match=r"input that is not finite: nan in example 2, at index \(1,\)"):
        nn.NeuralODE(nn.Scale(1.0)).apply((), x)
