"""Solving with covariance matrices: a Cholesky factor whose jitter is chosen, reported, and never silent.

Concrete matrices are factorized by LAPACK in float64 on the host; under a JAX transformation the same choice of jitter
is made in JAX, in the matrix's own precision, and is differentiable.
"""

import sys
import warnings
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
import scipy.sparse.linalg
from jax.scipy.linalg import cho_solve, solve_triangular
from jaxtyping import Array, Bool, Float

from nnlimits.compute.cholesky import cholesky_in_place, inverse_diagonal
from nnlimits.compute.traced_cholesky import traced_cholesky
from nnlimits.validation import is_traced

Matrix = Float[Array | np.ndarray, "n n"]
Columns = Float[Array | np.ndarray, "n k"]
Scalar = float | Float[Array | np.ndarray, ""]

_NOT_THE_USERS = ("nnlimits", "equinox", "jaxtyping")

LARGEST_JITTER = 1e-3
"""As a fraction of the mean of the diagonal; a matrix that needs more was no covariance matrix to begin with."""


class Factor(eqx.Module):
    """The Cholesky factor of `matrix + jitter I`, and what is solved with it."""

    lower: Matrix
    jitter: Scalar

    def solve(self, b: Columns) -> Columns:
        """`(matrix + jitter I)^{-1} b`."""
        if is_traced(self.lower, b):
            return cho_solve((self.lower, True), b)
        return scipy.linalg.cho_solve((_double(self.lower), True), _double(b), check_finite=False)

    def whiten(self, b: Columns) -> Columns:
        """`L^{-1} b`, so that `|whiten(b)|^2 = b^T (matrix + jitter I)^{-1} b`."""
        if is_traced(self.lower, b):
            return solve_triangular(self.lower, b, lower=True)
        return scipy.linalg.solve_triangular(_double(self.lower), _double(b), lower=True, check_finite=False)

    def log_determinant(self) -> Scalar:
        """`log det(matrix + jitter I)`."""
        if is_traced(self.lower):
            return 2 * jnp.log(jnp.diagonal(self.lower)).sum()
        return 2 * np.log(np.diagonal(_double(self.lower))).sum()

    def inverse_diagonal(self) -> Float[Array | np.ndarray, " n"]:
        """The diagonal of `(matrix + jitter I)^{-1}`, without the rest of it."""
        if is_traced(self.lower):
            return jnp.square(self.whiten(jnp.eye(len(self.lower), dtype=self.lower.dtype))).sum(0)
        return inverse_diagonal(_double(self.lower))


def factorize(matrix: Matrix, targets: Columns, *, name: str = "the Gram matrix", remedy: str = "noise") -> Factor:
    """Factorize a covariance matrix, with the least jitter that lets it be solved for `targets`.

    The jitter is zero if that works. Otherwise it rises from `eps * mean(diag(matrix))` by factors of ten until the
    factor is finite, `(matrix + jitter I) alpha = targets` is solved to `eps**(1/3)` of the targets, and rounding
    errors of size `eps` in a predictive covariance, multiplied by the weights `alpha`, stay below the same fraction.
    Whatever is not zero is announced by a warning and reported in `Factor.jitter`.

    Under a JAX transformation nothing can be announced: read `Factor.jitter`. There the jitter may rise up to
    the mean of the diagonal, so the factor of a finite matrix is finite. The jitter is a constant for derivatives.

    **Arguments:** `matrix` of shape `(n, n)`, symmetric; `targets` of shape `(n, k)`; `name` and `remedy`, for
    messages: what the matrix is, and which argument of the caller would make it better conditioned.

    **Raises:** `numpy.linalg.LinAlgError` (a `ValueError`) if the matrix has non-finite entries, or if no jitter up to
    `LARGEST_JITTER` of the mean of its diagonal suffices.
    """
    if is_traced(matrix, targets):
        lower, jitter = _traced_factor(jnp.asarray(matrix), jnp.asarray(targets))
        return Factor(lower, jitter)
    return _host_factor(_double(matrix), _double(targets), name, remedy)


def add_to_diagonal(matrix: Matrix, value: Scalar) -> Matrix:
    """`matrix + value I`, as a new array."""
    if is_traced(matrix, value):
        matrix = jnp.asarray(matrix)
        return matrix + value * jnp.eye(len(matrix), dtype=matrix.dtype)
    shifted = np.array(matrix)
    shifted.flat[:: len(shifted) + 1] += value
    return shifted


def largest_eigenvalue(matrix: Matrix) -> Scalar:
    """The largest eigenvalue of a positive semi-definite matrix, by Lanczos iteration if its values are known."""
    if is_traced(matrix):
        return jnp.linalg.eigvalsh(matrix)[-1]
    matrix = _double(matrix)
    n = len(matrix)
    if n < 64:
        return float(np.linalg.eigvalsh(matrix)[-1])
    start = np.ones(
        n
    )  # a covariance matrix's leading eigenvector is seldom far from it; and the result is reproducible
    return float(scipy.sparse.linalg.eigsh(matrix, k=1, which="LA", v0=start, return_eigenvectors=False)[0])


def _double(array: Any) -> np.ndarray:
    return np.asarray(array, dtype=np.float64)


