"""Contraction of structured derivatives, in the order that costs least.

For each parameter, with the axes of `bilinear`: where it is used at one position only, the kernel is the product of two
Gram matrices, of inputs and of cotangents. Otherwise it is found either by contracting the inputs' Gram matrix with the
cotangents of both sides, or by forming that parameter's Jacobian, in chunks.
"""

import math
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits.empirical.bilinear import Sizes
from nnlimits.empirical.pairs import Outputs, Span, like_outputs, products, sum_of
from nnlimits.empirical.weight_uses import WeightUse

Side = tuple[tuple[Any, ...], dict[int, Any]]
"""The other operands of all uses, and the cotangents of all sites."""

CHUNK_BYTES = 2**27
"""Of a Jacobian that is formed at once, if the result itself takes less."""
_UNFUSED_BYTES = 2**28
"""Of the terms that are formed before they are added up."""

_ROW_PRODUCTS = {"full": "janf,jbnf->jab", "trace": "janf,janf->j", "diagonal": "janf,janf->ja"}

Order = Literal["grams", "inputs' gram", "jacobian"]


def cheapest_order(sizes: Sizes, n1: int, n2: int | None, n_outputs: int, outputs: Outputs) -> tuple[Order, float]:
    """How to contract one parameter, and the multiplications and additions that it takes.

    **Arguments:** numbers of examples, `n2=None` for the first batch with itself; `n_outputs`, of one example.
    """
    examples, pairs = (n1, n1 * n1) if n2 is None else (n1 + n2, n1 * n2)
    entries = pairs * n_outputs * (n_outputs if outputs == "full" else 1)
    B, M, K, F = sizes
    if B * M == 1:
        return "grams", 2.0 * (pairs * K + entries * F)
    whole = 2.0 * B * F * K * (examples * n_outputs * M + entries)
    if B > 1:
        return "jacobian", whole
    through_gram = 2.0 * (pairs * M * M * (K + n_outputs * F) + entries * M * F)
    return ("inputs' gram", through_gram) if through_gram < whole else ("jacobian", whole)


def contract(
    uses: tuple[WeightUse, ...], left: Side, right: Side | None, outputs: Outputs, blocks: list[Span]
) -> list[Any]:
    """The part of the kernel that is due to structured uses, one array for each block of pairs."""
    by_order: dict[Order, list[tuple[int, WeightUse]]] = {"grams": [], "inputs' gram": [], "jacobian": []}
    n1, n_outputs = next(iter(left[1].values())).shape[:2]
    n2 = None if right is None else len(next(iter(right[1].values())))
    for index, use in enumerate(uses):
        by_order[cheapest_order(use.sizes, n1, n2, n_outputs, outputs)[0]].append((index, use))
    totals: list[Any] = []
    for site in dict.fromkeys(use.site for _, use in by_order["grams"]):
        here = [(index, use) for index, use in by_order["grams"] if use.site == site]
        totals = _added(totals, _grams(site, here, left, right or left, outputs, blocks))
        totals, left, right = _in_turn(totals, left, right)
    for index, use in by_order["inputs' gram"]:
        sides = _common(index, use, left), _common(index, use, right or left)
        totals = _added(totals, [_through_gram(*sides, outputs, block) for block in blocks])
        totals, left, right = _in_turn(totals, left, right)
    for index, use in by_order["jacobian"]:
        sides = _common(index, use, left), None if right is None else _common(index, use, right)
        totals = _through_jacobian(totals, *sides, outputs, blocks)
        totals, left, right = _in_turn(totals, left, right)
    return totals


def _added(totals: list[Any], values: list[Any]) -> list[Any]:
    return [sum_of(pair) for pair in zip(totals, values, strict=True)] if totals else values


def _in_turn(totals: list[Any], left: Side, right: Side | None) -> tuple[list[Any], Side, Side | None]:
    """Large terms are added up before the next is formed; small ones are left to be formed and added together."""
    if sum(total.size * total.dtype.itemsize for total in totals) < _UNFUSED_BYTES:
        return totals, left, right
    return jax.lax.optimization_barrier((totals, left, right))


def _common(index: int, use: WeightUse, side: Side) -> tuple[Any, Any]:
    """Inputs and cotangents of a use in the common form."""
    sources, cotangents = side
    delta = jax.vmap(jax.vmap(use.cotangents))(cotangents[use.site])
    return jax.vmap(lambda value: use.inputs(value, delta.dtype))(sources[index]), delta


