"""What finite width adds to the Bayesian posterior, to first order in 1/width."""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from nnlimits import nn
from nnlimits.compute.precision import precision_of
from nnlimits.fluctuations.fluctuations import fluctuations
from nnlimits.validation import check_finite, check_inputs, check_non_negative, check_same_dtype, is_traced

Kernel = Float[Array, "N N"]


class PosteriorCorrection(eqx.Module):
    """The posterior of a Bayesian network's function at `m` inputs with `o` outputs: infinite width, and first corrections."""

    mean: Float[Array, "m o"]
    """The mean at infinite width."""
    covariance: Float[Array, "m m"]
    """The covariance at infinite width, that of every output."""
    mean_correction: Float[Array, "m o"]
    """What the network's widths add to the mean."""
    covariance_correction: Float[Array, "o m m"]
    """What they add to the covariance of each output with itself."""
    log_marginal_likelihood: Float[Array, ""]
    """`log p(y)` at infinite width."""
    log_marginal_likelihood_correction: Float[Array, ""]
    """What the widths add to it."""


def posterior_correction(
    network: nn.Layer, x: ArrayLike, y: ArrayLike, x_test: ArrayLike | None = None, *, noise: Any = 0.0
) -> PosteriorCorrection:
    """The posterior of a finite Bayesian network to first order in 1/width.

    Given the covariance `S` of an output, the function is a Gaussian process and its posterior is known; `S` has a prior of mean
    `K + G` and covariance `V`, and examples move it by `V` times the gradient of their log-likelihood. Expanding the prediction
    in `S` gives the corrections (Yaida 2020, section 4; Roberts, Yaida & Hanin 2022, section 6.4). All outputs share
    `S`, so that the corrections of one depend on the targets of all.

    **Arguments:** `network`, as for `fluctuations`; `x`, inputs `(n, d)`, and `y`, targets `(n,)` or `(n, o)`; `x_test`, inputs
    `(m, d)` at which to predict, `x` if absent; `noise`, the variance of the Gaussian noise on `y`. `n + m` should be
    about eight at most.

    **Raises:** as `fluctuations`; `ValueError` for targets of another length or a negative noise.
    """
    check_non_negative("noise", noise)
    trained: Any = check_inputs("x", x, rank=max(np.ndim(x), 2))
    targets = _targets(y, trained)
    check_same_dtype(x=trained, y=targets)
    inputs = trained
    if x_test is not None:
        new: Any = check_inputs("x_test", x_test, rank=max(np.ndim(x_test), 2))
        check_same_dtype(x=trained, x_test=new)
        inputs = (jnp if is_traced(trained, new) else np).concatenate([trained, new])
    with precision_of(*([] if is_traced(network) else [inputs])):
        found = fluctuations(network, inputs)
        first = 0 if x_test is None else len(trained)
        return _correction(first, found.kernel, found.kernel_correction, found.vertex, jnp.asarray(targets), noise)


def _targets(y: Any, x: Any) -> Any:
    if not isinstance(y, jax.Array):
        y = np.asarray(y)
        y = y.astype(x.dtype) if y.dtype.kind in "iub" else y
    check_finite("y", y)
    if y.ndim not in (1, 2) or len(y) != len(x):
        raise ValueError(f"y must have shape ({len(x)},) or ({len(x)}, outputs), as x has; received {tuple(y.shape)}")
    return y.reshape(len(y), -1)


@partial(jax.jit, static_argnums=0)
def _correction(
    first: int, kernel: Kernel, change: Kernel, vertex: Float[Array, "N N N N"], y: Float[Array, "n o"], noise: Any
) -> PosteriorCorrection:
    n = len(y)

    def likelihood(s: Kernel) -> Float[Array, ""]:
        factor = jnp.linalg.cholesky(s[:n, :n] + noise * jnp.eye(n, dtype=s.dtype))
        white = jax.scipy.linalg.solve_triangular(factor, y, lower=True)
        normalizer = 2 * jnp.log(jnp.diagonal(factor)).sum() + n * jnp.log(2 * jnp.pi)
        return -((white**2).sum() + y.shape[1] * normalizer) / 2

    def predicted(s: Kernel) -> tuple[Float[Array, "m o"], Float[Array, "m m"]]:
        gram = s[:n, :n] + noise * jnp.eye(n, dtype=s.dtype)
        cross = s[first:, :n]
        both = jnp.linalg.solve(gram, jnp.concatenate([y, s[:n, first:]], axis=1))
        return cross @ both[:, : y.shape[1]], s[first:, first:] - cross @ both[:, y.shape[1] :]

    slope, curvature = jax.grad(likelihood)(kernel), jax.hessian(likelihood)(kernel)
    moved = change + jnp.einsum("abcd,cd->ab", vertex, slope)
    gradients, hessians = jax.jacfwd(predicted)(kernel), jax.jacfwd(jax.jacfwd(predicted))(kernel)
    mean, covariance = (
        jnp.einsum("ijab,ab->ij", g, moved) + jnp.einsum("ijabcd,abcd->ij", h, vertex) / 2
        for g, h in zip(gradients, hessians, strict=True)
    )
    of_means = jnp.einsum("ioab,joef,abef->oij", gradients[0], gradients[0], vertex)
    evidence = (slope * change).sum() + ((curvature + jnp.multiply.outer(slope, slope)) * vertex).sum() / 2
    now = predicted(kernel)
    return PosteriorCorrection(now[0], now[1], mean, covariance + of_means, likelihood(kernel), evidence)
