"""Infinitely many layers with the same weights: the fixed point of a cell."""

from typing import Any

import equinox as eqx
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.cell import Cell
from nnlimits.nn.fields import choice_field, integer_field
from nnlimits.nn.layer import Layer
from nnlimits.nn.parameterization import Parameterization


def _as_cell(value: Any) -> Cell:
    if not isinstance(value, Cell):
        raise TypeError(f"cell must be an nn.Cell(recurrent, injection); received {value!r}")
    return value


class Equilibrium(Layer):
    """The state z with `z = cell(z, x)`: a network of infinite depth with tied weights (Bai, Kolter & Koltun 2019)."""

    cell: Cell = eqx.field(converter=_as_cell)
    solver: str = choice_field("solver", ("anderson", "broyden", "iteration"), "anderson")
    max_steps: int = integer_field("max_steps", 1, 100)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        with_place = self.cell.state_shape(input_shape)
        return with_place

    def initialize(
        self, key: PRNGKeyArray, input_shape: tuple[int, ...], parameterization: Parameterization, dtype: Any
    ) -> PyTree:
        """Draw the parameters of the cell."""
        return self.cell.initialize(key, input_shape, parameterization, dtype)

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        import optimistix

        transition, given = self.cell.at(params, x, key, parameterization)
        solver = optimistix.FixedPointIteration(1e-5, 1e-5, damp=0.5)
        return optimistix.fixed_point(transition, solver, 0 * given.drive, given, max_steps=10 * self.max_steps).value

    def keeps_width(self) -> bool:
        return self.cell.injection.keeps_width()

    def placed(self, parameterization: Parameterization) -> tuple[tuple[Layer, Parameterization], ...]:
        return self.cell.placed(parameterization)

    def makes_width(self, parameterization: Parameterization) -> bool:
        injection, own = self.cell.placed(parameterization)[1]
        return injection.makes_width(own)
