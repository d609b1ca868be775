"""A network named on the command line: a preset with its options, or a Python file that defines `net`."""

import dataclasses
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnlimits import nn, presets
from nnlimits.cli import model_files
from nnlimits.estimators.layout import reads_tokens

PRESET_SHAPES = {
    "mlp": (64,),
    "cnn": (32, 32, 3),
    "wide_resnet": (32, 32, 3),
    "myrtle": (32, 32, 3),
    "rnn": (16, 8),
    "transformer_encoder": (16, 8),
    "gcn": (16, 24),
}
"""Examples that a preset is explained with, if nothing is said of them: features, images, sequences, graphs of 16 nodes."""

FOR_IMAGES = ("cnn", "wide_resnet", "myrtle")


def resolve(name: str, options: Mapping[str, Any]) -> nn.Layer:
    """The network `name`, which ends in `.py`, `.pt` or `.pth` if it is a file.

    **Arguments:** `options` of a preset; those that are `None` were not given. An `activation` is a name.

    **Raises:** `ValueError` or `FileNotFoundError` that says what would work.
    """
    given = {key: value for key, value in options.items() if value is not None}
    if Path(name).suffix in model_files.SUFFIXES:
        if given:
            raise ValueError(f"{_spelled(given)} belong to presets; {name} says everything about its network itself")
        return model_files.read(Path(name))
    functions = presets.NAMED
    if name not in functions:
        raise ValueError(
            f"there is no preset {name!r}; there are {', '.join(sorted(functions))}; for a network of your own, give "
            "the path of a Python file that defines net"
        )
    if "activation" in given:
        given["activation"] = activation(given["activation"])
    accepted = inspect.signature(functions[name]).parameters
    if unknown := {key: value for key, value in given.items() if key not in accepted}:
        raise ValueError(f"the preset {name} takes no {_spelled(unknown)}")
    return functions[name](**given)


def activation(name: str) -> nn.Layer:
    """The activation `name`, upper and lower case alike.

    **Raises:** `ValueError` that lists all activations.
    """
    activations = {}
    for word in map(nn.__dict__.get, nn.__all__):
        if inspect.isclass(word) and issubclass(word, nn.Activation) and not _required(word):
            activations[word.__name__.lower()] = word
    if name.lower() not in activations:
        raise ValueError(
            f"there is no activation {name!r} without arguments; there are {', '.join(sorted(activations))}"
        )
    return activations[name.lower()]()


def takes_tokens(network: nn.Layer) -> bool:
    """Whether the inputs of a network are numbers of tokens, (positions) without channels."""
    return reads_tokens(network)


def with_outputs(network: nn.Layer, outputs: int) -> nn.Layer:
    """The network with so many outputs, if it ends in a layer that has a width."""
    if not isinstance(network, nn.Sequential) or not hasattr(network.layers[-1], "width"):
        return network
    readout = dataclasses.replace(network.layers[-1], width=outputs)
    return nn.Sequential(*network.layers[:-1], readout, parameterization=network.parameterization)


def _required(word: type) -> bool:
    """Whether a class cannot be made without arguments, or is abstract."""
    parameters = inspect.signature(word).parameters.values()
    return inspect.isabstract(word) or any(
        p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters
    )


def _spelled(options: Mapping[str, Any]) -> str:
    return ", ".join("--" + key.replace("_", "-") for key in options)
