"""Networks of any depth in the mean-field limit: weights as functions of labels of neurons, which have laws.

A *neuronal embedding* (Pham & Nguyen 2021, section 2.2) gives each hidden layer a probability space of labels, and each weight as
a function of the labels that it connects. Labels drawn independently give a finite network; labels of a quadrature rule give
the limit. Both are one thing here: weights over finitely many labels with masses.
"""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from nnlimits import nn
from nnlimits.compute.precision import precision_of
from nnlimits.mean_field.laws import Law

Masses = tuple[Float[Array | np.ndarray, " _"], ...]
Weights = tuple[Float[Array | np.ndarray, "_ _"], ...]


class Layered(eqx.Module):
    """A network whose layers average: `h_1 = phi_1(x w_1)`, `h_l = phi_l(sum_i masses_i h_{l-1,i} w_l[i, :])`, and the output
    alike.

    With masses `1/n` it is a finite network of the widths n, in the mean-field parameterization of all layers.
    """

    weights: Weights
    """`(d, n_1), (n_1, n_2), ..., (n_L, outputs)`."""
    masses: Masses
    """Of the labels of each hidden layer; each adds up to one."""
    activations: tuple[nn.Activation, ...]

    def __call__(self, x: Float[Array | np.ndarray, "n d"]) -> Float[Array, "n o"]:
        """The outputs."""
        h = jnp.asarray(x) @ self.weights[0]
        for activation, masses, weight in zip(self.activations, self.masses, self.weights[1:], strict=True):
            h = (activation(h) * masses) @ weight
        return h

    def hidden(self, x: Float[Array | np.ndarray, "n d"]) -> tuple[Array, ...]:
        """The units of each hidden layer after their activation, (n, width)."""
        found, h = [], jnp.asarray(x) @ self.weights[0]
        for activation, masses, weight in zip(self.activations, self.masses, self.weights[1:], strict=True):
            found.append(activation(h))
            h = (found[-1] * masses) @ weight
        return tuple(found)

    def with_weights(self, weights: Weights) -> "Layered":
        """The same labels with other weights."""
        return Layered(weights, self.masses, self.activations)


class Embedding(eqx.Module):
    """The laws of the labels of each hidden layer, and the initial weights as functions of them.

    **Arguments:**

    - `laws`: one `Law` of labels for each hidden layer.
    - `functions`: the weights at the start. The first is a function of a label of the first layer to a weight vector (d,); those
      between of the labels of two layers to a number; the last of a label of the last layer to the outputs' weights (o,).
    - `activations`: one for each hidden layer.

    **Raises:** `ValueError` for numbers of them that do not fit.
    """

    laws: tuple[Law, ...]
    functions: tuple[Callable[..., Any], ...] = eqx.field(static=True)
    activations: tuple[nn.Activation, ...]

    def __init__(
        self, laws: Sequence[Law], functions: Sequence[Callable[..., Any]], activations: Sequence[nn.Activation]
    ) -> None:
        depth = len(laws)
        if depth < 1 or len(functions) != depth + 1 or len(activations) != depth:
            raise ValueError(
                f"an embedding of {depth} hidden layers has {depth} laws, {depth} activations and {depth + 1} functions; "
                f"received {len(activations)} activations and {len(functions)} functions"
            )
        self.laws, self.functions, self.activations = tuple(laws), tuple(functions), tuple(activations)

    def sample(self, key: PRNGKeyArray, widths: Sequence[int], dtype: Any = np.float32) -> Layered:
        """A finite network with labels drawn independently.

        **Raises:** `ValueError` for a number of widths other than that of hidden layers.
        """
        if len(widths) != len(self.laws):
            raise ValueError(f"widths must be one for each of {len(self.laws)} hidden layers; received {tuple(widths)}")
        keys = jax.random.split(key, len(self.laws))
        drawn = [law.sample(k, n, dtype) for law, k, n in zip(self.laws, keys, widths, strict=True)]
        return self.at([neurons.positions for neurons in drawn], [neurons.masses for neurons in drawn])

    def at(self, labels: Sequence[Any], masses: Sequence[Any]) -> Layered:
        """The network of given labels (n, k) of each hidden layer with masses (n,): those of a quadrature rule give the limit."""
        with precision_of(*labels):
            return self._at([jnp.asarray(label) for label in labels], masses)

    def _at(self, labels: Sequence[Array], masses: Sequence[Any]) -> Layered:
        first, *between, last = self.functions
        weights = [jax.vmap(first)(labels[0]).T]
        for function, source, target in zip(between, labels[:-1], labels[1:], strict=True):
            weights.append(_pairwise(function, source, target))
        weights.append(jax.vmap(last)(labels[-1]))
        return Layered(tuple(weights), tuple(masses), self.activations)


def _pairwise(function: Callable[..., Any], source: Array, target: Array) -> Float[Array, "source target"]:
    return jax.vmap(lambda a: jax.vmap(lambda b: function(a, b))(target))(source)


def gauss_hermite(order: int, stds: Sequence[float]) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, " n"]]:
    """Nodes and masses of the product rule for independent centred Gaussian labels: exact for polynomials up to degree `2 order
    - 1` in each coordinate.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(order)
    grid = np.meshgrid(*[std * nodes for std in stds], indexing="ij")
    masses = np.ones(())
    for _ in stds:
        masses = np.multiply.outer(masses, weights / weights.sum())
    return np.stack([g.ravel() for g in grid], -1), masses.ravel()
