"""Infinitely many layers with the same weights: the fixed point of a cell."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.cell import Cell
from nnlimits.nn.constraints import Monotone
from nnlimits.nn.errors import located
from nnlimits.nn.examination import Solved, examined
from nnlimits.nn.fields import as_integer, as_static_real, choice_field, integer_field
from nnlimits.nn.layer import Layer
from nnlimits.nn.parameterization import Parameterization
from nnlimits.nn.reports import is_reporting, report
from nnlimits.nn.unsolved import Diagnosis, checked

SOLVERS = ("anderson", "broyden", "iteration")


def _as_cell(value: Any) -> Cell:
    if not isinstance(value, Cell):
        raise TypeError(f"cell must be an nn.Cell(recurrent, injection); received {value!r}")
    return value


def _as_tolerance(value: Any) -> float | None:
    if value is None:
        return None
    tolerance = as_static_real("tolerance", value)
    if not 0 < tolerance < 1:
        raise ValueError(f"tolerance must be strictly between 0 and 1, or None; received {tolerance:g}")
    return tolerance


def _as_memory(value: Any) -> int | None:
    return None if value is None else as_integer("memory", 1, value)


class Equilibrium(Layer):
    """The state z with `z = cell(z, x)`: a network of infinite depth with tied weights (Bai, Kolter & Koltun 2019).

    The equation is solved from z = 0, each example by itself: an example is solved where `|f(z) - z| <= tolerance |f(z)|` for
    the cell f, and then stays as it is, whatever the others need. The parameters are those of the cell.

    A cell with a `constraint` has one fixed point for each input. One without may have several, of which that is returned to
    which the solver leads, or none; `report` tells whether there is one for certain.

    **Arguments:** `cell`, an `nn.Cell`; `solver`, `"anderson"` (acceleration), `"broyden"` (a quasi-Newton method, more
    robust and with more memory) or `"iteration"` (plain); `tolerance`, the relative residual, `None` for 2.4e-5 in float32 and
    3.7e-11 in float64; `max_steps`, the most evaluations of the cell; `memory`, how many evaluations the solver keeps, `None` for
    5 (Anderson) or 50 (Broyden); `adjoint`, `"implicit"`, the derivative of the fixed point by the implicit function theorem,
    in the memory of one evaluation, or `"unrolled"`, that of the solver's steps, which under `"iteration"` tends to the first,
    and under the others may be far from it where the cell is not a contraction: it is for checks.

    **Reports** (`nn.reporting`): `evaluations`, of the cell on the whole batch; of each example `steps`, the evaluations until it
    was solved, `residual`, the relative one at the output, `ratio`, the last change of the residual, and `converged`;
    `contraction_bound`, the recurrent map's spectral norm, bounded from above, times the activation's Lipschitz constant
    (infinite where no bound is known); `unique`, whether the fixed point is the only one for certain, by the constraint or
    because that bound is below one.

    **Raises:** `SolveError` if an example is not solved, or if the linear system of the implicit derivative is not (under
    `jax.jit` and in derivatives an `equinox.EquinoxRuntimeError`); `ValueError` if the dtype cannot resolve the tolerance.
    """

    cell: Cell = eqx.field(converter=_as_cell)
    solver: str = choice_field("solver", SOLVERS, "anderson")
    tolerance: float | None = eqx.field(default=None, static=True, converter=_as_tolerance)
    max_steps: int = integer_field("max_steps", 1, 200)
    memory: int | None = eqx.field(default=None, static=True, converter=_as_memory)
    adjoint: str = choice_field("adjoint", ("implicit", "unrolled"), "implicit")

    def __check_init__(self) -> None:
        if self.memory is not None and self.solver == "iteration":
            raise ValueError(
                f"memory={self.memory} belongs to solver='anderson' or 'broyden'; received solver='iteration', which keeps none"
            )

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        with located("in Equilibrium"):
            return self.cell.state_shape(input_shape)

    def initialize(
        self, key: PRNGKeyArray, input_shape: tuple[int, ...], parameterization: Parameterization, dtype: Any
    ) -> PyTree:
        """Draw the parameters of the cell."""
        with located("in Equilibrium"):
            return self.cell.initialize(key, input_shape, parameterization, dtype)

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        from nnlimits.fixed_points.solve import fixed_points

        with located("in Equilibrium"):
            self.cell.state_shape(x.shape[1:])
            transition, given = self.cell.at(params, x, key, parameterization)
            tolerance = self._tolerance_in(given.drive.dtype)
            found = fixed_points(
                transition,
                self._solver(tolerance),
                jnp.zeros_like(given.drive),
                given,
                max_steps=self.max_steps,
                adjoint=self._adjoint(tolerance),
            )
        value = checked(found, Diagnosis(repr(self), tolerance, self.max_steps, self._remedies()))
        if is_reporting():
            told = {name: getattr(found, name) for name in ("evaluations", "steps", "residual", "ratio", "converged")}
            told["contraction_bound"] = self.cell.contraction_bound(
                params, value.shape[1:], parameterization, value.dtype
            )
            told["unique"] = (told["contraction_bound"] < 1) | (self.cell.constraint is not None)
            report(self, {**told, **examined(Solved(transition, given, value))})
        return value

    def keeps_width(self) -> bool:
        return self.cell.injection.keeps_width()

    def placed(self, parameterization: Parameterization) -> tuple[tuple[Layer, Parameterization], ...]:
        return self.cell.placed(parameterization)

    def makes_width(self, parameterization: Parameterization) -> bool:
        injection, own = self.cell.placed(parameterization)[1]
        return injection.makes_width(own)

    def _tolerance_in(self, dtype: Any) -> float:
        from nnlimits.fixed_points.solve import default_tolerance

        if self.tolerance is None:
            return default_tolerance(dtype)
        least = 4 * float(jnp.finfo(dtype).eps)
        if self.tolerance < least:
            raise ValueError(
                f"tolerance={self.tolerance:g} is below what {dtype} resolves, {least:.2g}; take a larger one, or parameters and "
                "inputs in float64"
            )
        return self.tolerance

    def _solver(self, tolerance: float) -> Any:
        if self.solver == "anderson":
            from nnlimits.fixed_points.anderson import Anderson

            return Anderson(tolerance, 0.0, memory=self.memory or 5)
        if self.solver == "broyden":
            from nnlimits.fixed_points.broyden import Broyden

            return Broyden(tolerance, 0.0, memory=self.memory or 50)
        from nnlimits.fixed_points.iteration import Iteration

        return Iteration(tolerance, 0.0)

    def _adjoint(self, tolerance: float) -> Any:
        import optimistix

        from nnlimits.fixed_points.solve import implicit

        if self.adjoint == "unrolled":
            return optimistix.RecursiveCheckpointAdjoint()
        failure = (
            f"The derivative of {self!r} was not found: its linear system (I - J) u = v, with the Jacobian J of the cell at the "
            f"fixed point, was not solved to the relative residual {tolerance:.2g}. J has an eigenvalue near 1, or an entry is "
            "not finite. What would work: constraint=nn.NormBound() in the cell, a larger tolerance, or float64."
        )
        return implicit(tolerance, failure)

    def _remedies(self) -> str:
        remedies = [f"max_steps above {self.max_steps}"]
        if self.cell.constraint is None:
            remedies.append(
                "constraint=nn.NormBound() or nn.Monotone() in the cell, which ensure that there is a fixed point"
            )
        if self.solver == "iteration":
            remedies.append("solver='anderson' or 'broyden', which need no contraction")
        elif self.solver == "anderson":
            remedies.append("solver='broyden' or a longer memory")
        if isinstance(self.cell.constraint, Monotone):
            remedies.append("a larger margin")
        return "; ".join([*remedies, "a larger tolerance, if the residual has come to rest"])
