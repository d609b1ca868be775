"""One layer of the expansion in 1/width, for all inputs together.

Condition on the layers before: the units of layer l are independent, Gaussian, of covariance `S`, and the NTK of a unit,
averaged over its own weights, is `H`. As `n_l` grows both tend to `K` and `Theta`, which a layer maps by

    K' = C_b + C_W E[phi_a phi_b],    Theta' = lambda_b + lambda_W E[phi_a phi_b] + C_W E[phi'_a phi'_b] Theta_ab.

At first order fluctuations pass through the first derivatives of that map, means through the first and the second, and
each layer adds the fluctuation of an average over its own `n_l` units. Two more tensors, B and F, say how the NTK of a
unit depends on the unit's own weights; F returns to the mean.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits.fluctuations.network import HiddenStep, Scales
from nnlimits.fluctuations.pairs import PairMoments, Taylor, pair_moments
from nnlimits.fluctuations.products import Products, products

Matrix = Float[Array, "n n"]
Tensor = Float[Array, "n n n n"]


class State(eqx.Module):
    """A layer's outputs; the fields are documented in `Fluctuations`."""

    kernel: Matrix
    kernel_correction: Matrix
    vertex: Tensor
    ntk: Matrix
    ntk_correction: Matrix
    ntk_mean_covariance: Tensor
    ntk_weight_covariance: Tensor
    kernel_ntk_covariance: Tensor
    output_ntk_covariance: Tensor


def first_layer(scales: Scales, x: Float[Array, "n d"]) -> State:
    """The first layer, which is Gaussian at any width."""
    n = x.shape[0]
    gram = x @ x.T / x.shape[1]
    kernel = scales.bias_variance + scales.weight_variance * gram
    ntk = scales.bias_rate + scales.weight_rate * gram
    matrix, tensor = jnp.zeros((n, n), x.dtype), jnp.zeros((n,) * 4, x.dtype)
    return State(kernel, matrix, tensor, ntk, matrix, tensor, tensor, tensor, tensor)


def next_layer(step: HiddenStep, state: State) -> State:
    """The next layer's outputs."""
    moments = pair_moments(step.activation, state.kernel)
    four = products(step.activation, state.kernel)
    scales, ntk = step.scales, state.ntk
    to_kernel = moments.value.scaled(scales.weight_variance)
    to_ntk = moments.value.scaled(scales.weight_rate).plus(moments.derivative.scaled(scales.weight_variance * ntk))
    through = scales.weight_variance * moments.derivative.value
    noise = _noise(step, moments, four, ntk)
    carried = _carried(state, to_kernel, to_ntk, through)
    return State(
        scales.bias_variance + to_kernel.value,
        _first_order(to_kernel, state.kernel_correction) + _second_order(to_kernel, state.vertex),
        noise[0] + carried[0],
        scales.bias_rate + to_ntk.value,
        _ntk_correction(state, to_ntk, moments.derivative.scaled(scales.weight_variance), through),
        noise[2] + carried[2],
        _weight_covariance(step, state, moments, four),
        noise[1] + carried[1],
        _output_covariance(step, state, moments, four),
    )


def _noise(step: HiddenStep, moments: PairMoments, four: Products, ntk: Matrix) -> tuple[Tensor, Tensor, Tensor]:
    """What an average over `width` independent units adds to the covariances of `S` with `S`, `S` with `H`, `H` with `H`."""
    kappa, tau = moments.value.value, moments.derivative.value
    plain = four.plain - kappa[:, :, None, None] * kappa
    mixed = (four.mixed - kappa[:, :, None, None] * tau) * ntk
    derivative = (four.derivative - tau[:, :, None, None] * tau) * ntk[:, :, None, None] * ntk
    weight, rate = step.scales.weight_variance, step.scales.weight_rate
    own = rate * plain + weight * mixed
    both = rate**2 * plain + rate * weight * (mixed + _swapped(mixed)) + weight**2 * derivative
    return weight**2 * plain / step.width, weight * own / step.width, both / step.width


def _carried(state: State, to_kernel: Taylor, to_ntk: Taylor, through: Matrix) -> tuple[Tensor, Tensor, Tensor]:
    """The same covariances, carried through the layer."""
    kernel_kernel = _both(to_kernel, to_kernel, state.vertex)
    kernel_ntk = _both(to_kernel, to_ntk, state.vertex) + _left(to_kernel, state.kernel_ntk_covariance) * through
    cross = _left(to_ntk, state.kernel_ntk_covariance) * through
    itself = through[:, :, None, None] * state.ntk_mean_covariance * through
    ntk_ntk = _both(to_ntk, to_ntk, state.vertex) + cross + _swapped(cross) + itself
    return kernel_kernel, kernel_ntk, ntk_ntk