def _is_solved(matrix: Any, jitter: Any, targets: Any, alpha: Any) -> Any:
    """Whether `alpha` solves the system, and is small enough not to amplify rounding errors; false if it has NaN."""
    eps = jnp.finfo(matrix.dtype).eps
    tolerance = eps ** (1 / 3) * abs(targets).max()
    residual = abs(targets - matrix @ alpha - jitter * alpha).max()
    amplified = eps * _mean_diagonal(matrix) * ((alpha**2).sum(0) ** 0.5).max()
    return (residual <= tolerance) & (amplified <= tolerance)


def _mean_diagonal(matrix: Any) -> Any:
    return matrix.diagonal().mean()


def _host_factor(matrix: np.ndarray, targets: np.ndarray, name: str, remedy: str) -> Factor:
    if not np.isfinite(matrix.sum()):
        row, column = np.argwhere(~np.isfinite(matrix))[0]
        raise np.linalg.LinAlgError(
            f"{name} is not finite: entry ({row}, {column}) is {matrix[row, column]}; the network's kernel overflows "
            "on these inputs; standardize the inputs, or reduce w_std or the depth"
        )
    scale = _mean_diagonal(matrix)
    jitter, relative = 0.0, float(np.finfo(np.float64).eps)
    while True:
        lower = _host_cholesky(matrix, jitter)
        if lower is not None:
            alpha = scipy.linalg.cho_solve((lower, True), targets, check_finite=False)
            if _is_solved(matrix, jitter, targets, alpha):
                break
        if relative > LARGEST_JITTER or not scale > 0:
            raise np.linalg.LinAlgError(_unsolvable(matrix, name, remedy))
        jitter, relative = scale * relative, 10 * relative
    if jitter > 0:
        _warn(
            f"{name} is too ill-conditioned to be solved as it is: a jitter of {jitter:.2g} ({jitter / scale:.1g} of "
            "the mean of its diagonal) was added to its diagonal; duplicate or near-duplicate rows are usual causes; "
            f"remove them, or give a larger {remedy}="
        )
    return Factor(lower, jitter)


def _host_cholesky(matrix: np.ndarray, jitter: float) -> np.ndarray | None:
    shifted = np.array(matrix.T, order="F")  # a plain copy: the matrix is symmetric, and LAPACK wants columns
    shifted.flat[:: len(shifted) + 1] += jitter
    return cholesky_in_place(shifted)


def _unsolvable(matrix: np.ndarray, name: str, remedy: str) -> str:
    if len(matrix) <= 2000:
        spectrum = np.linalg.eigvalsh(matrix)
        found = f"its eigenvalues range from {spectrum[0]:.3g} to {spectrum[-1]:.3g}"
    else:
        found = f"the mean of its diagonal is {_mean_diagonal(matrix):.3g}"
    return (
        f"{name} cannot be solved, even with {LARGEST_JITTER:g} of the mean of its diagonal added to it: {found}; "
        f"it is not a covariance matrix up to rounding; check the kernel, or give a larger {remedy}="
    )


def _warn(message: str) -> None:
    """Warn at the line outside of this package that led here."""
    frame = sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] in _NOT_THE_USERS:
        frame = frame.f_back
    place = frame.f_globals.get("__name__"), frame.f_globals.setdefault("__warningregistry__", {})
    warnings.warn_explicit(message, UserWarning, frame.f_code.co_filename, frame.f_lineno, *place)


def _attempt(matrix: Array, targets: Array, jitter: Array) -> tuple[Float[Array, "n n"], Bool[Array, ""]]:
    lower = traced_cholesky(jnp.asarray(add_to_diagonal(matrix, jitter)))
    return lower, _is_solved(matrix, jitter, targets, cho_solve((lower, True), targets))


@jax.custom_jvp
def _traced_factor(matrix: Array, targets: Array) -> tuple[Float[Array, "n n"], Float[Array, ""]]:
    first = jnp.finfo(matrix.dtype).eps * _mean_diagonal(matrix)
    limit = _mean_diagonal(matrix)

    def unsolved(state: Any) -> Any:
        jitter, (_, solved) = state
        return ~solved & (jitter < limit)

    def escalate(state: Any) -> Any:
        jitter = jnp.where(state[0] == 0, first, jnp.minimum(10 * state[0], limit))
        return jitter, _attempt(matrix, targets, jitter)

    start = jnp.zeros((), matrix.dtype)
    jitter, (lower, _) = jax.lax.while_loop(unsolved, escalate, (start, _attempt(matrix, targets, start)))
    return lower, jitter


@_traced_factor.defjvp
def _traced_factor_jvp(primals: Any, tangents: Any) -> Any:
    """`dL = L Phi(L^{-1} dM L^{-T})`, Phi taking the lower half (Murray 2016, equation 8)."""
    lower, jitter = _traced_factor(*primals)
    change = (tangents[0] + tangents[0].T) / 2
    whitened = solve_triangular(lower, solve_triangular(lower, change, lower=True).T, lower=True)
    half = jnp.tril(whitened) - jnp.diag(jnp.diagonal(whitened)) / 2
    return (lower, jitter), (lower @ half, jnp.zeros_like(jitter))
