"""How the sizes of preactivations, and of their changes in training, scale with width: power counting, layer by layer.

A coordinate of size `n^-x` has order x. Sums of n independent terms of order x have order `x - 1/2`, sums of n aligned ones
`x - 1`: initial weights meet activations and gradients independently, what training has added to the weights is aligned
with them (Yang & Hu 2021, section 4 and appendix H; for Adam, Yang & Littwin 2023).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from nnlimits.nn.abc_parameterization import OPTIMIZERS, as_abc
from nnlimits.nn.fields import as_integer

TOLERANCE = 1e-9
"""Below this a difference of exponents is rounding."""


class WidthExponents(NamedTuple):
    """Exponents of the width n in typical sizes of coordinates, one for each hidden layer and one for the output."""

    initial: tuple[float, ...]
    """Of the preactivations at initialization."""
    change: tuple[float, ...]
    """Of their change after some steps of training; infinite where it grows without bound from step to step."""

    @property
    def stable(self) -> bool:
        """Whether nothing grows with the width."""
        return max(*self.initial, *self.change) <= TOLERANCE


class LayerExponents(NamedTuple):
    """The exponents of an abc-parameterization, one for each layer of weights from the input to the output."""

    a: tuple[float, ...]
    b: tuple[float, ...]
    c: tuple[float, ...]


class _Orders(NamedTuple):
    """Orders of coordinates at one time of training; `added` to the weights, `gradient` in the preactivations."""

    activation: tuple[float, ...]
    gradient: tuple[float, ...]
    added: tuple[float, ...]
    change: tuple[float, ...]


def layer_exponents(parameterization: Any, depth: int, optimizer: str = "sgd") -> LayerExponents:
    """The exponents of each of the `depth + 1` weights of a multilayer perceptron with `depth` hidden layers.

    **Raises:** `ValueError` for an unknown parameterization or optimizer, or a depth below 1.
    """
    abc = as_abc(parameterization, optimizer)
    roles = (abc.input, *(abc.hidden,) * (as_integer("depth", 1, depth) - 1), abc.output)
    return LayerExponents(*(tuple(column) for column in zip(*roles, strict=True)))


def width_exponents(
    parameterization: Any, depth: int, optimizer: str = "sgd", *, steps: int | None = None
) -> WidthExponents:
    """The exponents that a multilayer perceptron without biases has under an abc-parameterization, by power counting.

    All hidden layers have one width n; activations are of the order of their arguments, and the gradient of the loss in the
    outputs is of order zero.

    **Arguments:** `parameterization`, a name or an `nn.ABC`; `depth`, the number of hidden layers, at least 1; `optimizer`,
    `"sgd"` or `"adam"`; `steps` of training, at least 1, or `None` for any number: a stable parameterization has the same
    exponents from the second step on at the latest, an unstable one grows from step to step.

    **Returns:** `WidthExponents`, of `depth` hidden layers and the output.

    **Raises:** as `layer_exponents`.
    """
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"optimizer must be one of {', '.join(map(repr, OPTIMIZERS))}; received {optimizer!r}")
    steps = None if steps is None else as_integer("steps", 1, steps)
    return count(layer_exponents(parameterization, depth, optimizer), optimizer, steps)


def count(layers: LayerExponents, optimizer: str, steps: int | None = None) -> WidthExponents:
    """Power counting for exponents given layer by layer; each may be any."""
    depth = len(layers.a) - 1
    untouched = (float("inf"),) * (depth + 1)
    start = _forward(layers, untouched, untouched, (0.0,) * (depth + 1))
    orders = start
    for _ in range(4 * (depth + 2) if steps is None else steps):
        previous, orders = orders, _step(layers, orders, optimizer)
        if _settled(previous.change, orders.change):
            break
    else:
        if steps is None:
            orders = orders._replace(change=(-float("inf"),) * (depth + 1))
    return WidthExponents(tuple(0 - x for x in start.activation[1:]), tuple(0 - x for x in orders.change))


def _step(layers: LayerExponents, orders: _Orders, optimizer: str) -> _Orders:
    """The orders after one more step: weights move along the gradient, activations with the weights."""
    a, b, c = layers
    gradient = [0.0]
    for k in range(len(a) - 1, 0, -1):
        terms = 0.0 if k == len(a) - 1 else 1.0  # one output: a product, not a sum of n
        own = min(a[k] + b[k] - terms / 2, a[k] + orders.added[k] - terms)
        gradient.insert(0, own + gradient[0])
    moved = tuple(
        c[k] if optimizer == "adam" else c[k] + a[k] + gradient[k] + orders.activation[k] for k in range(len(a))
    )
    added = tuple(map(min, orders.added, moved))
    return _forward(layers, added, tuple(gradient), orders.activation)


def _forward(
    layers: LayerExponents, added: Sequence[float], gradient: tuple[float, ...], before: Sequence[float]
) -> _Orders:
    """Activations of the weights, initial and added; the inputs are of order zero and of fixed number.

    What was added to weights is aligned with the activations `before`, from which it was made, and not with their change since.
    """
    a, b, _ = layers
    activation, change = [0.0], [float("inf")]
    for k in range(len(a)):
        sums = 0.0 if k == 0 else 1.0
        last = k == len(a) - 1
        initial = a[k] + b[k] - sums / 2 + activation[-1]
        from_weights = a[k] + added[k] - sums + min(before[k], change[-1] + sums / 2)
        # the readout's initial weights are aligned with the change of its inputs, which is along the gradient
        from_below = a[k] + b[k] - (sums if last else sums / 2) + change[-1]
        change.append(min(from_weights, from_below))
        activation.append(min(initial, change[-1]))
    return _Orders(tuple(activation), gradient, tuple(added), tuple(change[1:]))


def _settled(before: Sequence[float], after: Sequence[float]) -> bool:
    return all(x == y or abs(x - y) < TOLERANCE for x, y in zip(before, after, strict=True))
