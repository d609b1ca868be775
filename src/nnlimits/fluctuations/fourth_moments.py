"""`E[phi_a phi_b phi_c phi_d]` of all units, by the quickest way that their nonlinearity has.

Where it is linear on either side of zero, closed forms but for one integral; where it is smooth, nodes of a pair that all other
units share; else each four units by themselves, with nodes of their own at every kink.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from nnlimits import nn
from nnlimits.fluctuations.derivatives import kinks_of
from nnlimits.fluctuations.pairs import floor
from nnlimits.fluctuations.piecewise_linear import PiecewiseLinear, piecewise_linear
from nnlimits.fluctuations.products import products
from nnlimits.fluctuations.rectifiers import rectifier_moments
from nnlimits.fluctuations.smooth_moments import smooth_moments

Tensor = Float[Array, "n n n n"]
_TOGETHER = 1024
"""Groups of four units whose nodes are held at once."""


def fourth_moments(activation: nn.Layer, kernel: Float[Array, "n n"]) -> Tensor:
    """The expectations for units of covariance `kernel`."""
    if isinstance(activation, nn.Identity):
        pairs = kernel[:, :, None, None] * kernel
        return pairs + jnp.swapaxes(pairs, 1, 2) + jnp.swapaxes(pairs, 1, 3)
    kernel = kernel + jnp.diag(floor(jnp.diagonal(kernel)) - jnp.diagonal(kernel))
    rectifier = _rectifier(activation, kernel.dtype)
    if rectifier is not None:
        return _of_rectifier(rectifier, kernel)
    if not kinks_of(activation):
        return smooth_moments(activation, kernel)
    return products(activation, kernel).plain


def most_units(activation: nn.Layer) -> int:
    """How many units are affordable: a layer takes three minutes of one core at most (rectifiers 10 s) and 2 GiB."""
    if isinstance(activation, nn.Identity) or _rectifier(activation, jnp.dtype(jnp.float32)) is not None:
        return 64
    return 16 if kinks_of(activation) else 64


def _rectifier(activation: nn.Layer, dtype: jnp.dtype) -> PiecewiseLinear | None:
    linear = piecewise_linear(activation, dtype)
    return linear if linear is not None and linear.kinks == (0.0,) else None


def _of_rectifier(rectifier: PiecewiseLinear, kernel: Float[Array, "n n"]) -> Tensor:
    below, above = rectifier.slopes

    @jax.checkpoint
    def of_groups(groups: Int[Array, "4 many"]) -> Float[Array, " many"]:
        return rectifier_moments((below, above), kernel[groups[:, None], groups])

    n = kernel.shape[0]
    groups = jnp.asarray(_groups(n, _TOGETHER), jnp.int32)
    values = jax.lax.map(of_groups, groups).reshape(-1)
    return jax.lax.map(lambda first: values[_place(first, n)], jnp.arange(n))


@functools.cache
def _groups(n: int, together: int) -> np.ndarray:
    """All `a <= b <= c <= d < n`, `d` varying slowest, then `c`, then `b`, in blocks `(4, together)`, the last one filled up."""
    dtype = np.min_scalar_type(n)
    grown = np.arange(n, dtype=dtype)[:, None]
    for _ in range(3):
        grown = np.concatenate(
            [np.pad(grown[grown[:, -1] <= last], ((0, 0), (0, 1)), constant_values=last) for last in range(n)]
        )
    blocks = -(-len(grown) // together)
    if blocks == 1:
        return grown.T[None]
    filled = np.pad(grown, ((0, blocks * together - len(grown)), (0, 0)))
    return filled.reshape(blocks, together, 4).swapaxes(1, 2)


def _place(first: Int[Array, ""], n: int) -> Int[Array, "n n n"]:
    """Where the groups with this unit and three more are among all groups."""
    units = jnp.arange(n)
    a, b, c, d = jnp.broadcast_arrays(first, units[:, None, None], units[:, None], units)
    for i, j in ((0, 1), (2, 3), (0, 2), (1, 3), (1, 2)):
        line = [a, b, c, d]
        line[i], line[j] = jnp.minimum(line[i], line[j]), jnp.maximum(line[i], line[j])
        a, b, c, d = line
    return a + b * (b + 1) // 2 + c * (c + 1) * (c + 2) // 6 + d * (d + 1) * (d + 2) * (d + 3) // 24
