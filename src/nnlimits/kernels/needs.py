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
    parameterization = kernel_parameterization(network)
    words = _words(network)
    widths = parameterization != "ntk" or any(isinstance(w, nn.Concatenate) for w in words)
    everywhere = needs_all_displacements(network)
    return Needs(parameterization, everywhere, widths, any(isinstance(w, nn.Dropout) for w in words))


def kernel_parameterization(network: nn.Layer) -> str:
    """Which of the two parameterizations with a kernel limit a network has, `"ntk"` or `"standard"`.

    **Raises:** `NotImplementedError` for others, naming the parameterization and what would work.
    """
    given = network.parameterization if isinstance(network, nn.Sequential) else "ntk"
    for name in _WITH_KERNELS:
        if given == name or given == nn.ABC.named(name):
            return name
    why = _WITHOUT_KERNELS.get(given, _NO_RULES) if isinstance(given, str) else _NO_RULES
    raise NotImplementedError(
        f"a network with parameterization={given!r} has no infinite-width kernel (NNGP and NTK) here: {why}. For the "
        "kernel limit of the same layers take parameterization='ntk' or 'standard'; finite networks in this "
        "parameterization can be trained (nnlimits.training), and their kernels estimated (nnlimits.empirical)"
    )


_WITH_KERNELS = ("ntk", "standard")
_NO_RULES = "only 'ntk' and 'standard' have rules for it"
_WITHOUT_KERNELS = {
    "mup": "at infinite width it learns features, and its outputs at initialization vanish",
    "mean_field": "at infinite width it follows mean-field dynamics, and its outputs at initialization vanish",
}


def _words(word: Any) -> list[Any]:
    """A word and all words inside it."""
    children = [getattr(word, f.name) for f in dataclasses.fields(word)]
    nested = [c for child in children for c in (child if isinstance(child, tuple) else (child,))]
    return [word] + [w for child in nested if isinstance(child, eqx.Module) for w in _words(child)]
