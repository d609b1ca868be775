"""Moments of finite networks that are known at every width, not only to first order in 1/width.

A positively homogeneous nonlinearity (the linear one, rectifiers with two slopes) scales out of a unit's deviation: with
no more than a bias, `S' = C_b + C_W S X`, `X` the mean of `n` independent squares `phi(z)^2`, `z ~ N(0, 1)`, and `X` is
independent of `S` (Hanin & Nica 2019, 2020; Zavatone-Veth & Pehlevan 2021). The moments of `S` follow layer by layer.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from nnlimits import nn
from nnlimits.compute.precision import precision_of
from nnlimits.fluctuations.fluctuations import read_checked
from nnlimits.fluctuations.network import HiddenStep
from nnlimits.fluctuations.own_precision import own_precision
from nnlimits.fluctuations.piecewise_linear import piecewise_linear
from nnlimits.validation import is_traced


class ExactMoments(eqx.Module):
    """Moments of one output at single inputs, exact at the network's widths."""

    kernel: Float[Array, " n"]
    """`E[S_aa]`, the variance of an output."""
    kernel_square: Float[Array, " n"]
    """`E[S_aa^2]`, a third of the fourth moment of an output."""
    ntk: Float[Array, " n"]
    """`E[H_ii,aa]`, the mean NTK."""

    @property
    @own_precision
    def kernel_variance(self) -> Float[Array, " n"]:
        """The relative variance of `S_aa`, `E[S^2] / E[S]^2 - 1`."""
        square = self.kernel**2
        return jnp.where(square > 0, self.kernel_square / jnp.where(square > 0, square, 1.0) - 1, 0.0)

    @property
    @own_precision
    def kurtosis(self) -> Float[Array, " n"]:
        """The excess kurtosis of an output, `3 (E[S^2] / E[S]^2 - 1)`."""
        return 3 * self.kernel_variance


class ExactLinearMoments(eqx.Module):
    """Moments of a linear network's output between inputs, exact at the network's widths."""

    kernel: Float[Array, "n n"]
    """`E[S_ab]`."""
    kernel_product: Float[Array, "n n n n"]
    """`E[S_ab S_cd]`."""
    ntk: Float[Array, "n n"]
    """`E[H_ii,ab]`, the mean NTK."""

    @property
    @own_precision
    def vertex(self) -> Float[Array, "n n n n"]:
        """`Cov[S_ab, S_cd]`."""
        return self.kernel_product - jnp.einsum("ab,cd->abcd", self.kernel, self.kernel)

    @property
    @own_precision
    def output_cumulant(self) -> Float[Array, "n n n n"]:
        """The fourth cumulant of one output at four inputs."""
        v = self.vertex
        return v + jnp.swapaxes(v, 1, 2) + jnp.swapaxes(v, 1, 3)


class _Powers(NamedTuple):
    second: Array
    """`E[phi(z)^2]`, which is `E[phi'(z)^2]` too."""
    fourth: Array
    """`E[phi(z)^4]`."""


def exact_moments(network: nn.Layer, x: ArrayLike) -> ExactMoments:
    """Variance, fourth moment and mean NTK of an output at each input, at the network's own widths.

    For ReLU with `w_std^2 = 2`, no biases and hidden widths `n_l`, `E[S^2] / E[S]^2 = prod_l (1 + 5 / n_l)`; for the linear
    network with `w_std = 1`, `prod_l (1 + 2 / n_l)`. The mean NTK is that of infinite width, as the sign of a unit is independent
    of all that enters its NTK.

    **Arguments:** `network`, `nn.Dense` layers with `nn.Relu`, `nn.LeakyRelu`, `nn.ABRelu`, `nn.Abs` or nothing between them,
    with or without biases; `x`, inputs `(n, d)`.

    **Raises:** `NotImplementedError` for other layers: use `fluctuations`, or simulate.
    """
    reading = read_checked(network, x)
    assert reading.first is not None
    with precision_of(*([] if is_traced(network, reading.x) else [reading.x])):
        q = (reading.x**2).mean(1)
        kernel = reading.first.bias_variance + reading.first.weight_variance * q
        square, ntk = kernel**2, reading.first.bias_rate + reading.first.weight_rate * q
        for step in reading.steps:
            mean, excess = _powers(step, reading.x.dtype)
            c_b, c_w = step.scales.bias_variance, step.scales.weight_variance
            ntk = step.scales.bias_rate + mean * (step.scales.weight_rate * kernel + c_w * ntk)
            growth = mean**2 + (excess - mean**2) / step.width
            square = c_b**2 + 2 * c_b * c_w * mean * kernel + c_w**2 * growth * square
            kernel = c_b + c_w * mean * kernel
        return ExactMoments(kernel, square, ntk)


def exact_linear_moments(network: nn.Layer, x: ArrayLike) -> ExactLinearMoments:
    """The same between several inputs, for a network without nonlinearities.

    `E[S'_ab S'_cd]` follows from `E[S_ab S_cd] + (E[S_ac S_bd] + E[S_ad S_bc]) / n` (Isserlis 1918).

    **Arguments:** `network`, `nn.Dense` layers with nothing (or `nn.Identity`) between them; `x`, inputs `(n, d)`.

    **Raises:** `NotImplementedError` for other layers.
    """
    reading = read_checked(network, x)
    assert reading.first is not None
    for step in reading.steps:
        if not isinstance(step.activation, nn.Identity):
            raise NotImplementedError(
                f"{step.activation!r} is not linear: its moments between inputs are known to first order in 1/width only. Use "
                "nnlimits.fluctuations.fluctuations, or exact_moments for each input by itself"
            )
    with precision_of(*([] if is_traced(network, reading.x) else [reading.x])):
        gram = reading.x @ reading.x.T / reading.x.shape[1]
        kernel = reading.first.bias_variance + reading.first.weight_variance * gram
        ntk = reading.first.bias_rate + reading.first.weight_rate * gram
        product = kernel[:, :, None, None] * kernel
        for step in reading.steps:
            c_b, c_w = step.scales.bias_variance, step.scales.weight_variance
            ntk = step.scales.bias_rate + step.scales.weight_rate * kernel + c_w * ntk
            crossed = jnp.swapaxes(product, 1, 2) + jnp.swapaxes(product, 1, 3)
            linear = c_b * c_w * (kernel[:, :, None, None] + kernel)
            product = c_b**2 + linear + c_w**2 * (product + crossed / step.width)
            kernel = c_b + c_w * kernel
        return ExactLinearMoments(kernel, product, ntk)


def _powers(step: HiddenStep, dtype: Any) -> _Powers:
    one = jnp.ones((), dtype)
    if isinstance(step.activation, nn.Identity):
        return _Powers(one, 3 * one)
    linear = piecewise_linear(step.activation, dtype)
    if linear is None or linear.kinks != (0.0,):
        raise NotImplementedError(
            f"{step.activation!r} has no exact moments at finite width: it is not positively homogeneous, as nn.Relu() is. Use "
            "nnlimits.fluctuations.fluctuations, or estimate with nnlimits.empirical.monte_carlo"
        )
    below, above = linear.slopes
    return _Powers((below**2 + above**2) / 2, 3 * (below**4 + above**4) / 2)
