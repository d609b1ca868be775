"""Feature rule of activations: the linear part as it is, and random units for the rest."""

import dataclasses
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array

from nnlimits import nn
from nnlimits.nn.kinks import has_jumps
from nnlimits.random_features.draws import Draw
from nnlimits.random_features.folding import folded_columns, folded_sketch, folded_units
from nnlimits.random_features.linear_part import Values, has_gradients, homogeneous, linear_part
from nnlimits.random_features.random_matrices import gaussian_rows, spherical_mean_ratio, spherical_rows
from nnlimits.random_features.rules import Scope, feature_rule, require_gaussian
from nnlimits.random_features.sketch import joined, projected
from nnlimits.random_features.state import Block, Features


@feature_rule.register
def _activation(layer: nn.Activation, features: Features, scope: Scope) -> Features:
    """`K' = E[phi phi]`, `Theta' = E[phi' phi'] Theta`.

    Random units `u_k = <g_k, f>` are jointly Gaussian with covariance K, so their `rest(u_k)` are features of what the linear
    part leaves of K', and `(phi'(u_k) - slope) <r_k, t>`, with random orthogonal rows `r_k` and features t of Theta, those of
    what it leaves of Theta'. Both are unbiased, given the features before. The linear part multiplies all features by a slope.
    That is the mean of phi' unless the activation jumps: then all of phi' is left to the random units, in Theta' alone.
    """
    require_gaussian(layer, features)
    require_no_gains(layer, features)
    linear = linear_part(layer, features.variance)
    units, constant = _random_units(layer, features, scope, linear.constant)
    value, slope = jax.jvp(layer, (units,), (jnp.ones_like(units),))
    rest = value - _of_units(constant) - _of_units(linear.slope) * units
    blocks = [*_linear_blocks(features, linear.slope), _constant(features, constant)]
    blocks.append(Block(rest / math.sqrt(scope.units), 1.0, 0.0))
    jumps = has_jumps(layer)
    if jumps or not has_gradients(layer):
        blocks = [block._replace(ntk=0.0) for block in blocks]
    if scope.ntk and has_gradients(layer):
        blocks.append(_product(slope if jumps else slope - _of_units(linear.slope), features, scope))
    return dataclasses.replace(features, blocks=tuple(b for b in blocks if b.nngp or b.ntk), gaussian=False)


def require_no_gains(layer: nn.Layer, features: Features) -> None:
    """Raise `NotImplementedError` if the NTK differs from unit to unit."""
    if features.gains:
        raise NotImplementedError(
            f"{layer!r} receives a trainable gain (nn.ChannelAffine), so that the NTK differs from unit to unit, and has no "
            "random features; put a layer with weights before it, or leave the gain out (gain=False)"
        )


def _random_units(layer: nn.Activation, features: Features, scope: Scope, constant: Values) -> tuple[Array, Values]:
    """Units of the infinite network at random, with the NNGP as their covariance, and the mean of the activation at them.

    They are Gaussian, or, for homogeneous activations, drawn by leverage; of many features, by Hadamard transforms.
    """
    parts = features.nngp_blocks()
    columns = sum(part.shape[-1] for part in parts)
    if min(columns, scope.units) > _MULTIPLIED:
        units = folded_units(joined(parts), scope.units, scope.draws)
        ratio = spherical_mean_ratio(folded_columns(columns, scope.units)) if homogeneous(layer) else 1.0
        return units, ratio * constant
    if homogeneous(layer):
        rows = scope.draws.take(Draw(spherical_rows, (scope.units, columns)))
        return projected(parts, rows), spherical_mean_ratio(columns) * constant
    return projected(parts, scope.draws.take(Draw(gaussian_rows, (scope.units, columns)))), constant


_MULTIPLIED = 512
"""Up to so many features or units, random units come from a matrix, whose rows are easily drawn orthogonal."""


def _product(slope: Array, features: Features, scope: Scope) -> Block:
    """Features of `E[slope slope'] Theta`: each random slope times a random projection of the features of Theta."""
    projections = folded_sketch(joined(features.ntk_blocks()), scope.units, scope.draws)
    return Block(slope * projections, 0.0, 1.0)


def _linear_blocks(features: Features, slope: Values) -> list[Block]:
    """All features times the slope; a number goes into the weights, so that arrays stay what they are."""
    if isinstance(slope, float):
        square = slope**2
        return [Block(block.values, square * block.nngp, square * block.ntk) for block in features.blocks]
    return list(features.mapped(lambda values: _of_units(slope) * values))


def _constant(features: Features, constant: Values) -> Block:
    shape = features.blocks[0].values.shape[:-1]
    values = jnp.broadcast_to(jnp.asarray(constant, features.blocks[0].values.dtype), shape)
    return Block(values[..., None], 1.0, 0.0)


def _of_units(values: Values) -> Values:
    """What is known of every input, for each of its units."""
    return values[..., None] if isinstance(values, jax.Array) else values
