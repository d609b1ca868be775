"""The Gaussian average of an activation, `E[phi(mean + std z)]`, as a function of the mean and the standard deviation."""

from functools import singledispatch

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.kernels.covariance import tiny
from nnlimits.kernels.panels import PLAIN, gaussian_panels, panel_ends

Values = Float[Array, "..."]

_SPREAD = (0.0, -0.2, 0.2, -1.0, 1.0, -3.0, 3.0, -9.0, 9.0, -27.0, 27.0)
_ORDER = 10
# the constants of Klambauer et al. 2017
_SELU_SCALE = 1.0507009873554805
_SELU_ALPHA = 1.6732632423543772


@singledispatch
def smoothed(activation: nn.Activation, mean: Values, std: Values) -> Values:
    """`E[phi(mean + std z)]`, `z ~ N(0, 1)`; in closed form for the kinked activations of the language, else by quadrature.

    The quadrature's panels end at the kinks and are graded about zero, where activations have their structure on the
    scale of one.
    """
    nodes, weights = _nodes(activation, mean, std)
    return (weights * activation(nodes)).sum(-1)


def _nodes(activation: nn.Activation, mean: Values, std: Values) -> tuple[Values, Values]:
    std = std + jnp.sqrt(tiny(std.dtype))
    places = [x for x in _SPREAD if x not in activation.kinks] + list(activation.kinks)
    z, weights = gaussian_panels(panel_ends(PLAIN, [(x - mean) / std for x in places]), _ORDER)
    return mean[..., None] + std[..., None] * z, weights


def has_closed_form(activation: nn.Activation) -> bool:
    """Whether `smoothed` of this activation takes no quadrature."""
    return smoothed.dispatch(type(activation)) is not smoothed.dispatch(object)


def smoothed_and_slope(activation: nn.Activation, mean: Values, std: Values) -> tuple[Values, Values]:
    """`E[phi(mean + std z)]` and `E[phi'(mean + std z)]`, where phi' is the derivative almost everywhere.

    That is the first one's derivative in the mean, unless the activation jumps.
    """
    if has_closed_form(activation):
        return jax.jvp(lambda m: smoothed(activation, m, std), (mean,), (jnp.ones_like(mean),))
    nodes, weights = _nodes(activation, mean, std)
    value, slope = jax.jvp(activation, (nodes,), (jnp.ones_like(nodes),))
    return (weights * value).sum(-1), (weights * slope).sum(-1)


def _normal_pdf(x: Values) -> Values:
    return jnp.exp(-(x**2) / 2) / jnp.sqrt(2 * jnp.pi).astype(x.dtype)


def _ramp(mean: Values, std: Values) -> Values:
    """`E[max(mean + std z, 0)]`."""
    ratio = mean / std
    return mean * jax.scipy.special.ndtr(ratio) + std * _normal_pdf(ratio)


def _elu(alpha, mean: Values, std: Values) -> Values:
    std = std + jnp.sqrt(tiny(std.dtype))
    ratio = mean / std
    tilted = jnp.exp(mean + std**2 / 2 + jax.scipy.special.log_ndtr(-(ratio + std)))
    return _ramp(mean, std) + alpha * (tilted - jax.scipy.special.ndtr(-ratio))


@smoothed.register
def _(activation: nn.Elu, mean: Values, std: Values) -> Values:
    return _elu(activation.alpha, mean, std)


@smoothed.register
def _(activation: nn.Selu, mean: Values, std: Values) -> Values:
    return _SELU_SCALE * _elu(_SELU_ALPHA, mean, std)


@smoothed.register
def _(activation: nn.HardTanh, mean: Values, std: Values) -> Values:
    std = std + jnp.sqrt(tiny(std.dtype))
    return _ramp(mean + 1, std) - _ramp(mean - 1, std) - 1
