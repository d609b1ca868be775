"""The subsampled randomized Hadamard transform: a random orthogonal projection in `d log d` operations.

Signs, a Walsh-Hadamard transform, and some of its rows at random (Ailon & Chazelle 2009; Tropp 2011). On average inner products
are kept; their relative variance is that of a random orthogonal projection, about `(1 - m/d) (1 + c^2) / (m c^2)` for m rows of d
at correlation c.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.linalg import hadamard

from nnlimits.random_features.draws import Draw, Draws


def srht(x: Float[Array, "*batch d"], width: int, draws: Draws) -> Float[Array, "*batch width"]:
    """`width` random features whose inner products are those of `x`, on average.

    **Arguments:** `x`; `width`, at least 1, more than d works too; `draws`, where the signs and the rows come from.
    """
    mixed = signed_transforms(x, width, draws)
    return jnp.take(mixed, drawn_rows(mixed, width, draws), axis=-1) / math.sqrt(width)


def signed_transforms(x: Float[Array, "*batch d"], least: int, draws: Draws) -> Float[Array, "*batch rows"]:
    """All rows of `H diag(signs) x`, x padded with zeros to a power of two: `least` or more, by several random signs if one power
    of two is too few.
    """
    padded = 2 ** math.ceil(math.log2(max(x.shape[-1], 2)))
    signs = draws.take(Draw(random_signs, (-(-least // padded), x.shape[-1])))
    padding = [(0, 0)] * (x.ndim - 1) + [(0, padded - x.shape[-1])]
    return jnp.concatenate([walsh_hadamard(jnp.pad(x * one, padding)) for one in signs], axis=-1)


def drawn_rows(mixed: Float[Array, "*batch rows"], count: int, draws: Draws) -> Int[Array, " count"]:
    """Numbers of different rows, at random."""
    return draws.take(Draw(functools.partial(random_rows, most=mixed.shape[-1]), (count,), np.int32))


def walsh_hadamard(x: Float[Array, "*batch d"]) -> Float[Array, "*batch d"]:
    """`H x` without normalization, in Sylvester's order; d a power of two.

    As two products with small matrices, `H = H_a (x) H_b` with a and b about the root of d: far quicker on a CPU than the
    butterflies, which do fewer operations and read memory more often.
    """
    size = x.shape[-1]
    exponent = int(math.log2(size))
    if 2**exponent != size:
        raise ValueError(f"a Walsh-Hadamard transform needs a power of two features; received {size}")
    first, second = (jnp.asarray(_hadamard(e), x.dtype) for e in (exponent // 2, exponent - exponent // 2))
    grid = x.reshape(*x.shape[:-1], first.shape[0], second.shape[0])
    precision = jax.lax.Precision.HIGHEST
    mixed = jnp.matmul(grid, second, precision=precision)
    return jnp.einsum("ij,...jk->...ik", first, mixed, precision=precision).reshape(x.shape)


@functools.cache
def _hadamard(exponent: int) -> np.ndarray:
    return hadamard(2**exponent, dtype=np.int8)


def random_signs(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Plus or minus one."""
    return (2 * generator.integers(0, 2, shape) - 1).astype(np.float32)


def random_rows(generator: np.random.Generator, shape: tuple[int, ...], most: int) -> np.ndarray:
    """Different numbers below `most`."""
    return generator.permutation(most)[: shape[0]]
