"""The empirical neural tangent kernel of any differentiable function."""

import math
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from nnlimits.compute.compilation import convolution_jit
from nnlimits.empirical import batches, jacobian, structured, vector_products
from nnlimits.empirical.arguments import (
    Function,
    check_arguments,
    check_choice,
    check_outputs,
    precision_of_parameters,
)
from nnlimits.empirical.cost import Task, choose_algorithm, jacobian_bytes
from nnlimits.empirical.pairs import Outputs
from nnlimits.empirical.structured import bytes_per_example, structure_of, with_formed
from nnlimits.empirical.torch_models import TorchFunction, torch_ntk
from nnlimits.validation import is_traced

Pairs = Literal["all", "matched"]


def ntk(
    f: Any,
    params: PyTree,
    x1: Any,
    x2: Any = None,
    *,
    outputs: str = "full",
    pairs: str = "all",
    algorithm: str | None = None,
) -> Float[Any, "..."]:
    """The empirical neural tangent kernel `J(x1) J(x2)^T`, with `J` the derivative of the outputs in all parameters.

    Three algorithms give it (Novak, Sohl-Dickstein & Schoenholz 2022). With n examples, O outputs, P parameters and a
    forward pass of [FP] operations an example:

    - `"jacobian"`: Jacobians, contracted; `n O [FP] + n^2 O^2 P` operations.
    - `"vector_products"`: `J (J^T v)` for unit vectors `v`; `n^2 O [FP]` operations, and little memory.
    - `"structured"`: for parameters used once, in a product or convolution (a sum or elementwise product, too), from
      the operation's inputs and cotangents, in the cheapest order; `n O [FP]` and for a dense layer of fan-in K and
      width F `n^2 (K + O^2 F)`. Other parameters' Jacobians are contracted.

    The default takes the one with the fewest operations, counted from the shapes of the products and convolutions in
    the program of `f`, among those whose derivatives of two examples fit in 1 GiB or the size of the result; Jacobians
    only where nothing has structure. Where the derivatives of all examples do not fit in that, the kernel is computed by
    batches of as many as do.

    **Arguments:**

    - `f`: `f(params, x)`, outputs `(n, *outputs)` of examples `(n, ...)`. It is called for one example at a time, so
      outputs of one example must not depend on others. Compiled code is kept for each `f`: pass the same function
      again, not a new `lambda`. For models, see `as_function`.
    - `params`: any PyTree of real arrays.
    - `x1`, `x2`: examples, `(n1, ...)` and `(n2, ...)`, taken to the precision of the parameters; `x2=None` is `x1` with
      itself, of which half is computed.
    - `outputs`: `"full"`, the kernel of each pair of outputs; `"diagonal"`, of each output with itself; `"trace"`, the
      mean of the latter over the O outputs, as is customary (not their sum).
    - `pairs`: `"all"`, or `"matched"`: example i of `x1` with example i of `x2` only.

    **Returns:** for all pairs `(n1, n2, O, O)`, `(n1, n2, O)` or `(n1, n2)`, outputs flattened; for matched ones
    `(n, O, O)`, `(n, O)` or `(n,)`.

    **Raises:** `ValueError` or `TypeError` for bad arguments: an unknown choice, entries that are not finite, parameters
    that are not real, outputs that do not have the examples along the first axis.
    """
    check_choice("outputs", outputs, ("full", "trace", "diagonal"))
    check_choice("pairs", pairs, ("all", "matched"))
    check_choice("algorithm", algorithm, ("jacobian", "vector_products", "structured", None))
    if isinstance(f, TorchFunction):
        return torch_ntk(f, params, x1, x2, outputs, pairs, algorithm)
    with precision_of_parameters(params):
        params, x1, x2 = check_arguments(f, params, x1, x2)
        if pairs == "matched" and x2 is not None and len(x1) != len(x2):
            raise ValueError(f'pairs="matched" needs as many x1 as x2; received {len(x1)} and {len(x2)}')
        inside = is_traced(params, x1, x2, jnp.zeros(()))  # of another compiled function
        compute = jax.jit(_ntk, static_argnums=_STATIC) if inside else convolution_jit(_ntk, _STATIC)
        return compute(f, params, x1, x2, outputs, pairs, algorithm)


