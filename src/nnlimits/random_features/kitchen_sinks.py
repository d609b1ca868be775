"""Weighted sums of random kitchen sinks: random nonlinearities whose bounded weights are fitted, with a certificate."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np
import scipy.optimize
from jaxtyping import Float

from nnlimits.nn.fields import as_integer
from nnlimits.random_features.randomness import generator
from nnlimits.validation import check_finite, check_inputs, check_positive

Array = Float[np.ndarray, "..."]
Nonlinearity = Callable[[Array, Array, Array], Array]
"""Of inputs (n, d), weights (K, d) and offsets (K,): outputs (n, K), none larger than 1 in absolute value."""


def cosines(x: Array, weights: Array, offsets: Array) -> Array:
    """`cos(<w, x> + b)`, with offsets uniform in a whole turn: those of the Gaussian kernel."""
    return np.cos(x @ weights.T + 2 * np.pi * offsets)


def steps(x: Array, weights: Array, offsets: Array) -> Array:
    """`sign(<w, x> - |w| b')`, with thresholds `b'` uniform between -2 and 2: random half-spaces."""
    return np.sign(x @ weights.T - np.linalg.norm(weights, axis=1) * (4 * offsets - 2))


def sigmoids(x: Array, weights: Array, offsets: Array) -> Array:
    """`tanh(<w, x> + b')`, with `b'` uniform between -2 and 2."""
    return np.tanh(x @ weights.T + 4 * offsets - 2)


NONLINEARITIES: dict[str, Nonlinearity] = {"cosines": cosines, "steps": steps, "sigmoids": sigmoids}


class Certificate(NamedTuple):
    """What the theorem promises of the fitted function, with probability at least `1 - 2 delta` over nonlinearities and examples.

    It is compared with the best function of the class `F = {integral alpha(w) phi(x; w) dw, |alpha(w)| <= bound p(w)}`. The
    risk is the expected squared error. Targets are bounded by Y, the largest that was seen; then the squared error has the
    Lipschitz constant `L = 2 (bound + Y)` where the functions of F have their values.
    """

    distance: float
    """`bound / sqrt(K) (1 + sqrt(2 log(1/delta)))`: of any function of F there is a weighted sum of these K nonlinearities
    so near in `L2` of the inputs' law (Lemma 1)."""
    approximation: float
    """`L distance`: so much larger than the least risk in F is that of the best weighted sum (Lemma 2)."""
    estimation: float
    """`(4 L bound + Y^2 + (bound + Y)^2 sqrt(log(1/delta) / 2)) / sqrt(n)`: by so much at most do the risk and the mean
    squared error of n examples differ, for all weighted sums at once (Lemma 3, with the squared error's range)."""
    excess_risk: float
    """`2 estimation + approximation`: the bound on the risk above the least risk in F (Theorem 1)."""


class KitchenSinks(eqx.Module):
    """A weighted sum of random nonlinearities, `sum_k alpha_k phi(x; w_k)` with `|alpha_k| <= bound / K`."""

    nonlinearity: str = eqx.field(static=True)
    weights: Float[np.ndarray, "K d"]
    offsets: Float[np.ndarray, " K"]
    coefficients: Float[np.ndarray, " K"]
    bound: float = eqx.field(static=True)
    n_examples: int = eqx.field(static=True)
    largest_target: float = eqx.field(static=True)

    def __call__(self, x: Any) -> Float[np.ndarray, " n"]:
        """The function at inputs (n, d).

        **Raises:** `ValueError` for other columns than were learned from, or entries that are not finite, with their place.
        """
        return self.features(x) @ self.coefficients

    def features(self, x: Any) -> Float[np.ndarray, "n K"]:
        """The nonlinearities at inputs (n, d), in float64."""
        x = np.asarray(check_inputs("x", x), np.float64)
        if x.shape[1] != self.weights.shape[1]:
            raise ValueError(f"x must have {self.weights.shape[1]} columns; received shape {x.shape}")
        return NONLINEARITIES[self.nonlinearity](x, self.weights, self.offsets)

    def certificate(self, delta: float = 0.05) -> Certificate:
        """The bounds of the theorem, which hold with probability `1 - 2 delta`.

        **Raises:** `ValueError` unless `delta` is between 0 and 1.

        Rahimi & Recht 2008, Lemmas 1 to 3 and Theorem 1.
        """
        check_positive("delta", delta)
        if delta >= 1:
            raise ValueError(f"delta must be between 0 and 1; received {delta}")
        log, largest = math.log(1 / delta), self.bound + self.largest_target
        distance = self.bound / math.sqrt(len(self.offsets)) * (1 + math.sqrt(2 * log))
        approximation = 2 * largest * distance
        size = 8 * largest * self.bound + self.largest_target**2 + largest**2 * math.sqrt(log / 2)
        estimation = size / math.sqrt(self.n_examples)
        return Certificate(distance, approximation, estimation, 2 * estimation + approximation)


