"""A function in place of its first-order expansion in the parameters."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from nnlimits.empirical.arguments import check_function, check_params, precision_of_parameters
from nnlimits.empirical.torch_models import TorchFunction


class Expansion:
    """The Taylor polynomial of a function in its parameters; made by `linearize` and `taylor`.

    Called as the function itself, `(params, x)`.
    """

    def __init__(self, f: Any, params0: PyTree, order: int) -> None:
        self.f, self.params0, self.order = f, params0, order

    def __call__(self, params: PyTree, x: Any) -> Array:
        """The polynomial at `params`, for the examples `x`."""
        with precision_of_parameters(self.params0):
            change = jax.tree.map(lambda p, p0: jnp.asarray(p, p0.dtype) - p0, params, self.params0)

            def along(t: Any) -> Any:
                return self.f(jax.tree.map(lambda p0, d: p0 + t.astype(p0.dtype) * d, self.params0, change), x)

            dtype = jnp.result_type(*jax.tree.leaves(self.params0))
            return _polynomial(along, jnp.zeros((), dtype), self.order)

    def __repr__(self) -> str:
        return f"<expansion of order {self.order} of {self.f!r}>"


def linearize(f: Any, params0: PyTree) -> Expansion:
    """The linearization of `f` in its parameters, `f(params0, x) + J(x) (params - params0)`.

    Trained on squared error by gradient flow or descent it follows the closed form of its kernel, `ntk(f, params0, x)`,
    exactly; a wide network follows it approximately (Lee et al. 2019, theorem 2.1).

    **Arguments:** `f(params, x)`; `params0`, a PyTree of real arrays, at which to expand.

    **Returns:** a function `f_lin(params, x)`, which can be differentiated and compiled like `f`.

    **Raises:** `TypeError` or `ValueError` for bad parameters; see `ntk`.
    """
    return taylor(f, params0, 1)


def taylor(f: Any, params0: PyTree, order: int) -> Expansion:
    """The Taylor polynomial of `f` in its parameters at `params0`, of the given order, exactly.

    It is found by forward differentiation nested `order` times; the cost grows as `2^order`, so high orders are slow.

    **Arguments:** `f(params, x)`; `params0`, a PyTree of real arrays; `order`, at least 0.

    **Returns:** a function `(params, x)`, which can be differentiated and compiled like `f`.

    **Raises:** `TypeError` or `ValueError` for bad parameters, see `ntk`, and for an order that is not a whole number.
    """
    if isinstance(f, TorchFunction):
        raise TypeError("f is a PyTorch module; expansions are for functions of JAX arrays")
    if isinstance(order, bool) or not isinstance(order, int) or order < 0:
        raise ValueError(f"order must be a whole number, at least 0; received {order!r}")
    check_function(f)
    with precision_of_parameters(params0):
        return Expansion(f, check_params(params0), order)


def _polynomial(along: Any, zero: Array, order: int) -> Array:
    """The sum over k of the k-th derivative at zero, over k factorial."""
    total, derivative, factorial = along(zero), along, 1
    for k in range(1, order + 1):
        derivative, factorial = _derivative(derivative), factorial * k
        total = total + derivative(zero) / factorial
    return total


def _derivative(function: Any) -> Any:
    return lambda t: jax.jvp(function, (t,), (jnp.ones_like(t),))[1]
