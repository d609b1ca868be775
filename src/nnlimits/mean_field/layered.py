"""Networks of any depth whose layers average over neurons: weights over labels with masses."""

import dataclasses
import itertools
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.compute.precision import precision_of
from nnlimits.validation import is_traced

Masses = tuple[Float[Array | np.ndarray, " _"], ...]
Weights = tuple[Float[Array | np.ndarray, "_ _"], ...]
Biases = tuple[Float[Array | np.ndarray, " _"] | None, ...]


class Rates(NamedTuple):
    """How fast the weights and the bias of one layer learn, relative to the unit of time (the `xi_i` of Pham & Nguyen 2021)."""

    weight: float = 1.0
    bias: float = 1.0


class Layered(eqx.Module):
    """A network whose layers average: `h_1 = phi_1(x w_1 + b_1)`, `h_l = phi_l(sum_i masses_i h_{l-1,i} w_l[i, :] + b_l)`, and
    the output alike, without `phi`.

    With masses `1/n` it is a finite network of the widths n, in the mean-field parameterization of all layers.

    **Arguments:** `weights`, `masses` and `activations`; `biases`, one for each layer of weights, `None` for none, and if absent
    none anywhere; `rates`, one for each layer of weights, `Rates()` if absent.

    **Raises:** `ValueError` for shapes that do not fit, or masses that are not positive.
    """

    weights: Weights
    """`(d, n_1), (n_1, n_2), ..., (n_L, outputs)`."""
    masses: Masses
    """Of the labels of each hidden layer; each adds up to one."""
    activations: tuple[nn.Activation, ...]
    biases: Biases
    """`(n_1,), ..., (n_L,), (outputs,)`, or `None`."""
    rates: tuple[Rates, ...] = eqx.field(static=True)

    def __init__(
        self,
        weights: Weights,
        masses: Masses,
        activations: tuple[nn.Activation, ...],
        biases: Biases | None = None,
        rates: tuple[Rates, ...] | None = None,
    ) -> None:
        self.weights, self.masses, self.activations = tuple(weights), tuple(masses), tuple(activations)
        self.biases = (None,) * len(weights) if biases is None else tuple(biases)
        self.rates = (Rates(),) * len(weights) if rates is None else tuple(rates)
        self._check()

    @property
    def widths(self) -> tuple[int, ...]:
        """The number of labels of each hidden layer."""
        return tuple(len(masses) for masses in self.masses)

    def __call__(self, x: Float[Array | np.ndarray, "n d"]) -> Float[Array, "n o"]:
        """The outputs, in double precision if any of `x` and the weights is."""
        with precision_of(x, *self.weights):
            return self._last(self._hidden(x)[-1])

    def hidden(self, x: Float[Array | np.ndarray, "n d"]) -> tuple[Array, ...]:
        """The units of each hidden layer after their activation, (n, width)."""
        with precision_of(x, *self.weights):
            return self._hidden(x)

    def with_weights(self, weights: Weights, biases: Biases | None = None) -> "Layered":
        """The same labels with other weights, and other biases where these are given."""
        return dataclasses.replace(self, weights=weights, biases=self.biases if biases is None else biases)

    def _hidden(self, x: Any) -> tuple[Array, ...]:
        found: list[Array] = []
        averaged = jnp.asarray(x)
        for activation, masses, weight, bias in zip(
            self.activations, self.masses, self.weights[:-1], self.biases[:-1], strict=True
        ):
            found.append(activation(_affine(averaged, weight, bias)))
            averaged = found[-1] * masses
        return tuple(found)

    def _last(self, hidden: Array) -> Float[Array, "n o"]:
        return _affine(hidden * self.masses[-1], self.weights[-1], self.biases[-1])

    def _check(self) -> None:
        depth = len(self.masses)
        counts = len(self.weights) - 1, len(self.activations), len(self.biases) - 1, len(self.rates) - 1
        if depth < 1 or set(counts) != {depth}:
            raise ValueError(
                f"{depth} hidden layers have {depth} activations and {depth + 1} weights, biases and rates; received "
                f"{len(self.activations)} activations, {len(self.weights)} weights, {len(self.biases)} biases and "
                f"{len(self.rates)} rates"
            )
        sizes = (self.weights[0].shape[0], *self.widths, self.weights[-1].shape[1])
        shapes = [weight.shape for weight in self.weights]
        if shapes != list(itertools.pairwise(sizes)):
            raise ValueError(f"weights must connect layers of {sizes} units; received shapes {shapes}")
        for bias, size in zip(self.biases, sizes[1:], strict=True):
            if bias is not None and bias.shape != (size,):
                raise ValueError(f"a bias must have the shape ({size},) of its layer; received {bias.shape}")
        if not is_traced(*self.masses) and min(np.min(np.asarray(masses)) for masses in self.masses) <= 0:
            raise ValueError("masses must be positive: labels without mass are part of no average; leave them out")


def _affine(x: Array, weight: Any, bias: Any) -> Array:
    return x @ weight if bias is None else x @ weight + bias