_STATIC = (0, 4, 5, 6)


def _ntk(
    f: Function, params: PyTree, x1: Array, x2: Array | None, outputs: Outputs, pairs: Pairs, algorithm: Any
) -> Float[Array, "..."]:
    n_outputs = math.prod(check_outputs(f, params, x1))
    leaf_sizes = [leaf.size for leaf in jax.tree.leaves(params)]
    itemsize = jnp.result_type(*jax.tree.leaves(params)).itemsize
    task = Task(len(x1), None if x2 is None else len(x2), n_outputs, outputs, pairs == "matched", itemsize)
    structure = None
    if algorithm in (None, "structured"):
        structure = structure_of(f, params, jax.ShapeDtypeStruct(x1.shape[1:], x1.dtype))
        algorithm = algorithm or choose_algorithm(task, structure, leaf_sizes)
    if algorithm == "vector_products":
        result = _by_vector_products(f, task, params, x1, x2)
    elif structure is not None and algorithm == "structured":
        if not task.matched:
            structure = with_formed(structure, task.n1, task.n2, task.outputs)
        held = bytes_per_example(structure, leaf_sizes, itemsize)
        sides = partial(structured.derivatives, structure, params), partial(structured.combine, structure)
        result = _by_derivatives(sides, task, held, x1, x2)
    elif 2 * jacobian_bytes(task, leaf_sizes) <= max(batches.WORKING_BYTES, task.result_bytes):
        sides = partial(jacobian.jacobians, f, params), jacobian.combine
        result = _by_derivatives(sides, task, jacobian_bytes(task, leaf_sizes), x1, x2)
    else:
        result = _by_outputs(f, task, params, x1, x2, leaf_sizes)
    return result / n_outputs if outputs == "trace" else result


def _by_derivatives(sides: tuple[Any, Any], task: Task, held: float, x1: Array, x2: Array | None) -> Array:
    """By derivatives of batches of examples, each of which takes `held` bytes."""
    prepare, combine = sides
    size = batches.batch_size(held, max(task.n1, task.n2 or 0), task.result_bytes)
    compute = batches.matched_pairs if task.matched else batches.all_pairs
    return compute(prepare, partial(combine, outputs=task.outputs), x1, x2, size)


def _by_vector_products(f: Function, task: Task, params: PyTree, x1: Array, x2: Array | None) -> Array:
    size = max(
        1, min(task.n_outputs, batches.WORKING_BYTES // (task.itemsize * sum(map(jnp.size, jax.tree.leaves(params)))))
    )

    def columns(examples: Array, other: Array) -> Array:
        return vector_products.columns(f, params, examples, other, task.outputs, size)

    others = x1 if x2 is None else x2
    if task.matched:
        return jax.lax.map(lambda pair: columns(pair[0][None], pair[1])[0], (x1, others))
    return jnp.moveaxis(jax.lax.map(partial(columns, x1), others), 0, 1)


def _by_outputs(f: Function, task: Task, params: PyTree, x1: Array, x2: Array | None, leaf_sizes: list[int]) -> Array:
    """By Jacobians of some outputs of one example at a time."""
    held = jacobian_bytes(task, leaf_sizes) / task.n_outputs
    size = batches.batch_size(held, task.n_outputs, task.result_bytes)

    def pair(both: tuple[Array, Array]) -> Array:
        return jacobian.by_outputs(f, params, *both, task.outputs, size)

    others = x1 if x2 is None else x2
    if task.matched:
        return jax.lax.map(pair, (x1, others))
    return jax.lax.map(lambda x: jax.lax.map(lambda other: pair((x, other)), others), x1)
