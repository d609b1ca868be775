"""Kernels as callables `k(x1, x2) -> (n1, n2)`, evaluated in float64 with answers that are checked."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from nnlimits.compute.spectrum import eigendecomposition
from nnlimits.kernels import Kernel
from nnlimits.nn import Layer
from nnlimits.nn.fields import as_integer
from nnlimits.predict.training_set import training_set
from nnlimits.predict.working_precision import evaluate, row_blocks
from nnlimits.validation import check_inputs, is_traced

KernelFunction = Any
"""A callable `k(x1, x2)` of inputs (n1, ...) and (n2, ...), such as `nnlimits.kernel(network).ntk`; its values are (n1, n2)."""

Inputs = Float[np.ndarray, "_ ..."]
Matrix = Float[np.ndarray, "_ _"]

_BLOCK = 64

_ASYMMETRY = 1e-6
"""Of a Gram matrix, relative to its largest entry: what float32 leaves of symmetry, and more."""


def check_kernel(kernel: Any) -> None:
    """Raise `TypeError` unless `kernel` is a function of two batches; the error says which function a network has."""
    if isinstance(kernel, Kernel):
        raise TypeError("kernel must be one of a network's two kernels: nnlimits.kernel(network).ntk or .nngp")
    if isinstance(kernel, Layer):
        raise TypeError(
            f"kernel must be a function of two batches; received the network {kernel!r:.60}: give "
            "nnlimits.kernel(network).ntk or .nngp"
        )
    if not callable(kernel):
        raise TypeError(
            f"kernel must be a function k(x1, x2) of two batches with values (n1, n2); received {type(kernel).__name__}"
        )


def check_points(name: str, x: Any) -> Inputs:
    """Inputs, with the examples along the first axis, as a float64 array.

    **Raises:** `TypeError` for traced or non-numeric inputs; `ValueError` for no examples, one axis only, or NaN.
    """
    if is_traced(x):
        raise TypeError(
            f"{name} is traced: nnlimits.rkhs works on known values in float64, outside jax.jit and jax.grad"
        )
    return np.asarray(check_inputs(name, x, rank=max(2, np.ndim(x))), np.float64)


class Examples(NamedTuple):
    """Inputs with their targets, checked, in float64."""

    points: Inputs
    targets: Float[np.ndarray, "n o"]
    vector: bool
    """Whether the targets came as (n,)."""


def check_examples(x: Any, y: Any, names: tuple[str, str] = ("x", "y")) -> Examples:
    """Inputs (n, ...) and targets (n,) or (n, outputs), whatever their precision.

    **Raises:** `TypeError` for traced or non-numeric data; `ValueError` for NaN, a wrong rank, no rows, or lengths that differ.
    """
    points = check_points(names[0], x)
    if is_traced(y):
        raise TypeError(
            f"{names[1]} is traced: nnlimits.rkhs works on known values in float64, outside jax.jit and jax.grad"
        )
    targets = np.asarray(y)
    if targets.dtype.kind in "iubf":
        targets = targets.astype(np.float64)
    data = training_set(points, targets)
    return Examples(points, np.asarray(data.y), data.vector)


def check_same_features(x: Inputs, others: Inputs, name: str = "x", other_name: str = "the training inputs") -> None:
    """Raise `ValueError` unless both batches hold examples of one shape."""
    if x.shape[1:] != others.shape[1:]:
        raise ValueError(
            f"{name} and {other_name} must have the same features; received shapes {x.shape} and {others.shape}"
        )


def cross_gram(kernel: KernelFunction, x1: Inputs, x2: Inputs) -> Matrix:
    """`k(x1, x2)` in float64.

    **Raises:** `ValueError` for values of another shape, or NaN; `TypeError` for values that are no numbers.
    """
    with jax.enable_x64(True):  # else a kernel written in JAX would compute in float32
        values = np.asarray(evaluate(kernel, x1, x2))
    return _checked(values, (len(x1), len(x2)))


def gram_matrix(kernel: KernelFunction, x: Inputs) -> Matrix:
    """`k(x, x)` in float64: of a network's kernel by tiles, half of it computed.

    **Raises:** as `cross_gram`; `ValueError` for a matrix that is not symmetric.
    """
    network, name = getattr(kernel, "__self__", None), getattr(kernel, "__name__", None)
    if isinstance(network, Kernel) and name in ("ntk", "nngp"):
        from nnlimits.compute import gram

        return _checked(np.asarray(gram(network, x, get=name, progress=False)), (len(x), len(x)))
    matrix = cross_gram(kernel, x, x)
    asymmetry = np.abs(matrix - matrix.T)
    if asymmetry.max() > _ASYMMETRY * np.abs(matrix).max():
        i, j = np.unravel_index(int(asymmetry.argmax()), matrix.shape)
        raise ValueError(
            f"kernel is not symmetric: k(x[{i}], x[{j}]) is {matrix[i, j]:.6g} and k(x[{j}], x[{i}]) is {matrix[j, i]:.6g}"
        )
    return (matrix + matrix.T) / 2


def semidefinite_eigendecomposition(
    matrix: Matrix, before: float | None = None
) -> tuple[Float[np.ndarray, " n"], Matrix]:
    """Ascending eigenvalues and eigenvectors of a Gram matrix; those below zero by rounding are as they come.

    Rounding is that of a matrix of the norm `before`, as before it was centred; its own if absent.

    **Raises:** `ValueError` for a matrix with an eigenvalue that is negative beyond rounding.
    """
    values, vectors = eigendecomposition(matrix)
    if values[0] < -_ASYMMETRY * (abs(values[-1]) if before is None else before):
        raise ValueError(
            f"the Gram matrix has the negative eigenvalue {values[0]:.3g} (largest {values[-1]:.3g}); kernel is not positive "
            "semi-definite"
        )
    return values, vectors


def seeded(seed: Any) -> np.random.Generator:
    """NumPy's generator. **Raises:** `TypeError` or `ValueError` for what is no integer, or a negative one."""
    return np.random.default_rng(as_integer("seed", 0, seed))


