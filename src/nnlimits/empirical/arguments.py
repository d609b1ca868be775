"""The function, parameters and examples of an empirical kernel, checked."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from nnlimits.compute.precision import precision_of
from nnlimits.validation import check_finite, is_traced

Function = Callable[..., Any]
"""`f(params, x)`: outputs `(n, *outputs)` of the examples `x`, `(n, ...)`, each of which depends on its own example alone."""


class Arguments(NamedTuple):
    """What was given, as JAX arrays in the precision of the parameters."""

    params: PyTree
    x1: Array
    x2: Array | None


def check_arguments(f: Any, params: PyTree, x1: Any, x2: Any = None) -> Arguments:
    """Check a function's arguments; call within `precision_of_parameters`.

    Real examples take the precision of the parameters; integers, such as tokens, stay what they are.

    **Raises:** `TypeError` for an `f` that is not a function or cannot be hashed, parameters that are not real arrays,
    and examples that are not numbers; `ValueError` for no parameters, no examples, unlike shapes, and entries that are
    not finite, with their place.
    """
    check_function(f)
    params = check_params(params)
    dtype = jnp.result_type(*jax.tree.leaves(params))
    names = ("x1", "x2") if x2 is not None else ("x", "")
    first = check_examples(names[0], x1, dtype)
    second = None if x2 is None else check_examples(names[1], x2, dtype)
    if second is not None and (first.shape[1:], first.dtype) != (second.shape[1:], second.dtype):
        raise ValueError(
            f"x1 and x2 must hold examples of one shape and dtype; received {_type(first)} and {_type(second)}"
        )
    return Arguments(params, first, second)


def check_function(f: Any) -> None:
    """Raise `TypeError` unless `f` can be called and hashed."""
    if not callable(f):
        raise TypeError(
            f"f must be a function of parameters and examples; received {type(f).__name__}. For a model, write "
            "f, params = nnlimits.empirical.as_function(model)"
        )
    try:
        hash(f)
    except TypeError:
        raise TypeError(
            f"f must be hashable, as compiled code is kept for each function; received {type(f).__name__}. For a model "
            "that holds arrays, write f, params = nnlimits.empirical.as_function(model)"
        ) from None


def check_params(params: PyTree) -> PyTree:
    """The parameters as JAX arrays."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    if not leaves:
        raise ValueError("params holds no arrays; a kernel of parameters' derivatives needs some")
    for path, leaf in leaves:
        dtype = getattr(leaf, "dtype", None)
        if not (isinstance(leaf, float) or (dtype is not None and jnp.issubdtype(dtype, jnp.floating))):
            raise TypeError(
                f"params{jax.tree_util.keystr(path)} must be a real array; received "
                f"{type(leaf).__name__ if dtype is None else dtype}. Keep what is not trained out of params"
            )
    params = jax.tree.map(jnp.asarray, params)
    if not is_traced(params):
        with jax.ensure_compile_time_eval():  # known arrays may be met while another function is traced
            finite = bool(_finite(params))
        for path, leaf in leaves if not finite else ():
            check_finite(f"params{jax.tree_util.keystr(path)}", leaf)
    return params


def check_examples(name: str, x: Any, dtype: Any) -> Array:
    """Examples as a JAX array, real ones in the precision `dtype`."""
    if not isinstance(x, jax.Array):
        x = np.asarray(x)
        if x.dtype.kind not in "iubf" and not jnp.issubdtype(x.dtype, jnp.floating):
            raise TypeError(f"{name} must be a numeric array; received dtype {x.dtype}")
    if x.ndim == 0 or x.shape[0] == 0:
        raise ValueError(f"{name} must hold examples along its first axis; received shape {tuple(x.shape)}")
    if not jnp.issubdtype(x.dtype, jnp.floating):
        return jnp.asarray(x)
    if not is_traced(x):
        check_finite(name, x)
    return jnp.asarray(x, dtype)


def check_outputs(f: Function, params: PyTree, x: Any) -> tuple[int, ...]:
    """The shape of one example's outputs. **Raises:** `TypeError`, `ValueError` if `f` does not keep the examples apart."""
    result = jax.eval_shape(f, params, jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype))
    if not hasattr(result, "shape") or not jnp.issubdtype(result.dtype, jnp.floating):
        raise TypeError(f"f must return one real array; received {result}")
    if not result.shape or result.shape[0] != 1:
        raise ValueError(
            f"f must return outputs with the examples along the first axis; for one example it returned shape "
            f"{result.shape}"
        )
    return result.shape[1:]


def precision_of_parameters(params: PyTree) -> Any:
    """A context in which float64 is available if any parameter is float64."""
    leaves = jax.tree.leaves(params)
    return precision_of(*leaves)


def check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Raise `ValueError` unless `value` is one of the choices."""
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices[:-1])
        raise ValueError(f"{name} must be {listed} or {choices[-1]!r}; received {value!r}")


@jax.jit
def _finite(params: PyTree) -> Array:
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(params)]).all()


def _type(x: Array) -> str:
    return f"{tuple(x.shape[1:])} {x.dtype}"
