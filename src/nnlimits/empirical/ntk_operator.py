"""The empirical NTK as a linear map that is never formed."""

import math
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from nnlimits.empirical.arguments import check_arguments, check_outputs, precision_of_parameters
from nnlimits.empirical.torch_models import TorchFunction

if TYPE_CHECKING:
    import lineax


def ntk_operator(f: Any, params: PyTree, x: Any) -> "lineax.FunctionLinearOperator":
    """The empirical NTK of the examples `x` with themselves, as a `lineax` operator on vectors of n O entries.

    A product with a vector is one backward and one forward derivative of all outputs; the matrix is never formed. Entry
    `i O + a` of a vector belongs to output a of example i: `as_matrix()` is `ntk(f, params, x)` with the axes in the order
    (n, O, n, O), flattened. The operator is tagged symmetric and positive semidefinite, so that `lineax`'s conjugate
    gradients apply once something positive is added to the diagonal.

    **Arguments:** `f`, `params`, `x` as of `ntk`. Where parameters are float64, use the operator within
    `jax.enable_x64(True)`, as any float64 computation in JAX.

    **Raises:** as `ntk`.
    """
    import lineax as lx

    if isinstance(f, TorchFunction):
        raise TypeError("f is a PyTorch module; ntk_operator is for functions of JAX arrays")
    with precision_of_parameters(params):
        params, x, _ = check_arguments(f, params, x)
        n_outputs = math.prod(check_outputs(f, params, x))

        @jax.jit
        def outputs(params: PyTree) -> Float[Array, " entries"]:
            return f(params, x).reshape(-1)

        values, pullback = jax.vjp(outputs, params)
        _, pushforward = jax.linearize(outputs, params)

        def product(vector: Float[Array, " entries"]) -> Float[Array, " entries"]:
            return pushforward(*pullback(vector))

        structure = jax.ShapeDtypeStruct((len(x) * n_outputs,), jnp.result_type(values))
        return lx.FunctionLinearOperator(product, structure, (lx.symmetric_tag, lx.positive_semidefinite_tag))
