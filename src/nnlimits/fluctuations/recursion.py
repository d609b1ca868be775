"""One layer of the expansion in 1/width, for all inputs together.

Condition on the layers before: the units of layer l are independent, Gaussian, of covariance `S`, and the NTK of a unit,
averaged over its own weights, is `H`. As `n_l` grows both tend to `K` and `Theta`, which a layer maps by

    K' = C_b + C_W E[phi_a phi_b],    Theta' = lambda_b + lambda_W E[phi_a phi_b] + C_W E[phi'_a phi'_b] Theta_ab.

At first order fluctuations pass through the first derivatives of that map, means through the first and the second, and
each layer adds the fluctuation of an average over its own `n_l` units. Two more tensors, B and F, say how the NTK of a
unit depends on the unit's own weights; F returns to the mean.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits.fluctuations.kernel_recursion import (
    KernelState,
    Matrix,
    Tensor,
    first_kernel,
    first_order,
    on_both_sides,
    on_left,
    second_order,
    swapped,
    through_layer,
)
from nnlimits.fluctuations.network import HiddenStep, Scales
from nnlimits.fluctuations.pairs import PairMoments, Taylor, pair_moments
from nnlimits.fluctuations.products import Products, products


class State(KernelState):
    """A layer's outputs; the fields are documented in `Fluctuations`."""

    ntk: Matrix
    ntk_correction: Matrix
    ntk_mean_covariance: Tensor
    ntk_weight_covariance: Tensor
    kernel_ntk_covariance: Tensor
    output_ntk_covariance: Tensor


def first_layer(scales: Scales, x: Float[Array, "n d"]) -> State:
    """The first layer, which is Gaussian at any width."""
    first = first_kernel(scales, (), x)
    ntk = scales.bias_rate + scales.weight_rate * (x @ x.T / x.shape[1])
    matrix, tensor = first.kernel_correction, first.vertex
    return State(first.kernel, matrix, tensor, ntk, matrix, tensor, tensor, tensor, tensor)


def next_layer(step: HiddenStep, state: State) -> State:
    """The next layer's outputs."""
    moments = pair_moments(step.activation, state.kernel)
    four = products(step.activation, state.kernel)
    scales, ntk = step.scales, state.ntk
    outputs = through_layer(step, state, moments.value, four.plain)
    to_kernel = moments.value.scaled(scales.weight_variance)
    to_ntk = moments.value.scaled(scales.weight_rate).plus(moments.derivative.scaled(scales.weight_variance * ntk))
    through = scales.weight_variance * moments.derivative.value
    noise = _noise(step, moments, four, ntk)
    carried = _carried(state, to_kernel, to_ntk, through)
    return State(
        outputs.kernel,
        outputs.kernel_correction,
        outputs.vertex,
        scales.bias_rate + to_ntk.value,
        _ntk_correction(state, to_ntk, moments.derivative.scaled(scales.weight_variance), through),
        noise[1] + carried[1],
        _weight_covariance(step, state, moments, four),
        noise[0] + carried[0],
        _output_covariance(step, state, moments, four),
    )


def _noise(step: HiddenStep, moments: PairMoments, four: Products, ntk: Matrix) -> tuple[Tensor, Tensor]:
    """What an average over `width` independent units adds to the covariances of `S` with `H` and of `H` with `H`."""
    kappa, tau = moments.value.value, moments.derivative.value
    plain = four.plain - kappa[:, :, None, None] * kappa
    mixed = (four.mixed - kappa[:, :, None, None] * tau) * ntk
    derivative = (four.derivative - tau[:, :, None, None] * tau) * ntk[:, :, None, None] * ntk
    weight, rate = step.scales.weight_variance, step.scales.weight_rate
    own = rate * plain + weight * mixed
    both = rate**2 * plain + rate * weight * (mixed + swapped(mixed)) + weight**2 * derivative
    return weight * own / step.width, both / step.width


def _carried(state: State, to_kernel: Taylor, to_ntk: Taylor, through: Matrix) -> tuple[Tensor, Tensor]:
    """The same covariances, carried through the layer."""
    kernel_ntk = (
        on_both_sides(to_kernel, to_ntk, state.vertex) + on_left(to_kernel, state.kernel_ntk_covariance) * through
    )
    cross = on_left(to_ntk, state.kernel_ntk_covariance) * through
    itself = through[:, :, None, None] * state.ntk_mean_covariance * through
    ntk_ntk = on_both_sides(to_ntk, to_ntk, state.vertex) + cross + swapped(cross) + itself
    return kernel_ntk, ntk_ntk


def _ntk_correction(state: State, to_ntk: Taylor, slopes: Taylor, through: Matrix) -> Matrix:
    """The mean NTK: the map's own expansion, and what a unit's NTK has to do with the unit."""
    cross = state.kernel_ntk_covariance
    own = state.output_ntk_covariance
    together = cross + own + jnp.swapaxes(own, 0, 1)
    return (
        first_order(to_ntk, state.kernel_correction)
        + second_order(to_ntk, state.vertex)
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
