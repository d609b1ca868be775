"""The feature rule of each word of the language: how a layer maps the features of its input to those of its output.

A rule is a pure function `rule(layer, features, scope) -> features`, registered for the type of the layer:

    @feature_rule.register
    def _(layer: MyLayer, features: Features, scope: Scope) -> Features: ...
"""

from functools import singledispatch
from typing import NamedTuple

from nnlimits import nn
from nnlimits.random_features.draws import Draws
from nnlimits.random_features.state import Features


class Scope(NamedTuple):
    """What is the same for all layers."""

    draws: Draws
    parameterization: str
    """`"ntk"` or `"standard"`."""
    ntk: bool
    """Whether the NTK is asked for, besides the NNGP."""
    units: int
    """How many random units a nonlinearity has."""

    @property
    def width(self) -> int:
        """How many features of each kernel a sketch leaves."""
        return _SKETCHED * self.units


_SKETCHED = 2
"""Sketches err more than random units do, as they also see the linear part."""


@singledispatch
def feature_rule(layer: nn.Layer, features: Features, scope: Scope) -> Features:
    """Features after `layer`.

    **Raises:** `NotImplementedError` for a layer without a rule.
    """
    raise NotImplementedError(
        f"{type(layer).__name__} has no rule for random features of the infinite-width kernel (NNGP and NTK). Register one with "
        "nnlimits.random_features.feature_rule.register, or take Nystrom features of the exact kernel, nnlimits.kernel"
    )


def require_gaussian(layer: nn.Layer, features: Features) -> None:
    """Raise `NotImplementedError` unless the units that reach `layer` are Gaussian."""
    if not features.gaussian:
        raise NotImplementedError(
            f"{layer!r} receives units that are not Gaussian in the infinite-width limit (the input itself, or the output of an "
            "activation, a product or a concatenation). Put an nn.Dense before it, or at positions an nn.Conv or nn.Linear"
        )


def require_positions(layer: nn.Layer, features: Features) -> None:
    """Raise `NotImplementedError` unless units have positions."""
    if not features.positions or features.flat:
        raise NotImplementedError(f"{layer!r} receives units without positions; it needs an image or a sequence")
