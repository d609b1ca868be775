"""Dictionaries of ridge units: what a hidden unit of one layer can be, as a function between 0 and 1 on the box."""

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.approximation.domain import Box

LARGEST_DEGREE = 3
"""The largest degree of units whose polynomial part is built."""

_LARGEST_THRESHOLD = 0.98
"""Of units that are divided by their largest value, `(1 - threshold)^degree`."""

_NEAR = 0.0, 0.05, 0.3
"""How far directions are from others that they are drawn near."""


class Sigmoidal(NamedTuple):
    """How a monotone activation approaches a step."""

    low: float
    """Its limit to the left."""
    high: float
    """To the right."""
    excess: float
    """`integral of |(phi(v) - low) / (high - low) - 1[v > 0]| dv`: 0 for steps."""


SIGMOIDAL: dict[type[nn.Activation], Sigmoidal] = {
    nn.Step: Sigmoidal(0.0, 1.0, 0.0),
    nn.Sign: Sigmoidal(-1.0, 1.0, 0.0),
    nn.Sigmoid: Sigmoidal(0.0, 1.0, 2 * math.log(2)),
    nn.Tanh: Sigmoidal(-1.0, 1.0, math.log(2)),
    nn.HardTanh: Sigmoidal(-1.0, 1.0, 0.5),
}
"""Activations whose units are of degree 0, beside the rectified monomial of degree 0."""


class Units(NamedTuple):
    """Ridge units of points z in the cube from -1 to 1: `psi(scale (direction . z - threshold))`."""

    directions: Float[Array | np.ndarray, "units d"]
    """Of sum of absolute values 1."""
    thresholds: Float[Array | np.ndarray, " units"]
    """Between -1 and 1."""
    scales: Float[Array | np.ndarray, " units"]
    """How steep sigmoidal units are; 1 for others."""


