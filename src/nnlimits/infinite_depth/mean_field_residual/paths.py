"""Laws at the start: neurons as smooth functions of depth and a label, followed through all depths or drawn anew at each."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from nnlimits.compute.precision import precision_of
from nnlimits.infinite_depth.mean_field_residual.unit import ResidualUnit
from nnlimits.nn.fields import as_floating, as_integer, as_static_real
from nnlimits.validation import check_instance, check_non_negative


class Paths(eqx.Module):
    """A family of paths `theta(s, label)`, s in [0, 1], whose labels have a law: the law of neurons at depth s is its image.

    A new kind defines `labels` and `at`.
    """

    @abc.abstractmethod
    def labels(self, key: PRNGKeyArray, count: int, dtype: Any) -> Float[Array, "count k"]:
        """Independent draws."""

    @abc.abstractmethod
    def at(self, depth: Float[Array, ""], labels: Float[Array, "m k"]) -> Float[Array, "m p"]:
        """The neurons at one depth."""

    def followed(self, key: PRNGKeyArray, layers: int, width: int, dtype: Any = np.float32) -> Float[Array, "L M p"]:
        """Neuron m of all layers is one path at the depths (l + 1/2)/L: layers are not independent, neighbours are alike.

        **Raises:** `ValueError` or `TypeError` for numbers out of range.
        """
        layers, width = as_integer("layers", 1, layers), as_integer("width", 1, width)
        dtype = as_floating(dtype)
        with precision_of(np.empty(0, dtype)):
            return self.at_labels(self.labels(key, width, dtype), layers)

    def independent(self, key: PRNGKeyArray, layers: int, width: int, dtype: Any = np.float32) -> Float[Array, "L M p"]:
        """Neurons of each layer are drawn anew from the law at its depth, as by `init` of a residual network.

        **Raises:** `ValueError` or `TypeError` for numbers out of range.
        """
        layers, width = as_integer("layers", 1, layers), as_integer("width", 1, width)
        dtype = as_floating(dtype)
        with precision_of(np.empty(0, dtype)):
            labels = self.labels(key, layers * width, dtype).reshape(layers, width, -1)
            return jax.vmap(self.at)(depths(layers, dtype), labels)

    def at_labels(self, labels: Float[Array | np.ndarray, "m k"], layers: int) -> Float[Array, "L m p"]:
        """The paths of given labels at the middles of `layers` intervals."""
        labels = jnp.asarray(labels)
        return jax.vmap(lambda depth: self.at(depth, labels))(depths(layers, labels.dtype))


def depths(layers: int, dtype: Any = np.float32) -> Float[Array, " layers"]:
    """The middles of equal intervals of [0, 1]."""
    return (jnp.arange(layers, dtype=dtype) + 0.5) / layers


class GaussianPaths(Paths):
    """`theta(s) = cos(pi s) theta_1 + sin(pi s) theta_2`, both Gaussian and independent: at any depth the law is the same
    Gaussian.

    Its density is positive everywhere, the condition on the start in Lu et al. 2020 and Ding et al. 2022:
    full support in the parameters.

    **Arguments:** `unit`; `w_std`, so that `<w, x>` has the variance `w_std^2 |x|^2 / d`; `b_std`; `a_std`, of each entry;
    `a_std` of zero starts at the identity, with full support in `w` and `b` only.

    **Raises:** `TypeError` for another unit; `ValueError` for numbers that are negative or not finite.
    """

    unit: ResidualUnit
    w_std: float = eqx.field(static=True)
    b_std: float = eqx.field(static=True)
    a_std: float = eqx.field(static=True)

    def __init__(self, unit: ResidualUnit, w_std: float = 1.0, b_std: float = 1.0, a_std: float = 1.0) -> None:
        check_instance("unit", unit, ResidualUnit)
        for name, value in (("w_std", w_std), ("b_std", b_std), ("a_std", a_std)):
            check_non_negative(name, value)
        self.unit, self.w_std, self.b_std, self.a_std = unit, float(w_std), float(b_std), float(a_std)

    def labels(self, key: PRNGKeyArray, count: int, dtype: Any) -> Float[Array, "count k"]:
        """Pairs of standard normal vectors."""
        return jax.random.normal(key, (count, 2 * self.unit.parameters), dtype)

    def at(self, depth: Float[Array, ""], labels: Float[Array, "m k"]) -> Float[Array, "m p"]:
        """Both vectors, turned into each other by depth."""
        first, second = jnp.split(labels, 2, -1)
        return (jnp.cos(jnp.pi * depth) * first + jnp.sin(jnp.pi * depth) * second) * self._stds(labels.dtype)

    def _stds(self, dtype: Any) -> Float[np.ndarray, " p"]:
        d = self.unit.features
        parts = [np.full(d, self.w_std / np.sqrt(d)), np.full(int(self.unit.bias), self.b_std), np.full(d, self.a_std)]
        return np.concatenate(parts).astype(dtype)


class TorusPaths(Paths):
    """Smooth functions of two angles, for which equal angles integrate to rounding: a law with a limit that is known exactly.

    `theta(s) = amplitude (sum of sines of the angles and of depth)`, the phases of each parameter drawn once from `seed`.

    **Arguments:** `unit`; `amplitude`; `seed`.

    **Raises:** `TypeError` or `ValueError` for arguments that do not fit.
    """

    unit: ResidualUnit
    amplitude: float = eqx.field(static=True, default=1.0)
    seed: int = eqx.field(static=True, default=0)

    def __init__(self, unit: ResidualUnit, amplitude: float = 1.0, seed: int = 0) -> None:
        check_instance("unit", unit, ResidualUnit)
        amplitude, seed = as_static_real("amplitude", amplitude), as_integer("seed", 0, seed)
        self.unit, self.amplitude, self.seed = unit, amplitude, seed

    def labels(self, key: PRNGKeyArray, count: int, dtype: Any) -> Float[Array, "count 2"]:
        """Uniform in the unit square: angles in turns."""
        return jax.random.uniform(key, (count, 2), dtype)

    def grid(self, side: int, dtype: Any = np.float64) -> Float[np.ndarray, "m 2"]:
        """`side^2` labels of equal mass that integrate smooth functions with an error that falls exponentially in `side`."""
        ticks = (np.arange(as_integer("side", 1, side)) + 0.5) / side
        return np.stack(np.meshgrid(ticks, ticks, indexing="ij"), -1).reshape(-1, 2).astype(dtype)

    def at(self, depth: Float[Array, ""], labels: Float[Array, "m 2"]) -> Float[Array, "m p"]:
        """Sums of sines."""
        draw = np.random.default_rng(self.seed)
        p = self.unit.parameters
        phases = draw.uniform(0, 2 * np.pi, (3, p)).astype(labels.dtype)
        first, second = 2 * np.pi * labels[:, :1], 2 * np.pi * labels[:, 1:]
        slopes = draw.choice([-1.0, 1.0], p).astype(labels.dtype)
        waves = jnp.sin(first + phases[0] + 2 * depth * slopes) + jnp.sin(second + phases[1] - depth)
        return self.amplitude * (waves + jnp.sin(first + second + phases[2]) * (depth - 0.5) + 0.3 * jnp.sin(3 * depth))
