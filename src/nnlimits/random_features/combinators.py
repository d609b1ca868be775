"""Feature rules of the combinators: `Sequential`, `Repeat`, `Residual`, `Parallel` and its merges."""

import dataclasses
import math
from functools import reduce, singledispatch

from nnlimits import nn
from nnlimits.random_features.rules import Scope, feature_rule
from nnlimits.random_features.state import Block, Features, merged


@feature_rule.register
def _sequential(layer: nn.Sequential, features: Features, scope: Scope) -> Features:
    return reduce(lambda state, one: feature_rule(one, state, scope), layer.layers, features)


@feature_rule.register
def _repeat(layer: nn.Repeat, features: Features, scope: Scope) -> Features:
    if math.isinf(layer.depth):
        raise NotImplementedError(
            "nn.Repeat of infinite depth has no random features; take a finite depth, whose kernel approaches that of infinite "
            f"depth, e.g. nn.Repeat({layer.block!r}, 16), or the exact kernel, nnlimits.kernel"
        )
    return feature_rule(nn.Sequential(*(layer.resolved_block(),) * int(layer.depth)), features, scope)


@feature_rule.register
def _residual(layer: nn.Residual, features: Features, scope: Scope) -> Features:
    return feature_rule(nn.Parallel(layer.shortcut, layer.body, merge=nn.Sum()), features, scope)


@feature_rule.register
def _parallel(layer: nn.Parallel, features: Features, scope: Scope) -> Features:
    start = dataclasses.replace(features, fresh=False)
    after = merge_rule(layer.merge, [feature_rule(branch, start, scope) for branch in layer.branches], scope)
    return dataclasses.replace(after, fresh=after.fresh or features.fresh)


@singledispatch
def merge_rule(merge: object, branches: list[Features], scope: Scope) -> Features:
    """Features of the outputs of several branches, merged."""
    raise NotImplementedError(
        f"{type(merge).__name__} has no rule for random features; use nn.Sum, nn.Concatenate or nn.Product"
    )


@merge_rule.register
def _sum(merge: nn.Sum, branches: list[Features], scope: Scope) -> Features:
    """Covariances add where all cross terms vanish: every branch but one must end in fresh, zero-mean weights."""
    if sum(not (branch.fresh and branch.gaussian) for branch in branches) > 1:
        raise NotImplementedError(
            "nn.Sum of branches that are correlated at infinite width: all branches but one must end in an nn.Dense of their "
            "own (add one to each branch that ends in an activation)"
        )
    return dataclasses.replace(
        branches[0],
        blocks=merged([block for branch in branches for block in branch.blocks]),
        gaussian=all(branch.gaussian for branch in branches),
        fresh=all(branch.fresh for branch in branches),
        gains=any(branch.gains for branch in branches),
    )


@merge_rule.register
def _concatenate(merge: nn.Concatenate, branches: list[Features], scope: Scope) -> Features:
    """The average of the branches, weighted by their widths."""
    channels = sum(branch.channels for branch in branches)
    shares = [branch.channels / channels for branch in branches]
    blocks = [
        Block(block.values, share * block.nngp, share * block.ntk)
        for share, branch in zip(shares, branches, strict=True)
        for block in branch.blocks
    ]
    return dataclasses.replace(
        branches[0],
        blocks=merged(blocks),
        channels=channels,
        gaussian=False,
        fresh=all(branch.fresh for branch in branches),
        gains=False,
    )