@dataclasses.dataclass(frozen=True)
class RidgeUnits:
    """The dictionary of an activation, its units scaled to values between 0 and 1.

    **Arguments:** `activation`, rectified monomials (with `Step` and `Relu`) and those in `SIGMOIDAL`; `steepest`, the largest
    scale of sigmoidal units.

    **Raises:** `ValueError` for another activation.
    """

    activation: nn.Activation
    steepest: float = 1.0

    def __post_init__(self) -> None:
        if self.sigmoidal is None and not isinstance(self.activation, nn.Relu | nn.RectifiedMonomial):
            raise ValueError(
                "activation must be nn.Step(), nn.Sign(), nn.Sigmoid(), nn.Tanh(), nn.HardTanh(), nn.Relu() or "
                f"nn.RectifiedMonomial(degree), whose constants are known; received {self.activation!r}"
            )
        if self.degree > LARGEST_DEGREE:
            raise ValueError(f"activation may have degree {LARGEST_DEGREE} at most; received {self.activation!r}")

    @property
    def sigmoidal(self) -> Sigmoidal | None:
        """The limits of a sigmoidal activation, None for powers of the rectifier of degree 1 or more."""
        if self.activation == nn.RectifiedMonomial(0):
            return SIGMOIDAL[nn.Step]
        return SIGMOIDAL.get(type(self.activation))

    @property
    def degree(self) -> int:
        """The k of `relu(x)^k` that the units are or, for sigmoidal ones, approach: 0 for steps."""
        if self.sigmoidal is not None:
            return 0
        return int(self.activation.degree) if isinstance(self.activation, nn.RectifiedMonomial) else 1

    @property
    def is_smooth(self) -> bool:
        """Whether units have a steepness to choose."""
        return self.sigmoidal is not None and self.sigmoidal.excess > 0

    def polynomial_units(self, dimension: int) -> int:
        """How many units the polynomials of the degree, without the constant, take: linear functions take one."""
        if self.degree < 2:
            return self.degree
        return math.comb(dimension + self.degree, self.degree) - 1

    def __call__(self, units: Units, z: Float[Array | np.ndarray, "n d"]) -> Float[Array, "n units"]:
        """The values of the units at points of the cube from -1 to 1."""
        ridge = jnp.asarray(z) @ jnp.asarray(units.directions).T - units.thresholds
        if self.sigmoidal is not None:
            low, high, _ = self.sigmoidal
            return (self.activation(ridge * units.scales) - low) / (high - low)
        return (jnp.maximum(ridge, 0) / (1 - units.thresholds)) ** self.degree

    def drawn(
        self, rng: np.random.Generator, z: Float[np.ndarray, "n d"], count: int, near: Float[np.ndarray, "k d"]
    ) -> Units:
        """Units in random directions, with thresholds at points and steepness log-uniform.

        Of the directions a quarter have entries -1, 0 and 1 before they are scaled, the axes and diagonals among them, and a
        third are near those of `near`, if there are any.
        """
        d = z.shape[1]
        directions = rng.standard_normal((count, d))
        signs = rng.choice([-1.0, 1.0], (count // 4, d))
        order = rng.random(signs.shape).argsort(axis=1).argsort(axis=1)
        directions[: count // 4] = signs * (order < rng.integers(1, d + 1, (count // 4, 1)))
        if len(near):
            picked = near[rng.integers(0, len(near), count // 3)]
            directions[-(count // 3) :] = (
                picked + rng.standard_normal(picked.shape) * rng.choice(_NEAR, (len(picked), 1)) / d
            )
        directions /= np.abs(directions).sum(axis=1, keepdims=True)
        thresholds = np.sum(directions * z[rng.integers(0, len(z), count)], axis=1)
        scales = np.exp(rng.uniform(0, math.log(max(self.steepest, 1.0)), count))
        return self.legal(Units(directions, thresholds, scales))

    def moved(self, rng: np.random.Generator, units: Units, size: float, copies: int) -> Units:
        """The units and copies of them, moved at random by steps of a size."""
        count, d = units.directions.shape
        noise = rng.standard_normal((copies, count, d + 2)) * size
        noise[0] = 0
        directions = units.directions + noise[..., :d]
        directions /= np.abs(directions).sum(axis=-1, keepdims=True)
        scales = units.scales * np.exp(3 * noise[..., d + 1])
        flat = directions.reshape(-1, d), (units.thresholds + noise[..., d]).ravel(), scales.ravel()
        return self.legal(Units(*flat))

    def legal(self, units: Units) -> Units:
        """The nearest units of the dictionary."""
        largest = 1.0 if self.degree == 0 else _LARGEST_THRESHOLD
        scales = (
            np.clip(units.scales, min(1.0, self.steepest), self.steepest) if self.is_smooth else 1.0 + 0 * units.scales
        )
        return Units(units.directions, np.clip(units.thresholds, -1.0, largest), scales)

    def polynomial_basis(self, z: Float[np.ndarray, "n d"]) -> tuple[Units, Float[np.ndarray, "n p"]]:
        """Units which, with the constant, span the polynomials of the degree, and all their values, the constant first.

        `((direction . z + 1) / 2)^k` for generic directions; along axes where k is 1.
        """
        d = z.shape[1]
        count = d if self.degree == 1 else self.polynomial_units(d)
        directions = np.eye(d)[:count] if self.degree < 2 else np.random.default_rng(0).standard_normal((count, d))
        directions = directions / np.abs(directions).sum(axis=1, keepdims=True)
        units = Units(directions.reshape(count, d), np.full(count, -1.0), np.ones(count))
        values = np.asarray(evaluated(self, units, z)) if count else np.zeros((len(z), 0))
        return units, np.concatenate([np.ones((len(z), 1)), values], axis=1)


def to_cube(domain: Box, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Points of a box as points of the cube from -1 to 1."""
    return (x - domain.centre) / (domain.sides / 2)


@functools.partial(jax.jit, static_argnums=0)
def _values(dictionary: RidgeUnits, units: Units, z: Float[Array, "n d"]) -> Float[Array, "n units"]:
    return dictionary(units, z)


def evaluated(dictionary: RidgeUnits, units: Units, z: Float[np.ndarray, "n d"]) -> Any:
    """The values of units at points of the cube, in double precision."""
    with jax.enable_x64(True):
        return np.asarray(_values(dictionary, units, z))
