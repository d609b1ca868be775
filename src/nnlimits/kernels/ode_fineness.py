"""How finely the kernel of a `NeuralODE` is computed: by the strength of its field, known before anything is computed.

Of a linear field with weights of scale `w`, kernels grow over a span of length s as `I_0(2 w s)`. So the reach `w s` says how
many nodes resolve the solution, and how many iterations sum up its series, whose terms are `(w s)^(2 m) / (m!)^2`.
"""

import dataclasses
import math
from typing import Any, NamedTuple

import equinox as eqx
from jaxtyping import Array

from nnlimits import nn
from nnlimits.kernels.depth_strength import amplification, strength
from nnlimits.kernels.goursat import collocation
from nnlimits.validation import is_traced


class Fineness(NamedTuple):
    """What serves fields up to a reach."""

    reach: float
    nodes: int
    """For each of two coordinates, in either triangle of depths."""
    iterations: int

    @property
    def pairs(self) -> int:
        """How many covariances are computed for each pair of inputs."""
        return collocation(self.nodes).pairs


FINENESS = {
    "float64": [
        Fineness(2, 10, 16),
        Fineness(3, 12, 20),
        Fineness(4, 14, 24),
        Fineness(5, 16, 28),
    ],
    "float32": [Fineness(2, 7, 10), Fineness(3, 9, 13), Fineness(4, 11, 16), Fineness(5, 13, 19)],
}
"""Errors, relative to the diagonal, are below 1e-8 in float64 for linear fields; in float32 below 1e-4, of which at the largest
reach most is rounding, and below 3e-5 up to a reach of 4.
"""

_TRACED = 3.0
"""How far kernels reach where a scale is traced."""
_ROUNDING = 1e-5
"""Relative, of scales in float32."""


class ResolvedODE(nn.NeuralODE):
    """A `NeuralODE` as `prepare` writes it: with the reach that its scales, then still known, ask for; `None` if traced."""

    reach: float | None = eqx.field(static=True, default=None)


def resolved_ode(layer: nn.NeuralODE, field: nn.Layer) -> ResolvedODE:
    """The same with its reach, and with this field."""
    values = {one.name: getattr(layer, one.name) for one in dataclasses.fields(nn.NeuralODE)}
    return ResolvedODE(**{**values, "field": field}, reach=reach(layer))


def reach(layer: nn.NeuralODE) -> float | None:
    """The length of the span times the root of the field's `strength`; `None` where a scale is traced.

    **Raises:** `ValueError` where it is larger than what is computed accurately.
    """
    if isinstance(layer, ResolvedODE):
        return layer.reach
    if is_traced(layer.field):
        return None
    start, end = layer.span
    found = (end - start) * math.sqrt(strength(layer.field))
    most = FINENESS["float64"][-1].reach
    if not found <= most * (1 + _ROUNDING):
        raise ValueError(
            f"the kernel of nn.NeuralODE grows up to exp(2 w_std s), where s is the length of its span, and is computed "
            f"accurately up to w_std s = {most:g}, where w_std includes the largest slope of activations; here span={layer.span} "
            f"and {layer.field!r} make {found:.4g}. Take a smaller w_std in the field, or a shorter span"
        )
    return found


def fineness(layer: nn.NeuralODE, dtype: Any) -> Fineness:
    """What serves a layer."""
    found = reach(layer)
    needed = _TRACED if found is None else found
    choices = FINENESS.get(str(dtype), FINENESS["float32"])
    return next(one for one in choices if needed <= one.reach * (1 + _ROUNDING))


def reaches(layer: nn.NeuralODE, dtype: Any) -> bool | Array:
    """Whether the scales of a layer are within its fineness; a traced scalar where this was not known before."""
    if reach(layer) is not None:
        return True
    start, end = layer.span
    most = fineness(layer, dtype).reach * (1 + _ROUNDING)
    return (end - start) ** 2 * amplification(layer.field) <= most**2
