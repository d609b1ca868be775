"""How the functions that fill large matrices are compiled."""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp

# XLA keeps to 256 bits even where a CPU has vectors of 512: a loop over pairs is a tenth to a quarter quicker with those.
_WIDE = {"xla_cpu_prefer_vector_width": 512}


@cache
def wide_jit(function: Callable, static: tuple[int, ...]) -> Any:
    """`jax.jit` for loops that profit from the widest vectors of a CPU; `static` are the positions of static arguments."""
    return jax.jit(function, static_argnums=static, compiler_options=_options())


@cache
def _options() -> dict[str, Any] | None:
    """The wish for wide vectors, or nothing where XLA does not know it."""
    try:
        jax.jit(jnp.negative, compiler_options=_WIDE).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return None
    return _WIDE
