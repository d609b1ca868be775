"""From a law over depth to a residual network of the language, and back."""

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from nnlimits import nn
from nnlimits.compute.precision import precision_of
from nnlimits.infinite_depth.mean_field_residual.law import ResidualLaw, check_law
from nnlimits.infinite_depth.mean_field_residual.unit import ResidualUnit
from nnlimits.nn.parameterization import Parameterization

_FORM = (
    "nn.Sequential(nn.Dense(d, b_std=None), nn.Repeat(nn.Residual(nn.Sequential(nn.Dense(M), activation, "
    "nn.Dense(d, b_std=None), nn.Scale(1 / (L * M**0.5)))), L), nn.Dense(outputs, b_std=None))"
)


def network_of_law(law: ResidualLaw) -> tuple[nn.Sequential, PyTree]:
    """The residual network of L blocks of width M, and its parameters, that computes what the law does.

    In the NTK parameterization the parameters of its blocks are those of the neurons, w, b and a, and gradient descent at the
    rate `step L M` in them is `residual_descent` by `step`. With `init` it draws each layer's neurons anew, all standard normal.

    **Returns:** the network, an `nn.Sequential` around an `nn.Repeat` of an `nn.Residual`, and the parameters for its `apply`.

    **Raises:** `TypeError` for anything else than a law.
    """
    check_law(law)
    d, width, outputs = law.unit.features, law.width, law.readout.shape[1]
    with precision_of(law.particles):
        w, b, a = (np.asarray(part) for part in law.unit.split(law.particles))
    first = {"weight": w.transpose(0, 2, 1)} | ({"bias": b} if law.unit.bias else {})
    body = nn.Sequential(
        nn.Dense(width, w_std=math.sqrt(d), b_std=1.0 if law.unit.bias else None),
        law.unit.activation,
        nn.Dense(d, b_std=None),
        nn.Scale(1 / (law.layers * math.sqrt(width))),
    )
    network = nn.Sequential(
        nn.Dense(d, w_std=math.sqrt(law.encoder.shape[0]), b_std=None),
        nn.Repeat(nn.Residual(body), law.layers),
        nn.Dense(outputs, w_std=math.sqrt(d), b_std=None),
    )
    blocks = {"body": (first, (), {"weight": a}, ()), "shortcut": ()}
    ends = ({"weight": np.asarray(end)} for end in (law.encoder, law.readout))
    encoder, readout = ends
    return network, (encoder, {"head": (), "tail": blocks}, readout)


def law_of_network(network: nn.Layer, params: PyTree, input_shape: tuple[int, ...]) -> ResidualLaw:
    """The law over depth that a residual network of the language stands for.

    **Arguments:** `network`, as of `network_of_law`, with any scales, any widths, and any number of `nn.Scale` and
    `nn.DepthScale` behind the neurons of the blocks, in any parameterization; `params`, of its `init`; `input_shape`,
    `(inputs,)`.

    **Returns:** a `ResidualLaw` of fixed ends with the same outputs, to rounding.

    **Raises:** `TypeError` for what is no network; `NotImplementedError` for other layers; `ValueError` for inputs that are not
    flat or parameters of another network.
    """
    if not isinstance(network, nn.Layer):
        raise TypeError(f"network must be an expression of nnlimits.nn; received {type(network).__name__}")
    if len(input_shape) != 1:
        raise ValueError(f"input_shape must be that of one flat example, such as (2,); received {input_shape}")
    network.output_shape(input_shape)
    place = network.network_parameterization()
    match network:
        case nn.Sequential(
            layers=(nn.Dense(b_std=None) as encoder, nn.Repeat() as repeat, nn.Dense(b_std=None) as readout)
        ):
            places = [own for _, own in network.placed(place)]
        case _:
            raise NotImplementedError(f"{network!r} is no residual network of this form: {_FORM}")
    if not isinstance(repeat.depth, int):
        raise NotImplementedError("a law has finitely many layers; give nn.Repeat a finite depth, e.g. 64")
    d = encoder.width
    unit = _unit(repeat, d)
    _check_params(network, params, input_shape)
    with precision_of(*jax.tree.leaves(params)):

        @jax.jit  # many small products, quicker compiled as one
        def read(params: PyTree) -> tuple[Array, ...]:
            blocks = _blocks(repeat, params[1], places[1], d)
            rows = [
                unit.join(one.w, jnp.zeros(one.width, one.w.dtype) if one.bias is None else one.bias, one.a)
                for one in blocks
            ]
            ends = (_matrix(encoder, params[0], places[0], input_shape[0]), _matrix(readout, params[2], places[2], d))
            return jnp.stack(rows), *ends

        particles, first, last = map(np.asarray, read(jax.tree.map(jnp.asarray, params)))
        return ResidualLaw(unit, particles, first, last)


