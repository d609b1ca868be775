"""Mercer spectra of both kernels of a network on spheres, with the decay that theory promises."""

import math
from typing import NamedTuple

import nnlimits as nl
from nnlimits import nn
from nnlimits.progress import Advance, ignore
from nnlimits.rkhs.decay import Decay, spectral_decay
from nnlimits.rkhs.mercer import MercerSpectrum, mercer


class SphereSpectra(NamedTuple):
    """The spectra of a network's kernels, by name."""

    spectra: dict[str, MercerSpectrum]
    """Of `"NTK"` and `"NNGP"`."""
    decays: dict[str, Decay | None]
    """`None` where no singularity of a known kind was found."""

    def exponent(self, name: str) -> float:
        """The promised exponent, infinite for a smooth kernel, NaN where none is known."""
        decay = self.decays[name]
        return math.nan if decay is None else decay.exponent


def sphere_spectra(
    network: nn.Layer,
    dimension: int,
    degrees: int = 60,
    *,
    radius: int | float | None = None,
    advance: Advance = ignore,
) -> SphereSpectra:
    """The Mercer spectra of a network's NTK and NNGP, and what their singularities promise at high degrees.

    **Arguments:** `network`, fully connected; the others as of `mercer`; `advance`, told of each kernel.

    **Raises:** as `mercer`.
    """
    kernel, spectra, decays = nl.kernel(network), {}, {}
    for name, function in (("NTK", kernel.ntk), ("NNGP", kernel.nngp)):
        spectra[name] = mercer(function, dimension, degrees, radius=radius)
        try:
            decays[name] = spectral_decay(function, dimension, radius=radius)
        except ValueError:  # a singularity of another kind, of which the spectrum still is what it is
            decays[name] = None
        advance(name)
    return SphereSpectra(spectra, decays)
