"""Losses by name, as functions of a network's outputs and the targets."""

from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from nnlimits.validation import is_traced

Loss = Callable[[Array, Array], Array]


def mse(outputs: Float[Array, "n *o"], targets: Float[Array, "n *o"]) -> Float[Array, ""]:
    """Half the mean over all entries of the squared error."""
    return jnp.square(outputs - targets).mean() / 2


def cross_entropy(outputs: Float[Array, "n classes"], targets: Float[Array, "n classes"]) -> Float[Array, ""]:
    """The mean over examples of `-log softmax(outputs)` at the class; `targets` are one-hot, or class probabilities."""
    return -(targets * jax.nn.log_softmax(outputs)).sum(-1).mean()


LOSSES: dict[str, Loss] = {"mse": mse, "cross_entropy": cross_entropy}


def class_targets(y: ArrayLike, dtype: Any) -> Any:
    """Targets for `cross_entropy`: one-hot rows of `dtype` for class labels `0, 1, ...`, and rows of probabilities as
    they are.

    **Raises:** `ValueError` for labels that are negative, not whole, of one class only, or traced (their number is
    unknown), and for rows that do not add up to one.
    """
    if np.ndim(y) != 1:
        _check_probabilities(y)
        return y
    if is_traced(y):
        raise ValueError(
            "class labels under a JAX transformation must be one-hot: how many classes there are is not known"
        )
    labels = np.asarray(y)
    if labels.dtype.kind not in "iubf" or not ((labels >= 0) & (labels == np.round(labels))).all():
        raise ValueError(
            f"class labels must be whole numbers from 0; received {labels[:5]} ...; encode them, or give one-hot rows"
        )
    classes = int(labels.max()) + 1
    if classes < 2:
        raise ValueError("cross-entropy needs at least two classes; all labels are 0")
    return np.eye(classes, dtype=dtype)[labels.astype(int)]


def as_loss(loss: Any) -> Loss:
    """The loss of that name, or the function given.

    **Raises:** `ValueError` for a name that is not one of `LOSSES`; `TypeError` if it is neither a name nor a function.
    """
    if isinstance(loss, str):
        if loss not in LOSSES:
            raise ValueError(
                f"loss must be one of {sorted(LOSSES)}, or a function of outputs and targets; received {loss!r}"
            )
        return LOSSES[loss]
    if not callable(loss):
        raise TypeError(f"loss must be a name or a function of outputs and targets; received {type(loss).__name__}")
    return cast(Loss, loss)


def _check_probabilities(y: ArrayLike) -> None:
    if is_traced(y) or np.ndim(y) != 2:
        return
    totals = np.asarray(y).sum(-1)
    wrong = abs(totals - 1) > 1e-3
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            "with cross-entropy, each row of y must be one-hot or class probabilities; "
            f"row {row} adds up to {totals[row]:.4g}; class labels are given as a vector of integers"
        )
