"""What the output of a network requires of its layers, found from the expression before anything is computed."""

import dataclasses
from typing import Any

import equinox as eqx

from nnlimits import nn
from nnlimits.kernels.mixing import needs_all_displacements


class Needs(eqx.Module):
    """What the output of a network requires of every layer; found from the expression before anything is computed."""

    parameterization: str = eqx.field(static=True)
    displacements: bool = eqx.field(static=True)
    """Whether it takes the covariance between different positions."""
    widths: bool = eqx.field(static=True)
    """Whether a kernel depends on the widths of the layers."""
    same: bool = eqx.field(static=True)
    """Whether a layer treats an example paired with itself apart."""


def needs(network: nn.Layer) -> Needs:
    """Read off what a network needs."""
    parameterization = network.parameterization or "ntk" if isinstance(network, nn.Sequential) else "ntk"
    words = _words(network)
    widths = parameterization != "ntk" or any(isinstance(w, nn.Concatenate) for w in words)
    everywhere = needs_all_displacements(network)
    return Needs(parameterization, everywhere, widths, any(isinstance(w, nn.Dropout) for w in words))


def _words(word: Any) -> list[Any]:
    """A word and all words inside it."""
    children = [getattr(word, f.name) for f in dataclasses.fields(word)]
    nested = [c for child in children for c in (child if isinstance(child, tuple) else (child,))]
    return [word] + [w for child in nested if isinstance(child, eqx.Module) for w in _words(child)]
