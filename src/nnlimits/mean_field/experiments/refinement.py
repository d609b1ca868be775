"""Finite volumes under refinement, against exact solutions; and against many particles."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import expm

from nnlimits import nn
from nnlimits.mean_field.density import density_flow
from nnlimits.mean_field.grid import Grid
from nnlimits.mean_field.potential import Confined
from nnlimits.mean_field.risk import EmpiricalRisk
from nnlimits.mean_field.two_layer import TwoLayer
from nnlimits.progress import Advance, ignore

_FARTHEST, _TIME, _TEMPERATURE, _NODES, _TOLERANCE = 4.0, 1.0, 0.3, 4, 1e-6
_STIFFNESS = np.array([[1.2, 0.5], [0.5, 0.7]])
_MEAN, _COVARIANCE = np.array([1.0, -0.5]), np.array([[0.3, 0.1], [0.1, 0.2]])


class Refinement(NamedTuple):
    """Errors of one problem on ever finer grids."""

    axes: int
    temperature: float
    cells: Int[np.ndarray, " grids"]
    """Along each axis."""
    errors: Float[np.ndarray, " grids"]
    """The sum over cells of differences from the exact masses, at time 1."""
    mass_errors: Float[np.ndarray, " grids"]
    """The largest difference of the sum of masses from one."""

    @property
    def orders(self) -> Float[np.ndarray, " steps"]:
        """Of each refinement: the error falls as the spacing to this power."""
        return -np.diff(np.log(self.errors)) / np.diff(np.log(self.cells))

    @property
    def order(self) -> float:
        """Fitted over all grids."""
        return float(-np.polyfit(np.log(self.cells), np.log(self.errors), 1)[0])


def refinement(
    cells: Sequence[int] = (50, 100, 200, 400),
    cells_of_two: Sequence[int] = (25, 50, 100, 200),
    *,
    advance: Advance = ignore,
) -> tuple[Refinement, ...]:
    """The order of `density_flow` for one and two parameters, without noise and with it (temperature 0.3).

    Neurons that compute nothing, in a potential `theta' A theta / 2` whose axes are not those of the grid, from a Gaussian law
    with other axes still: it stays Gaussian, with the mean `exp(-A t) m` and the covariance `exp(-A t) C exp(-A t) + temperature
    A^-1 (1 - exp(-2 A t))`, after Ornstein & Uhlenbeck.

    **Arguments:** `cells`, ascending, on the interval from -4 to 4; `cells_of_two`, along each axis of the square; either may be
    empty, and has at least two else; `advance`, told of each grid.

    **Raises:** `ValueError` for numbers of cells that do not ascend, or fewer than two of them.
    """
    for name, numbers in (("cells", cells), ("cells_of_two", cells_of_two)):
        if len(numbers) == 1 or list(numbers) != sorted(set(numbers)):
            raise ValueError(f"{name} must be two or more numbers that ascend, or none; received {tuple(numbers)}")
    chosen = [(axes, numbers) for axes, numbers in ((1, cells), (2, cells_of_two)) if len(numbers)]
    return tuple(
        _refined(axes, temperature, numbers, advance) for axes, numbers in chosen for temperature in (0.0, _TEMPERATURE)
    )


def exact_masses(grid: Grid, temperature: float, time: float) -> Float[np.ndarray, " k"]:
    """The masses of cells, by Gauss & Legendre's rule in each."""
    axes = len(grid.cells)
    stiffness, start = _STIFFNESS[:axes, :axes], _COVARIANCE[:axes, :axes]
    decay = expm(-stiffness * time)
    mean = decay @ _MEAN[:axes]
    noise = temperature * np.linalg.solve(stiffness, np.eye(axes) - decay @ decay)
    covariance = decay @ start @ decay + noise
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    offsets = np.stack(np.meshgrid(*([nodes / 2] * axes), indexing="ij"), -1).reshape(-1, axes)
    shares = np.stack(np.meshgrid(*([weights / 2] * axes), indexing="ij"), -1).reshape(-1, axes).prod(1)
    masses = np.zeros(len(grid.centres()))
    for offset, share in zip(offsets, shares, strict=True):
        away = grid.centres() + offset * grid.spacing - mean
        masses += share * np.exp(-np.einsum("ki,ij,kj->k", away, np.linalg.inv(covariance), away) / 2)
    return masses * grid.volume / np.sqrt(np.linalg.det(2 * np.pi * covariance))


def _refined(axes: int, temperature: float, cells: Sequence[int], advance: Advance) -> Refinement:
    errors, mass_errors = [], []
    for count in cells:
        grid = Grid([-_FARTHEST] * axes, [_FARTHEST] * axes, count)
        start = exact_masses(grid, temperature, 0.0)
        course = density_flow(
            quiet_risk(axes), grid, start / start.sum(), [_TIME], temperature=temperature, tolerance=_TOLERANCE
        )
        masses = np.asarray(course.masses[-1])
        errors.append(abs(masses - exact_masses(grid, temperature, _TIME)).sum())
        mass_errors.append(abs(masses.sum() - 1))
        advance(f"{count}^{axes} cells, temperature {temperature:g}")
    return Refinement(axes, temperature, np.asarray(cells), np.asarray(errors), np.asarray(mass_errors))


def quiet_risk(axes: int) -> Confined:
    """Neurons that see only the input zero, where they are zero."""
    units = TwoLayer(nn.Tanh(), 1, readout=axes == 2)
    return Confined(EmpiricalRisk(units, np.zeros((1, 1)), np.zeros(1)), _potential)


def _potential(theta: Any) -> jax.Array:
    stiffness = jnp.asarray(_STIFFNESS[: len(theta), : len(theta)], theta.dtype)
    return theta @ stiffness @ theta / 2
