"""Gradients of ODE networks by their adjoint methods: how exact they are, and how much memory they take."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from nnlimits import nn
from nnlimits.infinite_depth.discretization import residual_network
from nnlimits.progress import Advance, ignore

_CHANNELS, _WIDTH, _EXAMPLES, _MEMORY_EXAMPLES = 8, 32, 16, 512
_FIELD = nn.Sequential(nn.Dense(_WIDTH, w_std=1.5, b_std=0.5), nn.Tanh(), nn.Dense(_CHANNELS, w_std=1.5))
_REFERENCE = 1e-12
_CHECKPOINTS = 16

METHODS: dict[str, dict[str, Any]] = {
    "direct": {"adjoint": "direct"},
    "recursive checkpoints": {},
    f"{_CHECKPOINTS} checkpoints": {"checkpoints": _CHECKPOINTS},
    "backsolve": {"adjoint": "backsolve"},
}
STORED = "residual network"
"""As many residual blocks, differentiated with all that they store: what the methods save memory against."""


class Adjoints(NamedTuple):
    """Errors of gradients with respect to all parameters, relative to their size, and memory of one gradient."""

    tolerances: Float[np.ndarray, " tolerances"]
    errors: dict[str, Float[np.ndarray, " tolerances"]]
    """Of `"direct"` and `"backsolve"` at each tolerance, from the gradient by recursive checkpoints at the tolerance 1e-12."""
    steps: Int[np.ndarray, " steps"]
    differences: dict[str, float]
    """Of gradients through the fewest equal steps from those of the residual network of as many blocks."""
    memory: dict[str, Int[np.ndarray, " steps"]]
    """Bytes of temporary memory of the compiled gradient, by the number of Euler steps."""
    state: int
    """Bytes of the states of all examples."""


def adjoints(
    tolerances: Sequence[float] = (1e-4, 1e-7, 1e-10),
    steps: Sequence[int] = (16, 128, 1024),
    *,
    seed: int = 0,
    advance: Advance = ignore,
) -> Adjoints:
    """Gradients of a perceptron's flow on [0, 1] by direct differentiation, with checkpoints, and backward (Chen et al. 2018).

    Direct differentiation and checkpoints (Griewank 1992; Kidger 2022, section 5.1) give the derivative of the steps that were
    taken. The backward equation gives that of the solution, up to the solver's tolerance on the way forward and back. Memory is
    that of the program which XLA compiles: residual blocks store all states, recursive checkpoints some `sqrt(2 steps)`
    states, a fixed number of checkpoints and the backward equation the same at any number of steps, up to the times of
    the steps (a few bytes each).

    **Arguments:** `tolerances`, of the adaptive solver, and `steps`, numbers of Euler steps, both without repetition; `seed`;
    `advance`, told of each gradient.

    **Raises:** `ValueError` for tolerances or steps out of range.
    """
    if not len(tolerances) or not all(_REFERENCE < value < 1 for value in tolerances):
        raise ValueError(f"tolerances must be between {_REFERENCE:g} and 1; received {tuple(tolerances)}")
    if len(steps) < 2 or list(steps) != sorted(set(steps)) or min(steps) < 1:
        raise ValueError(f"steps must be two or more whole numbers that ascend; received {tuple(steps)}")
    with jax.enable_x64(True):
        errors = _errors(tolerances, seed, advance)
        differences = _differences(min(steps), seed, advance)
    memory: dict[str, Any] = {}
    params, x = problem(seed, np.float32, _MEMORY_EXAMPLES)
    for name, program in programs().items():
        sizes = []
        for count in steps:
            analysis = jax.jit(jax.grad(program(count))).lower(params, x).compile().memory_analysis()
            if analysis is None:
                raise NotImplementedError(f"XLA tells nothing of the memory of programs for {jax.default_backend()}")
            sizes.append(analysis.temp_size_in_bytes)
            advance(f"{name}, {count} steps")
        memory[name] = np.asarray(sizes)
    return Adjoints(np.asarray(tolerances), errors, np.asarray(steps), differences, memory, x.nbytes)


def problem(seed: int, dtype: Any, examples: int) -> tuple[PyTree, Array]:
    """Parameters of the field, and inputs."""
    key, draw = jax.random.split(jax.random.key(seed))
    return _FIELD.init(key, (_CHANNELS,), dtype=dtype), jax.random.normal(draw, (examples, _CHANNELS), dtype)


def programs() -> dict[str, Callable[[int], Callable[[PyTree, Array], Array]]]:
    """The loss after so many steps or blocks, by the name of what differentiates it."""
    return {STORED: _blocks, **{name: _ode(options) for name, options in METHODS.items()}}


def _loss(outputs: Array) -> Array:
    return jnp.mean(jnp.sum(jnp.sin(outputs), -1))


def _ode(options: dict[str, Any]) -> Callable[[int], Callable[[PyTree, Array], Array]]:
    """The loss after so many Euler steps."""
    return lambda count: (
        lambda params, x: _loss(nn.NeuralODE(_FIELD, solver="euler", steps=count, **options).apply(params, x))
    )


def _blocks(count: int) -> Callable[[PyTree, Array], Array]:
    """The loss of a residual network of as many blocks."""
    ode = nn.NeuralODE(_FIELD, solver="euler", steps=count)

    def loss(params: PyTree, x: Array) -> Array:
        network, own = residual_network(ode, params, count)
        return _loss(network.apply(own, x))

    return loss


def _errors(tolerances: Sequence[float], seed: int, advance: Advance) -> dict[str, np.ndarray]:
    params, x = problem(seed, np.float64, _EXAMPLES)

    def gradient(tolerance: float, name: str) -> np.ndarray:
        ode = nn.NeuralODE(_FIELD, solver="dopri8", rtol=tolerance, atol=tolerance, **METHODS[name])
        found = _flat(jax.jit(jax.grad(lambda params: _loss(ode.apply(params, x))))(params))
        advance(f"{name}, tolerance {tolerance:g}")
        return found

    exact = gradient(_REFERENCE, "recursive checkpoints")
    return {
        name: np.array([_distance(gradient(value, name), exact) for value in tolerances])
        for name in ("direct", "backsolve")
    }


def _differences(count: int, seed: int, advance: Advance) -> dict[str, float]:
    params, x = problem(seed, np.float64, _EXAMPLES)
    exact = _flat(jax.jit(jax.grad(_blocks(count)))(params, x))
    advance(f"{STORED}, {count} blocks")
    found = {}
    for name in ("direct", "recursive checkpoints"):
        found[name] = _distance(_flat(jax.jit(jax.grad(_ode(METHODS[name])(count)))(params, x)), exact)
        advance(f"{name}, {count} steps")
    return found


def _flat(gradient: PyTree) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(gradient)])


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def gradients_told(tolerances: Sequence[float], steps: Sequence[int]) -> int:
    """How often `adjoints` tells of its progress."""
    return 4 + 2 * len(tolerances) + len(steps) * (1 + len(METHODS))
