"""TensorSketch: few features for the product of two kernels (Pham & Pagh 2013; Avron, Nguyen & Woodruff 2014)."""

import functools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from nnlimits.random_features.draws import Draw, Draws
from nnlimits.random_features.srht import random_signs


def tensor_sketch(
    first: Float[Array, "*batch d1"], second: Float[Array, "*batch d2"], width: int, draws: Draws
) -> Float[Array, "*batch width"]:
    """`width` features whose inner products are `<first, first'> <second, second'>` on average.

    They are the count sketch of the tensor product of both, found without forming it: the circular convolution of the count
    sketches of either, by fast Fourier transforms. Of tensor products x and x', the variance of the inner product is at most
    `(2 + 3^2) |x|^2 |x'|^2 / width` (Avron, Nguyen & Woodruff 2014, Lemma 2).

    **Arguments:** `first` and `second`, features; `width`, at least 1; `draws`, where random buckets and signs come from.
    """
    spectra = [jnp.fft.rfft(_drawn_count_sketch(x, width, draws)) for x in (first, second)]
    return jnp.fft.irfft(spectra[0] * spectra[1], width).astype(first.dtype)


def _drawn_count_sketch(x: Array, width: int, draws: Draws) -> Array:
    buckets = draws.take(Draw(functools.partial(random_buckets, width=width), x.shape[-1:], np.int32))
    return count_sketch(x, buckets, draws.take(Draw(random_signs, x.shape[-1:])), width)


def count_sketch(
    x: Float[Array, "*batch d"], buckets: Int[Array, " d"], signs: Float[Array, " d"], width: int
) -> Float[Array, "*batch width"]:
    """Every feature, with its sign, added to its bucket (Charikar, Chen & Farach-Colton 2004)."""
    return jnp.zeros((*x.shape[:-1], width), x.dtype).at[..., buckets].add(x * signs)


def random_buckets(generator: np.random.Generator, shape: tuple[int, ...], width: int) -> np.ndarray:
    """Numbers below `width`."""
    return generator.integers(0, width, shape)
