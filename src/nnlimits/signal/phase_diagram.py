"""Order and chaos over the plane of initializations."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from nnlimits import nn
from nnlimits.compute.progress import Progress
from nnlimits.signal.entry import block_map
from nnlimits.signal.fixed_point import FixedPoint, fixed_point_of
from nnlimits.signal.maps import BlockMap
from nnlimits.validation import check_positive

Axis = Float[np.ndarray, "_"]


class PhaseDiagram(NamedTuple):
    """Fixed points of a network's block over a grid of scales."""

    w_std: Float[np.ndarray, " columns"]
    b_std: Float[np.ndarray, " rows"]
    points: FixedPoint
    """Each entry of shape (rows, columns)."""


def phase_diagram(
    network: nn.Layer, w_std: Any, b_std: Any, *, variance: float = 1.0, progress: bool | None = None
) -> PhaseDiagram:
    """Fixed points, growth factors and depth scales of the block of `network` over a grid of its weights' and biases' scales.

    **Arguments:** `network`, as for `fixed_point`; `w_std` and `b_std`, the scales, for all affine layers of the block alike;
    `variance`, that from which signals start; `progress`, whether to show a bar (by default, if a person is watching).

    **Returns:** a `PhaseDiagram`; `.points.xi_c` and the like are arrays of shape `(len(b_std), len(w_std))`.

    **Raises:** `ValueError` for scales that are not ascending and non-negative, and as `fixed_point`.

    Poole et al. 2016, figure 1; Schoenholz et al. 2017, figure 2.
    """
    columns, rows = _axis("w_std", w_std), _axis("b_std", b_std)
    check_positive("variance", variance)
    with jax.enable_x64(True), Progress("phase diagram", len(rows), progress) as bar:
        maps, start = block_map(network), jnp.asarray(variance, jnp.float64)
        found = []
        for b in rows:
            found.append(jax.tree.map(np.asarray, _row(maps, start, jnp.asarray(columns), jnp.asarray(b))))
            bar.advance()
    return PhaseDiagram(columns, rows, FixedPoint(*(np.stack(values) for values in zip(*found, strict=True))))


@jax.jit
def _row(maps: BlockMap, start: Any, w_std: Any, b_std: Any) -> FixedPoint:
    def point(w_std: Any) -> FixedPoint:
        return fixed_point_of(_with_scales(maps, w_std, b_std), start)

    return jax.lax.map(point, w_std)


def _with_scales(maps: BlockMap, w_std: Any, b_std: Any) -> BlockMap:
    def scaled(word: Any) -> Any:
        return nn.Dense(word.width, w_std=w_std, b_std=b_std) if isinstance(word, nn.Dense) else word

    return jax.tree.map(scaled, maps, is_leaf=lambda word: isinstance(word, nn.Dense))


def _axis(name: str, values: Any) -> Axis:
    values = np.asarray(values, np.float64)
    if (
        values.ndim != 1
        or len(values) < 2
        or not np.isfinite(values).all()
        or (np.diff(values) <= 0).any()
        or values[0] < 0
    ):
        raise ValueError(f"{name} must be two or more ascending numbers, at least 0; received {values}")
    return values
