"""Networks of any depth in the mean-field limit: weights as functions of labels of neurons, which have laws.

A *neuronal embedding* (Pham & Nguyen 2021, section 2.2) gives each hidden layer a probability space of labels, and each weight as
a function of the labels that it connects. Labels drawn independently give a finite network; labels of a quadrature rule give
the limit. Both are one thing here, a `Layered`: weights over finitely many labels with masses.
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
from nnlimits.mean_field.layered import Layered, Rates

Function = Callable[..., Any]


class Embedding(eqx.Module):
    """The laws of the labels of each hidden layer, and the initial weights as functions of them.

    **Arguments:**

    - `laws`: one `Law` of labels for each hidden layer.
    - `functions`: the weights at the start. The first is a function of a label of the first layer to a weight vector (d,); those
      between of the labels of two layers to a number; the last of a label of the last layer to the outputs' weights (o,).
    - `activations`: one for each hidden layer.
    - `biases`: for each hidden layer a function of its label to a number, or `None`; if absent, none anywhere.
    - `output_bias`: that of the outputs (o,), which has no label, or `None`.
    - `rates`: how fast each of the layers of weights learns, `Rates()` if absent.

    **Raises:** `ValueError` for numbers of them that do not fit.
    """

    laws: tuple[Law, ...]
    functions: tuple[Function, ...] = eqx.field(static=True)
    activations: tuple[nn.Activation, ...]
    biases: tuple[Function | None, ...] = eqx.field(static=True)
    output_bias: Float[np.ndarray, " o"] | None
    rates: tuple[Rates, ...] = eqx.field(static=True)

    def __init__(
        self,
        laws: Sequence[Law],
        functions: Sequence[Function],
        activations: Sequence[nn.Activation],
        *,
        biases: Sequence[Function | None] | None = None,
        output_bias: Any = None,
        rates: Sequence[Rates] | None = None,
    ) -> None:
        depth = len(laws)
        biases = (None,) * depth if biases is None else tuple(biases)
        rates = (Rates(),) * (depth + 1) if rates is None else tuple(rates)
        counts = len(functions) - 1, len(activations), len(biases), len(rates) - 1
        if depth < 1 or set(counts) != {depth}:
            raise ValueError(
                f"an embedding of {depth} hidden layers has {depth} laws, {depth} activations and {depth + 1} functions, {depth} "
                f"biases and {depth + 1} rates; received {len(activations)} activations, {len(functions)} functions, "
                f"{len(biases)} biases and {len(rates)} rates"
            )
        self.laws, self.functions, self.activations = tuple(laws), tuple(functions), tuple(activations)
        self.biases, self.rates = biases, rates
        self.output_bias = None if output_bias is None else np.atleast_1d(np.asarray(output_bias, np.float64))

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
        """The network of given labels (n, k) of each hidden layer with masses (n,): those of a quadrature rule give the limit.

        **Raises:** `ValueError` for numbers of labels and masses that do not fit.
        """
        with precision_of(*labels):
            return self._at([jnp.asarray(label) for label in labels], masses)

    def _at(self, labels: Sequence[Array], masses: Sequence[Any]) -> Layered:
        first, *between, last = self.functions
        weights = [jax.vmap(first)(labels[0]).T]
        for function, source, target in zip(between, labels[:-1], labels[1:], strict=True):
            weights.append(_pairwise(function, source, target))
        weights.append(jax.vmap(last)(labels[-1]))
        hidden = [None if b is None else jax.vmap(b)(label) for b, label in zip(self.biases, labels, strict=True)]
        output = None if self.output_bias is None else jnp.asarray(self.output_bias, weights[-1].dtype)
        return Layered(tuple(weights), tuple(masses), self.activations, (*hidden, output), self.rates)


def _pairwise(function: Function, source: Array, target: Array) -> Float[Array, "source target"]:
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
