"""Gradient flow, and the flows that discrete methods follow more closely or with inertia: by an adaptive solver."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PyTree

from nnlimits.predict.times import check_times
from nnlimits.training.problem import Problem, Trajectory, parameters
from nnlimits.validation import check_non_negative, check_positive, is_traced

Observe = Callable[[PyTree], PyTree]
Times = Sequence[Any] | np.ndarray | Array

_MAX_STEPS = 1_000_000


class _Equation(eqx.Module):
    """`d state / dt = slope(problem, constant, state)`, from a state that holds the parameters."""

    slope: Callable[..., Any] = eqx.field(static=True)
    start: Callable[[PyTree], tuple[PyTree, Callable[[Any], PyTree]]] = eqx.field(static=True)
    """From the parameters to the first state, and to what tells the parameters of a state."""
    constant: Any = 0.0


def flow(
    problem: Problem, times: Times, *, observe: Observe = parameters, tolerance: float = 1e-8, solver: Any = None
) -> Trajectory:
    """Gradient flow on the parameters of a finite network, `d params / dt = -grad L(params)`.

    (`nnlimits.gradient_flow` is that of an infinitely wide network, in function space.)

    **Arguments:**

    - `problem`; `times`: ascending, from 0 or later, at which to record.
    - `observe`: a function of the parameters, recorded besides the loss.
    - `tolerance`: relative and absolute, of each step. `solver`: a diffrax solver, `Tsit5` if absent; an explicit one takes
      about a third as many steps as gradient descent at its largest stable rate.

    **Raises:** `ValueError` for times that are negative or do not ascend; `RuntimeError` if the solver gives up.
    """
    return _flow(problem, _Equation(descending, _as_they_are), times, observe, tolerance, solver)


def modified_flow(
    problem: Problem,
    learning_rate: Any,
    times: Times,
    *,
    observe: Observe = parameters,
    tolerance: float = 1e-8,
    solver: Any = None,
) -> Trajectory:
    """The flow of the modified loss, `d params / dt = -grad (L + learning_rate / 4 |grad L|^2)`.

    Gradient descent at `learning_rate` follows it to second order in the rate (Barrett & Dherin 2021, theorem 3.1, by
    backward error analysis). Its slope is `-(g + learning_rate / 2 H g)`: one Hessian-vector product.

    **Arguments:** and errors as of `flow`; `learning_rate`, that of the descent to follow.
    """
    check_positive("learning_rate", learning_rate)
    return _flow(problem, _Equation(modified, _as_they_are, learning_rate), times, observe, tolerance, solver)


def inertial_flow(
    problem: Problem,
    friction: Any,
    times: Times,
    *,
    observe: Observe = parameters,
    tolerance: float = 1e-8,
    solver: Any = None,
) -> Trajectory:
    """The flow with inertia, `params'' + friction params' = -grad L`, from rest.

    Heavy-ball momentum at rate `eta` and momentum `1 - friction sqrt(eta)` follows it, to first order in `sqrt(eta)`, at the
    times `sqrt(eta) * steps` (Polyak 1964; Su, Boyd & Candes 2016 for Nesterov's method).

    **Arguments:** and errors as of `flow`; `friction`, at least 0.
    """
    check_non_negative("friction", friction)
    return _flow(problem, _Equation(_inertial, _at_rest, friction), times, observe, tolerance, solver)


def descending(problem: Problem, _: Any, params: PyTree) -> PyTree:
    """The slope of `flow`."""
    return jax.tree.map(jnp.negative, jax.grad(problem.value)(params))


def modified(problem: Problem, rate: Any, params: PyTree) -> PyTree:
    """The slope of `modified_flow`."""
    gradient = jax.grad(problem.value)
    slope = gradient(params)
    along = jax.jvp(gradient, (params,), (slope,))[1]
    return jax.tree.map(lambda g, h: -(g + rate / 2 * h).astype(g.dtype), slope, along)


def _inertial(problem: Problem, friction: Any, state: tuple[PyTree, PyTree]) -> tuple[PyTree, PyTree]:
    params, velocity = state
    pull = jax.grad(problem.value)(params)
    return velocity, jax.tree.map(lambda v, g: (-friction * v - g).astype(v.dtype), velocity, pull)


def _as_they_are(params: PyTree) -> tuple[PyTree, Callable[[Any], PyTree]]:
    return params, parameters


def _at_rest(params: PyTree) -> tuple[PyTree, Callable[[Any], PyTree]]:
    return (params, jax.tree.map(jnp.zeros_like, params)), lambda state: state[0]


def _flow(
    problem: Problem, equation: _Equation, times: Times, observe: Observe, tolerance: float, solver: Any
) -> Trajectory:
    moments, _ = check_times(jnp.asarray(times) if is_traced(times) else np.asarray(times))
    if not is_traced(moments) and (np.isinf(moments).any() or (np.diff(moments) < 0).any()):
        raise ValueError(f"times must be finite and ascend; received {times!r}")
    check_positive("tolerance", tolerance)
    with problem.precision():
        dtype = jnp.result_type(*jax.tree.leaves(problem.params))
        moments = jnp.asarray(moments, dtype)
        accuracy = jnp.asarray(max(float(tolerance), 10 * float(jnp.finfo(dtype).eps)), dtype)
        equation = _Equation(equation.slope, equation.start, problem.scalar(equation.constant))
        found, solved = _integrate(problem, equation, moments, observe, accuracy, solver)
    if not is_traced(solved) and not solved:
        raise RuntimeError(
            f"the solver did not reach time {times[-1]} in {_MAX_STEPS} steps or met infinities: the problem is stiff, or the "
            "loss has no lower bound; give earlier times, a larger tolerance, or a solver such as diffrax.Kvaerno5()"
        )
    return found


@eqx.filter_jit
def _integrate(
    problem: Problem, equation: _Equation, times: Array, observe: Observe, accuracy: Array, solver: Any
) -> tuple[Trajectory, Array]:
    import diffrax

    initial, params_of = equation.start(problem.params)
    state, unflatten = ravel_pytree(initial)  # the solver works on few large arrays rather than many small ones

    def velocity(_: Any, current: Array, __: Any) -> Array:
        return ravel_pytree(equation.slope(problem, equation.constant, unflatten(current)))[0]

    def seen(_: Any, current: Array, __: Any) -> tuple[Array, PyTree]:
        params = params_of(unflatten(current))
        return problem.value(params), ravel_pytree(observe(params))[0]

    shapes = jax.eval_shape(lambda: observe(params_of(initial)))
    unflatten_observed = ravel_pytree(jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes))[1]
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(velocity),
        diffrax.Tsit5() if solver is None else solver,
        t0=jnp.zeros((), times.dtype),
        t1=times[-1],
        dt0=None,
        y0=state,
        saveat=diffrax.SaveAt(ts=times, fn=seen),
        stepsize_controller=diffrax.PIDController(rtol=accuracy, atol=accuracy),
        max_steps=_MAX_STEPS,
        adjoint=diffrax.ForwardMode(),
        throw=False,
    )
    losses, observed = solution.ys  # pyright: ignore[reportGeneralTypeIssues]
    return Trajectory(
        times, losses, jax.vmap(unflatten_observed)(observed)
    ), solution.result == diffrax.RESULTS.successful
