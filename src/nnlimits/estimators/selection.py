"""Selecting a network, the scales of its weights and biases, and the noise, by the data."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jax.flatten_util import ravel_pytree
from jaxtyping import Float
from threadpoolctl import threadpool_limits

import nnlimits
from nnlimits import nn
from nnlimits.estimators.criteria import CRITERIA
from nnlimits.estimators.pullback import TILE, pullback
from nnlimits.estimators.scales import (
    Logs,
    concrete,
    initial_logs,
    noise_variance,
    ranges,
    relevances,
    rescaled,
    spreads,
)
from nnlimits.kernels.load import load, work_of_a_pair

Examples = Float[np.ndarray, "n ..."]
Outputs = Float[np.ndarray, "n o"]

SCREENING_ROWS = TILE
SCREENING_STEPS = 30
REFINING_STEPS = 15
_HOPELESS = 1e10

MOST_ROWS = 1000
LEAST_ROWS = 32
_PAIRS_OF_POSITIONS = 2e6


class Free(NamedTuple):
    """What is selected beside the network: which scales, and whether each feature has one of its own."""

    w_std: bool
    b_std: bool
    noise: bool
    relevance: bool


class Judge(NamedTuple):
    """How hyper-parameters are judged: by which criterion, of which kernel ("nngp" or "ntk")."""

    criterion: str
    kernel: str


class Selected(NamedTuple):
    """A network whose scales, noise and feature relevances were selected, and its `value` under the criterion, per example."""

    network: nn.Layer
    noise: float
    relevance: Float[np.ndarray, " d"]
    value: float


class Candidate(NamedTuple):
    """A network, its free scales, where its noise begins, and its value."""

    network: nn.Layer
    logs: Logs
    noise: float
    value: float

    def selected(self, columns: int) -> Selected:
        """The network with the scales that were found; `columns`, the number of features or channels."""
        network = concrete(jax.device_get(rescaled(self.network, self.logs)))
        noise = noise_variance(self.logs, self.noise)
        return Selected(network, noise, np.asarray(relevances(self.logs, columns)), self.value)


def select(
    networks: list[nn.Layer], x: Examples, y: Outputs, *, noise: float, free: Free, judge: Judge
) -> tuple[Selected, list[Selected]]:
    """Optimize the free scales of each network on the first few rows, and then those of the best network on all rows.

    The criterion plus weak log-normal priors on the scales is maximized by L-BFGS (type-II maximum a posteriori; MacKay 1992).

    **Arguments:** `x`, `y`, in an order in which the first rows are a fair sample; `noise`, the variance of the noise, or
    where it begins.

    **Returns:** the best, and what was found for each network, in their order.
    """
    columns = x.shape[-1]
    few = slice(min(len(x), SCREENING_ROWS))
    # the matrices are small: on a busy machine, threads of the linear algebra would mostly wait for each other
    with jax.enable_x64(True), threadpool_limits(1, user_api="blas"):
        found = [
            _maximized(
                Candidate(network, _start(network, free, columns), noise, 0.0), x[few], y[few], judge, SCREENING_STEPS
            )
            for network in networks
        ]
        best = max(found, key=lambda candidate: candidate.value)
        if len(x) > SCREENING_ROWS and best.logs:
            best = _maximized(best, x, y, judge, REFINING_STEPS)
        return best.selected(columns), [candidate.selected(columns) for candidate in found]


def rows_to_select_on(network: nn.Layer, input_shape: tuple[int, ...]) -> int:
    """On how many rows scales are selected: with positions, so many that a kernel matrix takes about a second."""
    work = work_of_a_pair(network, input_shape)
    return MOST_ROWS if work == 1 else int(np.clip((_PAIRS_OF_POSITIONS / work) ** 0.5, LEAST_ROWS, MOST_ROWS))


def _start(network: nn.Layer, free: Free, columns: int) -> Logs:
    return initial_logs(
        network, w_std=free.w_std, b_std=free.b_std, noise=free.noise, columns=columns if free.relevance else None
    )


def _maximized(candidate: Candidate, x: Examples, y: Outputs, judge: Judge, steps: int) -> Candidate:
    start, restore = ravel_pytree(candidate.logs)
    spread, least, largest = (
        np.asarray(ravel_pytree(tree)[0])
        for tree in (spreads(candidate.logs), ranges(candidate.logs, 0), ranges(candidate.logs, 1))
    )

    def loss(vector: np.ndarray) -> tuple[float, np.ndarray]:
        logs = jax.device_get(restore(jnp.asarray(vector)))
        try:
            value, gradient = _value_and_gradient(logs, candidate, x, y, judge)
        except ValueError as error:
            # scales at which the matrix cannot be solved with, or variances overflow: the line search steps back
            if not vector.any() and not isinstance(error, np.linalg.LinAlgError):
                raise
            return _HOPELESS, np.zeros_like(vector)
        penalty = vector / spread
        slope = penalty / spread - np.asarray(ravel_pytree(gradient)[0])
        return float(penalty @ penalty / 2 - value) / len(x), slope / len(x)

    if not start.size:
        return candidate._replace(value=-loss(np.zeros(0))[0])
    result = scipy.optimize.minimize(
        loss,
        np.asarray(start),
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(least, largest, strict=True)),
        options={"maxiter": steps, "ftol": 1e-6, "gtol": 1e-4},
    )
    return candidate._replace(logs=jax.device_get(restore(jnp.asarray(result.x))), value=-float(result.fun))


def _value_and_gradient(logs: Logs, candidate: Candidate, x: Examples, y: Outputs, judge: Judge) -> tuple[float, Logs]:
    """The criterion and its gradient with respect to `logs`.

    **Raises:** `numpy.linalg.LinAlgError` if the covariance is not positive definite.
    """
    kernel = nnlimits.kernel(concrete(jax.device_get(rescaled(candidate.network, logs))))
    noise = noise_variance(logs, candidate.noise)
    covariance = np.array(getattr(kernel, judge.kernel)(x * np.asarray(relevances(logs, x.shape[-1]))))
    covariance.flat[:: len(x) + 1] += noise
    value, by_covariance = CRITERIA[judge.criterion](covariance, y)
    free = {name: value for name, value in logs.items() if name != "noise"}
    tiles = load(candidate.network, x.shape[1:], x.dtype)
    gradient = pullback(_matrix, free, candidate.network, judge.kernel, x, by_covariance, load=tiles) if free else {}
    if "noise" in logs:
        gradient["noise"] = noise * np.trace(by_covariance)
    return value, gradient


def _matrix(logs: Logs, network: nn.Layer, kernel: str, x1: Any, x2: Any) -> Any:
    """The Gram matrix for free scales `logs`."""
    scale = relevances(logs, x1.shape[-1])
    evaluate = getattr(nnlimits.kernel(rescaled(network, logs)), kernel)
    return evaluate(x1 * scale, None if x2 is None else x2 * scale)
