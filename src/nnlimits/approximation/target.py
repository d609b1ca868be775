"""The function to approximate, with what is claimed of it."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from nnlimits.approximation.domain import Box, as_box
from nnlimits.approximation.poles import check_bounded
from nnlimits.validation import check_positive

_PROBES = 4096
"""Points at which claims are tested."""

_STEPS = 1e-3, 1e-6
"""Relative distances of the pairs that test a Lipschitz constant locally."""

_ALIKE = 1e-4
"""Relative difference of values at one point that rounding in single precision explains."""

_SLACK = 1e-9
"""Relative excess of a quotient that rounding explains."""


@dataclasses.dataclass(frozen=True, eq=False)
class Target:
    """A function on a box.

    Distances of inputs are Euclidean; of several outputs the largest difference counts.

    **Arguments:** `function`, from points (n, d) to values (n,) or (n, outputs), of NumPy or JAX; `domain`, a `Box` or what
    `as_box` takes; `lipschitz`, a constant L with `|f(x) - f(y)| <= L |x - y|` on the domain, or None if none is claimed.

    **Raises:** `TypeError` for what is no function of points, or not of real values; `ValueError` for values of another shape or
    not finite, with the point, for values that depend on the other points, and for a claimed constant that a pair of points
    contradicts, with the pair; where none is claimed, for a function of JAX with a pole, with its place.
    """

    function: Callable[..., Any]
    domain: Box
    lipschitz: float | None = None

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"f must be a function of points (n, d); received {type(self.function).__name__}")
        object.__setattr__(self, "domain", as_box(self.domain))
        # poles are most often in the middle, where no other point is
        points = np.concatenate([self.domain.dense(_PROBES, seed=1), self.domain.centre[None]])
        values = self(points)
        self._check_single(points[:1], values)
        if self.lipschitz is not None:
            check_positive("lipschitz", self.lipschitz)
            self._check_lipschitz(points, values)
        else:
            check_bounded(self.function, self.domain)

    def __eq__(self, other: object) -> bool:
        # functions that hold arrays have neither an equality nor a hash
        return (
            isinstance(other, Target)
            and self.function is other.function
            and (self.domain, self.lipschitz) == (other.domain, other.lipschitz)
        )

    def __hash__(self) -> int:
        return hash((id(self.function), self.domain, self.lipschitz))

    @property
    def outputs(self) -> int:
        """The number of values at a point."""
        return self(self.domain.centre[None]).shape[1]

    def __call__(self, points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n outputs"]:
        """The values at points, in double precision."""
        points = np.asarray(points, np.float64)
        with jax.enable_x64(True):
            values = self._numbers(points)
        if values.shape == (len(points),):
            values = values[:, None]
        if values.ndim != 2 or len(values) != len(points) or values.shape[1] == 0:
            raise ValueError(
                f"f must take points of shape (n, {self.domain.dimension}) to values of shape (n,) or (n, outputs); "
                f"for n = {len(points)} it returned shape {values.shape}"
            )
        finite = np.isfinite(values).all(axis=1)
        if not finite.all():
            place = int(np.argmin(finite))
            raise ValueError(
                f"f is {values[place].tolist()} at {points[place].tolist()}; it must be finite on the whole domain"
            )
        return values

    def _numbers(self, points: Float[np.ndarray, "n d"]) -> np.ndarray:
        try:
            values = np.asarray(self.function(points))
        except TypeError as error:
            raise TypeError(
                f"f must take points of shape (n, {self.domain.dimension}), all at once, to values of shape (n,) or "
                f"(n, outputs), as functions of NumPy and JAX do; called so it raised: {error}"
            ) from error
        if values.dtype.kind not in "biufV" or values.dtype.names:
            advice = ". Take the real part, or two outputs" if np.iscomplexobj(values) else ""
            raise TypeError(f"f must return real numbers; it returned {values.dtype.name}{advice}")
        return values.astype(np.float64)

    def steepest(
        self, points: Float[np.ndarray, "n d"], values: Float[np.ndarray, "n outputs"], seed: int = 0
    ) -> tuple[float, Float[np.ndarray, "2 d"]]:
        """The largest difference quotient found, a lower bound of the Lipschitz constant, and its pair of points.

        Points are paired at random, and with close points in random directions.
        """
        rng = np.random.default_rng(seed)
        best, pair = 0.0, points[:2]
        shuffled = rng.permutation(len(points))
        others = [(points[shuffled], values[shuffled])]
        for step in _STEPS:
            direction = rng.standard_normal(points.shape)
            direction *= step * self.domain.diameter / np.linalg.norm(direction, axis=1, keepdims=True)
            moved = np.clip(points + direction, self.domain.lower, self.domain.upper)
            others.append((moved, self(moved)))
        scale = np.spacing(np.abs(values).max() + np.finfo(np.float64).tiny) * 4
        for near, there in others:
            distance = np.linalg.norm(near - points, axis=1)
            rise = np.abs(there - values).max(axis=1) - scale
            quotient = np.divide(rise, distance, out=np.zeros_like(rise), where=distance > 0)
            place = int(np.argmax(quotient))
            if quotient[place] > best:
                best, pair = float(quotient[place]), np.stack([points[place], near[place]])
        return best, pair

    def _check_single(self, point: Float[np.ndarray, "1 d"], values: Float[np.ndarray, "n outputs"]) -> None:
        """Refuse a function whose value at a point depends on the others that it is given."""
        alone = self(point)[0]
        if (np.abs(alone - values[0]) > _ALIKE * np.abs(values).max()).any():
            raise ValueError(
                f"f must take each point by itself: at {point[0].tolist()} it is {values[0].tolist()} among {len(values)} "
                f"points, and {alone.tolist()} alone; reduce over the last axis only, as in x.sum(axis=1)"
            )

    def _check_lipschitz(self, points: Float[np.ndarray, "n d"], values: Float[np.ndarray, "n outputs"]) -> None:
        assert self.lipschitz is not None
        found, (one, other) = self.steepest(points, values)
        if found > self.lipschitz * (1 + _SLACK):
            raise ValueError(
                f"lipschitz={self.lipschitz:g} is contradicted: between {one.tolist()} and {other.tolist()} f changes by "
                f"{found:.6g} times their distance; a constant of at least {found:.6g} is needed, if there is one"
            )


def as_target(f: Any, domain: Any, lipschitz: float | None = None) -> Target:
    """`f` as a `Target` on `domain`; a `Target` stays as it is, and then `domain` may be None.

    **Raises:** as `Target`; `ValueError` for a `Target` given with another domain or constant.
    """
    if not isinstance(f, Target):
        return Target(f, as_box(domain), lipschitz)
    if (domain is not None and as_box(domain) != f.domain) or lipschitz not in (None, f.lipschitz):
        raise ValueError("f is a Target with a domain and a constant of its own; give domain=None and no lipschitz")
    return f


def check_tolerance(tolerance: float, scale: float, dtype: Any = np.float64) -> None:
    """Refuse a tolerance that rounding alone exceeds, for values of size `scale`."""
    check_positive("tolerance", tolerance)
    floor = 16 * float(np.finfo(dtype).eps) * max(scale, float(np.finfo(dtype).tiny))
    if tolerance < floor:
        raise ValueError(
            f"tolerance={tolerance:g} is below what {np.dtype(dtype).name} resolves: values here are as large as {scale:.3g}, "
            f"and the least tolerance that can be checked is {floor:.2g}"
        )
