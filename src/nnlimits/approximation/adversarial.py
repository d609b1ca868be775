"""A search for the point where an approximation is worst."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from nnlimits.approximation.approximation import Approximation, check_approximation
from nnlimits.nn.fields import as_integer
from nnlimits.progress import Advance, ignore

_BATCH = 8192
_SEED = 77_003
_LEAST_STEP = 1e-13
_LARGEST_ROUNDS = 300


class Adversarial(NamedTuple):
    """The worst that a search has found: a lower bound of the sup norm, up to the rounding of evaluation."""

    error: float
    """The largest difference."""
    point: Float[np.ndarray, " d"]
    """Where it is."""
    evaluations: int
    """How many points were looked at."""


def adversarial_error(
    approximation: Approximation, *, starts: int = 32, points: int = 2**14, seed: int = _SEED, advance: Advance = ignore
) -> Adversarial:
    """The largest difference between f and the network that a search from many points finds.

    Dense points first, of a set that neither the construction nor the measured error used. The worst of them, that of the
    measured error, and the worst of random groups, are then improved: by L-BFGS-B on the squared difference where f is a
    function of JAX, and by a compass search (Kolda, Lewis & Torczon 2003) for kinks and jumps, down to steps of 1e-13 of the
    domain.

    **Arguments:** `approximation`; `starts`, points from which a local search sets out; `points`, of the dense set, at least;
    `seed`, of both; `advance`, told of the stages.

    **Raises:** `ValueError` for fewer than one start or point; `TypeError` for what is no `Approximation`.
    """
    check_approximation(approximation)
    starts, points = as_integer("starts", 1, starts), as_integer("points", 1, points)
    evaluate = _Evaluator(approximation)
    domain = approximation.target.domain
    dense = domain.dense(points, seed)
    errors = evaluate(dense)
    advance(f"dense points: {errors.max():.4g}")
    chosen = _starts(errors, starts, np.random.default_rng(seed))
    candidates = np.concatenate([dense[chosen], approximation.error.worst[None]])
    climbed = _climb(approximation, candidates)
    if climbed is not None:
        candidates = np.concatenate([candidates, climbed])
    found, best = _compass(evaluate, candidates, np.asarray(domain.lower), np.asarray(domain.upper))
    advance(f"local search: {best.max():.4g}")
    worst = int(np.argmax(best))
    return Adversarial(float(best[worst]), found[worst], evaluate.count)


class _Evaluator:
    """Absolute differences at points, the largest over outputs; counts them."""

    def __init__(self, approximation: Approximation) -> None:
        self._target = approximation.target
        params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), approximation.params)
        self._network = jax.jit(lambda x: approximation.network.apply(params, x))
        self.count = 0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.count += len(x)
        parts = []
        for start in range(0, len(x), _BATCH):
            batch = x[start : start + _BATCH]
            size = min(_BATCH, 1 << (len(batch) - 1).bit_length())
            padded = np.concatenate([batch, np.repeat(batch[-1:], size - len(batch), axis=0)])
            with jax.enable_x64(True):
                outputs = np.asarray(self._network(padded))
            parts.append(np.abs(outputs - self._target(padded)).max(axis=1)[: len(batch)])
        return np.concatenate(parts)


def _starts(errors: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """The worst points, and the worst of groups drawn at random, so that not all starts climb one peak."""
    worst = np.argsort(-errors)[: max(1, count // 4)]
    groups = np.array_split(rng.permutation(len(errors)), max(1, count - len(worst)))
    return np.unique(np.concatenate([worst, [group[np.argmax(errors[group])] for group in groups if len(group)]]))


def _climb(approximation: Approximation, starts: np.ndarray) -> np.ndarray | None:
    """Where L-BFGS-B arrives from each start; None if f has no derivatives by JAX."""
    from scipy.optimize import minimize

    objective = _objective(approximation)
    try:
        with jax.enable_x64(True):
            objective(starts[0])
    except (jax.errors.JAXTypeError, jax.errors.TracerArrayConversionError, NotImplementedError):
        return None
    domain = approximation.target.domain
    bounds = list(zip(domain.lower, domain.upper, strict=True))
    arrived = []
    for start in starts:
        with jax.enable_x64(True):
            result = minimize(
                lambda x: tuple(np.asarray(each, np.float64) for each in objective(x)),
                start,
                jac=True,
                method="L-BFGS-B",
                bounds=bounds,
                options={"maxiter": 60},
            )
        arrived.append(np.clip(result.x, domain.lower, domain.upper))
    return np.where(np.isfinite(arrived), arrived, starts)


def _objective(approximation: Approximation) -> Callable[[Any], Any]:
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), approximation.params)
    scale = max(approximation.error.sup, float(np.finfo(np.float64).tiny) ** 0.5)

    def loss(x: Any) -> Any:
        outputs = approximation.network.apply(params, x[None])
        apart = (outputs - jnp.reshape(approximation.target.function(x[None]), outputs.shape)) / scale
        return -jnp.max(apart**2)

    return jax.jit(jax.value_and_grad(loss))


def _compass(
    evaluate: _Evaluator, starts: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """All starts at once: a step along each axis to both sides; the best is taken, or steps are halved where none is better."""
    points, best = starts.copy(), evaluate(starts)
    dimension = points.shape[1]
    directions = np.concatenate([np.eye(dimension), -np.eye(dimension)])
    steps = np.full(len(points), 1 / 64)
    rows = np.arange(len(points))
    for _ in range(_LARGEST_ROUNDS):
        moved = np.clip(points[:, None] + steps[:, None, None] * directions * (high - low), low, high)
        errors = evaluate(moved.reshape(-1, dimension)).reshape(len(points), -1)
        pick = errors.argmax(axis=1)
        better = errors[rows, pick] > best
        points = np.where(better[:, None], moved[rows, pick], points)
        best = np.where(better, errors[rows, pick], best)
        steps = np.where(better, np.minimum(2 * steps, 1 / 64), steps / 2)
        if (steps < _LEAST_STEP).all():
            break
    return points, best
