"""Branches side by side."""

from typing import Any

import jax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.errors import located
from nnlimits.nn.layer import Layer
from nnlimits.nn.members import as_member
from nnlimits.nn.merge import Concatenate, Merge, Sum
from nnlimits.nn.parameterization import Parameterization
from nnlimits.nn.word import spell


class Parallel(Layer):
    """Every branch receives the same input; `merge` makes one output of theirs.

    The parameters are a tuple, one entry a branch.

    **Arguments:** one or more branches; `merge`, one of `nn.Sum()`, `nn.Concatenate()`, `nn.Product()`.
    """

    branches: tuple[Layer, ...]
    merge: Merge

    def __init__(self, *branches: Any, merge: Any = Sum()) -> None:
        if not branches:
            raise ValueError("Parallel needs at least one branch; received none")
        if not isinstance(merge, Merge):
            raise TypeError(f"merge must be nn.Sum(), nn.Concatenate() or nn.Product(); received {merge!r}")
        self.branches = tuple(as_member(f"Parallel's branch {i}", branch) for i, branch in enumerate(branches))
        self.merge = merge

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        shapes = []
        for i, branch in enumerate(self.branches):
            with located(f"in branch {i} of Parallel"):
                shapes.append(branch.output_shape(input_shape))
        with located("of Parallel"):
            return self.merge.output_shape(shapes)

    def initialize(
        self, key: PRNGKeyArray, input_shape: tuple[int, ...], parameterization: Parameterization, dtype: Any
    ) -> PyTree:
        """Draw the parameters of each branch."""
        self.output_shape(input_shape)
        keys = jax.random.split(key, len(self.branches))
        return tuple(
            branch.initialize(branch_key, input_shape, own, dtype)
            for (branch, own), branch_key in zip(self.placed(parameterization), keys, strict=True)
        )

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        keys = [None] * len(self.branches) if key is None else jax.random.split(key, len(self.branches))
        outputs = []
        placed = self.placed(parameterization)
        for i, ((branch, own), branch_params, branch_key) in enumerate(zip(placed, params, keys, strict=True)):
            with located(f"in branch {i} of Parallel"):
                outputs.append(branch.forward(branch_params, x, branch_key, own))
        return self.merge(outputs)

    def keeps_width(self) -> bool:
        return any(branch.keeps_width() for branch in self.branches)

    def placed(self, parameterization: Parameterization) -> tuple[tuple[Layer, Parameterization], ...]:
        return placed_side_by_side(self.branches, self.merge, parameterization)

    def makes_width(self, parameterization: Parameterization) -> bool:
        return any(branch.makes_width(own) for branch, own in self.placed(parameterization))

    def _spelled_arguments(self) -> list[str]:
        branches = [spell(branch) for branch in self.branches]
        return branches if self.merge == Sum() else [*branches, f"merge={spell(self.merge)}"]


def placed_side_by_side(
    branches: tuple[Layer, ...], merge: Merge, parameterization: Parameterization
) -> tuple[tuple[Layer, Parameterization], ...]:
    """Branches with one input, each with the parameterization at its place.

    Those that are added or multiplied have the same number of channels: fixed, if one of them passes on a fixed input's.
    """
    passed_on = not isinstance(merge, Concatenate) and any(branch.keeps_width() for branch in branches)
    wide_output = parameterization.wide_output and (parameterization.wide_input or not passed_on)
    return tuple((branch, parameterization.at(parameterization.wide_input, wide_output)) for branch in branches)
