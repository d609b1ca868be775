"""The public face of the kernel interpreter: `kernel(network)`."""

import copyreg
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from nnlimits import nn
from nnlimits.compute.journal import Journal
from nnlimits.compute.precision import adopt, aligned_empty, precision_of
from nnlimits.compute.tiles import Problem, fill, tile_size
from nnlimits.kernels import evaluate
from nnlimits.kernels.contraction import check_equilibria
from nnlimits.kernels.first_layers import check_values
from nnlimits.kernels.load import load
from nnlimits.kernels.needs import kernel_parameterization
from nnlimits.validation import check_inputs, check_same_dtype, is_traced

Inputs = ArrayLike | Sequence[Any]
"""Numbers with the examples along the first axis: NumPy, JAX, or nested lists."""


class KernelPair(NamedTuple):
    """Both kernels of a network between two batches."""

    nngp: Float[Array, "..."]
    """Covariance of the outputs of the random network (neural network Gaussian process kernel)."""
    ntk: Float[Array, "..."]
    """Inner products of the outputs' parameter gradients (neural tangent kernel)."""


class Kernel(eqx.Module):
    """The kernels of an infinitely wide network, as functions of its inputs.

    A value like the network it is made from: comparable, hashable, and a PyTree whose leaves are the network's
    hyper-parameters, so that `jax.grad` with respect to a kernel gives the gradient in all of them. Works eagerly and
    under any JAX transformation. Eager calls compute by tiles, in the dtype of the inputs whatever JAX's configuration.
    """

    network: nn.Layer

    def __check_init__(self) -> None:
        if not isinstance(self.network, nn.Layer):
            received = f"{type(self.network).__name__}{how_to_convert(self.network)}"
            raise TypeError(f"network must be an expression of nnlimits.nn; received {received}")
        kernel_parameterization(self.network)

    def __call__(self, x1: Inputs, x2: Inputs | None = None) -> KernelPair:
        """NNGP and NTK in one pass.

        **Arguments:** `x1` of shape (n1, d); `x2` of shape (n2, d), or `None` for `x1` with itself.

        **Returns:** `.nngp` and `.ntk`, each (n1, n2), per output unit.

        **Raises:** `ValueError` for wrong shapes, empty or non-finite inputs; `TypeError` for mixed dtypes or
        non-numeric data; `NotImplementedError` for a layer without an infinite-width rule.

        Jacot, Gabriel & Hongler 2018; Lee et al. 2018, 2019.
        """
        return KernelPair(*self._pairs(("nngp", "ntk"), x1, x2))

    def nngp(self, x1: Inputs, x2: Inputs | None = None) -> Float[Array, "n1 n2"]:
        """Covariance of the outputs of the random network, (n1, n2); arguments and errors as of a call."""
        return self._pairs(("nngp",), x1, x2)[0]

    def ntk(self, x1: Inputs, x2: Inputs | None = None) -> Float[Array, "n1 n2"]:
        """Neural tangent kernel, (n1, n2); arguments and errors as of a call."""
        return self._pairs(("ntk",), x1, x2)[0]

    def diagonal(self, x: Inputs) -> KernelPair:
        """Both kernels of each example with itself, each of shape (n,), without forming a matrix."""
        (batch,) = check_pair(self.network, x)
        if is_traced(self, batch):
            network = evaluate.prepare(self.network, batch.dtype)
            return KernelPair(*evaluate.diagonal(("nngp", "ntk"), network, jnp.asarray(batch)))
        with precision_of(batch):
            return KernelPair(*_diagonal(evaluate.prepare(self.network, batch.dtype), jnp.asarray(batch)))

    def _pairs(self, get: tuple[str, ...], x1: Any, x2: Any) -> Sequence[jax.Array]:
        x1, *rest = check_pair(self.network, x1, *([] if x2 is None else [x2]))
        x2 = rest[0] if rest else None
        if is_traced(self, x1, x2):
            return traced_pairs(get, self.network, jnp.asarray(x1), x2)
        n1, n2 = x1.shape[0], (x1 if x2 is None else x2).shape[0]
        outputs = [aligned_empty((n1, n2), x1.dtype) for _ in get]
        devices = [jax.devices()[0]]
        with precision_of(x1, x2):
            tile = tile_size(n1, n2, devices, load(self.network, x1.shape[1:], x1.dtype))
            fill_pairs(get, self.network, x1, x2, outputs, tile, devices, None)
            return [adopt(output) for output in outputs]


