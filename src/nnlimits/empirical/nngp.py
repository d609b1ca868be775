"""The second moments of a function's outputs."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from nnlimits.empirical.arguments import Function, check_arguments, check_outputs, precision_of_parameters
from nnlimits.empirical.torch_models import TorchFunction, torch_nngp


def nngp(f: Any, params: PyTree, x1: Any, x2: Any = None) -> Float[Any, "n1 n2"]:
    """Inner products of the outputs, `f(x1) f(x2)^T / O`, the mean over the O outputs.

    Over random parameters its expectation is the covariance of the outputs, which in the limit of infinite width is the
    network's NNGP kernel (Lee et al. 2018; Matthews et al. 2018).

    **Arguments:** `f`, `params`, `x1`, `x2` as of `ntk`; `x2=None` is `x1` with itself.

    **Returns:** `(n1, n2)`.

    **Raises:** as `ntk`.
    """
    if isinstance(f, TorchFunction):
        return torch_nngp(f, params, x1, x2)
    with precision_of_parameters(params):
        return _nngp(f, *check_arguments(f, params, x1, x2))


@partial(jax.jit, static_argnums=0)
def _nngp(f: Function, params: PyTree, x1: Array, x2: Array | None) -> Float[Array, "n1 n2"]:
    check_outputs(f, params, x1)
    left = f(params, x1).reshape(len(x1), -1)
    right = left if x2 is None else f(params, x2).reshape(len(x2), -1)
    return jnp.einsum("ip,jp->ij", left, right, precision="highest") / left.shape[1]
