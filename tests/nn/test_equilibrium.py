"""The fixed point of a cell as a layer."""

import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nnlimits import nn

KEY = jax.random.key(0)


def network(w_std=0.7, width=12, parameterization="ntk", **options):
    cell = nn.Cell(nn.Dense(width, w_std=w_std), nn.Dense(width), constraint=options.pop("constraint", None))
    return nn.Sequential(nn.Equilibrium(cell, **options), nn.Dense(1), parameterization=parameterization)


def data(n=6, dtype=np.float32):
    return jnp.asarray(np.random.default_rng(0).normal(size=(n, 3)), dtype)


@pytest.fixture(scope="module")
def x():
    return data()


@pytest.mark.parametrize(
    "solver", ["anderson", *(pytest.param(name, marks=pytest.mark.slow) for name in ("broyden", "iteration"))]
)
def test_the_output_is_the_fixed_point(solver, x64):
    net = nn.Equilibrium(nn.Cell(nn.Dense(12, w_std=0.7), nn.Dense(12)), solver=solver)
    params, x = net.init(KEY, (3,), dtype=jnp.float64), data(dtype=np.float64)
    with nn.reporting() as reports:
        z = net.apply(params, x)
    drive = x @ params["injection"]["weight"] / np.sqrt(3) + 0 * params["injection"]["bias"]
    image = jnp.tanh(0.7 / np.sqrt(12) * z @ params["recurrent"]["weight"] + drive)
    residual = np.linalg.norm(image - z, axis=1) / np.linalg.norm(image, axis=1)
    assert (residual <= 3.7e-11).all()
    ((layer, told),) = reports
    assert layer == net
    np.testing.assert_allclose(told["residual"], residual, rtol=1e-3)
    assert told["converged"].all()
    assert told["evaluations"] == told["steps"].max()
    norm = 0.7 / np.sqrt(12) * np.linalg.norm(params["recurrent"]["weight"], 2)
    assert norm <= told["contraction_bound"] <= 1.01 * norm
    assert told["unique"] == (told["contraction_bound"] < 1)


def losses(x):
    def loss(net, params, x):
        return jnp.sum(jnp.sin(net.apply(params, x)))

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2)))


@pytest.mark.parametrize(
    "constraint",
    [None, *(pytest.param(c, marks=pytest.mark.slow) for c in (nn.NormBound(0.8), nn.Monotone(0.4)))],
    ids=repr,
)
def test_implicit_gradients_are_the_unrolled_ones_and_finite_differences(constraint, x64):
    """Of parameters, inputs and hyper-parameters (`w_std`, `b_std`), to 1e-6 in float64."""
    cell = nn.Cell(nn.Dense(8, w_std=0.6, b_std=None), nn.Dense(8), constraint=constraint)
    # plain iteration need not converge under nn.Monotone
    own = {"memory": 8} if isinstance(constraint, nn.Monotone) else {"solver": "iteration"}
    unrolled = {"adjoint": "unrolled", **own}
    nets = [nn.Sequential(nn.Equilibrium(cell, **options), nn.Dense(1)) for options in ({}, unrolled)]
    params, x = nets[0].init(KEY, (3,), dtype=jnp.float64), data(3, np.float64)
    (value, implicit), (_, unrolled) = (losses(x)(net, params, x) for net in nets)
    for one, other in zip(jax.tree.leaves(implicit), jax.tree.leaves(unrolled), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    generator = np.random.default_rng(1)
    step = jax.tree.map(lambda leaf: 1e-6 * generator.normal(size=jnp.shape(leaf)), (nets[0], params, x))
    moved = jax.tree.map(lambda leaf, change: jnp.asarray(leaf) + change, (nets[0], params, x), step)
    predicted = sum(jax.tree.leaves(jax.tree.map(lambda g, change: jnp.sum(g * change), implicit, step)))
    # the step of 1e-6 leaves second-order terms of 1e-12 and the solutions' tolerance of 4e-11
    assert float(losses(x)(*moved)[0] - value) == pytest.approx(float(predicted), abs=3e-10)
    assert abs(predicted) > 1e-7


@pytest.mark.slow
def test_a_small_network_learns_two_classes():
    """Two rings, which no linear map separates; in float32, under jit, with optax."""
    generator = np.random.default_rng(0)
    angles, labels = generator.uniform(0, 2 * np.pi, 60), np.arange(60) % 2
    x = jnp.asarray((0.6 + labels)[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1), jnp.float32)
    net = nn.Sequential(
        nn.Equilibrium(nn.Cell(nn.Dense(16), nn.Dense(16, b_std=1.0), nn.Relu(), nn.NormBound())), nn.Dense(2)
    )
    optimizer = optax.adam(0.05)

    @jax.jit
    def step(_, carry):
        params, state = carry

        def loss(params):
            return optax.softmax_cross_entropy_with_integer_labels(net.apply(params, x), jnp.asarray(labels)).mean()

        updates, state = optimizer.update(jax.grad(loss)(params), state)
        return optax.apply_updates(params, updates), state

    params = net.init(KEY, (2,))
    params, _ = jax.lax.fori_loop(0, 150, step, (params, optimizer.init(params)))
    assert (np.argmax(net.apply(params, x), 1) == labels).mean() > 0.95


@pytest.mark.slow
def test_an_example_does_not_see_the_others(x):
    net = network()
    params = net.init(KEY, (3,))
    apply = jax.jit(net.apply)
    together = apply(params, x)
    others = apply(params, (3 * x).at[2].set(x[2]))
    np.testing.assert_allclose(others[2], together[2], atol=1e-6)


@pytest.mark.slow
def test_combinators_and_reports_of_repeated_blocks(x):
    block = nn.Equilibrium(nn.Cell(nn.Dense(5, w_std=0.5), nn.Dense(5)))
    net = nn.Sequential(
        nn.Dense(5),
        nn.Repeat(nn.Residual(block), 3),
        nn.Parallel(block, nn.Tanh(), merge=nn.Concatenate()),
        nn.Dense(1),
    )
    params = net.init(KEY, (3,))

    @jax.jit
    def run(params, x):
        with nn.reporting() as reports:
            y = net.apply(params, x)
        return y, [report.statistics for report in reports]

    y, statistics = run(params, x)
    assert y.shape == (6, 1)
    assert [one["steps"].shape for one in statistics] == [(3, 6), (6,)]
    assert all(one["converged"].all() for one in statistics)


@pytest.mark.slow
def test_the_mask_reaches_the_recurrent_layer(x64):
    """Padding changes nothing, whatever values are compiled into the solver first."""
    net = nn.Masked(nn.Equilibrium(nn.Cell(nn.Conv(3, 3, w_std=0.8), nn.Conv(3, 3))), nn.GlobalAvgPool())
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 7, 2)))
    params = net.init(KEY, (7, 2), dtype=jnp.float64)
    net.apply(params, x.at[:, 5:].set(0.0))
    shorter = net.apply(params, x.at[:, 4:].set(0.0))
    np.testing.assert_allclose(shorter, net.apply(params, x[:, :4]), atol=1e-9)