def traced_pairs(get: tuple[str, ...], network: nn.Layer, x1: jax.Array, x2: Any) -> Sequence[jax.Array]:
    """The kernels as one traced expression, compiled as a whole even where the caller differentiates eagerly."""
    return _traced(get, evaluate.prepare(network, x1.dtype), x1, None if x2 is None else jnp.asarray(x2))


@partial(jax.jit, static_argnums=0)
def _traced(get: tuple[str, ...], network: nn.Layer, x1: jax.Array, x2: jax.Array | None) -> Sequence[jax.Array]:
    batch1 = evaluate.batch(get, network, x1)
    if x2 is None:
        return evaluate.pairs(get, network, batch1, batch1, jnp.eye(x1.shape[0], dtype=bool))
    return evaluate.pairs(get, network, batch1, evaluate.batch(get, network, x2), None)


def fill_pairs(
    get, network, x1, x2, outputs, tile: int, devices, progress: bool | None, journal: Journal | None = None
) -> None:
    """Compute concrete kernels by tiles into `outputs`."""
    others = None if x2 is None else np.asarray(x2)
    problem = Problem(*_FUNCTIONS[get], evaluate.prepare(network, x1.dtype), np.asarray(x1), others, outputs)
    fill(problem, tile=tile, devices=devices, progress=progress, journal=journal)


# one pair of function objects for each choice of kernels, so that JAX compiles it once
_FUNCTIONS = {
    get: (partial(evaluate.batch, get), partial(evaluate.pairs, get)) for get in (("nngp",), ("ntk",), ("nngp", "ntk"))
}


@jax.jit
def _diagonal(network: nn.Layer, x: jax.Array) -> tuple[jax.Array, ...]:
    return evaluate.diagonal(("nngp", "ntk"), network, x)


def check_pair(network: nn.Layer, first: Any, *others: Any) -> list[Any]:
    """Inputs as arrays of one floating dtype and one shape that the network accepts, or an error that says what is wrong."""
    inputs = (first, *others)
    names = ["x1", "x2"] if others else ["x"]
    rank = max(np.ndim(first), 2)
    arrays = [check_inputs(name, x, rank=rank) for name, x in zip(names, inputs, strict=True)]
    check_same_dtype(**dict(zip(names, arrays, strict=True)))
    shapes = {a.shape[1:] for a in arrays}
    if len(shapes) > 1:
        raise ValueError(
            f"x1 and x2 must have the same features; received shapes {arrays[0].shape} and {arrays[1].shape}"
        )
    output = network.output_shape(arrays[0].shape[1:])
    for array in arrays:
        check_values(network, array)
        check_equilibria(network, array)
    if len(output) > 1:
        raise ValueError(
            f"the network's outputs have positions, {output}; a kernel needs outputs without: end it in nn.Flatten() or "
            "nn.GlobalAvgPool() and an nn.Dense"
        )
    return arrays


def how_to_convert(model: Any) -> str:
    """How a model of another library becomes an expression."""
    known = {"torch": "from_torch", "flax": "from_flax", "equinox": "from_equinox"}
    libraries = [base.__module__.split(".")[0] for base in type(model).__mro__]
    found = next((name for library, name in known.items() if library in libraries), None)
    return "" if found is None else f". Convert it: nnlimits.convert.{found}(...)"


def kernel(network: nn.Layer) -> Kernel:
    """The kernels of a network in the limit of infinite width.

    **Arguments:** `network`, an expression of `nnlimits.nn`.

    **Returns:** a `Kernel`: call it for both kernels; `.nngp`, `.ntk`, `.diagonal` for one of them or the diagonal.

    **Raises:** `TypeError` if `network` is not such an expression; `NotImplementedError` if its parameterization has no
    kernel limit, as `"mup"` and `"mean_field"`.
    """
    return Kernel(network)


def _reduced(method: Any) -> tuple[Any, tuple[Any, str]]:
    return getattr, (method.__self__, method.__func__.__name__)


# As Python pickles its own bound methods. Equinox's copy what is told of the function, of which the annotations do not pickle; so
# that neither could `kernel(net).ntk`, nor what is fitted with it.
copyreg.pickle(type(Kernel(nn.Identity()).ntk), _reduced)
