"""Kernel rules of the combinators: `Sequential`, `Repeat`, `Residual`, `Parallel` and its merges."""

import dataclasses
import math
from functools import reduce, singledispatch

from nnlimits import nn
from nnlimits.kernels.blocks import Block, blocks, scan_block
from nnlimits.kernels.covariance import Covariance, sum_of_covariances
from nnlimits.kernels.depth_limit import depth_limit
from nnlimits.kernels.rules import covariance_rule


def apply_layers(layers: tuple[nn.Layer, ...], covariance: Covariance, parameterization: str) -> Covariance:
    """Covariance after a row of layers, without looking for repetitions."""
    return reduce(lambda state, layer: covariance_rule(layer, state, parameterization), layers, covariance)


@covariance_rule.register
def _sequential(layer: nn.Sequential, covariance: Covariance, parameterization: str) -> Covariance:
    for block in blocks(layer.layers):
        covariance = _run(block, covariance, parameterization)
    return covariance


@covariance_rule.register
def _repeat(layer: nn.Repeat, covariance: Covariance, parameterization: str) -> Covariance:
    if math.isinf(layer.depth):
        return depth_limit(layer, covariance, parameterization)
    return _run(Block((layer.resolved_block(),) * int(layer.depth), 1), covariance, parameterization)


def _run(block: Block, covariance: Covariance, parameterization: str) -> Covariance:
    return scan_block(block, covariance, lambda layers, state: apply_layers(layers, state, parameterization))


@covariance_rule.register
def _residual(layer: nn.Residual, covariance: Covariance, parameterization: str) -> Covariance:
    return covariance_rule(nn.Parallel(layer.shortcut, layer.body, merge=nn.Sum()), covariance, parameterization)


@covariance_rule.register
def _parallel(layer: nn.Parallel, covariance: Covariance, parameterization: str) -> Covariance:
    start = dataclasses.replace(covariance, fresh=False)
    merged = merge_rule(layer.merge, [covariance_rule(branch, start, parameterization) for branch in layer.branches])
    return dataclasses.replace(merged, fresh=merged.fresh or covariance.fresh)


@singledispatch
def merge_rule(merge: object, branches: list[Covariance]) -> Covariance:
    """Covariance of the outputs of several branches, merged."""
    raise NotImplementedError(
        f"{type(merge).__name__} has no rule for the infinite-width kernel; use nn.Sum, nn.Concatenate or nn.Product"
    )


@merge_rule.register
def _sum(merge: nn.Sum, branches: list[Covariance]) -> Covariance:
    """Covariances add where all cross terms vanish: every branch but one must end in fresh, zero-mean weights."""
    if sum(not (b.fresh and b.gaussian) for b in branches) > 1:
        raise NotImplementedError(
            "nn.Sum of branches that are correlated at infinite width: all branches but one must end in an nn.Dense of their "
            "own (add one to each branch that ends in an activation)"
        )
    q1, q2, deficit = sum_of_covariances([(b.q1, b.q2, b.deficit) for b in branches])
    return dataclasses.replace(
        branches[0],
        q1=q1,
        q2=q2,
        deficit=deficit,
        ntk=None if branches[0].ntk is None else sum(b.ntk for b in branches if b.ntk is not None),
        gaussian=all(b.gaussian for b in branches),
        fresh=all(b.fresh for b in branches),
        gains=branches[0].gains if len(branches) == 1 or all(b.gains == 0 for b in branches) else None,
    )


@merge_rule.register
def _concatenate(merge: nn.Concatenate, branches: list[Covariance]) -> Covariance:
    """The average of the branches, weighted by their widths."""
    width = sum((b.width for b in branches[1:]), branches[0].width)
    share = [b.width / width for b in branches]
    q1, q2, deficit = sum_of_covariances(
        [(p * b.q1, p * b.q2, b.deficit) for p, b in zip(share, branches, strict=True)]
    )
    ntk = None
    if branches[0].ntk is not None:
        ntk = sum(p * b.ntk for p, b in zip(share, branches, strict=True) if b.ntk is not None)
    return dataclasses.replace(
        branches[0],
        q1=q1,
        q2=q2,
        deficit=deficit,
        ntk=ntk,
        width=width,
        gaussian=False,
        fresh=all(b.fresh for b in branches),
        gains=0,
    )


@merge_rule.register
def _product(merge: nn.Product, branches: list[Covariance]) -> Covariance:
    """Covariances of independent branches multiply; the NTK follows Leibniz' rule."""
    if sum(not b.fresh for b in branches) > 1:
        raise NotImplementedError(
            "nn.Product of branches that are dependent at infinite width: all branches but one must pass an nn.Dense of "
            "their own"
        )
    return dataclasses.replace(
        reduce(_product_of_two, branches), gaussian=False, fresh=all(b.fresh for b in branches), gains=0
    )


def _product_of_two(a: Covariance, b: Covariance) -> Covariance:
    ntk = None if a.ntk is None or b.ntk is None else a.ntk * b.nngp + a.nngp * b.ntk
    deficit = a.deficit + b.deficit - a.deficit * b.deficit
    return dataclasses.replace(a, q1=a.q1 * b.q1, q2=a.q2 * b.q2, deficit=deficit, ntk=ntk)
