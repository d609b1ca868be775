"""One layer of the expansion in 1/width of an output's covariance, for all inputs (and positions) together.

Condition on the layers before: the channels of layer l are independent, and jointly Gaussian over all inputs and positions,
with covariance `S`. The next layer's covariance is

    S' = C_b + C_W L[(1 / n_l) sum_i phi(z_i) phi(z_i)^T],

`L` the linear map that the layer makes of second moments at its inputs' positions, the identity for a Dense layer. So the
fluctuation of `S'` is that of an average over `n_l` channels and what comes through from `S`, and `L` maps the sum of both.
"""

import functools
from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits.fluctuations.fourth_moments import fourth_moments
from nnlimits.fluctuations.network import HiddenStep, Scales
from nnlimits.fluctuations.pairs import Taylor, pair_moments
from nnlimits.fluctuations.positions import PositionMap

Matrix = Float[Array, "n n"]
Tensor = Float[Array, "n n n n"]


class KernelState(eqx.Module):
    """The covariance of a layer's outputs; the fields are documented in `KernelFluctuations`."""

    kernel: Matrix
    kernel_correction: Matrix
    vertex: Tensor


def first_kernel(scales: Scales, reads: Sequence[PositionMap], x: Float[Array, "n *positions d"]) -> KernelState:
    """The first layer's outputs, which are Gaussian at any width."""
    units = x.reshape(-1, x.shape[-1])
    gram = _mapped(reads, units @ units.T / x.shape[-1])
    kernel = scales.bias_variance + scales.weight_variance * gram
    n = kernel.shape[0]
    return KernelState(kernel, jnp.zeros((n, n), x.dtype), jnp.zeros((n,) * 4, x.dtype))


def over_positions(maps: Sequence[PositionMap], state: KernelState) -> KernelState:
    """The outputs after pooling."""
    return KernelState(
        _mapped(maps, state.kernel), _mapped(maps, state.kernel_correction), _mapped_twice(maps, state.vertex)
    )


def next_kernel(step: HiddenStep, state: KernelState) -> KernelState:
    """The next layer's outputs."""
    state = over_positions(step.before, state)
    moments = pair_moments(step.activation, state.kernel).value
    return through_layer(step, state, moments, fourth_moments(step.activation, state.kernel))


def through_layer(step: HiddenStep, state: KernelState, moments: Taylor, four: Tensor) -> KernelState:
    """The next layer's outputs, from `E[phi_a phi_b]` and `E[phi_a phi_b phi_c phi_d]`."""
    scales = step.scales
    to_kernel = moments.scaled(scales.weight_variance)
    kappa = moments.value
    noise = scales.weight_variance**2 * (four - kappa[:, :, None, None] * kappa) / step.width
    correction = first_order(to_kernel, state.kernel_correction) + second_order(to_kernel, state.vertex)
    return KernelState(
        scales.bias_variance + _mapped(step.reads, to_kernel.value),
        _mapped(step.reads, correction),
        _mapped_twice(step.reads, noise + on_both_sides(to_kernel, to_kernel, state.vertex)),
    )


def _mapped(maps: Sequence[PositionMap], tensor: Array) -> Array:
    return functools.reduce(lambda found, step: step(found), maps, tensor)


def _mapped_twice(maps: Sequence[PositionMap], tensor: Tensor) -> Float[Array, "m m m m"]:
    """Mapped along the first two axes and along the last two."""
    return swapped(_mapped(maps, swapped(_mapped(maps, tensor)))) if maps else tensor


def swapped(tensor: Float[Array, "n n m m"]) -> Float[Array, "m m n n"]:
    """The first two axes exchanged with the last two."""
    return jnp.transpose(tensor, (2, 3, 0, 1))


def on_left(function: Taylor, tensor: Tensor) -> Tensor:
    """The first derivatives of pair `(a, b)` with the first two axes of a tensor."""
    diagonal = jnp.einsum("aacd->acd", tensor)
    at_a, at_b, at_k = (part[:, :, None, None] for part in (function.a, function.b, function.k))
    return at_a * diagonal[:, None] + at_b * diagonal[None, :] + at_k * tensor


def on_both_sides(first: Taylor, second: Taylor, tensor: Tensor) -> Tensor:
    """The first derivatives of one function with the first two axes, of another with the last two."""
    return swapped(on_left(second, swapped(on_left(first, tensor))))


def first_order(function: Taylor, change: Matrix) -> Matrix:
    """The first derivatives of pair `(a, b)` with a change of the covariance."""
    diagonal = jnp.diagonal(change)
    return function.a * diagonal[:, None] + function.b * diagonal[None, :] + function.k * change


def second_order(function: Taylor, covariance: Tensor) -> Matrix:
    """Half the second derivatives of pair `(a, b)` with the covariance of the variances and the covariance."""
    variances = jnp.einsum("aabb->ab", covariance)
    own = jnp.diagonal(variances)
    a_with_k = jnp.einsum("aaab->ab", covariance)
    b_with_k = jnp.einsum("bbab->ab", covariance)
    half = function.aa * own[:, None] / 2 + function.bb * own[None, :] / 2
    half += jnp.einsum("abab->ab", covariance) * function.kk / 2
    return half + function.ab * variances + function.ak * a_with_k + function.bk * b_with_k
