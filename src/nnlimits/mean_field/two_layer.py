"""Neurons of a network with one hidden layer."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.mean_field.neurons import Neurons, Positions
from nnlimits.mean_field.units import Pullback, Units

_PROBES = (0.3, 1.0, 2.5)


class TwoLayer(Units):
    """`sigma(x; theta) = a phi(<w, x> + b)`, the network `f(x) = (1/m) sum_i a_i phi(<w_i, x> + b_i)` for m equal masses.

    A neuron's parameters are one row `(w, b, a)`.

    **Arguments:** `activation`, of `nnlimits.nn`; `inputs`, the dimension of x; `outputs`, of a and of the network; `bias`,
    whether neurons have b; `readout`, whether they have a: without, all `a = 1` (and `outputs` is 1), as in Mei, Montanari &
    Nguyen 2018. `scales`, factors of w, b and a: the network of `nnlimits.nn` in the mean-field parameterization has `(w_std /
    sqrt(inputs), b_std, w_std)`, those of its two layers, and standard normal parameters.

    **Raises:** `TypeError` or `ValueError` for arguments that do not fit.
    """

    activation: nn.Activation
    inputs: int = eqx.field(static=True)
    outputs: int = eqx.field(static=True)
    bias: bool = eqx.field(static=True)
    readout: bool = eqx.field(static=True)
    scales: tuple[float, float, float] = eqx.field(static=True)

    def __init__(
        self,
        activation: nn.Activation,
        inputs: int,
        outputs: int = 1,
        *,
        bias: bool = False,
        readout: bool = True,
        scales: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> None:
        if not isinstance(activation, nn.Activation):
            raise TypeError(
                f"activation must be an activation of nnlimits.nn, such as nn.Relu(); received {activation!r}"
            )
        for name, value in (("inputs", inputs), ("outputs", outputs)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1; received {value!r}")
        if not readout and outputs != 1:
            raise ValueError(f"without readout weights there is one output; received outputs={outputs}")
        self.activation, self.inputs, self.outputs = activation, int(inputs), int(outputs)
        self.bias, self.readout = bool(bias), bool(readout)
        w_scale, b_scale, a_scale = scales
        self.scales = float(w_scale), float(b_scale), float(a_scale)

    @property
    def size(self) -> int:
        return self.inputs + self.bias + self.outputs * self.readout

    @property
    def degree(self) -> float | None:
        """That of the activation, if it has one, plus one for the readout weight; with biases too, as they scale alike."""
        degree = _degree(self.activation)
        return None if degree is None else degree + self.readout

    def split(self, positions: Float[Array | np.ndarray, "... p"]) -> tuple[Array, Array | None, Array | None]:
        """The scaled weights `w` (..., inputs), biases `b` (...,) and readout weights `a` (..., outputs) of neurons."""
        w_scale, b_scale, a_scale = self.scales
        positions = jnp.asarray(positions)
        w = w_scale * positions[..., : self.inputs]
        b = b_scale * positions[..., self.inputs] if self.bias else None
        a = a_scale * positions[..., self.inputs + self.bias :] if self.readout else None
        return w, b, a

    def unit(self, theta: Float[Array | np.ndarray, " p"], x: Float[Array | np.ndarray, "n d"]) -> Float[Array, "n o"]:
        hidden, a = self._hidden(theta[None], x)
        return hidden.T if a is None else hidden.T * a

    def apply(self, neurons: Neurons, x: Float[Array | np.ndarray, "n d"]) -> Float[Array, "n o"]:
        return self._output(neurons, *self._hidden(neurons.positions, x))

    def correlate(self, positions: Positions, x: Float[Array | np.ndarray, "n d"], pull: Float[Array, "n o"]) -> Array:
        hidden, a = self._hidden(positions, x)
        found = hidden @ pull
        return found[:, 0] if a is None else (found * a).sum(-1)

    def apply_and_pullback(self, neurons: Neurons, x: Float[Array | np.ndarray, "n d"]) -> tuple[Array, Pullback]:
        """Of one pass forward and one backward, each of one product with `x`."""
        (hidden, a), back = jax.vjp(lambda places: self._hidden(places, x), jnp.asarray(neurons.positions))

        def gradients(pull: Float[Array, "n o"]) -> Float[Array, "m p"]:
            if a is None:
                return back((jnp.broadcast_to(pull.T, hidden.shape), None))[0]
            return back((a @ pull.T, hidden @ pull))[0]

        return self._output(neurons, hidden, a), gradients

    def _output(self, neurons: Neurons, hidden: Float[Array, "m n"], a: Float[Array, "m o"] | None) -> Array:
        masses = jnp.asarray(neurons.masses)[:, None]
        return ((masses if a is None else masses * a).T @ hidden).T

    def _hidden(self, positions: Any, x: Any) -> tuple[Float[Array, "m n"], Float[Array, "m o"] | None]:
        """Neuron by neuron, as matrix products are quickest on rows."""
        w, b, a = self.split(positions)
        before = w @ jnp.asarray(x).T
        return self.activation(before if b is None else before + b[:, None]), a


def _degree(activation: Any) -> float | None:
    """`k`, if `phi(c x) = c^k phi(x)` for all `c > 0`, from values to both sides of zero."""
    with jax.enable_x64(True):
        x = jnp.asarray([*_PROBES, *(-p for p in _PROBES)], jnp.float64)
        once, twice = np.asarray(activation(x)), np.asarray(activation(2 * x))
    if not np.array_equal(once == 0, twice == 0) or not once.any():
        return None
    found = np.log2(np.abs(twice[once != 0] / once[once != 0]))
    same_sign = np.sign(once) == np.sign(twice)
    return float(round(found[0], 6)) if same_sign.all() and np.ptp(found) < 1e-6 else None
