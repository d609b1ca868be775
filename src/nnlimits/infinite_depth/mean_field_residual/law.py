"""The state: laws of neurons at each depth, with the maps into and out of the flow."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.compute.precision import precision_of
from nnlimits.infinite_depth.mean_field_residual.unit import ResidualUnit
from nnlimits.nn.fields import as_integer, as_real
from nnlimits.validation import check_finite, check_inputs, check_instance, is_traced

Particles = Float[Array | np.ndarray, "layers m p"]


class EndRates(NamedTuple):
    """How fast the encoder and the readout learn, relative to the neurons; zero, as in the theory, where they are fixed."""

    encoder: float = 0.0
    readout: float = 0.0


class ResidualLaw(eqx.Module):
    """`rho(., s)` constant on each of L intervals of depth, an equal mass at each of M neurons there.

    The network `X_0 = x encoder`, `X_{l+1} = X_l + 1/(L M) sum_m f(X_l, theta_{l,m})`, outputs `X_L readout`, is a residual
    network of L blocks of width M, and the Euler method for `dX/ds = integral f(X, theta) rho(d theta, s)` (Lu, Ma, Lu, Lu &
    Ying 2020; Ding, Chen, Li & Wright 2022).

    **Arguments:** `unit`, f; `particles` (L, M, p), a row for each neuron; `encoder` (inputs, d) and `readout` (d, outputs);
    `rates` of these two in training.

    **Raises:** `TypeError` or `ValueError` for a unit that is none, shapes that do not fit or values that are not finite.
    """

    unit: ResidualUnit
    particles: Particles
    encoder: Float[Array | np.ndarray, "inputs d"]
    readout: Float[Array | np.ndarray, "d outputs"]
    rates: EndRates = eqx.field(static=True)

    def __init__(
        self, unit: ResidualUnit, particles: Any, encoder: Any, readout: Any, rates: EndRates = EndRates()
    ) -> None:
        check_instance("unit", unit, ResidualUnit)
        if np.ndim(particles) != 3 or 0 in np.shape(particles) or np.shape(particles)[2] != unit.parameters:
            raise ValueError(
                f"particles must have the shape (layers, neurons, {unit.parameters}), as those of {unit!r}; received "
                f"{np.shape(particles)}"
            )
        for name, value, axis in (("encoder", encoder, 1), ("readout", readout, 0)):
            if np.ndim(value) != 2 or np.shape(value)[axis] != unit.features:
                raise ValueError(
                    f"{name} must be a matrix with {unit.features} {('rows', 'columns')[axis]}, the features of the state; "
                    f"received shape {np.shape(value)}"
                )
        for name, value in (("particles", particles), ("encoder", encoder), ("readout", readout)):
            check_finite(name, value)
        self.unit, self.rates = unit, _as_rates(rates)
        self.particles, self.encoder, self.readout = particles, encoder, readout

    @property
    def layers(self) -> int:
        """L."""
        return self.particles.shape[0]

    @property
    def width(self) -> int:
        """M."""
        return self.particles.shape[1]

    def __call__(self, x: Float[Array | np.ndarray, "n inputs"]) -> Float[Array, "n outputs"]:
        """The outputs of the residual network, in double precision if any of `x` and the particles is.

        **Raises:** `ValueError` for inputs that do not fit, or are not finite.
        """
        x = self.check_inputs(x)
        with precision_of(x, self.particles):
            return self.outputs(jnp.asarray(x))

    def trajectories(self, x: Float[Array | np.ndarray, "n inputs"]) -> Float[Array, "nodes n d"]:
        """The states before the first block and after each, (L + 1, n, d).

        **Raises:** as `__call__`.
        """
        x = self.check_inputs(x)
        with precision_of(x, self.particles):
            return self.states(jnp.asarray(x))

    def outputs(self, x: Float[Array, "n inputs"]) -> Float[Array, "n outputs"]:
        """As `__call__`, of inputs that are known to fit, without a look at the precision."""
        last, _ = jax.lax.scan(lambda state, theta: (self.step(theta, state), None), self._start(x), self._all())
        return last @ self.readout

    def states(self, x: Float[Array, "n inputs"]) -> Float[Array, "nodes n d"]:
        """As `trajectories`, of inputs that are known to fit."""
        start = self._start(x)

        def block(state: Array, theta: Array) -> tuple[Array, Array]:
            state = self.step(theta, state)
            return state, state

        return jnp.concatenate([start[None], jax.lax.scan(block, start, self._all())[1]])

    def step(self, theta: Float[Array | np.ndarray, "m p"], state: Float[Array, "n d"]) -> Float[Array, "n d"]:
        """One block."""
        return state + self.unit.velocity(theta, state) / self.layers

    def moved(self, particles: Any, encoder: Any = None, readout: Any = None) -> "ResidualLaw":
        """The same unit elsewhere; ends that are absent stay."""
        ends = (self.encoder if encoder is None else encoder), (self.readout if readout is None else readout)
        return eqx.tree_at(lambda law: (law.particles, law.encoder, law.readout), self, (particles, *ends))

    def astype(self, dtype: Any) -> "ResidualLaw":
        """The same law with all arrays of one dtype."""
        return self.moved(*(jnp.asarray(part, dtype) for part in (self.particles, self.encoder, self.readout)))

    def check_inputs(self, x: Any) -> Any:
        """`x` as an array (n, inputs), or `ValueError`."""
        x = check_inputs("x", x)
        if x.shape[1] != self.encoder.shape[0]:
            raise ValueError(
                f"x must have {self.encoder.shape[0]} columns, the encoder's inputs; received {x.shape[1]}"
            )
        return x

    def _start(self, x: Array) -> Array:
        """The first states, in the precision that the blocks give them."""
        state = x @ self.encoder
        return state.astype(jnp.result_type(state, self.particles))

    def _all(self) -> Array:
        return jnp.asarray(self.particles)


def padded(inputs: int, features: int, dtype: Any = np.float32) -> Float[np.ndarray, "inputs features"]:
    """The encoder that sets zeros behind the inputs, so that the state has room to move.

    **Raises:** `ValueError` for fewer features than inputs.
    """
    inputs = as_integer("inputs", 1, inputs)
    if as_integer("features", 1, features) < inputs:
        raise ValueError(f"features must be at least the number of inputs, {inputs}; received {features}")
    return np.eye(inputs, features, dtype=dtype)


def last_features(features: int, outputs: int, scale: float = 1.0, dtype: Any = np.float32) -> Float[np.ndarray, "d o"]:
    """The readout that multiplies the last `outputs` features by `scale`: behind `padded`, outputs without neurons are zero.

    **Raises:** `ValueError` for fewer features than outputs, or a scale that is not finite.
    """
    outputs = as_integer("outputs", 1, outputs)
    if as_integer("features", 1, features) < outputs:
        raise ValueError(f"features must be at least the number of outputs, {outputs}; received {features}")
    return as_real("scale", scale) * np.eye(features, dtype=dtype)[:, features - outputs :]


def _as_rates(rates: Any) -> EndRates:
    if not isinstance(rates, tuple | list) or len(rates) != 2:
        raise TypeError(f"rates must be EndRates(encoder, readout), two numbers; received {rates!r}")
    encoder, readout = (
        as_real(f"the rate of the {end}", rate) for end, rate in zip(EndRates._fields, rates, strict=True)
    )
    if encoder < 0 or readout < 0:
        raise ValueError(f"rates must be finite and not negative; received {rates}")
    return EndRates(encoder, readout)


def check_law(law: Any) -> None:
    """Raise `TypeError` unless `law` is a `ResidualLaw`."""
    if not isinstance(law, ResidualLaw):
        raise TypeError(f"law must be a ResidualLaw; received {type(law).__name__}")
    if not is_traced(law.particles):
        check_finite("particles", law.particles)
