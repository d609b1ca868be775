"""One equation applied to values that are known: indices, masks and shapes."""

from typing import Any

import jax
import numpy as np


def evaluated(equation: Any, *operands: Any) -> list[np.ndarray]:
    """What JAX computes of one equation's operands, where those of its literals are ignored.

    Operands may be of another type than the equation was traced with, if the primitive does not mind.
    """
    with jax.enable_x64(True), jax.ensure_compile_time_eval():
        results = equation.primitive.bind(*map(jax.numpy.asarray, operands), **equation.params)
    return [np.asarray(result) for result in (results if equation.primitive.multiple_results else [results])]
