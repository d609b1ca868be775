"""Random projections of many features to few in a time that does not grow with their product: Hadamard transforms, folded.

A Hadamard transform with random signs spreads a vector over all of its rows. Of more features than rows are wanted, stretches as
long as the rows are transformed, each with signs of its own, and added up: cross terms of different stretches vanish on average.
"""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits.random_features.draws import Draw, Draws
from nnlimits.random_features.srht import drawn_rows, random_signs, walsh_hadamard


def folded(x: Float[Array, "*batch d"], rows: int, draws: Draws) -> Float[Array, "*batch power"]:
    """`sum_i H diag(signs_i) x_i` over stretches `x_i` of the features, with as many rows as the next power of two.

    On average its inner products are those of `x`, times the number of rows.
    """
    power = 2 ** math.ceil(math.log2(max(rows, 2)))
    stretches = -(-x.shape[-1] // power)
    signs = draws.take(Draw(random_signs, (x.shape[-1],)))
    padding = [(0, 0)] * (x.ndim - 1) + [(0, stretches * power - x.shape[-1])]
    parts = jnp.split(jnp.pad(x * signs, padding), stretches, axis=-1)
    return sum((walsh_hadamard(part) for part in parts[1:]), walsh_hadamard(parts[0]))


def folded_sketch(x: Float[Array, "*batch d"], width: int, draws: Draws) -> Float[Array, "*batch {width}"]:
    """`width` random features whose inner products are those of `x`, on average, with the variance of independent ones at most
    (`srht`, which has less where d is not much more than `width`, and takes longer where d is).

    **Arguments:** `x`; `width`, at least 1; `draws`, where the signs and the rows come from.
    """
    mixed = folded(x, width, draws)
    return jnp.take(mixed, drawn_rows(mixed, width, draws), axis=-1) / math.sqrt(width)


def folded_units(x: Float[Array, "*batch d"], count: int, draws: Draws) -> Float[Array, "*batch {count}"]:
    """`count` random units `<g_k, x>`, with rows `g_k` of length `sqrt(folded_columns(d, count))` that are orthogonal within each
    stretch: nearly Gaussian whatever `x` is, as the second of two transforms adds up numbers that the first has made alike.

    Their joint fourth cumulants are of the order of one over `count` (Yu et al. 2016, section 4; Choromanski, Rowland & Weller
    2017).
    """
    spread = folded(x, count, draws)
    signs = draws.take(Draw(random_signs, spread.shape[-1:]))
    mixed = walsh_hadamard(spread * signs) / math.sqrt(spread.shape[-1])
    return jnp.take(mixed, drawn_rows(mixed, count, draws), axis=-1)


def folded_columns(d: int, count: int) -> int:
    """How many columns the rows of `folded_units` have, those of the padding with them."""
    power = 2 ** math.ceil(math.log2(max(count, 2)))
    return -(-d // power) * power
