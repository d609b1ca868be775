"""The empirical NTK by contraction of Jacobians (Novak, Sohl-Dickstein & Schoenholz 2022, section 3.2)."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree, Shaped

from nnlimits.empirical.pairs import Outputs, assembled, plain_products, spans


def jacobians(f: Callable[..., Any], params: PyTree, x: Shaped[Array, "n ..."]) -> list[Any]:
    """The derivatives of the outputs, flattened, with respect to each parameter: one array for each leaf."""

    def one(x: Any) -> list[Any]:
        values, pullback = jax.vjp(partial(_outputs_of_one, f, x), params)
        return jax.tree.leaves(jax.vmap(pullback)(jnp.eye(values.size, dtype=values.dtype)))

    return jax.vmap(one)(x)


def combine(left: list[Any], right: list[Any] | None, outputs: Outputs) -> Float[Array, "n1 n2 ..."]:
    """The kernel between two batches, summed over outputs where `outputs` is "trace"."""
    n1, n_outputs = left[0].shape[:2]
    blocks = spans(n1, None if right is None else len(right[0]), n_outputs)
    return assembled(plain_products(left, right, outputs, blocks), blocks, n1)


def by_outputs(
    f: Callable[..., Any], params: PyTree, x1: Any, x2: Any, outputs: Outputs, size: int
) -> Float[Array, "..."]:
    """The kernel of one pair of examples, where even one example's Jacobian is too large: `size` outputs at a time."""
    (values, pullback), (_, other_pullback) = (jax.vjp(partial(_outputs_of_one, f, x), params) for x in (x1, x2))
    n_outputs = values.size
    starts = jnp.arange(0, n_outputs, size)

    def rows(back: Callable[..., Any], start: Any) -> list[Any]:
        basis = jax.nn.one_hot(start + jnp.arange(size), n_outputs, dtype=values.dtype)
        return [leaf.reshape(1, size, -1) for leaf in jax.tree.leaves(jax.vmap(back)(basis))]

    def block(start: Any, other_start: Any, wanted: Outputs) -> Any:
        return combine(rows(pullback, start), rows(other_pullback, other_start), wanted)[0, 0]

    if outputs != "full":
        parts = jax.lax.map(lambda start: block(start, start, outputs), starts)
        return parts.sum() if outputs == "trace" else parts.reshape(-1)[:n_outputs]
    found = jax.lax.map(lambda start: jax.lax.map(lambda other: block(start, other, "full"), starts), starts)
    total = len(starts) * size
    return found.swapaxes(1, 2).reshape(total, total)[:n_outputs, :n_outputs]


def _outputs_of_one(f: Callable[..., Any], x: Any, params: PyTree) -> Float[Array, " outputs"]:
    return f(params, x[None])[0].reshape(-1)
