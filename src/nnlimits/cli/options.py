"""Options that commands share: those of presets."""

from typing import Annotated, Any

import typer

Depth = Annotated[int | None, typer.Option(help="Preset: number of hidden layers.")]
Width = Annotated[int | None, typer.Option(help="Preset: their width.")]
Blocks = Annotated[int | None, typer.Option(help="Preset: number of blocks, of wide_resnet and transformer_encoder.")]
KernelSize = Annotated[int | None, typer.Option(help="Preset: size of convolutions, of cnn.")]
Activation = Annotated[str | None, typer.Option(help="Preset: activation, such as relu or tanh.")]
WStd = Annotated[float | None, typer.Option(help="Preset: scale of the hidden layers' weights.")]
BStd = Annotated[float | None, typer.Option(help="Preset: scale of the hidden layers' biases.")]


def given(**options: Any) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}
