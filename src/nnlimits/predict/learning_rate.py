"""The largest learning rate at which full-batch training on squared error is stable."""

from typing import Any

import numpy as np
from jax.typing import ArrayLike

from nnlimits.compute.solve import Matrix, Scalar, largest_eigenvalue
from nnlimits.predict.trajectory import check_train
from nnlimits.predict.working_precision import as_scalar, evaluate, known
from nnlimits.validation import check_inputs, check_non_negative, is_traced


def max_learning_rate(
    kernel: Any,
    x: ArrayLike,
    n_outputs: int = 1,
    *,
    momentum: ArrayLike = 0.0,
    train: str = "all",
    ridge: ArrayLike = 0.0,
) -> Scalar:
    """The rate below which gradient descent is stable: `2 (1 + momentum) N / largest eigenvalue of Theta`, `N = n
    n_outputs`.

    For the loss `1/2` the mean over all `N` entries of `(f - y)^2`, a step along an eigenvector of `Theta` multiplies
    the residual by `1 - rate lambda / N`, of modulus below one iff `rate < 2 N / lambda`. With heavy-ball momentum
    `m`, the residual obeys `r'' = (1 + m - a) r' - m r` with `a = rate lambda / N`, and both roots of `z^2 - (1 + m -
    a) z + m` are inside the unit disk iff `a < 2 (1 + m)` (the Jury conditions, for `0 <= m < 1`).

    **Arguments:** `x` of shape `(n, d)`; `n_outputs`, how many outputs the targets have; `train` and `ridge` as in
    `gradient_descent`.

    **Raises:** `ValueError` for bad inputs, `n_outputs` below one, or momentum outside of `[0, 1)`.
    """
    inputs = known(check_inputs("x", x, rank=max(2, np.ndim(x))))
    check_train(train)
    rate, relative = check_momentum(momentum), as_scalar("ridge", ridge)
    check_non_negative("ridge", relative)
    if n_outputs < 1:
        raise ValueError(f"n_outputs must be at least 1; received {n_outputs}")
    theta = evaluate(kernel.ntk if train == "all" else kernel.nngp, inputs)
    return largest_stable_rate(theta, len(inputs) * n_outputs, rate, relative * theta.diagonal().mean())


def largest_stable_rate(theta: Matrix, n_targets: int, momentum: Scalar, ridge: Scalar) -> Scalar:
    """`max_learning_rate`, from a Gram matrix and an absolute ridge."""
    return 2 * (1 + momentum) * n_targets / (largest_eigenvalue(theta) + ridge)


def check_momentum(momentum: ArrayLike) -> Any:
    """Momentum as a number; `ValueError` if it is known and not in `[0, 1)`."""
    value = as_scalar("momentum", momentum)
    if not is_traced(value) and not 0 <= value < 1:
        raise ValueError(f"momentum must lie in [0, 1); received {value}")
    return value
