"""Fluxes between cells: conservative, and never more out of a cell than it holds.

With V the first variation and tau the temperature, `d rho / dt = div(rho grad V) + tau Laplacian rho`.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits.mean_field.grid import Grid

Field = Float[Array, "..."]


Flux = Callable[[Field, Field, Array, float], Field]
"""From masses, first variation, temperature and the cells' length, to what crosses each inner face along the first axis."""


def change(grid: Grid, masses: Field, variation: Field, temperature: Array, flux: Flux) -> Field:
    """The rate of change of the masses of all cells, from the fluxes along each axis."""
    total = jnp.zeros_like(masses)
    for axis, h in enumerate(grid.spacing):
        across = flux(jnp.moveaxis(masses, axis, 0), jnp.moveaxis(variation, axis, 0), temperature, h)
        closed = jnp.pad(across, [(1, 1)] + [(0, 0)] * (masses.ndim - 1))
        total += jnp.moveaxis(-jnp.diff(closed, axis=0), 0, axis)
    return total


def upwind(masses: Field, variation: Field, _: Array, h: float) -> Field:
    """Along the first axis, without diffusion: the density at a face from the cell that flows to it, so that energy falls."""
    speed = -jnp.diff(variation, axis=0) / h
    left, right = _at_faces(masses)
    return jnp.where(speed > 0, speed * right[:-1], speed * left[1:]) / h


def _at_faces(masses: Field) -> tuple[Field, Field]:
    """At the left and right face of each cell: of third order where the density is smooth, limited so that it is positive and
    does not begin to oscillate where neurons gather (Koren 1993).
    """
    closed = jnp.pad(jnp.diff(masses, axis=0), [(1, 1)] + [(0, 0)] * (masses.ndim - 1))
    before, after = closed[:-1], closed[1:]
    return masses - _limited(after, before), masses + _limited(before, after)


def _limited(behind: Field, ahead: Field) -> Field:
    """From a cell's average to its face: half of the limited slope, of the differences on both sides."""
    size = jnp.minimum(jnp.minimum(jnp.abs(behind), jnp.abs(ahead)), (jnp.abs(behind) + 2 * jnp.abs(ahead)) / 6)
    return jnp.where(behind * ahead > 0, jnp.sign(ahead) * size, 0)


def scharfetter_gummel(masses: Field, variation: Field, temperature: Array, h: float) -> Field:
    """Along the first axis, after Scharfetter & Gummel (1969): exact for a constant slope of V, so that `exp(-V / tau)` does
    not move; the free energy falls (Schlichting & Seis 2022).
    """
    drop = jnp.diff(variation, axis=0) / temperature
    return temperature / h**2 * (_bernoulli(drop) * masses[:-1] - _bernoulli(-drop) * masses[1:])


def _bernoulli(x: Array) -> Array:
    """`x / (exp(x) - 1)`."""
    small = jnp.abs(x) < 1e-4
    safe = jnp.where(small, 1.0, x)
    return jnp.where(small, 1 - x / 2 + x**2 / 12, safe / jnp.expm1(jnp.minimum(safe, 80.0)))