@pytest.mark.slow
def test_dropout_is_the_same_at_every_evaluation(x):
    """Else there would be no fixed point."""
    net = nn.Equilibrium(nn.Cell(nn.Sequential(nn.Dense(8, w_std=0.5), nn.Dropout(0.5)), nn.Dense(8)))
    params = net.init(KEY, (3,))
    dropped = net.apply(params, x, key=jax.random.key(3))
    assert np.abs(dropped - net.apply(params, x)).max() > 0.01


UNSOLVED = re.compile(
    r"nn\.Equilibrium\(.*max_steps=10\) did not find its fixed point: the relative residual .* of example (\d+).* is "
    r"(about )?[\d.]+ after 10 evaluations, above the tolerance 2\.4e-05 .*What would work: max_steps above 10; "
    r"constraint=nn\.NormBound\(\)",
    re.DOTALL,
)


@pytest.fixture(scope="module")
def unsolvable():
    net = network(3.0, max_steps=10)
    return net, net.init(KEY, (3,)), eqx.filter_jit(net.apply)


def test_an_unsolved_equation_is_an_error_with_a_diagnosis(unsolvable, x):
    net, params, compiled = unsolvable
    with pytest.raises(nn.SolveError, match=UNSOLVED) as eager:
        net.apply(params, x)
    with pytest.raises(eqx.EquinoxRuntimeError, match=UNSOLVED) as under_jit:
        compiled(params, x)
    examples = [UNSOLVED.search(str(error.value)).group(1) for error in (eager, under_jit)]
    assert examples[0] == examples[1]


@pytest.mark.slow
def test_an_unsolved_equation_is_an_error_of_its_gradient(unsolvable, x):
    net, params, _ = unsolvable
    with pytest.raises(Exception, match="did not find its fixed point"):
        jax.grad(lambda params: jnp.sum(net.apply(params, x)))(params)


def test_values_that_are_not_finite_are_named(unsolvable, x):
    net, params, compiled = unsolvable
    missing = x.at[4, 1].set(jnp.nan)
    match = r"has no finite state: that of example 4 is NaN or infinite at evaluation 1\. Look for such values in the parameters"
    with pytest.raises(nn.SolveError, match=match):
        net.apply(params, missing)
    with pytest.raises(eqx.EquinoxRuntimeError, match=match):
        compiled(params, missing)
    broken = eqx.tree_at(lambda p: p[0]["recurrent"]["weight"], params, jnp.full((12, 12), jnp.nan))
    with pytest.raises(nn.SolveError, match="example 0 is NaN or infinite at evaluation 1"):
        net.apply(broken, x)


