"""The solution of an ordinary differential equation by a named method of diffrax (Kidger 2022), for a batch of examples."""

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from nnlimits.nn.reports import Statistics

ADJOINTS = ("recursive_checkpoint", "backsolve", "direct")

EXPLICIT = {
    "euler": "Euler",
    "heun": "Heun",
    "midpoint": "Midpoint",
    "ralston": "Ralston",
    "bosh3": "Bosh3",
    "tsit5": "Tsit5",
    "dopri5": "Dopri5",
    "dopri8": "Dopri8",
}
IMPLICIT = {"implicit_euler": "ImplicitEuler", "kvaerno3": "Kvaerno3", "kvaerno4": "Kvaerno4", "kvaerno5": "Kvaerno5"}
SOLVERS = (*EXPLICIT, *IMPLICIT)
"""The solvers of diffrax by name: explicit Runge-Kutta methods, and implicit ones for stiff equations."""

DEFAULT_TOLERANCE = {"float32": 1e-5, "float64": 1e-8}
_COARSE_TOLERANCE = 1e-2
"""That of dtypes of fewer digits."""


@dataclasses.dataclass(frozen=True)
class Method:
    """How an equation is solved; the fields are those of `nn.NeuralODE`."""

    solver: str
    steps: int | None
    rtol: float | None
    atol: float | None
    max_steps: int
    adjoint: str
    checkpoints: int | None


class Path(NamedTuple):
    """The end of a path: the state there, the time that was reached, and what the solver tells.

    `outcome` is an index into `OUTCOMES`.
    """

    y: PyTree
    s: Float[Array, "..."]
    outcome: Int[Array, "..."]
    statistics: Statistics


OUTCOMES = ("solved", "steps exhausted", "steps too small", "implicit step not solved", "not finite")


def integrate(method: Method, field: Any, y: PyTree, args: PyTree, start: float, stop: float) -> Path:
    """Solve `dy/ds = field(s, y, args)` from `start` to `stop`, forward or backward.

    **Arguments:** `field`, an `eqx.Module` that closes over no array (else it would be compiled anew, and its gradient
    lost, where the solver is differentiated by a method of its own); `y`, a PyTree of arrays with the examples along the
    first axis; `args`, a PyTree that reaches the field as it is.

    An adaptive method takes steps whose error is within the tolerances for every one of the examples.
    """
    dtype = jnp.result_type(*jax.tree.leaves(y))
    return _integrate(method, field, y, args, jnp.asarray(start, dtype), jnp.asarray(stop, dtype))


@eqx.filter_jit
def _integrate(method: Method, field: Any, y: PyTree, args: PyTree, t0: Array, t1: Array) -> Path:
    import diffrax

    dtype = t0.dtype
    rtol, atol = (tolerance(value, dtype) for value in (method.rtol, method.atol))
    solver = _solver(method, rtol, atol)
    if method.steps is None:
        smallest = jnp.finfo(dtype).eps ** 2 * jnp.abs(t1 - t0)  # so that failures end soon
        controller = diffrax.PIDController(rtol=rtol, atol=atol, norm=worst_example, dtmin=smallest, force_dtmin=False)
        backward = diffrax.PIDController(rtol=rtol, atol=atol, norm=_worst_of_adjoint)
        first, max_steps = _first_step(solver, field, y, args, t0, t1, rtol, atol), method.max_steps
    else:
        grid = jnp.linspace(t0, t1, method.steps + 1, dtype=dtype)
        controller, backward = diffrax.StepTo(grid), diffrax.StepTo(grid[::-1])
        first, max_steps = None, method.steps
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(field),
        solver,
        t0=t0,
        t1=t1,
        dt0=first,
        y0=y,
        args=args,
        stepsize_controller=controller,
        adjoint=_adjoint(method, backward),
        max_steps=max_steps,
        throw=False,
    )
    y, s = jax.tree.map(lambda leaf: leaf[-1], (solution.ys, solution.ts))
    return Path(y, s, _outcome(solution.result, y, s, t1), _statistics(method, solution.stats))


