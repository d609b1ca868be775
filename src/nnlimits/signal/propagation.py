"""The signal of an infinitely wide network, layer by layer."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.kernels import Covariance
from nnlimits.signal.block import written_out
from nnlimits.signal.entry import as_arrays, precision
from nnlimits.signal.maps import gaussian_state, rule_of_equals
from nnlimits.validation import check_positive, is_traced

Profile = Float[Array | np.ndarray, " layers"]


class Propagation(NamedTuple):
    """What two inputs look like after each layer, the input itself first; all arrays have one entry for each."""

    layers: tuple[str, ...]
    variance: Profile
    """Mean square of a unit."""
    correlation: Profile
    """Of the two inputs."""
    gradient: Profile
    """Mean square of the derivative of an output in all units of the layer together, relative to that in the last."""


def propagate(network: nn.Layer, *, variance: Any = 1.0, correlation: Any = 0.5) -> Propagation:
    """Variance, correlation and gradients of two inputs of equal mean square through every layer of an infinitely wide network.

    Positions of an image count as alike, and far from its borders; for the kernels of given images, see `nnlimits.kernel`.

    **Arguments:** `network`, an expression of `nnlimits.nn`; `variance`, the mean square of the inputs' features; `correlation`,
    their cosine, in [-1, 1].

    **Returns:** a `Propagation`, in float64, or in the precision of hyper-parameters that are traced.

    **Raises:** `ValueError` for numbers out of range; `NotImplementedError` for a layer whose effect is not a map of variance and
    correlation.

    Poole et al. 2016, equations 3 and 5; Schoenholz et al. 2017, equation 10.
    """
    check_positive("variance", variance)
    if not is_traced(correlation) and not -1 <= correlation <= 1:
        raise ValueError(f"correlation must be between -1 and 1; received {correlation}")
    row = written_out(network)
    with precision(network, variance, correlation):
        row = as_arrays(row)
        dtype = jnp.result_type(float, *jax.tree.leaves(row))
        found = _propagate(row, jnp.asarray(variance, dtype), 1 - jnp.asarray(correlation, dtype))
    arrays = found if is_traced(found) else tuple(map(np.asarray, found))
    return Propagation(("input", *(type(layer).__name__ for layer in row)), *arrays)


def _propagate(row: tuple[nn.Layer, ...], variance: Any, deficit: Any) -> tuple[Profile, Profile, Profile]:
    pair, alone = _begin(variance, deficit, same=False), _begin(variance, jnp.zeros_like(deficit), same=True)
    variances, deficits, factors = [alone.q1], [pair.deficit], []
    for layer in row:
        pair, alone, factor = _after(layer, pair, alone)
        variances.append(alone.q1)
        deficits.append(pair.deficit)
        factors.append(factor)
    gradients = jnp.cumprod(jnp.concatenate([jnp.ones_like(pair.q1), *reversed(factors)]))[::-1]
    return jnp.concatenate(variances), 1 - jnp.concatenate(deficits), gradients


def _begin(variance: Any, deficit: Any, *, same: bool) -> Covariance:
    state = gaussian_state(variance, deficit, jnp.zeros_like(variance), jnp.asarray(same))
    return dataclasses.replace(state, gaussian=False)


@jax.jit  # layer by layer: equal ones are compiled once
def _after(layer: nn.Layer, pair: Covariance, alone: Covariance) -> tuple[Covariance, Covariance, Any]:
    """Both states after a layer, and the factor by which it multiplies the mean square of gradients."""

    def ntk_after(ntk: Any) -> Any:
        after = rule_of_equals(layer, dataclasses.replace(alone, ntk=ntk))
        return after.ntk, after

    nothing = jnp.zeros_like(alone.q1)
    _, factor, after = jax.jvp(ntk_after, (nothing,), (jnp.ones_like(nothing),), has_aux=True)
    return rule_of_equals(layer, pair), after, factor
