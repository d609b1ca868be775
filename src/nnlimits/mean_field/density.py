"""The mean-field equation itself: a density of neurons over a grid, by finite volumes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.compute.precision import precision_of
from nnlimits.mean_field.finite_volumes import Flux, change, scharfetter_gummel, upwind
from nnlimits.mean_field.grid import Grid, as_neurons, check_grid
from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.risk import Risk
from nnlimits.predict.times import check_times
from nnlimits.validation import check_non_negative, check_positive

_MAX_STEPS = 10_000_000


class DensityCourse(NamedTuple):
    """A density of neurons in time, along a first axis of recorded times."""

    grid: Grid
    times: Float[Array, " records"]
    masses: Float[Array, "records k"]
    """Of the cells; divided by `grid.volume`, the density."""
    risks: Float[Array, " records"]
    free_energies: Float[Array, " records"]
    """The risk and `temperature integral of log(rho) d rho`; without noise, the risk."""

    def at(self, record: int) -> Neurons:
        """Each cell as a neuron at its centre."""
        masses = np.asarray(self.masses[record])
        return Neurons(self.grid.centres().astype(masses.dtype), masses)


def density_flow(
    risk: Risk,
    grid: Grid,
    masses: Float[Array | np.ndarray, " k"],
    times: Sequence[Any] | np.ndarray,
    *,
    temperature: float = 0.0,
    tolerance: float = 1e-5,
    solver: Any = None,
) -> DensityCourse:
    """`d rho / dt = div(rho grad V(theta; rho)) + temperature Laplacian rho`, for neurons of one or two parameters.

    Without noise, upwind fluxes of second order where the density is smooth; with it, those of Scharfetter & Gummel, of second
    order too. No mass crosses the edges of the grid, and the sum of masses is kept to rounding.

    **Arguments:** `risk`, such as those for particles; `grid`, over the parameters; `masses`, of its cells (see `Grid.masses`);
    `times`, ascending from 0 or later; `temperature`, at least 0; `tolerance`, relative and absolute, of each step, whose sizes
    adapt and are such that masses stay positive; `solver`, of diffrax: `Heun` if absent, an implicit one such as `Kvaerno3` for
    fine grids with noise.

    **Returns:** a `DensityCourse`, in the precision of the masses.

    **Raises:** `ValueError` for arguments that do not fit; `RuntimeError` if the solver gives up.

    Mei, Montanari & Nguyen 2018, equations 6 and 11; Carrillo, Chertock & Huang 2015.
    """
    check_grid(grid, risk.units.size, masses)
    check_non_negative("temperature", temperature)
    check_positive("tolerance", tolerance)
    moments, _ = check_times(np.asarray(times))
    if np.isinf(moments).any() or (np.diff(moments) < 0).any():
        raise ValueError(f"times must be finite and ascend; received {times!r}")
    flux = scharfetter_gummel if temperature > 0 else upwind
    with precision_of(masses):
        start = jnp.asarray(masses)
        instants, heat, accuracy = (jnp.asarray(v, start.dtype) for v in (moments, temperature, tolerance))
        solver = diffrax.Heun() if solver is None else solver
        found, solved = _solved(risk, grid, start, instants, heat, accuracy, flux, solver)
    if not solved:
        raise RuntimeError(
            f"the solver did not reach time {times[-1]}: the steps became too small. Give a larger tolerance, fewer cells, "
            "or, with noise, solver=diffrax.Kvaerno3()"
        )
    return found


@eqx.filter_jit
def _solved(
    risk: Risk,
    grid: Grid,
    start: Array,
    times: Array,
    temperature: Array,
    tolerance: Array,
    flux: Flux,
    solver: Any,
) -> tuple[DensityCourse, Array]:
    def rate(_: Any, masses: Array, risk: Risk) -> Array:
        neurons = as_neurons(grid, masses)
        variation = risk.first_variation(neurons)(neurons.positions)
        moving = change(grid, masses.reshape(grid.cells), variation.reshape(grid.cells), temperature, flux)
        return moving.reshape(-1)

    def seen(_: Any, masses: Array, risk: Risk) -> tuple[Array, Array, Array]:
        value = risk(as_neurons(grid, masses))
        return masses, value, value - temperature * entropy(grid, masses)

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


def entropy(grid: Grid, masses: Float[Array, " k"]) -> Float[Array, ""]:
    """`-integral of rho log(rho)`."""
    density = masses / grid.volume
    return -(masses * jnp.log(jnp.where(masses > 0, density, 1.0))).sum()


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
