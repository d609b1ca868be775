"""What stopped the solver of a differential equation, told so that one can do something about it."""

import dataclasses
import itertools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from nnlimits.nn.errors import SolveError
from nnlimits.nn.ode_solver import IMPLICIT, OUTCOMES, Method, Path, integrate
from nnlimits.validation import is_traced

_UNSEEN = (
    "",
    "NeuralODE: max_steps was exhausted before the end of span. If the field is stiff, take solver='kvaerno5'; else a larger "
    "max_steps, or larger rtol and atol. Outside jit the message says which.",
    "NeuralODE: the steps became too small to advance. The field is not finite, or the solution grows without bound. Outside jit "
    "the message says where.",
    "NeuralODE: Newton's method found no solution of the equation of an implicit step. Take steps=None, or more steps.",
    "NeuralODE: the states are not finite. The field is not finite, or the steps are too large: take steps=None, or more steps. "
    "Outside jit the message says where.",
    "NeuralODE received an input that is not finite.",
)
"""Messages where values are unknown: one an outcome, and one for the input."""

_STABLE = 3.3
"""Times the Jacobian's size, the longest stable step of an explicit method of order 5, about (Hairer & Wanner 1996, IV.2)."""
_ITERATIONS = 20
_GROWN = 1e4
"""States so many times larger than the input seem to grow without bound."""
_GROWING = 1e2, 1e-3
"""So do states that are so many times larger, and double within such a part of what is left of the span."""


def found_or_raise(
    method: Method, slope: Any, x: Float[Array, "n ..."], args: PyTree, path: Path, start: float, stop: float
) -> Float[Array, "n ..."]:
    """The end of a path of states `x` of shape (n, ...), if it was found.

    **Raises:** `SolveError`; where values are unknown, inside `jit`, the error of `equinox.error_if`, when it runs.
    """
    if is_traced(path, x):
        outcome = jnp.where(jnp.isfinite(x).all(), jnp.max(path.outcome), len(_UNSEEN) - 1)
        return eqx.branched_error_if(path.y, outcome != 0, outcome, _UNSEEN)
    worst = int(np.argmax(path.outcome))
    outcome = int(np.ravel(path.outcome)[worst])
    if outcome == 0:
        return path.y
    if (place := _not_finite(x)) is not None:
        raise SolveError(f"NeuralODE received an input that is not finite: {place}.")
    s = float(np.ravel(path.s)[worst])
    told = {name: int(np.ravel(values)[min(worst, np.size(values) - 1)]) for name, values in path.statistics.items()}
    came = f"NeuralODE took {told['steps']} steps from {start:g} to {stop:g}"
    if method.steps is None:
        came = (
            f"NeuralODE came to s={s:.6g} on its way from {start:g} to {stop:g}, in {told['steps']} steps, "
            f"{told['rejected']} of them rejected"
        )
    reason = {
        "steps exhausted": lambda: _stopped(method, slope, x, args, path.y, s, stop),
        "steps too small": lambda: _stopped(method, slope, x, args, path.y, s, stop),
        "implicit step not solved": lambda: (
            "Newton's method found no solution of the equation of a step. Take steps=None, or more steps."
        ),
        "not finite": lambda: _overflow(method, slope, x, args, start, stop),
    }[OUTCOMES[outcome]]
    raise SolveError(f"{came}: {reason()}")


def _not_finite(values: Array) -> str | None:
    """The first entry that is not finite, in words."""
    numbers = np.asarray(values)
    if np.isfinite(numbers).all():
        return None
    place = tuple(int(i) for i in np.argwhere(~np.isfinite(numbers))[0])
    return f"{numbers[place]} in example {place[0]}, at index {place[1:]}"