def _ntk_correction(state: State, to_ntk: Taylor, slopes: Taylor, through: Matrix) -> Matrix:
    """The mean NTK: the map's own expansion, and what a unit's NTK has to do with the unit."""
    cross = state.kernel_ntk_covariance
    own = state.output_ntk_covariance
    together = cross + own + jnp.swapaxes(own, 0, 1)
    return (
        _first_order(to_ntk, state.kernel_correction)
        + _second_order(to_ntk, state.vertex)
        + through * state.ntk_correction
        + _of_its_own_pair(slopes, together)
    )


def _of_its_own_pair(function: Taylor, tensor: Tensor) -> Matrix:
    """The first derivatives of pair `(a, b)` with `tensor[:, :, a, b]`."""
    diagonal = jnp.einsum("ccab->cab", tensor)
    at_a, at_b = jnp.einsum("aab->ab", diagonal), jnp.einsum("bab->ab", diagonal)
    return function.a * at_a + function.b * at_b + function.k * jnp.einsum("abab->ab", tensor)


def _weight_covariance(step: HiddenStep, state: State, moments: PairMoments, four: Products) -> Tensor:
    """B: `Theta_ab Theta_cd E[phi'_a phi'_b phi'_c phi'_d]` from one unit, and B itself from two."""
    tau, ntk = moments.derivative.value, state.ntk
    own = four.derivative * ntk[:, :, None, None] * ntk / step.width
    carried = tau[:, None, :, None] * tau[None, :, None, :] * state.ntk_weight_covariance
    return step.scales.weight_variance**2 * (own + carried)


def _output_covariance(step: HiddenStep, state: State, moments: PairMoments, four: Products) -> Tensor:
    """F: `E[phi_a phi_b phi'_c phi'_d] Theta_cd` from one unit, and F itself from two."""
    n = state.kernel.shape[0]
    diagonal = jnp.eye(n, dtype=bool)
    same = jnp.where(diagonal, moments.value.k, moments.derivative.value)  # E[d(phi_a phi'_c)/du_a]
    other = jnp.where(diagonal, 0.0, 2 * moments.value.b)  # E[phi_a phi''_c]
    tensor = state.output_ntk_covariance
    first = same[:, None, :, None] * tensor + other[:, None, :, None] * jnp.einsum("cbcd->bcd", tensor)
    second = same[None, :, None, :] * first + other[None, :, None, :] * jnp.einsum("adcd->acd", first)[:, None]
    return step.scales.weight_variance**2 * (four.mixed * state.ntk / step.width + second)


def _swapped(tensor: Tensor) -> Tensor:
    return jnp.transpose(tensor, (2, 3, 0, 1))


def _left(function: Taylor, tensor: Tensor) -> Tensor:
    """The first derivatives of pair `(a, b)` with the first two axes of a tensor."""
    diagonal = jnp.einsum("aacd->acd", tensor)
    at_a, at_b, at_k = (part[:, :, None, None] for part in (function.a, function.b, function.k))
    return at_a * diagonal[:, None] + at_b * diagonal[None, :] + at_k * tensor


def _both(first: Taylor, second: Taylor, tensor: Tensor) -> Tensor:
    return _swapped(_left(second, _swapped(_left(first, tensor))))


def _first_order(function: Taylor, change: Matrix) -> Matrix:
    diagonal = jnp.diagonal(change)
    return function.a * diagonal[:, None] + function.b * diagonal[None, :] + function.k * change


def _second_order(function: Taylor, covariance: Tensor) -> Matrix:
    """Half the second derivatives of pair `(a, b)` with the covariance of the variances and the covariance."""
    variances = jnp.einsum("aabb->ab", covariance)
    own = jnp.diagonal(variances)
    a_with_k = jnp.einsum("aaab->ab", covariance)
    b_with_k = jnp.einsum("bbab->ab", covariance)
    half = function.aa * own[:, None] / 2 + function.bb * own[None, :] / 2
    half += jnp.einsum("abab->ab", covariance) * function.kk / 2
    return half + function.ab * variances + function.ak * a_with_k + function.bk * b_with_k
