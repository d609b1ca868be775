"""Selecting a network, the scales of its weights and biases, and the noise, by the data."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

import nnlimits
from nnlimits import nn
from nnlimits.estimators.criteria import CRITERIA
from nnlimits.estimators.scales import (
    Logs,
    bounds,
    concrete,
    initial_logs,
    log_prior,
    noise_variance,
    relevances,
    rescaled,
)

MAX_ITERATIONS = 50


class Selected(NamedTuple):
    """A network whose scales, noise and feature relevances were selected, and its `value` under the criterion."""

    network: nn.Layer
    noise: float
    relevance: Float[np.ndarray, " d"]
    value: float


class Free(NamedTuple):
    """What is selected: which scales, and whether each feature has one of its own."""

    w_std: bool
    b_std: bool
    noise: bool
    relevance: bool


class Data(NamedTuple):
    """Examples padded to a common number of rows, with `mask` zero for padding."""

    x: Float[np.ndarray, "n d"] | Float[Array, "n d"]
    y: Float[np.ndarray, "n o"] | Float[Array, "n o"]
    mask: Float[np.ndarray, " n"] | Float[Array, " n"]


def select(
    networks: list[nn.Layer],
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, "n o"],
    *,
    noise: float,
    free: Free,
    criterion: str,
    kernel: str,
) -> list[Selected]:
    """Optimize the free scales of each network; the results in the order of the networks.

    The criterion plus weak log-normal priors on the scales is maximized by L-BFGS (type-II maximum a posteriori; MacKay 1992).
    A network starts from the scales that were best for the one before it.

    **Arguments:** `noise`, the variance of the noise, or where it begins; `criterion`, a name in `CRITERIA`; `kernel`, "nngp"
    or "ntk".
    """
    data = _padded(x, y)
    found, start = [], {}
    with jax.enable_x64(True):
        for network in networks:
            logs = initial_logs(
                network, w_std=free.w_std, b_std=free.b_std, noise=free.noise, columns=x.shape[1] if free.relevance else None
            )
            start, value = _maximize(_continued(logs, start), network, data, noise, criterion, kernel)
            best = jax.device_get(rescaled(network, start))
            found.append(
                Selected(
                    concrete(best),
                    float(noise_variance(start, noise)),
                    np.asarray(relevances(start, x.shape[1])),
                    value,
                )
            )
    return found


def _maximize(
    logs: Logs, network: nn.Layer, data: Data, noise: float, criterion: str, kernel: str
) -> tuple[Logs, float]:
    initial, restore = ravel_pytree(logs)
    arrays = jax.tree.map(jnp.asarray, (network, data, noise))

    def loss(vector: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = _loss_and_gradient(restore(jnp.asarray(vector)), *arrays, criterion, kernel)
        gradient = np.asarray(ravel_pytree(gradient)[0])
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            return 1e10, np.zeros_like(gradient)  # the line search steps back
        return float(value), gradient

    if not initial.size:
        return logs, -loss(np.asarray(initial))[0]
    result = scipy.optimize.minimize(
        loss,
        np.asarray(initial),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds(initial.size),
        options={"maxiter": MAX_ITERATIONS, "ftol": 1e-6},
    )
    return restore(jnp.asarray(result.x)), -float(result.fun)


@partial(jax.jit, static_argnames=("criterion", "kernel"))
@partial(jax.value_and_grad)
def _loss_and_gradient(
    logs: Logs, network: nn.Layer, data: Data, noise: Any, criterion: str, kernel: str
) -> Float[Array, ""]:
    """Minus the log posterior density of the free scales, up to a constant."""
    rescaled_x = data.x * relevances(logs, data.x.shape[1])
    covariance = getattr(nnlimits.kernel(rescaled(network, logs)), kernel)(rescaled_x)
    both = data.mask[:, None] * data.mask[None]
    diagonal = data.mask * noise_variance(logs, noise) + (1 - data.mask)
    value = CRITERIA[criterion](both * covariance + jnp.diag(diagonal), data.y, data.mask)
    return -value - log_prior(logs)


def _continued(logs: Logs, previous: Logs) -> Logs:
    """`logs` with the values that were found before, where there are any."""
    return {
        name: _continued(value, previous.get(name, {})) if isinstance(value, dict) else previous.get(name, value)
        for name, value in logs.items()
    }


def _padded(x: np.ndarray, y: np.ndarray) -> Data:
    """Rows added up to a multiple of a power of two, so that few shapes are ever compiled."""
    n = len(x)
    step = max(16, 1 << max(0, n.bit_length() - 3))
    missing = -n % step
    mask = np.concatenate([np.ones(n), np.zeros(missing)])
    rows = ((0, missing), (0, 0))
    return Data(np.pad(x, rows, constant_values=1.0), np.pad(y, rows), mask)
