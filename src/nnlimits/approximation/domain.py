"""Boxes: the compact domains on which functions are approximated."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import qmc

from nnlimits.nn.fields import as_integer
from nnlimits.validation import check_finite

_LARGEST_CORNERS = 12
"""Dimensions up to which the corners of a box belong to its dense set."""


@dataclasses.dataclass(frozen=True)
class Box:
    """The product of the intervals from `lower` to `upper`, one for each input.

    **Arguments:** `lower` and `upper`, finite numbers, one for each dimension, `lower` below `upper` in each.

    **Raises:** `ValueError` for bounds that are infinite, of different length, or out of order.
    """

    lower: tuple[float, ...]
    upper: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("lower", "upper"):
            try:
                ends = np.asarray(getattr(self, name), np.float64)
            except (TypeError, ValueError):
                raise TypeError(
                    f"{name} must hold numbers, such as (0.0, 0.0); received {getattr(self, name)!r}"
                ) from None
            if ends.ndim != 1 or ends.size == 0:
                raise ValueError(
                    f"{name} must hold one number for each dimension, such as (0.0, 0.0); received {ends.shape}"
                )
            _check_bounded(name, ends)
            object.__setattr__(self, name, tuple(float(end) for end in ends))
        if len(self.lower) != len(self.upper):
            raise ValueError(f"lower has {len(self.lower)} numbers and upper {len(self.upper)}; a box needs as many")
        for axis, (low, high) in enumerate(zip(self.lower, self.upper, strict=True)):
            if not low < high:
                raise ValueError(
                    f"lower must be below upper; along dimension {axis} the box goes from {low} to {high}, "
                    "and holds no open set on which to approximate anything"
                )
            if np.isinf(high - low):
                raise ValueError(
                    f"along dimension {axis} the box from {low} to {high} is longer than the largest number of double precision; "
                    "take other units"
                )

    @classmethod
    def cube(cls, dimension: int, lower: float = 0.0, upper: float = 1.0) -> "Box":
        """The cube of a dimension with the same bounds along each axis."""
        dimension = as_integer("dimension", 1, dimension)
        return cls((lower,) * dimension, (upper,) * dimension)

    @property
    def dimension(self) -> int:
        """The number of inputs."""
        return len(self.lower)

    @property
    def sides(self) -> Float[np.ndarray, " d"]:
        """The length of each side."""
        return np.subtract(self.upper, self.lower)

    @property
    def centre(self) -> Float[np.ndarray, " d"]:
        """The middle."""
        return np.add(self.lower, self.upper) / 2

    @property
    def volume(self) -> float:
        """The product of the sides."""
        return float(np.prod(self.sides))

    @property
    def diameter(self) -> float:
        """The Euclidean length of the diagonal."""
        return float(np.linalg.norm(self.sides))

    def from_unit(self, points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """The images of points of the unit cube."""
        return np.clip(self.lower + points * self.sides, self.lower, self.upper)

    def uniform(self, rng: np.random.Generator, n: int) -> Float[np.ndarray, "n d"]:
        """Independent points, uniformly distributed."""
        return self.from_unit(rng.random((n, self.dimension)))

    def dense(self, n: int, seed: int = 0) -> Float[np.ndarray, "m d"]:
        """A set that fills the box: at least n points of a scrambled Sobol sequence, and the corners in up to 12 dimensions.

        Of one seed always the same, and of two seeds different, so that what is fitted on one set is measured on another.
        """
        sequence = qmc.Sobol(self.dimension, scramble=True, rng=np.random.default_rng(seed))
        inside = self.from_unit(sequence.random_base2(max(1, (n - 1).bit_length())))
        if self.dimension > _LARGEST_CORNERS:
            return inside
        return np.concatenate([inside, self.corners()])

    def grid(self, points: int) -> Float[np.ndarray, "n d"]:
        """The regular grid with so many points along each axis, ends included; the last axis runs quickest."""
        if points < 2:
            raise ValueError(f"points must be at least 2, the ends of an axis; received {points}")
        axes = [np.linspace(low, high, points) for low, high in zip(self.lower, self.upper, strict=True)]
        return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)

    def corners(self) -> Float[np.ndarray, "n d"]:
        """The 2^d corners."""
        return self.grid(2)


def as_box(domain: Any) -> Box:
    """A box, from a `Box`, a pair of numbers (one dimension), or one pair of numbers for each dimension.

    **Raises:** `TypeError` for anything else; `ValueError` for bounds that are infinite or out of order.
    """
    if isinstance(domain, Box):
        return domain
    try:
        ends = np.asarray(domain, np.float64)
    except (TypeError, ValueError):
        raise _no_box(domain) from None
    if ends.shape == (2,):
        ends = ends[None]
    if ends.ndim != 2 or ends.shape[1] != 2:
        raise _no_box(domain)
    return Box(tuple(ends[:, 0]), tuple(ends[:, 1]))


def _check_bounded(name: str, ends: Float[np.ndarray, " d"]) -> None:
    if np.isinf(ends).any():
        axis = int(np.argmax(np.isinf(ends)))
        raise ValueError(
            f"{name} is {ends[axis]} along dimension {axis}: the theorems hold on compact domains, and no network with finitely "
            "many parameters is uniformly close to every continuous function on an unbounded one; give finite bounds"
        )
    check_finite(name, ends)


def _no_box(domain: Any) -> TypeError:
    return TypeError(
        "domain must be a Box, a pair (lower, upper), or one such pair for each dimension, such as [(0, 1), (-1, 1)]; "
        f"received {domain!r}"
    )
