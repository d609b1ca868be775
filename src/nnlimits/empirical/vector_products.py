"""The empirical NTK by its products with vectors (Novak, Sohl-Dickstein & Schoenholz 2022, section 3.3)."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree, Shaped

from nnlimits.empirical.pairs import Outputs


def columns(
    f: Callable[..., Any],
    params: PyTree,
    x1: Shaped[Array, "n ..."],
    x2: Shaped[Array, "..."],
    outputs: Outputs,
    size: int,
) -> Float[Array, "n ..."]:
    """The kernel between the examples `x1` and one example, `J(x1) (J(x2)^T e)` for each output's unit vector `e`.

    **Arguments:** `size`, of how many outputs at a time.
    """
    values, pullback = jax.vjp(lambda p: f(p, x2[None])[0].reshape(-1), params)
    _, pushforward = jax.linearize(lambda p: f(p, x1).reshape(len(x1), -1), params)

    def column(output: Any) -> Any:
        (cotangent,) = pullback(jax.nn.one_hot(output, values.size, dtype=values.dtype))
        found = pushforward(cotangent)
        return found if outputs == "full" else jnp.take(found, output, axis=1)

    found = jnp.moveaxis(jax.lax.map(column, jnp.arange(values.size), batch_size=size), 0, -1)
    return found.sum(-1) if outputs == "trace" else found
