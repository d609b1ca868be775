"""What the blocks of an infinitely deep `Repeat` are: residual branches, with the power of the depth that scales each."""

from typing import NamedTuple

import jax

from nnlimits import nn
from nnlimits.kernels.blocks import flatten
from nnlimits.nn.depth_dependent import DepthDependent

_AFFINE = nn.Dense | nn.Linear | nn.Conv | nn.LocallyConnected | nn.ConvTranspose
_HOMOGENEOUS = (
    nn.Scale | nn.Identity | nn.Dropout | nn.AvgPool | nn.Relu | nn.LeakyRelu | nn.ABRelu | nn.Abs | nn.DepthScale
)
"""Layers that a positive factor passes through."""


class Branch(NamedTuple):
    """A residual block `x + depth^-exponent body(x)`."""

    body: nn.Layer
    exponent: float


def residual_branches(block: nn.Layer) -> tuple[Branch, ...] | None:
    """The residual blocks in a row that a block is made of; `None` if it is not made of such.

    **Raises:** `NotImplementedError` for a `DepthScale` at a place where its power does not scale the branch as a whole.
    """
    row = flatten((block,))
    bodies = [_body(layer) for layer in row]
    if not row or any(body is None for body in bodies):
        if any(isinstance(layer, nn.Residual | nn.Parallel) or _holds_depth(layer) for layer in row):
            raise NotImplementedError(
                "a block of an infinitely deep nn.Repeat is a row of nn.Residual(body) whose shortcuts are the identity, or "
                f"holds none and no nn.DepthScale; received {block!r}"
            )
        return None
    return tuple(_branch(body) for body in bodies if body is not None)


def _body(layer: nn.Layer) -> nn.Layer | None:
    """Of `x + body(x)`."""
    if isinstance(layer, nn.Residual) and not flatten((layer.shortcut,)):
        return layer.body
    if isinstance(layer, nn.Parallel) and isinstance(layer.merge, nn.Sum) and len(layer.branches) == 2:
        rest = [branch for branch in layer.branches if flatten((branch,))]
        return rest[0] if len(rest) == 1 else None
    return None


def _branch(body: nn.Layer) -> Branch:
    exponent, row = 0.0, []
    for layer in flatten((body,)):
        if isinstance(layer, nn.DepthScale):
            exponent += layer.exponent
        elif _holds_depth(layer):
            raise NotImplementedError(
                f"nn.DepthScale inside {type(layer).__name__}, within the body of a residual block of infinite depth; put it at "
                "the end of the body: nn.Residual(nn.Sequential(..., nn.DepthScale(0.5)))"
            )
        elif exponent and not isinstance(layer, _HOMOGENEOUS) and getattr(layer, "b_std", layer) is not None:
            raise NotImplementedError(
                f"{layer!r} after an nn.DepthScale, which does not scale its output by the same power; put the nn.DepthScale at "
                "the end of the body"
            )
        else:
            row.append(layer)
    return Branch(nn.Sequential(*row), exponent)


def _holds_depth(layer: nn.Layer) -> bool:
    """Whether the word takes the depth of the `Repeat` itself, or something inside it does."""

    def knows(value: object) -> bool:
        return isinstance(value, nn.Repeat | DepthDependent)

    inside = jax.tree.leaves(layer, is_leaf=knows)
    return any(isinstance(value, DepthDependent) for value in inside)
