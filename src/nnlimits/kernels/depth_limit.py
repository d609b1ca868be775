"""The kernel of an infinitely deep `Repeat`, in the limit of infinite width first and of infinite depth second."""

import math

import equinox as eqx

from nnlimits import nn
from nnlimits.kernels.covariance import Covariance
from nnlimits.kernels.depth_exponents import residual_branches
from nnlimits.kernels.depth_residual import residual_limit
from nnlimits.kernels.depth_shaped import shaped_limit, shaped_row
from nnlimits.kernels.depth_strength import strength
from nnlimits.validation import is_traced

_STRENGTH = 4.0
"""Up to this `strength` of the bodies, steps of the solver are as fine as they are without refinement."""
_MOST = 16
_ROUNDING = 1e-6
"""Of scales in float32."""


class InfiniteRepeat(nn.Repeat):
    """A `Repeat` of infinite depth as `prepare` writes it: with the number of steps that its scales ask for."""

    refinement: int = eqx.field(static=True)

    def __init__(self, block: nn.Layer) -> None:
        self.block = block
        self.depth = math.inf
        self.refinement = refinement(block)


def depth_limit(layer: nn.Repeat, covariance: Covariance, parameterization: str) -> Covariance:
    """The covariance after infinitely many copies of the block, each with weights of its own.

    Of residual blocks `x + depth^-exponent body(x)`: with the exponent 1/2 the differential equation of `depth_residual`; with a
    larger one nothing is added (what depth L adds is of order `L^(1 - 2 exponent)`). Of shaped activations: `shaped_limit`.

    **Raises:** `ValueError` where there is no limit, for an exponent below 1/2; `NotImplementedError` for blocks of other kinds.
    """
    if row := shaped_row(layer.block):
        return shaped_limit(row, covariance)
    branches = residual_branches(layer.block)
    if branches is None:
        raise NotImplementedError(
            "nn.Repeat(block, math.inf), of infinite depth, has no kernel of use: blocks with weights of their own and no "
            "shortcut forget their inputs. Where chi = w_std^2 E[phi'^2] < 1 all pairs come to have one and the same covariance; "
            "where chi >= 1 the NTK grows like chi^depth, at chi = 1 like depth (see nnlimits.signal for fixed point and chi of "
            "such a block). With a limit: nn.Repeat(nn.Residual(nn.Sequential(..., nn.DepthScale(0.5))), math.inf), or tied "
            "weights that see the input in every layer, nn.Equilibrium(nn.Cell(...))"
        )
    for branch in branches:
        if branch.exponent < 0.5:
            raise ValueError(
                f"nn.Repeat(nn.Residual(...), math.inf) has no limit where the bodies are scaled by depth^-{branch.exponent:g}: "
                "independent weights add up to a variance that grows without bound. End each body in nn.DepthScale(0.5), whose "
                "limit is a differential equation, or give a finite depth"
            )
    bodies = tuple(branch.body for branch in branches if branch.exponent == 0.5)
    refined = layer.refinement if isinstance(layer, InfiniteRepeat) else refinement(layer.block)
    return residual_limit(bodies, covariance, parameterization, refined) if bodies else covariance


def refinement(block: nn.Layer) -> int:
    """How many times as many steps as usual the solver takes: the growth over the depth is exponential in the `strength` of
    the bodies, of which those of several blocks add up.

    **Raises:** `ValueError` where the covariance would grow by more than some fifteen orders of magnitude.
    """
    if shaped_row(block):
        return 1  # of these it takes no steps
    branches = residual_branches(block) or ()
    total = sum(strength(branch.body) for branch in branches if branch.exponent == 0.5)
    if is_traced(total):
        return 2  # not known
    found = max(1, math.ceil(float(total) / _STRENGTH - _ROUNDING)) if total < math.inf else math.inf
    if found > _MOST:
        raise ValueError(
            f"the weights of {block!r} are too large for an infinite depth: its covariance grows by a factor of up to "
            "exp(strength), where the strength of its bodies, w_std^2 times the squared largest slope of the "
            f"activation, is {float(total):.3g}, and this is computed up to {_MOST * _STRENGTH:g}. Take smaller "
            "w_std, or nn.Scale within the body"
        )
    return int(found)
