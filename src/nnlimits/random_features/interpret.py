"""The features of a network as a pure function of its inputs and of what has been drawn, and how wide its layers can be."""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.random_features.dense import contracted, input_features
from nnlimits.random_features.draws import Draw, Draws, Reader, Recorder
from nnlimits.random_features.rules import Scope, feature_rule
from nnlimits.random_features.sketch import fitted, narrowed
from nnlimits.random_features.state import Features


class Plan(NamedTuple):
    """All that decides which features are computed, but for the random draws: known before any data."""

    network: nn.Layer
    input_shape: tuple[int, ...]
    kernel: str
    parameterization: str
    most: int
    """The number of features not to exceed."""
    inputs: int
    """How many of the inputs' own features are kept; more are sketched."""
    units: int
    """How many random units a nonlinearity has."""


def evaluate(plan: Plan, draws: Draws, x: Float[Array, "n *shape"]) -> Float[Array, "n features"]:
    """The features of a batch."""
    ntk = plan.kernel == "ntk"
    scope = Scope(draws, plan.parameterization, ntk, plan.units)
    begun = _begun(plan, scope, x)
    after = contracted(feature_rule(plan.network, begun, scope), scope)
    parts = after.ntk_blocks() if ntk else after.nngp_blocks()
    if not parts:
        return jnp.zeros((x.shape[0], 1), x.dtype)
    return fitted(parts, plan.most, draws)


def _begun(plan: Plan, scope: Scope, x: Array) -> Features:
    begun = input_features(x.reshape(x.shape[0], -1) if _flattens_first(plan.network) else x)
    return narrowed(begun, max(plan.inputs, 1), scope.draws)


def _flattens_first(network: nn.Layer) -> bool:
    while isinstance(network, nn.Sequential) and network.layers:
        network = network.layers[0]
    return isinstance(network, nn.Flatten)


@partial(jax.jit, static_argnums=0)
def compiled(plan: Plan, drawn: tuple[Any, ...], x: Float[Array, "n *shape"]) -> Float[Array, "n features"]:
    """The features of a batch, from what has been drawn."""
    return evaluate(plan, Reader(drawn, x.dtype), x)


def asked(plan: Plan) -> tuple[int, list[Draw]]:
    """How many features a plan gives, and what it draws: found from shapes alone."""
    recorder = Recorder()
    like = jax.ShapeDtypeStruct((1, *plan.input_shape), jnp.float32)
    shape = jax.eval_shape(lambda x: evaluate(plan, recorder, x), like).shape
    return shape[-1], recorder.asked


def with_units(plan: Plan) -> Plan:
    """The plan with the number of units that makes its error small, found from the network alone.

    A random feature that is kept as it is has an error of its own, and brings those of the layers before. If all features that
    fit are kept, each of the layers' terms has only its share of them, whatever its part of the kernel. If there are more units
    than fit, and all are sketched at the end, every direction of the kernel has the error of independent features, and those
    of the layers, which fall with the number of units. So it is done where units cost little, at few positions, and there are
    several terms.

    **Raises:** `ValueError` if no unit fits, with the least number of features that would do.
    """
    units = _OVERSAMPLING * plan.most // math.prod(plan.input_shape[:-1])
    terms = _wanted(plan, 2) - _wanted(plan, 1)
    if terms > 1 and terms * units >= 2 * plan.most:
        return plan._replace(units=units)
    return widest(plan)


_OVERSAMPLING = 1
"""Units for each feature: their errors are then a quarter of the sketch's."""


def _wanted(plan: Plan, units: int) -> int:
    """The features of a plan with so many units, if nothing is sketched at the end."""
    return asked(plan._replace(units=units, most=_UNBOUNDED))[0]


def widest(plan: Plan) -> Plan:
    """The plan with as many units as its number of features allows, with no sketch at the end.

    **Raises:** `ValueError` if it allows for none, with the least number that does.
    """

    if _wanted(plan, 1) > plan.most:
        plan = plan._replace(inputs=1)
    wanted = partial(_wanted, plan)
    least = wanted(1)
    if least > plan.most:
        raise ValueError(
            f"n_features must be at least {least} for this network and input shape {plan.input_shape}; received {plan.most}"
        )
    low, high = 1, plan.most
    slope = wanted(2) - least
    if slope > 0:  # a straight line, but for sketches that end where there is nothing left to leave out
        guess = min(max(1 + (plan.most - least) // slope, low), high)
        low, high = (guess, high) if wanted(guess) <= plan.most else (low, guess - 1)
        if wanted(low + 1) > plan.most:
            high = low
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if wanted(middle) <= plan.most else (low, middle - 1)
    return plan._replace(units=low)


_UNBOUNDED = 2**62