def _grams(
    site: int, uses: list[tuple[int, WeightUse]], left: Side, right: Side, outputs: Outputs, blocks: list[Span]
) -> list[Any]:
    """Gram matrices of inputs, added up over all parameters that share a site, times that of its cotangents."""

    def flat_inputs(side: Side) -> list[Any]:
        dtype = side[1][site].dtype
        return [
            jax.vmap(lambda value, use=use: use.inputs(value, dtype).reshape(-1))(side[0][index]) for index, use in uses
        ]

    def flat_cotangents(side: Side) -> Any:
        delta = side[1][site]
        return delta.reshape(*delta.shape[:2], -1)

    inputs, other_inputs = flat_inputs(left), flat_inputs(right)
    delta, other_delta = flat_cotangents(left), flat_cotangents(right)
    values = []
    for rows, columns in blocks:
        gram = sum_of(
            [
                jnp.einsum("ik,jk->ij", h[rows], other[columns], precision="highest")
                for h, other in zip(inputs, other_inputs, strict=True)
            ]
        )
        values.append(like_outputs(gram, outputs) * products(delta[rows], other_delta[columns], outputs))
    return values


def _through_gram(left: tuple[Any, Any], right: tuple[Any, Any], outputs: Outputs, block: Span) -> Any:
    """One row of pairs after another: inputs' Gram matrix with one side's cotangents, then with the other's."""
    (h, delta), (other_h, other_delta) = (
        (inputs[part, 0], cotangents[part, :, 0])
        for (inputs, cotangents), part in zip((left, right), block, strict=True)
    )

    def row(one: tuple[Any, Any]) -> Any:
        gram = jnp.einsum("mk,jnk->jmn", one[0], other_h, precision="highest")
        halfway = jnp.einsum("amf,jmn->janf", one[1], gram, precision="highest")
        return jnp.einsum(_ROW_PRODUCTS[outputs], halfway, other_delta, precision="highest")

    return jax.lax.map(row, (h, delta))


def _through_jacobian(
    totals: list[Any], left: tuple[Any, Any], right: tuple[Any, Any] | None, outputs: Outputs, blocks: list[Span]
) -> list[Any]:
    """The parameter's Jacobian, formed in chunks of its axes F and K, each contracted at once."""
    (h, delta), other = left, right or left
    n_outputs, F, K = delta.shape[1], delta.shape[-1], h.shape[-1]
    examples = len(h) + (0 if right is None else len(other[0]))
    whole = examples * n_outputs * h.shape[1] * F * K * h.dtype.itemsize
    result = sum((b.rows.stop - b.rows.start) * (b.columns.stop - b.columns.start) for b in blocks) * h.dtype.itemsize
    result *= n_outputs**2 if outputs == "full" else 1
    pieces = math.ceil(whole / max(CHUNK_BYTES, result))
    f_size = math.ceil(F / min(F, pieces))
    k_size = math.ceil(K / min(K, math.ceil(pieces / F)))

    def terms(f_start: Any, k_start: Any) -> list[Any]:
        chunks = [
            _jacobian_chunk(*side, f_start, f_size, k_start, k_size) for side in (left, right) if side is not None
        ]
        return [products(chunks[0][rows], chunks[-1][columns], outputs) for rows, columns in blocks]

    if f_size == F and k_size == K:
        return _added(totals, terms(0, 0))
    starts = jnp.stack([a.ravel() for a in jnp.meshgrid(jnp.arange(0, F, f_size), jnp.arange(0, K, k_size))], 1)
    empty = [jnp.zeros(value.shape, value.dtype) for value in jax.eval_shape(terms, starts[0, 0], starts[0, 1])]
    added, _ = jax.lax.scan(lambda sums, at: (_added(sums, terms(at[0], at[1])), None), totals or empty, starts)
    return added


def _jacobian_chunk(
    h: Float[Array, "n B M K"], delta: Float[Array, "n a B M F"], f_start: Any, f_size: int, k_start: Any, k_size: int
) -> Float[Array, "n a p"]:
    """Derivatives with respect to some of a parameter's entries; zero for those that an earlier chunk held."""
    jacobian = jnp.einsum(
        "iabmf,ibmk->iabfk", _part(delta, f_start, f_size), _part(h, k_start, k_size), precision="highest"
    )
    return jacobian.reshape(*jacobian.shape[:2], -1)


def _part(array: Float[Array, "..."], start: Any, size: int) -> Float[Array, "..."]:
    """Entries along the last axis from `start` on; at the end, earlier entries fill up the size, as zeros."""
    length = array.shape[-1]
    if size == length:
        return array
    first = jnp.minimum(start, length - size)
    part = jax.lax.dynamic_slice_in_dim(array, first, size, axis=-1)
    return part if length % size == 0 else jnp.where(first + jnp.arange(size) >= start, part, 0)
