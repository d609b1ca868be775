"""What an abc-parameterization becomes at infinite width: unstable, trivial, a kernel method, or a learner of features."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from nnlimits.nn.fields import as_static_real
from nnlimits.training.width_exponents import TOLERANCE, LayerExponents, count, layer_exponents

Regime = Literal["unstable", "trivial", "kernel", "feature learning"]


class Classification(NamedTuple):
    """The regime of an abc-parameterization under stochastic gradient descent."""

    regime: Regime
    r: float
    """The exponent with which the last features change, `n^-r` (Yang & Hu 2021, section 3)."""
    reason: str


def classify(parameterization: Any, depth: int) -> Classification:
    """The infinite-width limit of a multilayer perceptron under stochastic gradient descent (Yang & Hu 2021, section 3).

    A parameterization is *unstable* if preactivations or outputs grow with the width, *trivial* if the outputs do not
    change in training; else it is in the *kernel* regime (r > 0) or it is *feature learning* (r = 0), never both (the
    dynamical dichotomy, their corollary 3.9).

    **Arguments:** `parameterization`, a name or an `nn.ABC`; `depth`, the number of hidden layers, at least 1.

    **Returns:** `Classification`, with r and the reason.

    **Raises:** `ValueError` for an unknown parameterization or a depth below 1.
    """
    layers = layer_exponents(parameterization, depth)
    return classify_layers(layers.a, layers.b, layers.c)


def classify_layers(a: Sequence[Any], b: Sequence[Any], c: Any) -> Classification:
    """As `classify`, with exponents of each layer of weights, from the input to the output.

    **Arguments:** `a` and `b`, of equal length, 2 or more; `c`, one number for all layers, or one a layer.

    **Raises:** `ValueError` for lengths that do not fit.
    """
    c = list(c) if isinstance(c, Sequence) else [c] * len(a)
    if not len(a) == len(b) == len(c) >= 2:
        raise ValueError(
            f"a, b and c need one exponent for each layer of weights, at least two; received {len(a)}, {len(b)} and {len(c)}"
        )
    values = (tuple(as_static_real(name, x) for x in column) for name, column in (("a", a), ("b", b), ("c", c)))
    layers = _at_rate_one(LayerExponents(*values))
    found = _at_initialization(layers)
    return _in_training(layers) if found is None else found


def exponent_r(layers: LayerExponents) -> float:
    """r of Yang & Hu 2021, section 3, with every layer's learning rate moved into its `a` and `b`."""
    a, b, _ = _at_rate_one(layers)
    features = min([2 * a[0] + 1, *(2 * a_l for a_l in a[1:-1])])
    return min(a[-1] + b[-1], 2 * a[-1]) - 1 + features


def _at_rate_one(layers: LayerExponents) -> LayerExponents:
    """The same training with c = 0, by the symmetry (a + t, b - t, c - 2t) of each layer (their section 3)."""
    a, b, c = layers
    return LayerExponents(
        tuple(x + rate / 2 for x, rate in zip(a, c, strict=True)),
        tuple(x - rate / 2 for x, rate in zip(b, c, strict=True)),
        (0.0,) * len(c),
    )


def _at_initialization(layers: LayerExponents) -> Classification | None:
    """The regime, where it is decided by the sizes at initialization (their stability condition)."""
    a, b, _ = layers
    r = exponent_r(layers)
    order = 0.0
    for layer, (a_l, b_l) in enumerate(zip(a[:-1], b[:-1], strict=True), start=1):
        order += a_l + b_l - (0.0 if layer == 1 else 0.5)
        if order < -TOLERANCE:
            return Classification(
                "unstable", r, f"preactivations of layer {layer} grow as n^{-order:g} at initialization"
            )
        if order > TOLERANCE:
            return _vanishing(layers, r, f"preactivations of layer {layer} vanish as n^{-order:g} at initialization")
    order = a[-1] + b[-1] - 0.5
    if order < -TOLERANCE:
        return Classification("unstable", r, f"the output grows as n^{-order:g} at initialization")
    return None


def _vanishing(layers: LayerExponents, r: float, reason: str) -> Classification:
    """Outside the theorem, whose features are of order one at initialization: by power counting."""
    found = count(layers, "sgd")
    if not found.stable:
        return Classification("unstable", r, f"{reason}, and training makes them or the output grow without bound")
    if found.change[-1] < -TOLERANCE:
        return Classification("trivial", r, f"{reason}, and the output changes as n^{found.change[-1]:g} only")
    moves = any(
        change >= initial - TOLERANCE for initial, change in zip(*found, strict=True) if initial != found.initial[-1]
    )
    regime: Regime = "feature learning" if moves else "kernel"
    return Classification(regime, r, f"{reason}, and training changes the output at order one")


def _in_training(layers: LayerExponents) -> Classification:
    """Their conditions of stability and nontriviality in training, and corollary 3.9, where features start at order one."""
    a, b, _ = layers
    r = exponent_r(layers)
    if r < -TOLERANCE:
        return Classification("unstable", r, f"r = {r:g} < 0: features grow as n^{-r:g} in training")
    readout, features = 2 * a[-1] - 1, a[-1] + b[-1] + r - 1
    if readout < -TOLERANCE:
        return Classification("unstable", r, f"the readout's own training makes the output grow as n^{-readout:g}")
    if features < -TOLERANCE:
        return Classification("unstable", r, f"the change of the features makes the output grow as n^{-features:g}")
    if min(readout, features) > TOLERANCE:
        return Classification("trivial", r, f"the output changes as n^{-min(readout, features):g} only")
    if r > TOLERANCE:
        return Classification("kernel", r, f"r = {r:g} > 0: the output changes at order one, features as n^{-r:g}")
    return Classification("feature learning", r, "r = 0: features and output change at order one")
