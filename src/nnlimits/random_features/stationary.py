"""Stationary kernels and the laws of their frequencies (Bochner's theorem)."""

import math
from functools import partial
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.spatial.distance import cdist

from nnlimits.nn.fields import choice_field
from nnlimits.random_features.rows import by_rows
from nnlimits.validation import check_finite, check_inputs, check_same_dtype, is_traced

LAWS = ("gaussian", "laplacian", "matern12", "matern32", "matern52")
"""The Gaussian kernel, the product of Laplace kernels of each coordinate, and Matern's of smoothness 1/2, 3/2 and 5/2."""

SMOOTHNESS = {"matern12": 0.5, "matern32": 1.5, "matern52": 2.5}


def as_lengthscale(value: Any) -> np.ndarray:
    """One length or one of each coordinate, as float64.

    **Raises:** `TypeError` or `ValueError` unless it is a positive number, or a row of them.
    """
    try:
        lengths = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"lengthscale must be a positive number, or one for each column; received {value!r}") from None
    if lengths.ndim > 1 or not lengths.size or isinstance(value, bool):
        raise TypeError(f"lengthscale must be a positive number, or one for each column; received {value!r}")
    check_finite("lengthscale", lengths)
    if not (lengths > 0).all():
        raise ValueError(f"lengthscale must be positive; received {value!r}")
    return lengths


class Stationary(eqx.Module):
    """A stationary kernel, `k(x, x') = kappa((x - x') / lengthscale)` with `kappa(0) = 1`.

    "gaussian": `exp(-|r|^2 / 2)`, in scikit-learn's terms `gamma = 1 / (2 lengthscale^2)`; "laplacian": `exp(-sum_i |r_i|)`;
    "matern12", "matern32", "matern52": `exp(-s)`, `(1 + s) exp(-s)`, `(1 + s + s^2 / 3) exp(-s)` with `s = sqrt(2 nu) |r|`
    (Rasmussen & Williams 2006, section 4.2.1).

    The Gaussian kernel is computed from inner products, with an absolute error of `eps` times the largest squared distance
    from the inputs' mean, in units of the lengthscale; the others from differences, in float64.
    """

    law: str = choice_field("law", LAWS, "gaussian")
    lengthscale: np.ndarray = eqx.field(default=1.0, converter=as_lengthscale)  # pyright: ignore[reportAssignmentType]

    def __call__(self, x1: Any, x2: Any = None) -> Float[Array | np.ndarray, "n1 n2"]:
        """The kernel of all pairs, in the dtype of the inputs.

        **Arguments:** `x1` of shape (n1, d); `x2` of shape (n2, d), or `None` for `x1` with itself.

        **Raises:** `ValueError` for wrong shapes, or entries that are not finite; `TypeError` for mixed dtypes.
        """
        x1 = check_inputs("x1", x1)
        others = x1 if x2 is None else check_inputs("x2", x2)
        check_same_dtype(x1=x1, x2=others)
        for name, x in (("x1", x1), ("x2", others)):
            check_columns(name, x, self.lengthscale)
        if x1.shape[1] != others.shape[1]:
            raise ValueError(
                f"x1 and x2 must have as many columns; received shapes {tuple(x1.shape)} and {tuple(others.shape)}"
            )
        if is_traced(x1, others):
            if self.law == "gaussian":
                return _traced_gaussian(x1, others, jnp.asarray(1 / self.lengthscale, x1.dtype))
            raise TypeError(
                f"the {self.law} kernel is computed by SciPy, of arrays with values, not under a JAX transformation"
            )
        if self.law == "gaussian":
            return self._gaussian(np.asarray(x1), np.asarray(others))
        return self._by_differences(np.asarray(x1, np.float64), np.asarray(others, np.float64)).astype(x1.dtype)

    def _gaussian(self, x1: np.ndarray, x2: np.ndarray) -> Float[Array, "n1 n2"]:
        centre, scale = x2.mean(0), np.asarray(1 / self.lengthscale, x1.dtype)  # from a centre there is less to cancel
        # one product gives <x, z> - |x|^2 / 2 - |z|^2 / 2
        left = _with_half_squares(x1, centre, scale, (1, 2))
        right = np.ascontiguousarray(_with_half_squares(x2, centre, scale, (2, 1)).T)
        return by_rows(right, _exponential_in_place, partial(_exponential, right), left, len(x2))

    def _by_differences(self, x1: np.ndarray, x2: np.ndarray) -> np.ndarray:
        metric = "cityblock" if self.law == "laplacian" else "euclidean"
        distance = cdist(x1 / self.lengthscale, x2 / self.lengthscale, metric)
        if self.law == "laplacian":
            return np.exp(-distance)
        s = math.sqrt(2 * SMOOTHNESS[self.law]) * distance
        return {"matern12": 1.0, "matern32": 1 + s, "matern52": 1 + s + s * s / 3}[self.law] * np.exp(-s)


