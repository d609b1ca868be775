"""The minimiser of the entropy-regularised risk: a measure that is the Gibbs measure of its own first variation."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Array, Float

from nnlimits.mean_field.grid import Grid, as_neurons, check_grid
from nnlimits.mean_field.risk import Risk
from nnlimits.validation import check_positive

_MAX_STEPS = 500


def gibbs(
    risk: Risk, grid: Grid, temperature: float, *, dtype: Any = np.float64, tolerance: float = 1e-10
) -> Float[Array, " k"]:
    """The masses of cells with `rho = exp(-V(theta; rho) / temperature) / Z`.

    For a convex loss it is the only such measure, and the least of `R(rho) + temperature integral of log(rho) d rho` (Mei,
    Montanari & Nguyen 2018, proposition 6.1; Hu, Ren, Siska & Szpruch 2021). By Levenberg & Marquardt's method on the
    logarithms of the masses.

    **Arguments:** `risk`; `grid`, over the one or two parameters of a neuron; `temperature`, positive.

    **Raises:** `ValueError` for arguments that do not fit; `RuntimeError` where no fixed point is found, as for a temperature
    that is very low.
    """
    check_grid(grid, risk.units.size, np.zeros(int(np.prod(grid.cells))))
    check_positive("temperature", temperature)
    double = np.dtype(dtype) == np.float64
    with jax.enable_x64(double):
        masses, residual = _gibbs(risk, grid, jnp.asarray(temperature, dtype), float(tolerance))
        worst = float(residual)
    if not worst < (1e-6 if double else 1e-2):
        raise RuntimeError(f"no fixed point was found at temperature={temperature:g}; start higher, or use fewer cells")
    return masses


@eqx.filter_jit
def _gibbs(risk: Risk, grid: Grid, temperature: Array, tolerance: float) -> tuple[Array, Array]:
    count = int(np.prod(grid.cells))

    def residual(logits: Array, _: Any) -> Array:
        neurons = as_neurons(grid, jax.nn.softmax(logits))
        exponent = risk.first_variation(neurons)(neurons.positions) / temperature
        return logits - jnp.mean(logits) + exponent - jnp.mean(exponent)

    solver = optx.LevenbergMarquardt(rtol=tolerance, atol=tolerance)
    start = jnp.zeros(count, temperature.dtype)
    found = optx.least_squares(residual, solver, start, max_steps=_MAX_STEPS, throw=False).value
    return jax.nn.softmax(found), jnp.abs(residual(found, None)).max()
