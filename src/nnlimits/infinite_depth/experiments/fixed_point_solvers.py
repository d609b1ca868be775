"""How many evaluations of a trained cell each solver needs for its fixed points."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from nnlimits import nn
from nnlimits.nn.examination import Solved, examining
from nnlimits.progress import Advance, ignore

TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
CLASSES = 4


class SolverCurve(NamedTuple):
    """One solver on the trained cell."""

    name: str
    evaluations: Int[np.ndarray, " tolerances"]
    """Until all examples have a relative residual below each tolerance; -1 where the budget did not suffice."""
    median: Float[np.ndarray, " steps"]
    """Over examples, of the least relative residual `|f(z) - z| / |f(z)|` after 1, 2, ... evaluations."""
    worst: Float[np.ndarray, " steps"]
    """Of all examples."""


class FixedPointSolvers(NamedTuple):
    """The solvers side by side, on the cell of a network that was trained, at examples that it has not seen."""

    tolerances: Float[np.ndarray, " tolerances"]
    curves: tuple[SolverCurve, ...]
    accuracy: float
    """Of the trained network, on the examples of the curves."""
    losses: Float[np.ndarray, " epochs"]
    """Of training."""
    spectral_radius: Float[np.ndarray, " n"]
    """Of the cell's Jacobian at the fixed point of each example: the rate of plain iteration near it."""


def fixed_point_solvers(
    *,
    width: int = 32,
    examples: int = 256,
    steps: int = 200,
    budget: int = 300,
    tolerances: Sequence[float] = TOLERANCES,
    seed: int = 0,
    advance: Advance = ignore,
) -> FixedPointSolvers:
    """Train a small equilibrium network on four interleaved spirals, then solve its cell by each solver, in double precision.

    The cell is `Cell(Dense, Dense, constraint=NormBound(0.97))`, so that plain iteration converges as well; it is trained by Adam
    on the cross entropy, to a tolerance of 1e-3, with implicit gradients.

    **Arguments:** `width` of the state; `examples` of training, and as many that are solved; `steps` of Adam; `budget`, the most
    evaluations of a solver; `tolerances`, relative residuals, descending; `seed`; `advance`, told of training and of each solver.

    **Raises:** `SolveError` if an equation is not solved while training.
    """
    data_key, test_key, init_key = jax.random.split(jax.random.key(seed), 3)
    with jax.enable_x64(True):
        x, labels = _spirals(data_key, examples)
        cell = nn.Cell(nn.Dense(width), nn.Dense(width, b_std=0.5), constraint=nn.NormBound(0.97))
        network = nn.Sequential(nn.Equilibrium(cell, tolerance=1e-3), nn.Dense(CLASSES))
        params, losses = _trained(network, network.init(init_key, (2,), dtype=jnp.float64), x, labels, steps)
        advance("trained")
        unseen, truth = _spirals(test_key, examples)
        accuracy = float(np.mean(np.argmax(network.apply(params, unseen), 1) == truth))
        function, args, radius = _equation(network, params, unseen)
        curves = []
        for name, solver in _solvers(min(tolerances)):
            curves.append(_curve(name, solver, function, args, tolerances, budget))
            advance(name)
    return FixedPointSolvers(np.asarray(tolerances), tuple(curves), accuracy, losses, radius)


def _spirals(key: PRNGKeyArray, n: int) -> tuple[Float[Array, "n 2"], Int[Array, " n"]]:
    """Points along four arms of a spiral, and the arm of each."""
    radius_key, noise_key = jax.random.split(key)
    labels = jnp.arange(n) % CLASSES
    radius = jnp.sqrt(jax.random.uniform(radius_key, (n,), minval=0.02))
    angle = 4 * radius + 2 * jnp.pi * labels / CLASSES
    points = 2 * radius[:, None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)], 1)
    return points + 0.04 * jax.random.normal(noise_key, (n, 2)), labels


def _trained(
    network: nn.Layer, params: PyTree, x: Array, labels: Array, steps: int
) -> tuple[PyTree, Float[np.ndarray, " epochs"]]:
    import optax

    optimizer = optax.adam(0.03)

    def loss(params: PyTree) -> Array:
        return optax.softmax_cross_entropy_with_integer_labels(network.apply(params, x), labels).mean()

    @jax.jit
    def train(params: PyTree) -> tuple[PyTree, Array]:
        def step(carry: tuple[PyTree, Any], _: None) -> tuple[tuple[PyTree, Any], Array]:
            value, gradient = jax.value_and_grad(loss)(carry[0])
            updates, state = optimizer.update(gradient, carry[1])
            return (optax.apply_updates(carry[0], updates), state), value

        (params, _), losses = jax.lax.scan(step, (params, optimizer.init(params)), length=steps)
        return params, losses

    params, losses = train(params)
    return params, np.asarray(losses)


def _equation(network: nn.Layer, params: PyTree, x: Array) -> tuple[Any, Any, Float[np.ndarray, " n"]]:
    """The cell's map at the examples, as the layer solves it, and the spectral radius of its Jacobian."""
    from nnlimits.infinite_depth.well_posedness import well_posedness

    found: list[Solved] = []

    def look(solved: Solved) -> dict[str, Array]:
        found.append(solved)
        return {}

    with examining(look):
        network.apply(params, x)
    return found[0].function, found[0].args, well_posedness(network, params, x)[0].spectral_radius


def _solvers(tolerance: float) -> list[tuple[str, Any]]:
    from nnlimits.fixed_points.anderson import Anderson
    from nnlimits.fixed_points.broyden import Broyden
    from nnlimits.fixed_points.iteration import Iteration

    return [
        ("plain iteration", Iteration(tolerance, 0.0)),
        ("Anderson, memory 5", Anderson(tolerance, 0.0)),
        ("Anderson, memory 10", Anderson(tolerance, 0.0, memory=10)),
        ("Broyden", Broyden(tolerance, 0.0)),
    ]


def _curve(name: str, solver: Any, function: Any, args: Any, tolerances: Sequence[float], budget: int) -> SolverCurve:
    """The residuals after each evaluation, by the steps of the solver itself."""
    import optimistix

    start = jnp.zeros_like(args.drive)

    def image(state: Array, given: Any) -> tuple[Array, None]:
        return function(state, given), None

    def evaluated(z: Array, given: Any) -> tuple[Array, None]:
        following, _ = image(z, given)
        return (following - z, None) if isinstance(solver, optimistix.AbstractRootFinder) else (following, None)

    @jax.jit
    def residuals(given: Any) -> Array:
        def step(carry: tuple[Array, Any], _: None) -> tuple[tuple[Array, Any], Array]:
            point, state, _ = solver.step(evaluated, carry[0], given, {}, carry[1], frozenset())
            return (point, state), state.progress.relative

        state = solver.init(evaluated, start, given, {}, None, None, frozenset())
        return jax.lax.scan(step, (start, state), length=budget)[1]

    course = np.asarray(residuals(args))
    worst = course.max(axis=1)
    counts = [int(np.argmax(worst <= tolerance)) + 1 if (worst <= tolerance).any() else -1 for tolerance in tolerances]
    return SolverCurve(name, np.array(counts), np.median(course, axis=1), worst)