def kernel_rows(kernel: KernelFunction, x: Inputs, others: Inputs) -> Iterator[tuple[slice, Matrix]]:
    """Blocks of rows of `k(x, others)`, each small enough for memory."""
    start = 0
    for rows in row_blocks(x, len(others)):
        yield slice(start, start + len(rows)), cross_gram(kernel, np.asarray(rows), others)
        start += len(rows)


def kernel_diagonal(kernel: KernelFunction, x: Inputs) -> Float[np.ndarray, " n"]:
    """`k(x_i, x_i)`, a few examples at a time; of a network's kernel without pairs."""
    network, name = getattr(kernel, "__self__", None), getattr(kernel, "__name__", None)
    if isinstance(network, Kernel) and name in ("ntk", "nngp"):
        return np.asarray(getattr(evaluate(network.diagonal, x), name), np.float64)
    return paired(kernel, x, x)


def paired(kernel: KernelFunction, x1: Inputs, x2: Inputs) -> Float[np.ndarray, " n"]:
    """`k(x1_i, x2_i)` of each pair, by small blocks."""
    parts = [np.diagonal(cross_gram(kernel, x1[i : i + _BLOCK], x2[i : i + _BLOCK])) for i in range(0, len(x1), _BLOCK)]
    return np.concatenate(parts)


def _checked(values: np.ndarray, shape: tuple[int, int]) -> Matrix:
    if values.dtype.kind not in "iubf":
        raise TypeError(f"kernel must return real numbers; received dtype {values.dtype}")
    if values.shape != shape:
        raise ValueError(f"kernel must return shape {shape} for batches of these lengths; received {values.shape}")
    if not np.isfinite(values.sum()):
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0]) if not np.isfinite(values).all() else None
        if place is not None:
            raise ValueError(f"kernel returned {values[place]} for the pair {place}; scale the inputs or the kernel")
    return values.astype(np.float64, copy=False)
