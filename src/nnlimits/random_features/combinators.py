"""Feature rules of the combinators: `Sequential`, `Repeat`, `Residual`, `Parallel` and its merges."""

import dataclasses
import math
from functools import reduce, singledispatch

from jaxtyping import Array

from nnlimits import nn
from nnlimits.random_features.rules import Scope, feature_rule
from nnlimits.random_features.sketch import joined
from nnlimits.random_features.state import Block, Features, merged
from nnlimits.random_features.tensor_sketch import tensor_sketch


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


@merge_rule.register
def _product(merge: nn.Product, branches: list[Features], scope: Scope) -> Features:
    """Covariances of independent branches multiply; the NTK follows Leibniz' rule."""
    if sum(not branch.fresh for branch in branches) > 1:
        raise NotImplementedError(
            "nn.Product of branches that are dependent at infinite width: all branches but one must pass an nn.Dense of "
            "their own"
        )
    after = reduce(lambda a, b: _product_of_two(a, b, scope), branches)
    return dataclasses.replace(after, gaussian=False, fresh=all(branch.fresh for branch in branches), gains=False)


def _product_of_two(a: Features, b: Features, scope: Scope) -> Features:
    blocks = [Block(_tensor_product(a.nngp_blocks(), b.nngp_blocks(), scope), 1.0, 0.0)]
    if scope.ntk:
        pairs = (a.ntk_blocks(), b.nngp_blocks()), (a.nngp_blocks(), b.ntk_blocks())
        blocks += [Block(_tensor_product(*parts, scope), 0.0, 1.0) for parts in pairs if all(parts)]
    return dataclasses.replace(a, blocks=tuple(blocks))


def _tensor_product(a: list[Array], b: list[Array], scope: Scope) -> Array:
    """Features of the product of two kernels: all products of features, or a sketch if they are too many."""
    first, second = joined(a), joined(b)
    if first.shape[-1] * second.shape[-1] <= scope.width:
        return (first[..., :, None] * second[..., None, :]).reshape(*first.shape[:-1], -1)
    return tensor_sketch(first, second, scope.width, scope.draws)
