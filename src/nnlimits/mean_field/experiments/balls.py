"""Two isotropic Gaussian classes around one centre, one inside the other, and the network that is to tell them apart."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy import stats

from nnlimits import nn
from nnlimits.mean_field.descent import Sampler
from nnlimits.mean_field.grid import Grid
from nnlimits.mean_field.radial import Radial, radial_classes
from nnlimits.mean_field.risk import EmpiricalRisk

SPREAD = 0.8
"""Neurons start as `N(0, SPREAD^2 I / d)`, so with lengths near it."""


def _ramp(t: Any) -> Any:
    return jnp.clip(-2.5 + 10 * (t - 0.5), -2.5, 7.5)


RAMP = nn.Elementwise(_ramp)
"""-2.5 up to 0.5, 7.5 from 1.5 on, a line between (Mei, Montanari & Nguyen 2018, section 3.1)."""


def radial_risk(units: Radial, delta: float, dtype: Any = np.float64) -> EmpiricalRisk:
    """Half the mean square error for x | y = +-1 ~ N(0, (1 +- delta)^2 I), of neurons with uniform directions."""
    check_delta(delta)
    return radial_classes(units, [(0.5, 1.0, 1 + delta), (0.5, -1.0, 1 - delta)], dtype)


def check_delta(delta: float) -> None:
    """Raise `ValueError` unless one class is inside the other and neither is a point."""
    if not 0 < delta < 1:
        raise ValueError(f"delta must be between 0 and 1, so that both classes have a spread; received {delta!r}")


def initial_masses(grid: Grid, dimension: int) -> Float[np.ndarray, " k"]:
    """The law of the lengths of neurons at the start, by its distribution function."""
    edges = np.linspace(grid.low[0], grid.high[0], grid.cells[0] + 1)
    masses = np.diff(stats.chi(dimension, scale=SPREAD / dimension**0.5).cdf(edges))
    return masses / masses.sum()


def farthest(time: float) -> float:
    """No length grows beyond it: speeds are below a quarter for long neurons."""
    return 3.0 + 0.15 * time


def sampler(dimension: int, delta: float) -> Sampler:
    """Fresh examples of both classes, in the full space."""

    def draw(key: Any, n: int) -> tuple[Array, Array]:
        which, noise = jax.random.split(key)
        y = jnp.where(jax.random.bernoulli(which, 0.5, (n, 1)), 1.0, -1.0)
        return (1 + delta * y) * jax.random.normal(noise, (n, dimension)), y

    return draw
