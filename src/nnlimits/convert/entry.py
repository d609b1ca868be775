"""What the conversions from all libraries begin and end with."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Shaped

from nnlimits import nn
from nnlimits.convert.conversion import SCALES, Conversion, NeedsTracing, Unsupported
from nnlimits.convert.rules import by_rule
from nnlimits.nn.fields import as_integer


def checked(registry: Any, input_shape: Any, scales: Any) -> tuple[Conversion, tuple[int, ...] | None]:
    """The conversion of a whole model, and the shape of one example if it is known."""
    if scales not in SCALES:
        raise ValueError(f"scales must be 'weights' or 'initializer'; received {scales!r}")
    if input_shape is not None:
        if not isinstance(input_shape, tuple | list) or not input_shape:
            raise TypeError(
                f"input_shape must be a tuple such as (3, 32, 32), the batch axis left out; received {input_shape!r}"
            )
        input_shape = tuple(as_integer(f"input_shape[{i}]", 1, size) for i, size in enumerate(input_shape))
    return Conversion("model", scales, partial(by_rule, registry)), input_shape


def expressed(
    module: Any,
    conversion: Conversion,
    input_shape: tuple[int, ...] | None,
    by_tracing: Callable[[tuple[int, ...]], nn.Layer],
) -> nn.Sequential:
    """The whole network: by the rules of its modules, or by tracing where a module has none."""
    try:
        layer = conversion.rule(module, conversion)
    except NeedsTracing:
        if input_shape is None:
            raise
        layer = by_tracing(input_shape)
    return nn.Sequential(*_row(layer), parameterization="standard")


def _row(layer: nn.Layer) -> list[nn.Layer]:
    """A layer as a row, without nested rows and identities."""
    if isinstance(layer, nn.Sequential):
        return [inner for each in layer.layers for inner in _row(each)]
    if isinstance(layer, nn.Residual):
        return [nn.Residual(_one(layer.body), _one(layer.shortcut))]
    if isinstance(layer, nn.Parallel):
        return [nn.Parallel(*map(_one, layer.branches), merge=layer.merge)]
    return [] if isinstance(layer, nn.Identity) else [layer]


def _one(layer: nn.Layer) -> nn.Layer:
    row = _row(layer)
    return Conversion.sequence(row) if row else nn.Identity()


def check_untied(parts: Iterable[tuple[str, Any]]) -> None:
    """Raise where one array of parameters is in several places, given as pairs of a place and an array."""
    places: dict[int, str] = {}
    for place, array in parts:
        other = places.setdefault(id(array), place)
        if other != place:
            raise Unsupported(
                f"{place}: these are the parameters of {other} again; layers of the language have weights of their own"
            )


def channels_last(x: Any) -> Shaped[np.ndarray, "n ..."]:
    """A batch of images (n, C, *positions), as PyTorch and Equinox take them, as one (n, *positions, C) for the language."""
    return np.moveaxis(np.asarray(x), 1, -1)
