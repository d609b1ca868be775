"""Columns of mean zero and unit variance, and back."""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

Table = Float[np.ndarray, "n d"]
Columns = Float[np.ndarray, "... d"]
Row = Float[np.ndarray, " d"]


class Standardization(eqx.Module):
    """The affine map `(x - mean) / scale`, column by column."""

    mean: Row
    scale: Row

    def apply(self, x: Columns) -> Columns:
        """Standardised columns, the last axis of `x`."""
        return (x - self.mean) / self.scale

    def undo(self, z: Any) -> Any:
        """The original columns, the last axis of `z`."""
        return z * self.scale + self.mean


def standardization(x: Table) -> Standardization:
    """The map that gives the columns of `x` mean zero and unit variance; a column that is constant is only centred."""
    largest = abs(x).max(0)
    unit = np.where(largest > 0, largest, 1.0)  # squares of numbers of any other size may overflow, or vanish
    deviation = (x / unit).std(0)
    # a constant column has a deviation of rounding errors, not exactly zero
    varies = deviation > 10 * len(x) * np.finfo(np.float64).eps
    return Standardization((x / unit).mean(0) * unit, np.where(varies, deviation * unit, 1.0))


def identity(columns: int) -> Standardization:
    """The map that changes nothing."""
    return Standardization(np.zeros(columns), np.ones(columns))
