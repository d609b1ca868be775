"""Differential equations as layers: solutions against other solvers and closed forms, derivatives, and what is refused."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg

from nnlimits import nn
from nnlimits.nn.ode_solver import EXPLICIT

KEY = jax.random.key(0)
FIELD = nn.Sequential(nn.Dense(6, b_std=0.5), nn.Tanh(), nn.Dense(3, b_std=0.5))
X = np.linspace(-1, 1, 12).reshape(4, 3)


@pytest.fixture(scope="module")
def parameters():
    """Of `FIELD` with a channel for time and an augmented one, in float64."""
    field = nn.Sequential(nn.Dense(6, b_std=0.5), nn.Tanh(), nn.Dense(4))
    return nn.NeuralODE(field, time_dependent=True, augment=1).init(KEY, (3,), dtype=np.float64)


def tanh_field(params, x, s):
    """The field of `nn.Sequential(nn.Dense(6, b_std=0.5), nn.Tanh(), nn.Dense(width))` of `[x, s]`, in NumPy."""
    first, _, last = params
    x = np.concatenate([x, np.full((*x.shape[:-1], 1), s)], -1)
    hidden = np.tanh(x @ np.asarray(first["weight"]) / x.shape[-1] ** 0.5 + 0.5 * np.asarray(first["bias"]))
    return hidden @ np.asarray(last["weight"]) / hidden.shape[-1] ** 0.5


def test_a_linear_field_gives_the_exponential_of_its_matrix():
    params = {"weight": np.random.default_rng(0).standard_normal((3, 3))}
    y = nn.NeuralODE(nn.Dense(3, w_std=3**0.5, b_std=None), span=(0.5, 2.0), rtol=1e-10, atol=1e-10).apply(params, X)
    np.testing.assert_allclose(y, X @ scipy.linalg.expm(1.5 * params["weight"]), rtol=1e-8, atol=1e-8)


def test_time_and_added_channels_against_scipy(parameters):
    field = nn.Sequential(nn.Dense(6, b_std=0.5), nn.Tanh(), nn.Dense(4))
    layer = nn.NeuralODE(field, time_dependent=True, augment=1, span=(0.0, 2.0))
    assert layer.output_shape((3,)) == (4,)
    states = np.concatenate([X, np.zeros((4, 1))], -1)
    slope = lambda s, flat: tanh_field(parameters, flat.reshape(4, 4), s).ravel()  # noqa: E731
    exact = scipy.integrate.solve_ivp(slope, (0, 2), states.ravel(), method="DOP853", rtol=1e-12, atol=1e-12).y[:, -1]
    y = layer.apply(parameters, X)
    np.testing.assert_allclose(y, exact.reshape(4, 4), atol=1e-6)  # a hundred steps of the default tolerance, 1e-8
    x = layer.inverse(parameters, y)
    np.testing.assert_allclose(x, states, atol=1e-6)


@pytest.mark.parametrize(
    "solver", [name if name == "tsit5" else pytest.param(name, marks=pytest.mark.slow) for name in EXPLICIT]
)
def test_equal_steps_and_the_evaluations_that_it_tells(solver):
    """Every call of the field is counted by a callback."""
    calls = []

    def counted(x):
        jax.debug.callback(lambda: calls.append(1))
        return -x

    for steps in [7] if solver == "euler" else [7, None]:
        tolerances = {} if steps else {"rtol": 1e-3, "atol": 1e-3}
        layer = nn.NeuralODE(nn.Elementwise(counted), solver=solver, steps=steps, **tolerances)
        calls.clear()
        with nn.reporting() as reports:
            y = layer.apply((), X.astype(np.float32))
        jax.effects_barrier()
        told = {name: int(value) for name, value in reports[0].statistics.items()}
        assert len(calls) == told["evaluations"]
        assert told["steps"] == told["accepted"] + told["rejected"]
        if steps:
            assert told["steps"] == steps
    if solver == "euler":
        np.testing.assert_allclose(y, X * (1 - 1 / 7) ** 7, rtol=1e-5)


@pytest.mark.slow
def test_implicit_solvers_solve_stiff_fields_that_explicit_ones_cannot():
    """`x' = -2000 (x - y), y' = -y` follows `y` with a lag of order 1/2000 (Hairer & Wanner 1996, section IV.1)."""
    matrix = np.array([[-2000.0, 0.0], [2000.0, -1.0]])
    field, x = nn.Dense(2, w_std=2**0.5, b_std=None), np.array([[2.0, 1.0], [0.0, -3.0]])
    exact = x @ scipy.linalg.expm(matrix)
    for options, tolerance in (({"solver": "kvaerno5"}, 1e-6), ({"solver": "kvaerno3", "steps": 100}, 1e-3)):
        with nn.reporting() as reports:
            y = nn.NeuralODE(field, **options).apply({"weight": matrix}, x)
        np.testing.assert_allclose(y, exact, atol=tolerance)
        assert "evaluations" not in reports[0].statistics
    with pytest.raises(nn.SolveError, match="The field is stiff"):
        nn.NeuralODE(field, max_steps=50).apply({"weight": matrix}, x)


@pytest.mark.slow
def test_the_error_of_one_example_does_not_depend_on_the_others():
    """One example of 200 moves; averaged over the batch its error would count 14 times less."""
    alone = np.array([[1.0, 0.0]])
    many = np.concatenate([alone, np.zeros((199, 2))])
    layer = nn.NeuralODE(nn.Elementwise(lambda x: 20 * jnp.stack([-x[..., 1], x[..., 0]], -1)), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(layer.apply((), many)[0], layer.apply((), alone)[0], atol=1e-6)


@pytest.mark.slow
def test_masks_and_keys():
    x = np.random.default_rng(0).standard_normal((2, 4, 4, 2)).astype(np.float32)
    net = nn.Masked(nn.NeuralODE(nn.Conv(2, 3), steps=2), nn.GlobalAvgPool())
    params = net.init(KEY, (4, 2))
    for length in (2, 3):  # the mask is not that of an earlier call
        short = x[:, 0].copy()
        short[:, length:] = 0
        cut = nn.Sequential(*net.layers).apply(params, short[:, :length])
        np.testing.assert_allclose(net.apply(params, short), cut, rtol=1e-5)
    dropout = nn.NeuralODE(nn.Dropout(0.5), steps=8, solver="heun")
    grown = (1 + 2 / 8 + 2 / 8**2) ** 8  # those kept grow at the rate 2, those dropped stay: one draw for all steps
    y = dropout.apply((), np.ones((50, 2)), key=KEY)
    assert np.all(np.isclose(y, 1) | np.isclose(y, grown))


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["dopri5", "kvaerno3"])
def test_inside_other_combinators(solver):
    ode = nn.NeuralODE(nn.Sequential(nn.Dense(4), nn.Tanh(), nn.Dense(3)), solver=solver, steps=3)
    net = nn.Sequential(
        nn.Repeat(nn.Residual(ode), 2), nn.Parallel(ode, nn.Identity()), nn.Dense(1), parameterization="mup"
    )
    params = net.init(KEY, (3,))
    with nn.reporting() as reports:
        y = net.apply(params, X)
    assert y.shape == (4, 1)
    assert [np.shape(one.statistics["steps"]) for one in reports] == [(2,), ()]
    one, both = (net.layers[0].block, net.layers[1])
    x = X
    for i in range(2):
        x = nn.Sequential(one, parameterization="mup").apply((jax.tree.map(lambda p, i=i: p[i], params[0]["tail"]),), x)
    x = nn.Sequential(both, net.layers[2], parameterization="mup").apply(params[1:], x)
    np.testing.assert_allclose(y, x, rtol=2e-5)


@pytest.mark.slow
def test_width_and_places_are_those_of_a_residual_block():
    field = nn.Sequential(nn.Dense(8), nn.Relu(), nn.Dense(3))
    for body in (nn.NeuralODE(field, steps=1, solver="euler"), nn.Residual(field)):
        net = nn.Sequential(nn.Dense(3), body, nn.Dense(1), parameterization="mup")
        params = net.init(KEY, (5,))
        inner = params[1] if isinstance(body, nn.NeuralODE) else params[1]["body"]
        y = net.apply(params, np.ones((2, 5), np.float32))
        if isinstance(body, nn.NeuralODE):
            expected, weights = y, inner
    moved = (params[0], {"body": weights, "shortcut": ()}, params[2])
    assert jax.tree.map(jnp.shape, weights) == jax.tree.map(jnp.shape, inner)
    first = nn.Sequential(
        nn.Dense(3), nn.NeuralODE(field, steps=1, solver="euler"), nn.Dense(1), parameterization="mup"
    )
    np.testing.assert_allclose(
        first.apply((params[0], weights, params[2]), np.ones((2, 5))), net.apply(moved, np.ones((2, 5)))
    )
    assert expected.shape == (2, 1)
    assert (
        nn.with_width(nn.Sequential(nn.Dense(4), first.layers[1], nn.Dense(1)), 16).layers[1].field.layers[0].width
        == 16
    )


@pytest.mark.slow
def test_gradients_by_all_adjoints():
    """Against one another: those that differentiate the steps agree to rounding, the backward solution to its tolerance."""
    params = FIELD.init(KEY, (3,), dtype=np.float64)

    def gradient(layer):
        loss = lambda params, x: jnp.sum(jnp.sin(layer.apply(params, x)))  # noqa: E731
        return jax.tree.leaves(jax.jit(jax.grad(loss, argnums=(0, 1)))(params, jnp.asarray(X)))

    with jax.enable_x64(True):
        layer = nn.NeuralODE(FIELD, rtol=1e-9, atol=1e-9)
        expected = gradient(layer)
        for adjoint, tolerance in (("direct", 1e-12), ("backsolve", 1e-6)):
            for one, other in zip(gradient(dataclasses.replace(layer, adjoint=adjoint)), expected, strict=True):
                np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.slow
def test_forward_derivatives_and_hyper_parameters():
    x = jnp.ones((2, 1))
    layer = nn.NeuralODE(nn.Scale(0.5), adjoint="direct", steps=3)
    tangent = jax.jit(lambda x: jax.jvp(lambda x: layer.apply((), x), (x,), (x,))[1])(x)
    np.testing.assert_allclose(tangent, np.exp(0.5), rtol=1e-4)
    for adjoint in ("recursive_checkpoint", "backsolve"):
        last = lambda a, adjoint=adjoint: nn.NeuralODE(nn.Scale(a), adjoint=adjoint).apply((), x)[0, 0]  # noqa: E731
        np.testing.assert_allclose(jax.jit(jax.grad(last))(0.5), np.exp(0.5), rtol=1e-4)


@pytest.mark.slow
def test_gradients_at_rest_are_finite_also_of_images():
    layer = nn.NeuralODE(nn.Sequential(nn.Conv(3, 3, b_std=None), nn.Tanh(), nn.Conv(3, 3, b_std=None)), augment=1)
    params = layer.init(KEY, (4, 4, 2))
    gradients = jax.jit(jax.grad(lambda params, x: jnp.sum(layer.apply(params, x)), argnums=(0, 1)))(
        params, jnp.zeros((2, 4, 4, 2))
    )
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"span": (1.0, 0.0)}, ValueError, "span must run from a start to a later end.*inverse"),
        ({"span": (1.0, 1.0)}, ValueError, r"received \(1.0, 1.0\)"),
        ({"span": 2.0}, TypeError, "span must be a pair"),
        ({"span": (0.0, np.inf)}, ValueError, r"span\[1\] must be finite"),
        ({"solver": "rk4"}, ValueError, "solver must be one of 'euler', 'heun'.*'kvaerno5'; received 'rk4'"),
        ({"solver": "euler"}, ValueError, "does not estimate its error.*steps=100"),
        ({"steps": 0}, ValueError, "steps must be an integer, at least 1; received 0"),
        ({"rtol": 0.0}, ValueError, "rtol must be above 0"),
        ({"atol": -1.0}, ValueError, "atol must be above 0"),
        ({"max_steps": 0}, ValueError, "max_steps must be an integer, at least 1"),
        ({"adjoint": "adjoint"}, ValueError, "adjoint must be one of"),
        (
            {"adjoint": "direct", "checkpoints": 3},
            ValueError,
            "checkpoints=3 belongs to adjoint='recursive_checkpoint'",
        ),
        ({"steps": 3, "rtol": 1e-3}, ValueError, "rtol=0.001 belongs to steps=None.*; received steps=3"),
        ({"solver": "heun", "steps": 3, "atol": 1e-3}, ValueError, "atol=0.001 belongs to steps=None"),
        ({"augment": -1}, ValueError, "augment must be an integer, at least 0"),
        ({"time_dependent": 1}, TypeError, "time_dependent must be True or False"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        nn.NeuralODE(nn.Dense(3), **arguments)


def test_fields_that_do_not_keep_the_shape():
    with pytest.raises(
        nn.ShapeError,
        match=r"NeuralODE at position 1 needs a field that makes the shape of its states, \(3,\); it makes \(4,\)",
    ):
        nn.Sequential(nn.Dense(3), nn.NeuralODE(nn.Dense(4))).init(KEY, (2,))
    with pytest.raises(
        nn.ShapeError,
        match=r"\(5,\), 2 of them added by augment; it makes \(3,\) from \(6,\), the last channel being s",
    ):
        nn.NeuralODE(nn.Dense(3), time_dependent=True, augment=2).init(KEY, (3,))
    with pytest.raises(nn.ShapeError, match="Dense in the field of NeuralODE expects a flat input"):
        nn.NeuralODE(nn.Dense(3)).init(KEY, (4, 3))
    with pytest.raises(TypeError, match="NeuralODE's field must be a layer"):
        nn.NeuralODE(jnp.tanh)
