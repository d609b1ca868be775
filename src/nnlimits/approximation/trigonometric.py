"""Trigonometric approximation on a box, with a bound for Lipschitz functions in any dimension."""

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.fft import dctn

from nnlimits.approximation.target import Target


class Direction(NamedTuple):
    """`sum_m amplitudes_m cos(multiples_m direction . t)`: the terms whose frequencies are multiples of one."""

    direction: Float[np.ndarray, " d"]
    """Integers without common divisor."""
    multiples: Float[np.ndarray, " terms"]
    amplitudes: Float[np.ndarray, "terms outputs"]

    def values(self, u: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n outputs"]:
        """The sum as a function of `u = direction . t`."""
        return np.cos(u[:, None] * self.multiples) @ self.amplitudes

    @property
    def interval(self) -> tuple[float, float]:
        """Where `direction . t` lies for t from 0 to pi in each coordinate."""
        return math.pi * float(np.minimum(self.direction, 0).sum()), math.pi * float(
            np.maximum(self.direction, 0).sum()
        )

    @property
    def size(self) -> float:
        """A bound of the absolute value."""
        return float(np.abs(self.amplitudes).sum(axis=0).max())

    @property
    def lipschitz(self) -> float:
        """A bound of the slope in u."""
        return float((self.multiples[:, None] * np.abs(self.amplitudes)).sum(axis=0).max())

    @property
    def curvature(self) -> float:
        """A bound of the second derivative in u."""
        return float((self.multiples[:, None] ** 2 * np.abs(self.amplitudes)).sum(axis=0).max())


class CosineSum(NamedTuple):
    """`sum_k coefficients_k prod_i cos(k_i t_i)`, t_i running from 0 to pi along side i of a box."""

    coefficients: Float[np.ndarray, "..."]
    """Shape (degree + 1, ..., degree + 1, outputs)."""

    @property
    def constant(self) -> Float[np.ndarray, " outputs"]:
        """The term without frequency."""
        return self.coefficients[(0,) * (self.coefficients.ndim - 1)]

    def pruned(self, allowance: float) -> "tuple[CosineSum, float]":
        """Without its smallest terms, as many as sum to no more than the allowance, and their sum, which bounds the change.

        The largest term beside the constant stays.
        """
        sizes = np.abs(self.coefficients).max(axis=-1)
        order = np.argsort(sizes, axis=None)
        order = order[order != 0][:-1]  # the constant costs no unit
        sums = np.cumsum(sizes.ravel()[order])
        count = int(np.searchsorted(sums, allowance, side="right"))
        dropped = np.zeros(sizes.size, bool)
        dropped[order[:count]] = True
        kept = np.where(dropped.reshape(sizes.shape)[..., None], 0.0, self.coefficients)
        return CosineSum(kept), float(sums[count - 1]) if count else 0.0

    def directions(self) -> list[Direction]:
        """The other terms that are not zero as sums of cosines of `k . t`, by direction.

        `prod_i cos(k_i t_i)` is the mean of `cos(k . t)` over the signs of all entries of k that are not zero, but for the first.
        """
        if not self.coefficients.ravel()[self.coefficients.shape[-1] :].any():
            first = np.eye(self.coefficients.ndim - 1)[0]
            return [Direction(first, np.ones(1), np.zeros((1, self.coefficients.shape[-1])))]
        grouped: dict[tuple[int, ...], dict[int, np.ndarray]] = {}
        for index in np.argwhere((self.coefficients != 0).any(axis=-1)).tolist():
            active = [axis for axis, frequency in enumerate(index) if frequency]
            if not active:
                continue
            divisor = math.gcd(*index)
            share = self.coefficients[tuple(index)] / 2 ** (len(active) - 1)
            for signs in itertools.product((1, -1), repeat=len(active) - 1):
                signed = list(index)
                for axis, sign in zip(active[1:], signs, strict=True):
                    signed[axis] *= sign
                primitive = tuple(frequency // divisor for frequency in signed)
                grouped.setdefault(primitive, {})[divisor] = share
        return [
            Direction(np.array(primitive, float), np.array(list(terms), float), np.stack(list(terms.values())))
            for primitive, terms in grouped.items()
        ]


def damping(degree: int) -> Float[np.ndarray, " coefficients"]:
    """The Fourier coefficients of the kernel of Fejer and Korovkin, the non-negative one of a degree with the largest first one.

    That one is `cos(pi / (degree + 2))` (Fejer 1916; Korovkin 1960).
    """
    wave = np.sin(np.pi * np.arange(1, degree + 2) / (degree + 2))
    return np.array([wave[: degree + 1 - k] @ wave[k:] for k in range(degree + 1)]) / (wave @ wave)


def cosine_sum(target: Target, degree: int) -> CosineSum:
    """The function, continued evenly and periodically, averaged with the kernel of Fejer and Korovkin in each coordinate.

    The averages are sums over the middles of `degree + 2` cells a side, which are exact for the kernel and for its product with a
    cosine; so the weights are non-negative and sum to one.
    """
    domain, points = target.domain, degree + 2
    middles = (np.arange(points) + 0.5) / points
    axes = np.meshgrid(*[middles] * domain.dimension, indexing="ij")
    samples = _sampled(target, domain.from_unit(np.stack([axis.ravel() for axis in axes], axis=1)))
    shaped = samples.reshape(*[points] * domain.dimension, -1)
    transformed = dctn(shaped, type=2, axes=range(domain.dimension)) / (2 * points) ** domain.dimension
    factors = damping(degree)
    factors[1:] *= 2
    for axis in range(domain.dimension):
        transformed = np.take(transformed, range(degree + 1), axis)
        transformed *= factors.reshape([-1 if i == axis else 1 for i in range(transformed.ndim)])
    return CosineSum(transformed)


def _sampled(target: Target, points: np.ndarray) -> np.ndarray:
    """Values at points, asked for in numbers that are powers of four: of a function of JAX each number is compiled anew."""
    size = 4 ** math.ceil(math.log(max(len(points), 2), 4))
    return target(np.concatenate([points, np.repeat(points[-1:], size - len(points), axis=0)]))[: len(points)]


def distance_bound(diameter: float, degree: int, lipschitz: float) -> float:
    """`L |s| sin(pi / (2 (degree + 2)))`, of the sup distance of a function and its `cosine_sum`, |s| the diagonal of the box.

    The distance is at most `L sum_j p_j |x - x_j|`, p_j the non-negative weights; by the inequality of Cauchy and Schwarz, with
    `t^2 <= (pi^2 / 2) (1 - cos t)` and `sum_j p_j (1 - cos(t - t_j)) = 1 - cos(pi / (degree + 2))` along each side (DeVore
    & Lorentz 1993, section 7.2, with the constant worked out).
    """
    return lipschitz * diameter * math.sin(math.pi / (2 * (degree + 2)))


def degrees(first: int, last: int) -> Iterator[int]:
    """Degrees from the first on, in steps of a quarter."""
    degree = first
    while degree <= last:
        yield degree
        degree += max(1, degree // 4)
