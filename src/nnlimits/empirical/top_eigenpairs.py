"""The largest eigenvalues of a symmetric operator, by Lanczos' iteration."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from nnlimits.compute.precision import precision_of


class Eigenpairs(NamedTuple):
    """Eigenvalues, descending, with unit eigenvectors as columns."""

    values: Float[Array, " k"]
    vectors: Float[Array, "entries k"]
    residuals: Float[Array, " k"]
    """`|A v - lambda v|`: each eigenvalue is within this distance of one of the operator's."""


def top_eigenpairs(operator: Any, k: int, key: PRNGKeyArray, *, tolerance: float | None = None) -> Eigenpairs:
    """The `k` largest eigenvalues of a symmetric operator and their eigenvectors, from products with vectors alone.

    Lanczos' iteration with full reorthogonalization, as `matfree` has it, from a random vector; the number of products
    is doubled until all residuals are small. An eigenvalue repeated to machine precision may be found once only.

    **Arguments:**

    - `operator`: from `ntk_operator`, or any symmetric `lineax` operator on vectors; its matrix is never formed.
    - `k`: how many; at most the operator's size.
    - `key`: a JAX random key, for the first vector.
    - `tolerance`: of the residuals, relative to the largest eigenvalue; the square root of the machine precision if
      absent. An eigenvalue's own error is smaller, about the residual squared over the gap to its neighbours.

    **Returns:** `Eigenpairs`, with the residuals that were reached.

    **Raises:** `ValueError` for a `k` that is not between 1 and the operator's size; `ImportError` without `matfree`.
    """
    structure = operator.in_structure()
    size = structure.shape[0]
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= size:
        raise ValueError(f"k must be a whole number between 1 and the operator's size {size}; received {k!r}")
    tolerance = float(np.sqrt(np.finfo(structure.dtype).eps)) if tolerance is None else tolerance
    with precision_of(structure):
        start = jax.random.normal(key, (size,), structure.dtype)
        steps = min(size, 2 * k + 20)
        while True:
            pairs = _deflated(operator.mv, start, k, steps)
            if steps == size or bool((pairs.residuals <= tolerance * abs(pairs.values[0])).all()):
                return pairs
            steps = min(size, 2 * steps)


def _deflated(product: Callable[..., Any], start: Array, k: int, steps: int) -> Eigenpairs:
    """`k` pairs; where the iteration from one vector ends early, it goes on from one orthogonal to all it found."""
    values, vectors = jnp.zeros(0, start.dtype), jnp.zeros((len(start), 0), start.dtype)
    while len(values) < k:

        def orthogonal(vector: Array, found: Array = vectors) -> Array:
            for _ in range(2):  # once is not enough in floating point
                vector = vector - found @ (found.T @ vector)
            return vector

        more = _krylov(
            lambda v, project=orthogonal: project(product(project(v))),
            orthogonal(start),
            min(steps, len(start) - len(values)),
        )
        values = jnp.concatenate([values, more[0]])
        vectors = jnp.concatenate([vectors, orthogonal(more[1])], axis=1)
        start = jnp.roll(start, 1) * jnp.arange(1, len(start) + 1, dtype=start.dtype)
    order = jnp.argsort(-values)[:k]
    values, vectors = values[order], vectors[:, order]
    vectors = vectors / jnp.linalg.norm(vectors, axis=0)
    residuals = jax.vmap(lambda value, vector: jnp.linalg.norm(product(vector) - value * vector), (0, 1))(
        values, vectors
    )
    return Eigenpairs(values, vectors, residuals)


def _krylov(product: Callable[..., Any], start: Array, steps: int) -> tuple[Array, Array]:
    """Eigenvalues and eigenvectors (columns) from one run, up to where its space is invariant."""
    basis, tridiagonal, *_ = _decomposition().tridiag_sym(steps, custom_vjp=False)(product, start)
    matrix = np.asarray(tridiagonal)
    scale = np.nanmax(abs(matrix))
    ended = ~(abs(np.diag(matrix, 1)) > 100 * np.finfo(matrix.dtype).eps * scale)
    count = int(np.argmax(ended)) + 1 if ended.any() else steps
    values, rotation = jnp.linalg.eigh(tridiagonal[:count, :count])
    return values, basis[:count].T @ rotation


def _decomposition() -> Any:
    try:
        from matfree import decomp
    except ImportError:
        raise ImportError(
            'eigenpairs of operators need matfree; install it with: pip install "nnlimits[empirical]"', name="matfree"
        ) from None
    return decomp
