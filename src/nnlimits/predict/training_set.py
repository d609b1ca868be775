"""The examples that a prediction is made from, and the inputs it is asked for, checked."""

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from nnlimits.predict.working_precision import Real, known, restored
from nnlimits.validation import check_finite, check_inputs, check_same_dtype, is_traced


class TrainingSet(eqx.Module):
    """Inputs `x` of shape `(n, d)` and targets `y` of shape `(n, o)`; `vector` if the targets came as `(n,)`."""

    x: Real
    y: Float[Array | np.ndarray, "n o"]
    vector: bool = eqx.field(static=True)

    @property
    def dtype(self) -> Any:
        """The precision of the data, which results return to."""
        return np.dtype(self.x.dtype)

    def check_query(self, x: ArrayLike) -> Any:
        """`x` as inputs that the network trained on this set can take.

        **Raises:** `ValueError` for another number of features, a wrong rank, no rows or NaN; `TypeError` for another
        dtype.
        """
        inputs = check_inputs("x", x, rank=self.x.ndim)
        if inputs.shape[1:] != self.x.shape[1:]:
            raise ValueError(
                f"x has {_features(inputs)}, but the training inputs had {_features(self.x)}; "
                f"received shape {inputs.shape}"
            )
        if not is_traced(inputs):  # traced, JAX may have reduced it to float32 already
            check_same_dtype(x=inputs, training_x=self.x)
        return known(inputs)

    def shaped(self, outputs: Any) -> Float[Array, "..."]:
        """Outputs `(..., m, o)` in the data's precision, and without the last axis if the targets had none."""
        return restored(outputs[..., 0] if self.vector else outputs, self.dtype)

    def given_outputs(self, name: str, outputs: Any, n: int) -> Float[Array | np.ndarray, "n o"]:
        """Outputs given by the caller for `n` inputs, such as those of a network before training, as `(n, o)`."""
        expected = (n,) if self.vector else (n, self.y.shape[1])
        outputs = _as_real(name, outputs)
        if outputs.shape != expected:
            raise ValueError(f"{name} must have shape {expected}, as the targets; received {tuple(outputs.shape)}")
        check_finite(name, outputs)
        return known(outputs).reshape(n, self.y.shape[1])


def training_set(x: ArrayLike, y: ArrayLike) -> TrainingSet:
    """Check inputs and targets against each other.

    **Raises:** `TypeError` for non-numeric data or mixed dtypes; `ValueError` for NaN (with its place), no rows, a
    wrong rank, or lengths that differ. Integer targets take the dtype of the inputs.
    """
    inputs = check_inputs("x", x, rank=max(2, np.ndim(x)))
    targets = _as_real("y", y)
    if targets.ndim not in (1, 2) or 0 in targets.shape:
        raise ValueError(f"y must have shape (n,) or (n, outputs), neither zero; received {tuple(targets.shape)}")
    if len(targets) != len(inputs):
        raise ValueError(f"x and y must have as many rows: x has {len(inputs)} and y has {len(targets)}")
    if np.dtype(targets.dtype).kind in "iub":
        targets = targets.astype(inputs.dtype)
    check_same_dtype(x=inputs, y=targets)
    check_finite("y", targets)
    vector = targets.ndim == 1
    return TrainingSet(known(inputs), known(targets[:, None] if vector else targets), vector)


def _as_real(name: str, array: Any) -> Any:
    if not isinstance(array, jax.Array):
        array = np.asarray(array)
        if array.dtype.kind not in "iubf":
            raise TypeError(f"{name} must be a real numeric array; received dtype {array.dtype}")
    return array


def _features(x: Any) -> str:
    return f"{x.shape[1]} features" if x.ndim == 2 else f"inputs of shape {tuple(x.shape[1:])}"