def _stopped(method: Method, slope: Any, x: Array, args: PyTree, y: Array, s: float, stop: float) -> str:
    """Why adaptive steps do not reach the end from the states `y`."""
    if (place := _hole(slope, args, y, s, stop)) is not None:
        return f"the field is not finite there: {place}."
    velocity = slope(jnp.asarray(s, y.dtype), y, args)
    if (growth := _growth(x, y, velocity, abs(stop - s))) is not None:
        return f"{growth}; the solution seems to end there."
    size, quotient, example = _jacobian(slope, y, args, s)
    needed = size * abs(stop - s) / _STABLE
    if (
        method.solver in IMPLICIT or not needed >= method.max_steps / 4
    ):  # of a field that is flat there, it is not a number
        return (
            f"max_steps={method.max_steps} is exhausted. Take a larger max_steps, or larger rtol and atol; a field that "
            "jumps, or is rough, needs the latter."
        )
    held = (
        f"in example {example} the Jacobian of the field has size {size:.2g}, which holds the steps of an explicit solver to "
        f"about {_STABLE / size:.1g}: it would need some {needed:.1g} more, and max_steps={method.max_steps}"
    )
    if quotient < -size / 2:
        return f"{held}. The field is stiff: the path is smoother than the steps. Take solver='kvaerno5', or a larger max_steps."
    return f"{held}. Take a larger max_steps; if the field is stiff, solver='kvaerno5'."


def _hole(slope: Any, args: PyTree, y: Array, s: float, stop: float) -> str | None:
    """Where the field is not finite, at the states `y` or close ahead."""
    velocity = slope(jnp.asarray(s, y.dtype), y, args)
    for length in (0.0, *(10.0**power for power in range(-8, -2))):
        ahead = s + length * (stop - s)
        states = y + length * (stop - s) * velocity if length else y
        if (place := _not_finite(slope(jnp.asarray(ahead, y.dtype), states, args))) is not None:
            return f"{place}, at s={ahead:.6g}"
    return None


def _overflow(method: Method, slope: Any, x: Array, args: PyTree, start: float, stop: float) -> str:
    """The first of the equal steps after which states are not finite."""
    steps = method.steps or 1
    if method.solver in IMPLICIT:
        return "the states are not finite. Take more steps, or steps=None."
    grid = np.linspace(start, stop, steps + 1)
    one_step = dataclasses.replace(method, steps=1)
    for i, (before, after) in enumerate(itertools.pairwise(grid)):
        velocity = slope(jnp.asarray(before, x.dtype), x, args)
        if (place := _not_finite(velocity)) is not None:
            return f"the field is not finite at s={before:.6g}: {place}."
        y = integrate(one_step, slope, x, args, float(before), float(after)).y
        if (place := _not_finite(y)) is not None:
            return (
                f"step {i + 1} of {steps}, from s={before:.6g}, leads to states that are not finite: {place}. The steps are too "
                "large, or the solution grows without bound. Take more steps, or steps=None."
            )
        x = y
    return "the states are not finite."


def _growth(x: Array, y: Array, velocity: Array, left: float) -> str | None:
    """The largest state, in words, if it has outgrown the input, or is about to."""
    states, motion = (np.asarray(values, np.float64).reshape(y.shape[0], -1) for values in (y, velocity))
    sizes = np.abs(states).max(1)
    example = int(np.argmax(sizes))
    times = sizes[example] / (1 + float(jnp.abs(x).max()))
    rate = (states[example] @ motion[example]) / (states[example] @ states[example] + np.finfo(np.float64).tiny)
    if times < _GROWN and not (times > _GROWING[0] and rate * _GROWING[1] * left > 1):
        return None
    return f"the states grow without bound: the largest entry of example {example} is {sizes[example]:.2g}"


def _jacobian(slope: Any, y: Array, args: PyTree, s: float) -> tuple[float, float, int]:
    """The size of the Jacobian's largest eigenvalue, its Rayleigh quotient, and the example, by the power method."""
    axes = tuple(range(1, y.ndim))

    def normalized(v: Array) -> Array:
        return v / jnp.maximum(jnp.sqrt(jnp.sum(v**2, axis=axes, keepdims=True)), jnp.finfo(v.dtype).tiny)

    @jax.jit
    def step(v: Array) -> tuple[Array, Array]:
        image = jax.jvp(lambda states: slope(jnp.asarray(s, y.dtype), states, args), (y,), (v,))[1]
        return normalized(image), jnp.stack([jnp.sqrt(jnp.sum(image**2, axes)), jnp.sum(v * image, axes)])

    v, found = normalized(jax.random.normal(jax.random.key(0), y.shape, y.dtype)), jnp.zeros((2, y.shape[0]))
    for _ in range(_ITERATIONS):
        v, found = step(v)
    example = int(jnp.argmax(found[0]))
    return float(found[0, example]), float(found[1, example]), example