def _check_params(network: nn.Layer, params: PyTree, input_shape: tuple[int, ...]) -> None:
    due = jax.eval_shape(lambda: network.init(jax.random.key(0), input_shape, dtype=np.float32))
    if jax.tree.map(np.shape, params) != jax.tree.map(np.shape, due):
        raise ValueError(
            f"params must be those of the network, as of network.init(key, {tuple(input_shape)}); received a tree of "
            f"{len(jax.tree.leaves(params))} arrays that has another form or other shapes"
        )


class _Block(NamedTuple):
    w: Float[Array, "m d"]
    bias: Float[Array, " m"] | None
    a: Float[Array, "m d"]
    """With all factors behind the neurons, times L M."""
    width: int


def _unit(repeat: nn.Repeat, d: int) -> ResidualUnit:
    """What neurons of a block compute, whose form is checked here."""
    block: Any = repeat.resolved_block()
    if not isinstance(block, nn.Residual) or not isinstance(block.shortcut, nn.Identity):
        raise NotImplementedError(f"{block!r} is no residual block around a shortcut that is the identity: {_FORM}")
    match block.body:
        case nn.Sequential(layers=(nn.Dense() as first, nn.Activation() as activation, nn.Dense(b_std=None), *scales)):
            for scale in scales:
                branch_factor(scale)
            return ResidualUnit(activation, d, first.b_std is not None)
    raise NotImplementedError(f"{block.body!r} is no body of this form: {_FORM}")


def _blocks(repeat: nn.Repeat, params: PyTree, place: Parameterization, d: int) -> list[_Block]:
    if params["head"]:
        raise ValueError("params must have all blocks of nn.Repeat in its tail; received blocks that change the shape")
    found = []
    for index, (residual, own) in enumerate(repeat.placed(place)):
        block = jax.tree.map(lambda leaf, i=index: leaf[i], params["tail"])
        (body, at_body), _ = residual.placed(own)
        found.append(_block(body, block["body"], at_body, d, int(repeat.depth)))
    return found


def _block(body: Any, params: PyTree, place: Parameterization, d: int, depth: int) -> _Block:
    first, _, last, *scales = body.layers
    places = [own for _, own in body.placed(place)]
    factor = depth * first.width * math.prod(branch_factor(scale) for scale in scales)
    zero = jnp.zeros((1, d), params[0]["weight"].dtype)
    bias = None if first.b_std is None else first.forward(params[0], zero, None, places[0])[0]
    a = factor * _matrix(last, params[2], places[2], first.width)
    return _Block(_matrix(first, params[0], places[0], d).T, bias, a, first.width)


@functools.singledispatch
def branch_factor(layer: nn.Layer) -> float:
    """What a layer behind the neurons of a block multiplies by; registered by type.

    Words that depend on the depth, such as `nn.DepthScale`, are written for that of their `nn.Repeat` before they come here.

    **Raises:** `NotImplementedError` for a layer that is no multiplication by a number.
    """
    raise NotImplementedError(
        f"{layer!r} behind the last nn.Dense of a block is no multiplication by a number: {_FORM}"
    )


@branch_factor.register
def _(layer: nn.Scale) -> float:
    return float(layer.factor)


def _matrix(layer: nn.Dense, params: PyTree, place: Parameterization, fan_in: int) -> Float[Array, "fan_in width"]:
    """The weight with all that the parameterization multiplies it by."""
    dtype: Any = params["weight"].dtype
    zero = layer.forward(params, jnp.zeros((1, fan_in), dtype), None, place)
    return layer.forward(params, jnp.eye(fan_in, dtype=dtype), None, place) - zero
