"""The mean-field equation itself: a density of neurons over a grid, by finite volumes."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.compute.precision import precision_of
from nnlimits.mean_field.entropy import grid_entropy
from nnlimits.mean_field.finite_volumes import Flux, change, scharfetter_gummel, upwind
from nnlimits.mean_field.grid import Grid, as_neurons, check_grid
from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.risk import Risk
from nnlimits.mean_field.temperature import Schedule, Temperature, as_schedule
from nnlimits.predict.times import check_times
from nnlimits.validation import check_positive

_MAX_STEPS = 10_000_000
_STIFF, _LARGEST_MATRIX = 25, 2000
"""Explicit steps for each cell from which on an implicit method was quicker (measured for 200 to 800 cells: from 6 to 25), and
cells whose matrix fits.
"""


class DensityCourse(NamedTuple):
    """A density of neurons in time, along a first axis of recorded times."""

    grid: Grid
    times: Float[Array, " records"]
    masses: Float[Array, "records k"]
    """Of the cells; divided by `grid.volume`, the density. At least zero, to rounding of the largest."""
    risks: Float[Array, " records"]
    free_energies: Float[Array, " records"]
    """The risk and `temperature integral of log(rho) d rho`; without noise, the risk."""

    def at(self, record: int) -> Neurons:
        """Each cell as a neuron at its centre."""
        masses = np.maximum(np.asarray(self.masses[record]), 0)
        return Neurons(self.grid.centres().astype(masses.dtype), masses)


def density_flow(
    risk: Risk,
    grid: Grid,
    masses: Float[Array | np.ndarray, " k"],
    times: Sequence[Any] | np.ndarray,
    *,
    temperature: Temperature = 0.0,
    tolerance: float = 1e-5,
    solver: Any = None,
) -> DensityCourse:
    """`d rho / dt = div(rho grad V(theta; rho)) + temperature Laplacian rho`, for neurons of one or two parameters.

    Without noise, upwind fluxes with the limiter of Koren; with it, those of Scharfetter & Gummel: both of second
    order, the latter of first order in cells over which V changes by much more than the temperature. No mass crosses the edges
    of the grid, the sum of masses is kept to rounding, and the free energy falls.

    **Arguments:** `risk`, such as those for particles; `grid`, over the parameters; `masses`, of its cells (see `Grid.masses`);
    `times`, ascending from 0 or later; `temperature`, at least 0, or a positive function of time, as for `langevin` (the free
    energy at the temperature of its time may then rise); `tolerance`, relative and absolute, of each step, whose sizes adapt
    and are such that masses stay positive; `solver`, of diffrax. If absent, `Kvaerno5` where noise on a fine grid would need
    more than 25 explicit steps for each cell, of `2 temperature time / spacing^2` in all, cells are at most 2,000 and masses
    float64; else `Heun`.

    **Returns:** a `DensityCourse`, in the precision of the masses.

    **Raises:** `ValueError` for arguments that do not fit; `RuntimeError` if the solver gives up.

    Mei, Montanari & Nguyen 2018, equations 6 and 11; Carrillo, Chertock & Huang 2015.
    """
    check_grid(grid, risk.units.size, masses)
    check_positive("tolerance", tolerance)
    moments, _ = check_times(np.asarray(times))
    if np.isinf(moments).any() or (np.diff(moments) < 0).any():
        raise ValueError(f"times must be finite and ascend; received {times!r}")
    _check_solver(solver, masses.dtype)
    with precision_of(masses):
        start = jnp.asarray(masses)
        instants, accuracy = (jnp.asarray(v, start.dtype) for v in (moments, tolerance))
        schedule, hottest = as_schedule(temperature, float(moments[-1]), start.dtype)
        flux = scharfetter_gummel if hottest > 0 else upwind
        solver = suited_solver(grid, hottest * float(moments[-1]), start.dtype) if solver is None else solver
        found, solved = _solved(risk, grid, start, instants, schedule, accuracy, flux, solver)
    if not solved:
        raise RuntimeError(
            f"the solver did not reach time {times[-1]}: the steps became too small. Give a larger tolerance, fewer cells, "
            "or, with noise, solver=diffrax.Kvaerno5()"
        )
    return found


def _check_solver(solver: Any, dtype: Any) -> None:
    if isinstance(solver, diffrax.AbstractImplicitSolver) and dtype != np.float64:
        raise ValueError(
            f"masses must be float64 for an implicit solver, whose steps become ever smaller else; received {dtype}: "
            "convert them, or leave solver out"
        )


def suited_solver(grid: Grid, spread: float, dtype: Any) -> Any:
    """The quicker method for noise of temperature times time `spread`: an implicit one takes few steps of much work, and
    equations that single precision does not solve to a step's tolerance.
    """
    cells = math.prod(grid.cells)
    explicit = 2 * spread * sum(h**-2 for h in grid.spacing)
    stiff = explicit > _STIFF * cells and cells <= _LARGEST_MATRIX
    return diffrax.Kvaerno5() if stiff and np.dtype(dtype) == np.float64 else diffrax.Heun()


@eqx.filter_jit
def _solved(
    risk: Risk,
    grid: Grid,
    start: Array,
    times: Array,
    schedule: Schedule,
    tolerance: Array,
    flux: Flux,
    solver: Any,
) -> tuple[DensityCourse, Array]:
    def temperature(time: Any) -> Array:
        return jnp.asarray(schedule(time), start.dtype)

    def rate(time: Any, masses: Array, risk: Risk) -> Array:
        neurons = as_neurons(grid, masses)
        variation = risk.first_variation(neurons)(neurons.positions)
        moving = change(grid, masses.reshape(grid.cells), variation.reshape(grid.cells), temperature(time), flux)
        return moving.reshape(-1)

    def seen(time: Any, masses: Array, risk: Risk) -> tuple[Array, Array, Array]:
        value = risk(as_neurons(grid, masses))
        return masses, value, value - temperature(time) * grid_entropy(masses, grid.volume)

    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(rate),
        solver,
        t0=jnp.zeros((), times.dtype),
        t1=times[-1],
        dt0=None,
        y0=start,
        args=risk,
        saveat=diffrax.SaveAt(ts=times, fn=seen),
        stepsize_controller=_Positive(rtol=tolerance, atol=tolerance / start.size),
        max_steps=_MAX_STEPS,
        adjoint=diffrax.ForwardMode(),
        throw=False,
    )
    masses, risks, free = solution.ys  # pyright: ignore[reportGeneralTypeIssues]
    return DensityCourse(grid, times, masses, risks, free), solution.result == diffrax.RESULTS.successful


class _Positive(diffrax.PIDController):
    """Refuses steps after which a mass is negative by more than rounding."""

    def adapt_step_size(
        self,
        t0: Any,
        t1: Any,
        y0: Any,
        y1_candidate: Any,
        args: Any,
        y_error: Any,
        error_order: Any,
        controller_state: Any,
    ) -> Any:
        rounding = 10 * jnp.finfo(y0.dtype).eps * y0.max()
        bad = jnp.min(y1_candidate) < -rounding
        y_error = jnp.where(bad, jnp.ones_like(y0), y_error)
        return super().adapt_step_size(t0, t1, y0, y1_candidate, args, y_error, error_order, controller_state)
