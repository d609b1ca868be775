"""Branches side by side."""

from typing import Any

import jax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.errors import located
from nnlimits.nn.layer import Layer
from nnlimits.nn.members import as_member
from nnlimits.nn.merge import Merge, Sum
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

    def initialize(self, key: PRNGKeyArray, input_shape: tuple[int, ...], parameterization: str, dtype: Any) -> PyTree:
        """Draw the parameters of each branch."""
        self.output_shape(input_shape)
        keys = jax.random.split(key, len(self.branches))
        return tuple(
            branch.initialize(branch_key, input_shape, parameterization, dtype)
            for branch, branch_key in zip(self.branches, keys, strict=True)
        )

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: str
    ) -> Float[Array, "n ..."]:
        keys = [None] * len(self.branches) if key is None else jax.random.split(key, len(self.branches))
        outputs = []
        for i, (branch, branch_params, branch_key) in enumerate(zip(self.branches, params, keys, strict=True)):
            with located(f"in branch {i} of Parallel"):
                outputs.append(branch.forward(branch_params, x, branch_key, parameterization))
        return self.merge(outputs)

    def _spelled_arguments(self) -> list[str]:
        branches = [spell(branch) for branch in self.branches]
        return branches if self.merge == Sum() else [*branches, f"merge={spell(self.merge)}"]
