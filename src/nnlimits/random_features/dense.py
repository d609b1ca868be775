"""Feature rules of the layers that act linearly on units: `Dense`, `Linear`, `Identity`, `Flatten`, `LayerNorm`, `Scale`."""

import dataclasses
import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.random_features.rules import Scope, feature_rule, require_gaussian
from nnlimits.random_features.sketch import narrowed
from nnlimits.random_features.state import Block, Features
from nnlimits.random_features.views import SideBySide


def input_features(x: Float[Array, "n *positions d"]) -> Features:
    """The inputs are their own features: `K(x, x') = <x, x'> / d`, at every two positions."""
    channels = x.shape[-1]
    return Features((Block(x / math.sqrt(channels), 1.0, 0.0),), float(channels))


@feature_rule.register
def _dense(layer: nn.Dense, features: Features, scope: Scope) -> Features:
    """`K' = w_std^2 K + b_std^2`; `Theta' = K' + w_std^2 Theta` (Jacot et al. 2018, Theorem 1)."""
    return affine(layer, contracted(features, scope), scope)


@feature_rule.register
def _linear(layer: nn.Linear, features: Features, scope: Scope) -> Features:
    """As a dense layer, over the average of the contracted positions."""
    if not features.positions or features.flat:
        return affine(layer, contracted(features, scope), scope)
    axes = layer.contracted((*features.positions, 1))[:-1]
    return affine(layer, averaged(features, axes, scope) if axes else features, scope)


def affine(
    layer: nn.Dense | nn.Linear | nn.Conv, features: Features, scope: Scope, fan_in: float | None = None
) -> Features:
    """New weights for all units, and the bias as one more feature.

    In the standard parameterization the weights' own part of the NTK is `fan_in K` in the place of `w_std^2 K`, and the bias' is
    1, if there is one, in the place of `b_std^2` (Sohl-Dickstein et al. 2020).
    """
    weight, bias = float(layer.w_std) ** 2, None if layer.b_std is None else float(layer.b_std) ** 2
    by_ntk = scope.parameterization == "ntk"
    own = weight if by_ntk else (features.channels if fan_in is None else fan_in)
    blocks = [
        Block(block.values, weight * block.nngp, (own * block.nngp + weight * block.ntk) if scope.ntk else 0.0)
        for block in features.blocks
    ]
    if bias is not None:
        ones = jnp.ones((*features.blocks[0].values.shape[:-1], 1), features.blocks[0].values.dtype)
        blocks.append(Block(ones, bias, (bias if by_ntk else 1.0) if scope.ntk else 0.0))
    return dataclasses.replace(
        features,
        blocks=tuple(block for block in blocks if block.nngp or block.ntk) or (_nothing(features),),
        channels=float(layer.width),
        gaussian=True,
        fresh=True,
        gains=False,
    )


def _nothing(features: Features) -> Block:
    """Features of a kernel of zeros."""
    return Block(jnp.zeros_like(features.blocks[0].values[..., :1]), 1.0, 0.0)


def contracted(features: Features, scope: Scope) -> Features:
    """Units without positions: those of a flattened image are averaged, as every layer with weights for each does."""
    if not features.positions:
        return features
    if not features.flat:
        raise NotImplementedError(
            f"nn.Dense receives positions {features.positions}; add nn.Flatten() or a global pooling before it, or use nn.Linear"
        )
    return averaged(features, tuple(range(len(features.positions))), scope)


def averaged(features: Features, axes: tuple[int, ...], scope: Scope) -> Features:
    """Features of the average of the covariances at equal positions along some axes: those of all positions side by side."""
    count = math.prod(features.positions[axis] for axis in axes)
    seen = narrowed(features, scope.width, scope.draws, SideBySide(axes))
    blocks = tuple(Block(block.values, block.nngp / count, block.ntk / count) for block in seen.blocks)
    left = len(features.positions) > len(axes)
    return dataclasses.replace(seen, blocks=blocks, channels=features.channels * count, flat=features.flat and left)


@feature_rule.register
def _identity(layer: nn.Identity, features: Features, scope: Scope) -> Features:
    return features


@feature_rule.register
def _flatten(layer: nn.Flatten, features: Features, scope: Scope) -> Features:
    """Positions stay apart, as units at different positions have different variances, until weights mix them."""
    return dataclasses.replace(features, flat=True, gaussian=features.gaussian and not features.positions)


@feature_rule.register
def _scale(layer: nn.Scale, features: Features, scope: Scope) -> Features:
    square = float(layer.factor) ** 2
    blocks = tuple(Block(block.values, square * block.nngp, square * block.ntk) for block in features.blocks)
    return dataclasses.replace(features, blocks=blocks)


@feature_rule.register
def _dropout(layer: nn.Dropout, features: Features, scope: Scope) -> Features:
    if float(layer.rate) == 0:
        return dataclasses.replace(features, gaussian=False)
    raise NotImplementedError(
        f"{layer!r} has no random features: it multiplies the variance of every example, and no covariance of two, which no "
        "inner product of finitely many features does. Leave it out, or take the exact kernel, nnlimits.kernel"
    )


@feature_rule.register
def _layer_norm(layer: nn.LayerNorm, features: Features, scope: Scope) -> Features:
    """Divides every example by its own standard deviation (mean zero for Gaussian units): the correlation stays."""
    require_gaussian(layer, features)
    rank = len(features.positions) + 1
    axes = sorted(axis % rank for axis in layer.axes)
    if axes[-1] != rank - 1:
        raise NotImplementedError(
            f"{layer!r} leaves out the channels, over which alone an average settles at infinite width; add -1 to axes"
        )
    variance = features.variance
    if axes[:-1]:
        variance = jnp.mean(variance, axis=[axis + 1 for axis in axes[:-1]], keepdims=True)
    tiny = jnp.finfo(variance.dtype).tiny
    gain = 1 / jnp.sqrt(jnp.maximum(variance + float(layer.epsilon), tiny))
    return dataclasses.replace(features, blocks=features.mapped(lambda values: gain[..., None] * values))


@feature_rule.register
def _channel_affine(layer: nn.ChannelAffine, features: Features, scope: Scope) -> Features:
    """The NTK grows by `u_i v_i` for the gain, on average `K`, and by 1 for the offset."""
    if not scope.ntk:
        return features
    blocks = list(features.blocks)
    if layer.gain:
        blocks = [block._replace(ntk=block.ntk + block.nngp) for block in blocks]
    if layer.offset:
        blocks.append(Block(jnp.ones_like(blocks[0].values[..., :1]), 0.0, 1.0))
    return dataclasses.replace(features, blocks=tuple(blocks), gains=features.gains or layer.gain)