def kitchen_sinks(
    x: Any,
    y: Any,
    n_features: int,
    *,
    bound: float,
    key: Any,
    nonlinearity: str = "cosines",
    lengthscale: float = 1.0,
) -> KitchenSinks:
    """Fit a weighted sum of random kitchen sinks: draw nonlinearities at random, then find the best bounded weights.

    The weights minimise the mean squared error on the examples subject to `|alpha_k| <= bound / n_features`, the constraint of
    the theorem, by a quasi-Newton method with bounds. Targets are not centred.

    **Arguments:** `x` of shape (n, d); `y` of shape (n,); `n_features`, the number K of nonlinearities; `bound`, the
    constant C of the class of functions: at most this multiple of the sampling density may a function weigh a nonlinearity (for
    standardised targets 10 to 100 predicted best on sets of a few hundred rows and more: validate it);
    `key`, a JAX random key; `nonlinearity`, "cosines", "steps" or "sigmoids", all bounded by 1; `lengthscale`: weights are
    normal with standard deviation `1 / lengthscale`.

    **Returns:** an immutable value: call it with inputs; `.coefficients`, `.certificate(delta)`.

    **Raises:** `TypeError` or `ValueError` naming the argument that is out of range.

    Rahimi & Recht 2008, Algorithm 1.
    """
    x = np.asarray(check_inputs("x", x), np.float64)
    y = np.asarray(y)
    if y.dtype.kind not in "iubf":
        raise TypeError(f"y must be a real numeric array; received dtype {y.dtype}")
    y = y.astype(np.float64)
    if y.shape != (len(x),):
        raise ValueError(f"y must have shape ({len(x)},), a target for each row of x; received {y.shape}")
    check_finite("y", y)
    n_features = as_integer("n_features", 1, n_features)
    check_positive("bound", bound)
    check_positive("lengthscale", lengthscale)
    if nonlinearity not in NONLINEARITIES:
        raise ValueError(
            f"nonlinearity must be one of {', '.join(map(repr, NONLINEARITIES))}; received {nonlinearity!r}"
        )
    random = generator(key)
    weights = random.standard_normal((n_features, x.shape[1])) / lengthscale
    offsets = random.uniform(size=n_features)
    phi = NONLINEARITIES[nonlinearity](x, weights, offsets)
    coefficients = _bounded_least_squares(phi, y, bound / n_features)
    return KitchenSinks(nonlinearity, weights, offsets, coefficients, float(bound), len(x), float(abs(y).max()))


def _bounded_least_squares(phi: Array, y: Array, largest: float) -> Array:
    """The coefficients of least mean squared error, none larger than `largest`."""
    n = len(phi)
    gram, cross = phi.T @ phi / n, phi.T @ y / n

    def loss(units: Array) -> tuple[float, Array]:
        product = gram @ units * largest
        return float(units @ (product / 2 - cross)) * largest, (product - cross) * largest

    units = scipy.optimize.minimize(
        loss,
        np.zeros(len(cross)),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-1.0, 1.0)] * len(cross),
        options={"maxiter": 5000, "maxfun": 10000, "maxcor": 30, "ftol": 1e-14, "gtol": 1e-10},
    ).x
    return np.clip(units, -1, 1) * largest
