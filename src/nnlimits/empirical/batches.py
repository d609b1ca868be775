"""Kernels by batches of examples, where the derivatives of all do not fit in memory at once."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from nnlimits.empirical.pairs import transposed

WORKING_BYTES = 2**30
"""Memory for derivatives, if the result itself takes less."""
_PART_BYTES = 96 * 2**20
"""Of what is held for a part of a batch only."""
_PARTS = 16
"""How many parts are written out one after another, each for all cores; XLA leaves what is in a loop to one."""

Prepare = Callable[[Any], Any]
"""From a batch of examples to what the kernel needs of each."""
Combine = Callable[[Any, Any], Any]
"""From two of these to the kernel between them, `(n1, n2, ...)`; the second is `None` for a batch with itself."""


def batch_size(bytes_each: float, n: int, result_bytes: float) -> int:
    """How many of `n` examples to hold at once, if each takes `bytes_each` and two batches are held."""
    working = max(WORKING_BYTES, result_bytes)
    return n if n * bytes_each <= working else max(1, min(n, int(working / (2 * bytes_each))))


def all_pairs(prepare: Prepare, combine: Combine, x1: Any, x2: Any, size: int) -> Float[Array, "n1 n2 ..."]:
    """The kernel of all pairs, with batches of `size` examples on either side; `x2=None` is `x1` with itself."""
    if size >= len(x1) and (x2 is None or size >= len(x2)):
        return combine(prepare(x1), None if x2 is None else prepare(x2))
    others, symmetric = (x1, True) if x2 is None else (x2, False)
    starts, rows = _starts(len(x1), size)
    other_starts, columns = _starts(len(others), size)
    first = jax.eval_shape(lambda a, b: combine(prepare(a), prepare(b)), x1[:rows], others[:columns])

    def row(result: Any, start: Any) -> tuple[Any, None]:
        left = prepare(jax.lax.dynamic_slice_in_dim(x1, start, rows))

        def block(result: Any, other_start: Any) -> tuple[Any, None]:
            def filled(result: Any) -> Any:
                right = prepare(jax.lax.dynamic_slice_in_dim(others, other_start, columns))
                value = combine(left, right)
                result = _placed(result, value, start, other_start)
                return _placed(result, transposed(value), other_start, start) if symmetric else result

            needed = other_start >= start if symmetric else True
            return jax.lax.cond(needed, filled, lambda result: result, result), None

        return jax.lax.scan(block, result, other_starts)

    empty = jnp.zeros((len(x1), len(others), *first.shape[2:]), first.dtype)
    return jax.lax.scan(row, empty, starts)[0]


def matched_pairs(prepare: Prepare, combine: Combine, x1: Any, x2: Any, size: int) -> Float[Array, "n ..."]:
    """The kernel of each example of `x1` with its partner in `x2`, or with itself."""

    def one(pair: Any) -> Any:
        left, right = (x if x is None else prepare(x[None]) for x in pair)
        return combine(left, right)[0, 0]

    return jax.lax.map(one, (x1, x2), batch_size=size)


def in_parts(function: Callable[[Any], Any], x: Any, passing: float, kept: float) -> Any:
    """`function` of each example, a few at a time.

    **Arguments:** `passing`, the bytes that it holds for an example while it runs, and `kept`, those that it returns.
    """
    size = max(1, int(_PART_BYTES / passing))
    if 2 * passing <= _PARTS * kept:  # with what passes between its operations
        size = max(size, -(-len(x) // _PARTS))
    if len(x) > size * _PARTS:
        return jax.lax.map(function, x, batch_size=size)
    parts: list[Any] = []
    for start in range(0, len(x), size):
        # never true: but what XLA has to wait for, it does not hold at the same time (it drops an optimization_barrier)
        late = sum((leaf.reshape(-1)[0] > jnp.inf).astype(int) for leaf in jax.tree.leaves(parts[-1:]))
        part = jax.lax.dynamic_slice_in_dim(x, start + late, min(size, len(x) - start))
        parts.append(jax.vmap(function)(part))
    return jax.tree.map(lambda *values: jnp.concatenate(values), *parts)


def _starts(n: int, size: int) -> tuple[Int[Array, " batches"], int]:
    """Where batches of one size begin, the last of them moved back to end with the examples; and their size."""
    size = min(size, n)
    return jnp.minimum(jnp.arange(0, n, size), n - size), size


def _placed(result: Any, value: Any, row: Any, column: Any) -> Any:
    zero = jnp.zeros((), row.dtype)
    return jax.lax.dynamic_update_slice(result, value, (row, column, *(zero,) * (value.ndim - 2)))
