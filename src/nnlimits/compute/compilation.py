"""How the functions that take long are compiled. JAX allows such wishes for a function that is called by itself, in no other."""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp

# XLA keeps to 256 bits even where a CPU has vectors of 512: a loop over pairs is a tenth to a quarter quicker with those.
_WIDE = ("xla_cpu_prefer_vector_width", 512)
# XLA of jax 0.10 leaves convolutions to YNNPACK, which takes twice as long as its own code.
_OWN_CONVOLUTIONS = ("xla_cpu_experimental_ynn_fusion_type", "")


@cache
def wide_jit(function: Callable, static: tuple[int, ...]) -> Any:
    """`jax.jit` for loops that profit from the widest vectors of a CPU; `static` are the positions of static arguments."""
    return jax.jit(function, static_argnums=static, compiler_options=_known(_WIDE))


@cache
def convolution_jit(function: Callable, static: tuple[int, ...]) -> Any:
    """`jax.jit` for programs of convolutions."""
    return jax.jit(function, static_argnums=static, compiler_options=_known(_OWN_CONVOLUTIONS))


@cache
def _known(option: tuple[str, Any]) -> dict[str, Any] | None:
    """The option, or nothing where XLA does not know it."""
    options = dict([option])
    try:
        jax.jit(jnp.negative, compiler_options=options).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return None
    return options
