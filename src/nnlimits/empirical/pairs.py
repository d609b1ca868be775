"""Inner products of the outputs' derivatives, for all pairs of examples; of a batch with itself, one half is computed."""

import itertools
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

Outputs = Literal["full", "trace", "diagonal"]

_STRIPS = 4
_ROWS_WORTH_STRIPS = 512
"""Rows of derivatives (examples times outputs) from which halving the work is worth more than one large product."""

_PRODUCTS = {"full": "iap,jbp->ijab", "trace": "iap,jap->ij", "diagonal": "iap,jap->ija"}
OUTPUT_AXES: dict[str, int] = {"full": 2, "trace": 0, "diagonal": 1}


class Span(NamedTuple):
    """A block of pairs."""

    rows: slice
    columns: slice


def spans(n1: int, n2: int | None, n_outputs: int) -> list[Span]:
    """Blocks that make up all pairs; those on and above the diagonal if `n2` is `None`, for a batch with itself."""
    if n2 is not None:
        return [Span(slice(0, n1), slice(0, n2))]
    count = _STRIPS if n1 * n_outputs >= _ROWS_WORTH_STRIPS and n1 >= 2 * _STRIPS else 1
    edges = [n1 * k // count for k in range(count + 1)]
    return [Span(slice(start, stop), slice(start, n1)) for start, stop in itertools.pairwise(edges)]


def products(left: Float[Array, "i a p"], right: Float[Array, "j b p"], outputs: Outputs) -> Float[Array, "i j ..."]:
    """Inner products along the last axis: of each output with each, with itself, or of that the sum."""
    if outputs == "trace":
        left, right = left.reshape(len(left), 1, -1), right.reshape(len(right), 1, -1)
    return jnp.einsum(_PRODUCTS[outputs], left, right, precision="highest")


def like_outputs(pairs: Float[Array, "i j"], outputs: Outputs) -> Float[Array, "i j ..."]:
    """A value for each pair of examples, with axes for their outputs."""
    return pairs.reshape(*pairs.shape, *(1,) * OUTPUT_AXES[outputs])


def plain_products(left: Sequence[Any], right: Sequence[Any] | None, outputs: Outputs, blocks: list[Span]) -> list[Any]:
    """Products of Jacobians, one array (n, outputs, ...) for each parameter, added up; one result for each block."""
    flat = [leaf.reshape(*leaf.shape[:2], -1) for leaf in left]
    other = flat if right is None else [leaf.reshape(*leaf.shape[:2], -1) for leaf in right]
    return [
        sum_of([products(a[rows], b[columns], outputs) for a, b in zip(flat, other, strict=True)])
        for rows, columns in blocks
    ]


def sum_of(terms: Sequence[Any]) -> Any:
    """The sum, without a zero to begin with."""
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def assembled(values: Sequence[Any], blocks: list[Span], n: int) -> Float[Array, "n m ..."]:
    """All pairs from the blocks of `spans`; what lies below the diagonal is the transpose of what lies above."""
    if len(blocks) == 1:
        return values[0]
    result = jnp.zeros((n, n, *values[0].shape[2:]), values[0].dtype)
    for (rows, columns), value in zip(blocks, values, strict=True):
        result = result.at[rows, columns].set(value)
        beyond = value[:, rows.stop - rows.start :]
        result = result.at[rows.stop :, rows].set(transposed(beyond))
    return result


def transposed(value: Float[Array, "i j ..."]) -> Float[Array, "j i ..."]:
    """The same inner products, with the two examples exchanged."""
    value = value.swapaxes(0, 1)
    return value.swapaxes(2, 3) if value.ndim == 4 else value
