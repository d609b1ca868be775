"""Infinitely wide networks trained by full-batch gradient descent on squared error, step by step in closed form."""

from typing import Any

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from nnlimits.compute.solve import Scalar
from nnlimits.predict.ensemble import Ensemble, ensemble_fields
from nnlimits.predict.gains import descent_gain
from nnlimits.predict.learning_rate import largest_stable_rate
from nnlimits.predict.times import Times, check_steps


class GradientDescent(Ensemble):
    """An ensemble of infinitely wide networks after `t` steps of descent; made by `gradient_descent` and `momentum`."""

    momentum: Scalar

    @staticmethod
    def gain(eigenvalues: Float[Array, "*shape"], *parameters: Any) -> Float[Array, "*shape"]:
        """What `steps` steps at a rescaled rate learn; see `gains.descent_gain`."""
        return descent_gain(eigenvalues, *parameters)

    def gain_parameters(self, t: Any) -> tuple[Any, ...]:
        """The number of steps, the rescaled rate `learning_rate / N`, and the momentum."""
        return t, self.learning_rate / self.data.y.size, self.momentum

    def check_times(self, t: ArrayLike) -> tuple[Times, bool]:
        """Numbers of steps as a vector, and whether `t` was a single one.

        **Raises:** `ValueError` for steps that are negative or not whole, and for infinitely many at an unstable rate.
        """
        steps, single = check_steps(t)
        if not self._is_traced(steps) and np.isinf(steps).any():
            limit = largest_stable_rate(self.theta, self.data.y.size, self.momentum, self.ridge)
            if self.learning_rate >= limit:
                raise ValueError(
                    f"training at learning rate {self.learning_rate} diverges, so t=inf has no answer: rates are "
                    f"stable below {limit:.6g} (max_learning_rate); a finite number of steps can be asked for"
                )
        return steps, single


def gradient_descent(
    kernel: Any,
    x: ArrayLike,
    y: ArrayLike,
    *,
    learning_rate: ArrayLike,
    f0: ArrayLike | None = None,
    train: str = "all",
    ridge: ArrayLike = 0.0,
) -> GradientDescent:
    """Train infinitely wide networks on squared error by full-batch gradient descent; `t` counts steps.

    As `gradient_flow`, with `(I - learning_rate Theta / N)^t` in place of `exp(-learning_rate Theta t / N)`.

    **Arguments and errors:** as `gradient_flow`; `t` must be whole. The learning rate has no default: one that is not
    below `max_learning_rate(kernel, x, n_outputs)` diverges.
    """
    return GradientDescent(**ensemble_fields(kernel, x, y, f0, learning_rate, ridge, train), momentum=0.0)
