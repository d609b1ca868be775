"""Options that commands share: the network, those of presets, and data."""

from typing import Annotated, Any

import typer

NETWORK_HELP = "A preset such as mlp or cnn, or a file: Python that defines net, or a model saved by PyTorch (.pt)."
Network = Annotated[str, typer.Argument(help=NETWORK_HELP, metavar="NETWORK")]

Depth = Annotated[int | None, typer.Option(help="Preset: number of hidden layers.")]
Width = Annotated[int | None, typer.Option(help="Preset: their width.")]
Blocks = Annotated[int | None, typer.Option(help="Preset: number of blocks, of wide_resnet and transformer_encoder.")]
KernelSize = Annotated[int | None, typer.Option(help="Preset: size of convolutions, of cnn.")]
Activation = Annotated[str | None, typer.Option(help="Preset: activation, such as relu or tanh.")]
WStd = Annotated[float | None, typer.Option(help="Preset: scale of the hidden layers' weights.")]
BStd = Annotated[float | None, typer.Option(help="Preset: scale of the hidden layers' biases.")]
Target = Annotated[str | None, typer.Option(help="Column or array of the data that is to be predicted.")]


def given(**options: Any) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}
