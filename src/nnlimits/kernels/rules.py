"""The kernel rule of each word of the language: how a layer maps the covariance of its input to that of its output.

A rule is a pure function `rule(layer, covariance, parameterization) -> covariance`, registered for the type of the
layer:

    @covariance_rule.register
    def _(layer: MyLayer, covariance: Covariance, parameterization: str) -> Covariance: ...
"""

from functools import singledispatch

from nnlimits import nn
from nnlimits.kernels.covariance import Covariance
from nnlimits.kernels.positions import Positions


@singledispatch
def covariance_rule(layer: nn.Layer, covariance: Covariance, parameterization: str) -> Covariance:
    """Covariance after `layer`, at infinite width.

    **Raises:** `NotImplementedError` for a layer without a rule.
    """
    raise NotImplementedError(
        f"{type(layer).__name__} has no rule for the infinite-width kernel (NNGP and NTK). Register one with "
        "nnlimits.kernels.covariance_rule.register, or estimate the kernel from finite networks"
    )


def require_gaussian(layer: nn.Layer, covariance: Covariance) -> None:
    """Raise `NotImplementedError` unless the units that reach `layer` are Gaussian."""
    if not covariance.gaussian:
        raise NotImplementedError(
            f"{layer!r} receives units that are not Gaussian in the infinite-width limit (the input itself, or the output of an "
            "activation, a product or a concatenation). Put an nn.Dense before it, or at positions an nn.Conv or nn.Linear"
        )


def positions_of(layer: nn.Layer, covariance: Covariance) -> Positions:
    """The positions that reach `layer`, or `NotImplementedError` if there are none."""
    if covariance.positions is None or covariance.positions.flat:
        raise NotImplementedError(f"{layer!r} receives units without positions; it needs an image or a sequence")
    return covariance.positions
