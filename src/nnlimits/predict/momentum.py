"""Infinitely wide networks trained by gradient descent with heavy-ball momentum, step by step in closed form."""

from typing import Any

from jax.typing import ArrayLike

from nnlimits.predict.ensemble import ensemble_fields
from nnlimits.predict.gradient_descent import GradientDescent
from nnlimits.predict.learning_rate import check_momentum


def momentum(
    kernel: Any,
    x: ArrayLike,
    y: ArrayLike,
    *,
    learning_rate: ArrayLike,
    momentum: ArrayLike = 0.9,
    f0: ArrayLike | None = None,
    train: str = "all",
    ridge: ArrayLike = 0.0,
) -> GradientDescent:
    """Train infinitely wide networks on squared error by gradient descent with heavy-ball momentum; `t` counts steps.

    The rule is Polyak's (1964), from rest, as PyTorch and Optax have it without Nesterov's correction:

        velocity  <- momentum velocity - learning_rate grad L
        params    <- params + velocity

    Along each eigenvector it is a linear recursion, solved in closed form; so it holds at any learning rate, not only
    in the limit of small steps, which is gradient flow at the rate `learning_rate / (1 - momentum)`.

    **Arguments and errors:** as `gradient_descent`; `momentum` in `[0, 1)`. Stable below
    `max_learning_rate(kernel, x, n_outputs, momentum=momentum)`.
    """
    rate = check_momentum(momentum)
    fields = ensemble_fields(kernel, x, y, f0, learning_rate, ridge, train)
    return GradientDescent(**fields, momentum=rate)
