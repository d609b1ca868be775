"""The same law with other numbers of layers and neurons."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from nnlimits.compute.precision import precision_of
from nnlimits.infinite_depth.mean_field_residual.law import ResidualLaw, check_law
from nnlimits.nn.fields import as_integer


def with_layers(law: ResidualLaw, layers: int) -> ResidualLaw:
    """The law with `layers` intervals: each neuron's path through depth, linear between the middles of the old intervals.

    Before the first and after the last middle the path goes on along its line. For neurons that are followed through depth,
    as of `Paths.followed`, the outputs change by O(1/L); for independent ones there is no path to follow: see `with_copies`.

    **Raises:** `TypeError` or `ValueError` for a number out of range.
    """
    check_law(law)
    layers, old = as_integer("layers", 1, layers), law.layers
    if old == 1:
        return with_copies(law, layers)
    places = (np.arange(layers) + 0.5) / layers * old - 0.5
    left = np.clip(np.floor(places), 0, old - 2).astype(int)
    with precision_of(law.particles):
        particles = jnp.asarray(law.particles)
        share = jnp.asarray(places - left, particles.dtype)[:, None, None]
        return law.moved((1 - share) * particles[left] + share * particles[left + 1])


def with_copies(law: ResidualLaw, layers: int) -> ResidualLaw:
    """The same law constant on the same intervals, cut into `layers` ones: a multiple of those there are.

    As their number grows the residual network becomes the flow of `ode_trajectories`, with an error of order 1/L.

    **Raises:** `ValueError` if `layers` is not a multiple.
    """
    check_law(law)
    if as_integer("layers", 1, layers) % law.layers:
        raise ValueError(f"layers must be a multiple of the {law.layers} there are; received {layers}")
    with precision_of(law.particles):
        return law.moved(jnp.repeat(jnp.asarray(law.particles), layers // law.layers, axis=0))


def with_width(law: ResidualLaw, width: int, key: PRNGKeyArray) -> ResidualLaw:
    """`width` neurons of those there are, each as often as any other or once more, drawn by `key`: the same paths at all depths,
    so that they stay smooth.

    Outputs change by O(width^(-1/2)); where `width` is a multiple of the number there are, by less: each is copied as often as
    any other, and outputs do not change at all.

    **Raises:** `TypeError` or `ValueError` for a number out of range.
    """
    import jax

    check_law(law)
    copies, rest = divmod(as_integer("width", 1, width), law.width)
    chosen = np.tile(np.arange(law.width), copies)
    if rest:
        chosen = np.concatenate([chosen, np.asarray(jax.random.choice(key, law.width, (rest,), replace=False))])
    with precision_of(law.particles):
        return law.moved(_pick(law.particles, chosen))


def _pick(particles: Float[Array | np.ndarray, "L M p"], chosen: np.ndarray) -> Float[Array, "L m p"]:
    return jnp.asarray(particles)[:, chosen]