@pytest.mark.parametrize("activation", [nn.Identity(), nn.Relu()])
def test_states_whose_squares_overflow_are_no_solutions(activation, x):
    """Plain iteration of a map that doubles: the residual is a smaller part of an infinite norm than any tolerance."""
    net = nn.Equilibrium(nn.Cell(nn.Scale(2.0), nn.Dense(4), activation), solver="iteration")
    params = net.init(KEY, (3,))
    with pytest.raises(nn.SolveError, match="did not find its fixed point"):
        net.apply(params, x)
    with pytest.raises(eqx.EquinoxRuntimeError, match="did not find its fixed point"):
        eqx.filter_jit(net.apply)(params, x)


@pytest.mark.parametrize("solver", ["anderson", pytest.param("iteration", marks=pytest.mark.slow)])
def test_no_examples(solver, x):
    net = nn.Equilibrium(nn.Cell(nn.Dense(4), nn.Dense(4)), solver=solver)
    params = net.init(KEY, (3,))
    assert net.apply(params, x[:0]).shape == jax.jit(net.apply)(params, x[:0]).shape == (0, 4)
    slopes = jax.grad(lambda params: net.apply(params, x[:0]).sum())(params)
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(slopes))


def test_a_cell_with_several_fixed_points_is_solved_and_flagged(x64):
    """`z = tanh(3 z + x)` has three solutions for small x; that is not known to be unique."""
    net = nn.Equilibrium(nn.Cell(nn.Scale(3.0), nn.Identity()))
    x = jnp.array([[0.1], [-0.2], [0.0]])
    with nn.reporting() as reports:
        z = net.apply(net.init(KEY, (1,)), x)
    np.testing.assert_allclose(jnp.tanh(3 * z + x), z, atol=1e-10)
    assert not reports[0].statistics["unique"]
    assert reports[0].statistics["contraction_bound"] == pytest.approx(3)


@pytest.mark.slow
def test_a_constraint_makes_the_fixed_point_unique(x64):
    """`z = tanh(0.9 z + x)` has one solution."""
    x = jnp.array([[0.1], [-0.2], [0.0]])
    bounded = nn.Equilibrium(nn.Cell(nn.Scale(3.0), nn.Identity(), constraint=nn.NormBound(0.9)))
    with nn.reporting() as reports:
        z = bounded.apply(bounded.init(KEY, (1,)), x)
    np.testing.assert_allclose(jnp.tanh(0.9 * z + x), z, atol=1e-10)
    assert reports[0].statistics["unique"]


def test_a_monotone_cell_is_solved_where_plain_iteration_diverges(x64):
    cell = nn.Cell(nn.Dense(8, w_std=2.0, b_std=None), nn.Dense(8), constraint=nn.Monotone(0.5))
    x = data(dtype=np.float64)
    params = nn.Equilibrium(cell).init(KEY, (3,), dtype=jnp.float64)
    z = nn.Equilibrium(cell).apply(params, x)
    transition, args = cell.at(params, x, None, nn.Identity().network_parameterization())
    np.testing.assert_allclose(transition(z, args), z, atol=1e-9)
    with pytest.raises(
        nn.SolveError, match="solver='anderson' or 'broyden', which need no contraction; a larger margin"
    ):
        nn.Equilibrium(cell, solver="iteration").apply(params, x)


def test_arguments_are_checked():
    cell = nn.Cell(nn.Dense(4), nn.Dense(4))
    with pytest.raises(TypeError, match=r"cell must be an nn.Cell\(recurrent, injection\); received nn.Dense\(4\)"):
        nn.Equilibrium(nn.Dense(4))
    with pytest.raises(ValueError, match="solver must be one of 'anderson', 'broyden', 'iteration'; received 'newton'"):
        nn.Equilibrium(cell, solver="newton")
    with pytest.raises(ValueError, match="adjoint must be one of 'implicit', 'unrolled'"):
        nn.Equilibrium(cell, adjoint="phantom")
    with pytest.raises(ValueError, match="tolerance must be strictly between 0 and 1, or None; received 0"):
        nn.Equilibrium(cell, tolerance=0.0)
    with pytest.raises(ValueError, match="memory must be an integer, at least 1; received 0"):
        nn.Equilibrium(cell, memory=0)
    with pytest.raises(ValueError, match="memory=3 belongs to solver='anderson' or 'broyden'; received solver='iter"):
        nn.Equilibrium(cell, solver="iteration", memory=3)
    net = nn.Equilibrium(cell, tolerance=1e-9)
    with pytest.raises(ValueError, match=r"tolerance=1e-09 is below what float32 resolves, 4\.8e-07"):
        net.apply(net.init(KEY, (3,)), data())
    with pytest.raises(
        nn.ShapeError, match="Dense in the injection of Cell in Equilibrium at position 1 expects a flat input"
    ):
        nn.Sequential(nn.Identity(), nn.Equilibrium(cell)).output_shape((3, 3))


def test_nothing_is_said_of_the_change_before_the_first_evaluation():
    net = nn.Equilibrium(nn.Cell(nn.Dense(4), nn.Dense(4)), max_steps=1)
    with pytest.raises(
        nn.SolveError, match=r"after 1 evaluations, above the tolerance 2.4e-05\. What would work: max_st"
    ):
        net.apply(net.init(KEY, (3,)), data())
