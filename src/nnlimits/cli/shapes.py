"""The shape of the examples that a network is explained with."""

from nnlimits import nn
from nnlimits.cli.networks import PRESET_SHAPES


def parsed(text: str) -> tuple[int, ...]:
    """A shape written as `32,32,3`.

    **Raises:** `ValueError` unless it is a list of positive integers.
    """
    try:
        shape = tuple(int(size) for size in text.split(","))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise ValueError(
            f"--input-shape must be positive integers with commas between, such as 32,32,3; received {text!r}"
        )
    return shape


def of(
    name: str, network: nn.Layer, wanted: tuple[int, ...] | None, of_data: tuple[int, ...] | None
) -> tuple[int, ...]:
    """The shape that is wanted, that of the data, or a usual one of the network, the first of these that is known.

    **Raises:** `ValueError` if the network cannot take it, or its outputs have positions.
    """
    shape = wanted or of_data or PRESET_SHAPES.get(name, (64,))
    try:
        output = network.output_shape(shape)
    except ValueError as error:
        known = wanted or of_data
        hint = "" if known else "; give the shape of an example with --input-shape"
        raise ValueError(f"{name} cannot take examples of shape {shape}: {error}{hint}") from None
    if len(output) != 1:
        raise ValueError(
            f"{name} gives examples of shape {shape} outputs with positions, {output}; a kernel needs outputs without: end it in "
            "nn.Flatten() or nn.GlobalAvgPool(), and an nn.Dense"
        )
    return shape