def check_columns(name: str, x: Any, lengthscale: np.ndarray) -> None:
    """Raise `ValueError` unless a lengthscale for each column is one for each column of `x`."""
    if lengthscale.ndim and x.shape[1] != len(lengthscale):
        raise ValueError(f"{name} has {x.shape[1]} columns, but there are {len(lengthscale)} lengthscales")


def _with_half_squares(x: np.ndarray, centre: np.ndarray, scale: np.ndarray, places: tuple[int, int]) -> np.ndarray:
    """Scaled columns from a centre, and two more: `-|x|^2 / 2` and 1, at these places from the end."""
    n, d = x.shape
    table = np.empty((n, d + 2), x.dtype)
    z = np.subtract(x, centre, out=table[:, :d])
    z *= scale
    table[:, -places[0]] = -np.einsum("ij,ij->i", z, z) / 2
    table[:, -places[1]] = 1
    return table


def _exponential_in_place(exponents: np.ndarray) -> None:
    np.minimum(exponents, 0, out=exponents)
    np.exp(exponents, out=exponents)


def _exponential(right: Any, left: Array) -> Array:
    return jnp.exp(jnp.minimum(left @ right, 0))


def _traced_gaussian(x1: Array, x2: Array, scale: Array) -> Array:
    x1, x2 = (x1 - x2.mean(0)) * scale, (x2 - x2.mean(0)) * scale
    return jnp.exp(jnp.minimum(x1 @ x2.T - (x1 * x1).sum(1)[:, None] / 2 - (x2 * x2).sum(1) / 2, 0))


def frequencies(law: str, d: int, count: int, random: np.random.Generator) -> Float[np.ndarray, "count d"]:
    """Independent draws of the frequencies of a kernel with lengthscale 1, in radians per unit."""
    if law == "laplacian":
        return random.standard_cauchy((count, d))
    return random.standard_normal((count, d)) * _heavy_tail(law, count, random)[:, None]


def orthogonal_frequencies(law: str, d: int, count: int, random: np.random.Generator) -> Float[np.ndarray, "count d"]:
    """As `frequencies`, with directions that are orthogonal among every `d` in turn; each alone has the same law as there.

    Yu, Suresh, Choromanski, Holtmann-Rice & Kumar 2016, section 3. The kernel must depend on the distance only.
    """
    directions = _rotations(math.ceil(count / d), d, random).reshape(-1, d)[:count]
    length = np.sqrt(random.chisquare(d, count)) * _heavy_tail(law, count, random)
    return directions * length[:, None]


def _heavy_tail(law: str, count: int, random: np.random.Generator) -> np.ndarray:
    """What turns normal draws into multivariate t draws of `2 nu` degrees of freedom, the law of Matern's frequencies."""
    if law == "gaussian":
        return np.ones(count)
    freedom = 2 * SMOOTHNESS[law]
    return np.sqrt(freedom / random.chisquare(freedom, count))


def _rotations(count: int, d: int, random: np.random.Generator) -> np.ndarray:
    """Draws from the Haar measure of orthogonal matrices, (count, d, d) (Mezzadri 2007)."""
    q, r = np.linalg.qr(random.standard_normal((count, d, d)))
    return q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :]
