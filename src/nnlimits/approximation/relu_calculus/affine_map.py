"""Affine maps with sparse matrices: what lies between the rectifiers of a network."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import sparse

from nnlimits.validation import check_finite


@dataclasses.dataclass(frozen=True, eq=False)
class AffineMap:
    """The map `x -> x W + b` in double precision.

    **Arguments:** `weight`, the matrix W of shape (fan_in, fan_out), of NumPy or SciPy; kept sparse, without stored zeros;
    `bias`, the vector b.

    **Raises:** `ValueError` for shapes that do not belong together, no inputs or outputs, or numbers that are not finite.
    """

    weight: Any
    bias: Float[np.ndarray, " fan_out"]

    def __post_init__(self) -> None:
        weight = sparse.csr_array(self.weight, dtype=np.float64, copy=True)
        weight.sum_duplicates()
        weight.eliminate_zeros()
        bias = np.array(self.bias, np.float64)
        if weight.ndim != 2 or 0 in weight.shape or bias.shape != weight.shape[1:]:
            raise ValueError(
                f"weight must have shape (inputs, outputs) and bias (outputs,), none of them zero; received "
                f"{weight.shape} and {bias.shape}"
            )
        check_finite("weight", weight.data)
        check_finite("bias", bias)
        for array in (weight.data, weight.indices, weight.indptr, bias):
            array.flags.writeable = False
        object.__setattr__(self, "weight", weight)
        object.__setattr__(self, "bias", bias)

    @property
    def inputs(self) -> int:
        """The dimension that it maps from."""
        return self.weight.shape[0]

    @property
    def outputs(self) -> int:
        """The dimension that it maps to."""
        return self.weight.shape[1]

    @property
    def weights(self) -> int:
        """How many entries of W and b are not zero."""
        return int(self.weight.nnz) + int(np.count_nonzero(self.bias))

    def __call__(self, x: Float[np.ndarray, "n fan_in"]) -> Float[np.ndarray, "n fan_out"]:
        """The images of points."""
        return np.asarray((self.weight.T @ x.T).T) + self.bias

    def then(self, other: "AffineMap") -> "AffineMap":
        """The affine map that applies this one first and `other` to what it gives."""
        return AffineMap(self.weight @ other.weight, other.weight.T @ self.bias + other.bias)


def beside(maps: list[AffineMap]) -> AffineMap:
    """Several affine maps of separate inputs as one, whose matrix has theirs as blocks."""
    weight = sparse.block_diag([one.weight for one in maps], format="csr")
    return AffineMap(weight, np.concatenate([one.bias for one in maps]))


def of_the_same(maps: list[AffineMap]) -> AffineMap:
    """Several affine maps of the same inputs as one, with their outputs one after another."""
    weight = sparse.hstack([one.weight for one in maps], format="csr")
    return AffineMap(weight, np.concatenate([one.bias for one in maps]))
