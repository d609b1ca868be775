"""Recompute a few entries of a large array by a slower, more accurate function, at a cost that grows with their number."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

Entries = tuple[Float[Array, "*shape"], ...]


def refine(
    selected: Bool[Array, "*shape"],
    values: Entries,
    compute: Callable[[tuple[Int[Array, " chunk"], ...]], tuple[Float[Array, " chunk"], ...]],
    chunk: int,
) -> Entries:
    """`values` with the selected entries replaced by `compute(indices)`, evaluated `chunk` entries at a time.

    **Arguments:**

    - `selected`: which entries to recompute.
    - `values`: arrays of the same shape.
    - `compute`: from the indices along each axis to one value an array; must accept any index, padding included.
    - `chunk`: how many entries one call of `compute` receives.

    Works under `jit` and forward-mode differentiation; not under reverse mode (its loop has a length that the data
    decide).
    """
    shape, size = selected.shape, selected.size
    chunk = min(chunk, size)

    def loop(flat: Entries) -> Entries:
        order = jnp.argsort(~selected.ravel())
        count = selected.sum()

        def body(state):
            start, flat = state
            place = jax.lax.dynamic_slice_in_dim(order, jnp.minimum(start, size - chunk), chunk)
            new = compute(jnp.unravel_index(place, shape))
            wanted = selected.ravel()[place]
            return start + chunk, tuple(
                old.at[place].set(jnp.where(wanted, value, old[place])) for old, value in zip(flat, new, strict=True)
            )

        return jax.lax.while_loop(lambda state: state[0] < count, body, (jnp.zeros_like(count), flat))[1]

    flat = jax.lax.cond(selected.any(), loop, lambda flat: flat, tuple(v.ravel() for v in values))
    return tuple(v.reshape(shape) for v in flat)
