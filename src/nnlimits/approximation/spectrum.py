"""Fourier representations of functions in closed form, and their moments."""

import abc
import dataclasses
import math
from itertools import combinations_with_replacement

import numpy as np
from jaxtyping import Float


class Spectrum(abc.ABC):
    """The size |F| of a measure with `f(x) = integral of cos(omega . x + phase(omega)) |F|(d omega)`.

    One function has many on a bounded domain; the moments of any of them are upper bounds.
    """

    dimension: int
    """The number of inputs."""

    @abc.abstractmethod
    def moment(self, halves: Float[np.ndarray, " d"], order: int) -> float:
        """`integral of (sum_i halves_i |omega_i|)^order |F|(d omega)`.

        With the half sides of a box, the sum is `sup over x of |omega . (x - centre)|` on it, the norm of Barron (1993),
        section III; with order 1 this is then the Barron constant C_f of the box.
        """

    @abc.abstractmethod
    def euclidean_moment(self, order: int) -> float:
        """`integral of |omega|^order |F|(d omega)`, with the Euclidean norm."""

    @abc.abstractmethod
    def monomial_moment(self, powers: tuple[int, ...]) -> float:
        """`integral of the product of |omega_i|^powers_i |F|(d omega)`: no partial derivative of these orders is larger."""

    def derivative_bound(self, order: int) -> float:
        """A bound of all partial derivatives of an order, at every point."""
        axes = combinations_with_replacement(range(self.dimension), order)
        return max(self.monomial_moment(tuple(map(chosen.count, range(self.dimension)))) for chosen in axes)


@dataclasses.dataclass(frozen=True, eq=False)
class Waves(Spectrum):
    """`sum_k amplitudes_k cos(frequencies_k . x + phase_k)` with phases of any value.

    **Arguments:** `frequencies`, (m, d); `amplitudes`, (m,), not negative.
    """

    frequencies: Float[np.ndarray, "m d"]
    amplitudes: Float[np.ndarray, " m"]

    @property
    def dimension(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The number of inputs."""
        return self.frequencies.shape[1]

    def moment(self, halves: Float[np.ndarray, " d"], order: int) -> float:
        """A finite sum."""
        return float(self.amplitudes @ (np.abs(self.frequencies) @ halves) ** order)

    def euclidean_moment(self, order: int) -> float:
        """A finite sum."""
        return float(self.amplitudes @ np.linalg.norm(self.frequencies, axis=1) ** order)

    def monomial_moment(self, powers: tuple[int, ...]) -> float:
        """A finite sum."""
        return float(self.amplitudes @ np.prod(np.abs(self.frequencies) ** np.asarray(powers), axis=1))


@dataclasses.dataclass(frozen=True)
class NormalMixture(Spectrum):
    """`exp(-rate |x|^2)`, or with `exponential=True` its mean over exponential rates, `1 / (1 + rate |x|^2)`.

    The measure is the law of `omega = sqrt(2 rate S) xi`, xi standard normal, and S 1 or exponential.
    """

    dimension: int
    rate: float
    exponential: bool = False

    def moment(self, halves: Float[np.ndarray, " d"], order: int) -> float:
        """By the generating function of the moments of `sum_i halves_i |xi_i|`, a product over i."""
        series = np.eye(1, order + 1)[0]
        for half in halves:
            factor = [half**power * _absolute_moment(power) / math.factorial(power) for power in range(order + 1)]
            series = np.convolve(series, factor)[: order + 1]
        return float(self._scale(order) * series[order] * math.factorial(order))

    def euclidean_moment(self, order: int) -> float:
        """By the moments of the chi distribution."""
        d = self.dimension
        return self._scale(order) * 2 ** (order / 2) * math.exp(math.lgamma((d + order) / 2) - math.lgamma(d / 2))

    def monomial_moment(self, powers: tuple[int, ...]) -> float:
        """A product of absolute moments of normal variables."""
        return self._scale(sum(powers)) * math.prod(map(_absolute_moment, powers))

    def _scale(self, order: int) -> float:
        return (2 * self.rate) ** (order / 2) * (math.gamma(1 + order / 2) if self.exponential else 1.0)


def _absolute_moment(order: int) -> float:
    """`E |xi|^order` of a standard normal variable."""
    return 2 ** (order / 2) * math.gamma((order + 1) / 2) / math.sqrt(math.pi)