def _first_step(
    solver: Any, field: Any, y: PyTree, args: PyTree, t0: Array, t1: Array, rtol: float, atol: float
) -> Array:
    """The length of the first step, by two evaluations (Hairer, Norsett & Wanner 1993, section II.4).

    diffrax has the same, but does not come to it in the versions that wrap the terms: its first step is then 0.01.
    """
    y, args = jax.lax.stop_gradient((y, args))
    field = jax.tree.map(lambda leaf: jax.lax.stop_gradient(leaf) if eqx.is_array(leaf) else leaf, field)
    scale = jax.tree.map(lambda leaf: atol + rtol * jnp.abs(leaf), y)

    def size(values: PyTree) -> Array:
        return worst_example(jax.tree.map(jnp.divide, values, scale))

    slope = field(t0, y, args)
    state, speed = size(y), size(slope)
    trial = jnp.where((state < 1e-5) | (speed < 1e-5), 1e-6, 0.01 * state / speed)
    ahead = jax.tree.map(lambda leaf, rate: leaf + jnp.sign(t1 - t0) * trial * rate, y, slope)
    change = jax.tree.map(jnp.subtract, field(t0 + jnp.sign(t1 - t0) * trial, ahead, args), slope)
    largest = jnp.maximum(speed, size(change) / trial)
    short = jnp.maximum(1e-6, 1e-3 * trial)
    length = jnp.where(largest <= 1e-15, short, (0.01 / largest) ** (1 / (solver.order(None) + 1)))
    length = jnp.minimum(jnp.minimum(100 * trial, length), jnp.abs(t1 - t0))
    length = jnp.where(jnp.isfinite(length) & (length > 0), length, 0.01 * jnp.abs(t1 - t0))
    return jnp.sign(t1 - t0) * length


def tolerance(value: float | None, dtype: Any) -> float:
    """The tolerance asked for, or what suits the dtype."""
    return DEFAULT_TOLERANCE.get(jnp.dtype(dtype).name, _COARSE_TOLERANCE) if value is None else value


def worst_example(y: PyTree) -> Float[Array, ""]:
    """The largest root mean square of one example; their errors are not averaged."""
    sizes = [
        jnp.max(jnp.sqrt(jnp.mean(leaf.reshape(leaf.shape[0], -1) ** 2, axis=1)), initial=0.0)
        for leaf in jax.tree.leaves(y)
        if leaf.size
    ]
    return jnp.max(jnp.stack(sizes)) if sizes else jnp.zeros(())


def _worst_of_adjoint(y: PyTree) -> Float[Array, ""]:
    """`worst_example` of states and adjoint states, and the size of the gradients with respect to everything else."""
    import optimistix

    state, adjoint, *gradients = y
    return jnp.maximum(worst_example((state, adjoint)), optimistix.rms_norm(gradients))


def _solver(method: Method, rtol: float, atol: float) -> Any:
    import diffrax
    import optimistix

    if method.solver in EXPLICIT:
        return getattr(diffrax, EXPLICIT[method.solver])()
    name = IMPLICIT[method.solver]
    if method.steps is None:
        return getattr(diffrax, name)()
    return getattr(diffrax, name)(root_finder=diffrax.VeryChord(rtol=rtol, atol=atol, norm=optimistix.max_norm))


def _adjoint(method: Method, backward: Any) -> Any:
    import diffrax

    if method.adjoint == "backsolve":
        return diffrax.BacksolveAdjoint(stepsize_controller=backward, dt0=None, throw=True)
    if method.adjoint == "direct":
        return diffrax.DirectAdjoint()
    return diffrax.RecursiveCheckpointAdjoint(checkpoints=method.checkpoints)


def _outcome(result: Any, y: PyTree, s: Float[Array, ""], t1: Float[Array, ""]) -> Int[Array, ""]:
    import diffrax

    finite = jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(y)]).all()
    # the last of all steps that there may be, too, arrives; a step that failed is at its end all the same
    arrived = (result == diffrax.RESULTS.successful) | ((result == diffrax.RESULTS.max_steps_reached) & (s == t1))
    failed = jnp.where(
        result == diffrax.RESULTS.max_steps_reached, 1, jnp.where(result == diffrax.RESULTS.dt_min_reached, 2, 3)
    )
    return jnp.where(arrived, jnp.where(finite, 0, 4), failed)


def _statistics(method: Method, stats: dict[str, Any]) -> Statistics:
    told = {
        "steps": jnp.asarray(stats["num_steps"]),
        "accepted": jnp.asarray(stats["num_accepted_steps"]),
        "rejected": jnp.asarray(stats["num_rejected_steps"]),
    }
    if method.solver in IMPLICIT:
        return told
    first_step = 2 if method.steps is None else 0
    return {"evaluations": first_step + _evaluations(method, told["steps"]), **told}


def _evaluations(method: Method, steps: Int[Array, ""]) -> Int[Array, ""]:
    """Of the field, in so many steps; the last one of a step may serve as the first one of the next."""
    import diffrax

    tableau = getattr(getattr(diffrax, EXPLICIT[method.solver]), "tableau", None)
    if tableau is None:
        return steps
    return steps * (tableau.num_stages - 1) + 1 if tableau.fsal else steps * tableau.num_stages
