"""The Gaussian process that an ensemble of infinitely wide networks follows while trained on squared error."""

import abc
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from nnlimits.compute.solve import Factor, Scalar, add_to_diagonal, factorize
from nnlimits.compute.spectrum import apply_gain, eigendecomposition
from nnlimits.predict.times import Times, along_time, check_times
from nnlimits.predict.training_set import training_set
from nnlimits.predict.trajectory import Trajectory, check_train
from nnlimits.predict.working_precision import Real, as_scalar, evaluate, joined, restored, row_blocks
from nnlimits.validation import check_non_negative, check_positive, is_traced


class Ensemble(Trajectory):
    """Networks drawn at random and trained on squared error, `1/2` the mean over all `N = y.size` entries of `(f -
    y)^2`.

    With `M = Theta + ridge I` and `A_t = Theta(x, X) gain_t(M)`, where the gain is that of the training rule (Jacot et
    al. 2018; Lee et al. 2019, equations 14 to 16),

        mean_t(x)     = A_t y
        cov_t(x, x')  = K(x, x') + A_t (K + target_noise I) A'_t^T - A_t K(X, x') - K(x, X) A'_t^T

    Outputs are independent, with one covariance: `cov` and `std` have no axis for outputs. Results have the precision
    of the data. A time `t` is a number, a vector (then the first axis of the result), or `math.inf`.
    """

    nngp: Real
    factor: Factor
    learning_rate: Scalar
    ridge: Scalar

    @staticmethod
    @abc.abstractmethod
    def gain(eigenvalues: Float[Array, "*shape"], *parameters: Any) -> Float[Array, "*shape"]:
        """What the training rule has learned along eigenvectors of `M`; see `gains`."""

    @abc.abstractmethod
    def gain_parameters(self, t: Any) -> tuple[Any, ...]:
        """What `gain` takes beside the eigenvalues, at time `t`."""

    def check_times(self, t: ArrayLike) -> tuple[Times, bool]:
        """Times as a vector, and whether `t` was a single one."""
        return check_times(t)

    @property
    def jitter(self) -> Scalar:
        """What was added to the diagonal of `Theta + ridge I` to solve with it; zero unless it is ill-conditioned."""
        return self.factor.jitter

    @property
    def target_noise(self) -> Scalar:
        """The variance of the noise that each network of the ensemble has on its own targets; see `gradient_flow`."""
        return self.ridge if self.trained == "last_layer" else 0.0

    def weights(self, t: ArrayLike) -> tuple[Real, bool]:
        """Weights `(times, n, o)` of the mean, in working precision, and whether `t` was a single time."""
        times, single = self.check_times(t)
        residual = self.data.y if self.f0 is None else self.data.y - self.f0
        return self._learned(times, residual), single

    def cov(self, x: ArrayLike, t: ArrayLike = math.inf) -> Float[Array, "*t m m"]:
        """The covariance of the ensemble between the inputs `x`, at time `t`; the same for each output.

        **Raises:** `ValueError` as `mean`, and if outputs before training were given: one network has no covariance.
        """
        inputs, times, single = self._check_random(x, t)
        cross = evaluate(self.kernel.nngp, inputs, self.data.x)
        prior = evaluate(self.kernel.nngp, inputs)
        theta = cross if self.trained == "last_layer" else self.theta_between(inputs)
        covariances = []
        for time in times:
            learned = self._learned(time[None], theta.T)[0]
            reduction = (cross - self._observed(learned).T / 2) @ learned
            covariances.append((prior - reduction - reduction.T)[None])
        return restored(along_time(joined(covariances), single), self.data.dtype)

    def std(self, x: ArrayLike, t: ArrayLike = math.inf) -> Float[Array, "*t m"]:
        """The standard deviation of the ensemble at `x` and time `t`; the same for each output."""
        inputs, times, single = self._check_random(x, t)
        blocks = [self._variances(rows, times) for rows in row_blocks(inputs, len(self.data.x))]
        return restored(along_time(joined(blocks).T.clip(0) ** 0.5, single), self.data.dtype)

    def train_loss(self, t: ArrayLike) -> Float[Array, "*t"]:
        """The training loss at time `t`, expected over the ensemble: that of the mean, plus half the mean variance."""
        times, single = self.check_times(t)
        spread = 0 if self.f0 is not None else self._train_variance(times) / 2
        return restored(along_time(self._loss_of_mean(t) + spread, single), self.data.dtype)

    def train_loss_of_mean(self, t: ArrayLike) -> Float[Array, "*t"]:
        """The training loss of the ensemble's mean at time `t`; for one network (`f0` given), simply its loss."""
        return restored(along_time(self._loss_of_mean(t), self.check_times(t)[1]), self.data.dtype)

    @functools.cached_property
    def _spectrum(self) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues and eigenvectors of `M`, found when first needed; only for known values."""
        values, vectors = eigendecomposition(add_to_diagonal(self.theta, self.ridge + self.jitter))
        return values.clip(np.finfo(values.dtype).eps * values.mean()), vectors

    @functools.cached_property
    def _rotated_variance(self) -> np.ndarray:
        """The diagonal of `K` in the basis of the eigenvectors of `M`; only for known values."""
        vectors = self._spectrum[1]
        return np.einsum("ij,ij->j", vectors, self.nngp @ vectors)

    def _is_traced(self, *others: Any) -> bool:
        return is_traced(
            self.theta, self.nngp, self.factor, self.learning_rate, self.ridge, self.gain_parameters(0), others
        )

    def _learned(self, times: Times, b: Real) -> Real:
        """`gain_t(M) b` for each time: `(times, n, k)`."""
        if is_traced(times) or (self._is_traced(b) and np.isfinite(times).all()):
            return jax.vmap(lambda time: self._learned_traced(time, b))(jnp.asarray(times))
        return joined([self._learned_once(time, b)[None] for time in times])

    def _learned_once(self, time: Any, b: Real) -> Real:
        if np.isinf(time):
            return self.factor.solve(b)
        if self._is_traced(b):
            return self._learned_traced(time, b)
        vectors = self._spectrum[1]
        return vectors @ (self._gains(time[None]).T * (vectors.T @ b))

    def _learned_traced(self, time: Any, b: Real) -> Float[Array, "n k"]:
        matrix = jnp.asarray(add_to_diagonal(self.theta, self.ridge + self.jitter))
        return apply_gain(self.gain, matrix, jnp.asarray(b), self.gain_parameters(time))

    def _gains(self, times: Any) -> np.ndarray:
        """The gain of each eigenvector at each time, `(times, n)`; only for known values."""
        values = np.broadcast_to(self._spectrum[0], (len(times), len(self.theta)))
        with jax.ensure_compile_time_eval(), jax.enable_x64(True):
            finite = np.where(np.isinf(times), 0.0, times)
            gains = np.asarray(self.gain(jnp.asarray(values), *self.gain_parameters(jnp.asarray(finite)[:, None])))
        if not np.isfinite(gains).all():
            raise ValueError(
                f"training at learning rate {self.learning_rate} diverges: the function overflows by time "
                f"{times.max():g}; max_learning_rate gives the largest rate that is stable"
            )
        return np.where(np.isinf(times)[:, None], 1 / values, gains)

    def _observed(self, learned: Real) -> Real:
        """`(K + target_noise I) A^T`, from `A^T`."""
        return self.nngp @ learned + self.target_noise * learned

    def _variances(self, x: Real, times: Times) -> Float[Array | np.ndarray, "m times"]:
        cross = evaluate(self.kernel.nngp, x, self.data.x)
        theta = cross if self.trained == "last_layer" else self.theta_between(x)
        prior = evaluate(self.kernel.diagonal, x).nngp
        variances = []
        for time in times:
            learned = self._learned(time[None], theta.T)[0]
            variances.append((prior - (learned * (2 * cross.T - self._observed(learned))).sum(0))[None])
        return joined(variances).T

    def _loss_of_mean(self, t: ArrayLike) -> Float[Array | np.ndarray, " times"]:
        return ((self._at_training_inputs(t)[0] - self.data.y) ** 2).mean((1, 2)) / 2

    def _train_variance(self, times: Times) -> Float[Array | np.ndarray, " times"]:
        """The mean over the training inputs of the ensemble's variance."""
        if self._is_traced(times):
            fitted = self._learned(times, jnp.eye(len(self.theta), dtype=jnp.asarray(self.theta).dtype)) @ self.theta
            unfitted = jnp.eye(len(self.theta), dtype=fitted.dtype) - fitted
            variance = jnp.einsum("tij,ik,tkj->t", unfitted, self.nngp, unfitted)
            return (variance + self.target_noise * (fitted**2).sum((1, 2))) / len(self.theta)
        fitted = self._gains(times) * (self._spectrum[0] - self.ridge - self.jitter)
        return ((1 - fitted) ** 2 * self._rotated_variance + self.target_noise * fitted**2).mean(1)

    def _check_random(self, x: ArrayLike, t: ArrayLike) -> tuple[Any, Times, bool]:
        if self.f0 is not None:
            raise ValueError(
                "one network, given by its outputs f0 before training, has no ensemble covariance; leave f0 out for "
                "the ensemble"
            )
        return self.data.check_query(x), *self.check_times(t)


def ensemble_fields(
    kernel: Any,
    x: ArrayLike,
    y: ArrayLike,
    f0: ArrayLike | None,
    learning_rate: ArrayLike,
    ridge: ArrayLike,
    train: str,
) -> dict[str, Any]:
    """The fields of an `Ensemble`: the arguments of all training rules, checked, and its kernels, factorized."""
    data = training_set(x, y)
    check_train(train)
    rate, relative = as_scalar("learning_rate", learning_rate), as_scalar("ridge", ridge)
    check_positive("learning_rate", rate)
    check_non_negative("ridge", relative)
    if train == "all":
        nngp, theta = evaluate(kernel, data.x)
    else:
        nngp = theta = evaluate(kernel.nngp, data.x)
    absolute = relative * theta.diagonal().mean()
    initial = None if f0 is None else data.given_outputs("f0", f0, len(data.x))
    factor = factorize(
        add_to_diagonal(theta, absolute), data.y if initial is None else data.y - initial, remedy="ridge"
    )
    return {
        "kernel": kernel,
        "data": data,
        "theta": theta,
        "f0": initial,
        "trained": train,
        "nngp": nngp,
        "factor": factor,
        "learning_rate": rate,
        "ridge": as_scalar("ridge", absolute),
    }
