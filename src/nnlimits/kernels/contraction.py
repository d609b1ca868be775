"""Whether the equilibrium networks in an expression have a kernel at given inputs; and an error that says why not."""

import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnlimits import nn
from nnlimits.compute.precision import precision_of
from nnlimits.kernels import evaluate
from nnlimits.kernels.blocks import LayerRow, flatten
from nnlimits.kernels.equilibrium import growth, largest_growth, of_one_input, settled_variance
from nnlimits.kernels.first_layers import unwrapped
from nnlimits.kernels.grids import members
from nnlimits.kernels.images import Images, image_variance
from nnlimits.kernels.inputs import input_variance
from nnlimits.kernels.needs import needs
from nnlimits.kernels.per_input import record
from nnlimits.kernels.rules import covariance_rule
from nnlimits.nn.slopes import Slopes, slopes
from nnlimits.validation import is_traced

_AT_ONCE = 512
_SLACK = 1.05
"""By how much the bound of a norm in `nn.NormBound` may be above the norm."""


def check_equilibria(network: nn.Layer, x: Any) -> None:
    """Raise `NotImplementedError` for a constrained cell whose limit is not known, and `ValueError` where a cell does not
    contract at one of the inputs `x`, if they are not traced.
    """
    found = [word for word in jax.tree.leaves(network, is_leaf=_is_equilibrium) if _is_equilibrium(word)]
    for layer in found:
        _check_constraint(layer.cell)
    if not found or is_traced(network, x):
        return
    for before, layer in _equilibria((), (unwrapped(network),)):
        _check_growth(network, before, layer, x)


def _equilibria(before: LayerRow, row: LayerRow) -> Iterator[tuple[LayerRow, nn.Equilibrium]]:
    """Every equilibrium in a row, with the layers that come before it from the input on; of a `Repeat`, in the first and in the
    last block.
    """
    for layer in flatten(row):
        if isinstance(layer, nn.Equilibrium):
            yield before, layer
        for start, inside in _inside(layer):
            yield from _equilibria((*before, *start), (inside,))
        before = (*before, layer)


def _inside(layer: nn.Layer) -> list[tuple[LayerRow, nn.Layer]]:
    """The layers inside one that see its input, or what the layers paired with them make of it."""
    if isinstance(layer, nn.Repeat):
        block = layer.resolved_block()
        last = [((nn.Repeat(block, layer.depth - 1),), block)] if 1 < layer.depth < math.inf else []
        return [((), block), *last]
    if isinstance(layer, nn.Equilibrium):
        return [((), layer.cell.injection)]
    return [((), member) for member in members(layer)]


def _is_equilibrium(word: Any) -> bool:
    return isinstance(word, nn.Equilibrium)


def _check_constraint(cell: nn.Cell) -> None:
    """A bound of the norm that never binds changes nothing: Gaussian weights of n units have the norm `2 w_std` for large n."""
    constraint, recurrent, bounds = cell.constraint, cell.recurrent, slopes(cell.activation)
    if constraint is None:
        return
    if isinstance(constraint, nn.NormBound) and isinstance(recurrent, nn.Dense) and bounds is not None:
        small = not is_traced(cell, bounds) and _norm(recurrent, bounds) <= constraint.bound
        if small:
            return
    raise NotImplementedError(
        f"nn.Cell with constraint={constraint!r} has no kernel rule at infinite width: the constraint changes the law of its "
        "recurrent weights. A cell without one has a kernel where w_std^2 E[phi'^2] < 1; nn.NormBound changes nothing, and is "
        "taken, where the recurrent layer is an nn.Dense whose norm 2 w_std, times the largest slope of the activation, is below "
        "the bound by 5%"
    )


def _norm(recurrent: nn.Dense, bounds: Slopes) -> float:
    """What the bound of the norm may be at large widths, times the Lipschitz constant of the activation."""
    return 2 * float(recurrent.w_std) * float(bounds.lipschitz) * _SLACK


def _check_growth(network: nn.Layer, before: tuple[nn.Layer, ...], layer: nn.Equilibrium, x: Any) -> None:
    x = np.asarray(x)
    for start in range(0, len(x), _AT_ONCE):
        part = x[start : start + _AT_ONCE]
        if start:  # of one shape, so that it is compiled once
            part = np.concatenate([part, np.repeat(part[:1], _AT_ONCE - len(part), 0)])
        with precision_of(part):
            chi = np.asarray(_growth(evaluate.prepare(nn.Sequential(*before, layer), part.dtype), jnp.asarray(part)))
        if not (chi < largest_growth(part.dtype)).all():
            worst = int(np.argmax(np.where(np.isnan(chi), np.inf, chi)))
            infinite = "is not finite, as the variance of its state grows without bound"
            margin = f" by {1 - largest_growth(part.dtype):.2g}" if chi[worst] < 1 else ""
            near = f"is below 1 by {1 - chi[worst]:.2g} only, too near for {part.dtype}"
            factor = infinite if np.isnan(chi[worst]) else near if chi[worst] < 1 else f"is {chi[worst]:.4g}"
            raise ValueError(
                f"the cell of nn.Equilibrium does not contract at input {min(start + worst, len(x) - 1)}: "
                f"chi = w_std^2 E[phi'^2], by which a small change of the state grows from layer to layer, {factor}, where its "
                f"kernel needs less than 1{margin}. Take a smaller w_std in the recurrent layer {layer.cell.recurrent!r}"
            )


@jax.jit
def _growth(network: nn.Sequential, x: jax.Array) -> jax.Array:
    """The factor of the last layer, an equilibrium, at every input."""
    *before, layer = network.layers
    assert isinstance(layer, nn.Equilibrium)
    inputs = evaluate.inputs_of(network, x)

    def factor() -> jax.Array:
        alone = image_variance if isinstance(inputs, Images) else input_variance
        state = alone(inputs, ntk=False, keep_same=needs(network).same)  # pyright: ignore[reportArgumentType]
        state = covariance_rule(nn.Sequential(*before), state, needs(network).parameterization)
        drive = covariance_rule(layer.cell.injection, state, needs(network).parameterization)
        q = settled_variance(layer.cell, drive, needs(network).parameterization, drive.q1)
        return growth(layer.cell, of_one_input(drive, drive.q1, None), needs(network).parameterization, q)

    chi = record(factor)[0]
    return chi.reshape(-1, chi.shape[-1]).max(0)
