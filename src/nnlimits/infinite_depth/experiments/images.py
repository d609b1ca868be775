"""Three networks with the same number of parameters on images: residual blocks, an ODE, and an equilibrium."""

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, PyTree

from nnlimits import nn
from nnlimits.infinite_depth.solutions import solutions
from nnlimits.progress import Advance, ignore
from nnlimits.training.epochs import by_parts, step_memory, train_in_epochs
from nnlimits.training.per_example import CrossEntropy, Outputs
from nnlimits.validation import check_finite

_ASKED = 256
"""Examples of which evaluations are counted."""


class Trained(NamedTuple):
    """One network, trained."""

    name: str
    network: nn.Layer
    parameters: int
    losses: Float[np.ndarray, " epochs"]
    """The mean cross-entropy of each epoch's batches."""
    seconds: Float[np.ndarray, " epochs"]
    """From the start of training to the end of each epoch; the first includes compilation."""
    evaluations: Float[np.ndarray, " epochs"]
    """Of the equation's right-hand side (the number of blocks, of residual blocks) for an example, after each epoch."""
    memory: int
    """Bytes that a step of training takes beside parameters and data."""
    accuracy: float
    """Of the test examples."""
    test_loss: float
    """Their mean cross-entropy."""


class Images(NamedTuple):
    """All of them, and what they were trained on."""

    models: tuple[Trained, ...]
    examples: int
    test_examples: int
    batch_size: int


def networks(input_shape: tuple[int, ...], classes: int, channels: int, blocks: int = 2) -> dict[str, nn.Sequential]:
    """The three networks: the same convolutions of stride 2 before, and the same readout after.

    The residual network has `blocks` blocks of two convolutions of `channels` channels. The field of the ODE has two
    convolutions, and so many channels between them, and the equilibrium so many channels, that the number of parameters is as
    near to that of the residual network as can be.
    """

    def around(*layers: nn.Layer) -> nn.Sequential:
        halved = nn.Conv(channels, 3, stride=2)
        first = (halved, nn.Relu(), halved)
        return nn.Sequential(*first, *layers, nn.GlobalAvgPool(), nn.Dense(classes), parameterization="standard")

    def body(width: int) -> nn.Sequential:
        return nn.Sequential(nn.Tanh(), nn.Conv(width, 3), nn.Tanh(), nn.Conv(channels, 3))

    def equilibrium(width: int) -> nn.Sequential:
        cell = nn.Cell(nn.Conv(width, 3, b_std=None), nn.Conv(width, 3), nn.Relu(), nn.NormBound(0.95))
        return around(nn.Equilibrium(cell))

    residual = around(nn.Repeat(nn.Residual(body(channels)), blocks))
    wanted = nn.count_parameters(residual, input_shape)
    fitting = partial(_nearest, wanted=wanted, input_shape=input_shape)
    return {
        "residual network": residual,
        "ODE network": fitting(lambda width: around(nn.NeuralODE(body(width), rtol=1e-3, atol=1e-3))),
        "equilibrium network": fitting(equilibrium),
    }


def compare_on_images(
    x: Float[np.ndarray, "n ..."],
    labels: Int[np.ndarray, " n"],
    x_test: Float[np.ndarray, "m ..."],
    test_labels: Int[np.ndarray, " m"],
    *,
    channels: int = 16,
    epochs: int = 8,
    batch_size: int = 64,
    learning_rate: float = 2e-3,
    seed: int = 0,
    advance: Advance = ignore,
) -> Images:
    """Train the three `networks` alike, by Adam on cross-entropy, and evaluate them on test examples.

    **Arguments:** `x` of shape (n, *positions, channels) and `labels`, numbers of classes from 0; the same of test examples;
    `channels`, those of the residual network; the other settings are of training, the same for all three, and `epochs` is not
    chosen by any result; `advance` is told of each epoch.

    **Returns:** an `Images`.

    **Raises:** `ValueError` for images without channels, entries that are not finite, or numbers out of range.
    """
    if x.ndim < 3:
        raise ValueError(f"x must have shape (n, *positions, channels); received {x.shape}")
    check_finite("x", x)
    check_finite("x_test", x_test)
    mean, scale = x.mean(), x.std()
    x, x_test = (((part - mean) / scale).astype(np.float32) for part in (x, x_test))
    built = networks(x.shape[1:], int(labels.max()) + 1, channels)
    train = partial(
        _trained, data=(x, labels), test=(x_test, test_labels), epochs=epochs, batch_size=batch_size, seed=seed
    )
    models = tuple(
        train(name, network, learning_rate=learning_rate, advance=advance) for name, network in built.items()
    )
    return Images(models, len(x), len(x_test), batch_size)


def _trained(
    name: str,
    network: nn.Layer,
    *,
    data: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    advance: Advance,
) -> Trained:
    import optax

    losses, optimizer = CrossEntropy(network), optax.adam(learning_rate)
    init_key, key = jax.random.split(jax.random.key(seed))
    params = network.init(init_key, data[0].shape[1:], dtype=np.float32)
    start, seconds = time.perf_counter(), []

    def count(params: PyTree) -> float:
        now = time.perf_counter()
        seconds.append(now)
        return evaluations(network, params, data[0][:_ASKED])

    found = train_in_epochs(
        losses,
        params,
        data,
        optimizer,
        key,
        epochs=epochs,
        batch_size=batch_size,
        patience=epochs,
        observe=count,
        advance=lambda told: advance(f"{name}, {told}"),
    )
    batch = tuple(part[:batch_size] for part in data)
    outputs = by_parts(Outputs(network), found.params, test[:1])
    return Trained(
        name,
        network,
        nn.count_parameters(network, data[0].shape[1:]),
        found.losses,
        np.array(seconds) - start,
        np.array(found.observed),
        step_memory(losses, params, batch, optimizer),
        float((outputs.argmax(1) == test[1]).mean()),
        float(by_parts(losses, found.params, test).mean()),
    )


def evaluations(network: nn.Layer, params: PyTree, x: Float[np.ndarray, "n ..."]) -> float:
    """How often an equation's right-hand side is evaluated for an example; without equations, the number of residual blocks."""
    found = solutions(network, params, jnp.asarray(x))
    blocks = (layer.depth for layer in getattr(network, "layers", ()) if isinstance(layer, nn.Repeat))
    return float(found.evaluations if found.reports else sum(blocks))


def _nearest(build: Callable[[int], nn.Sequential], *, wanted: int, input_shape: tuple[int, ...]) -> nn.Sequential:
    """The network whose number of parameters is nearest to `wanted`, among all widths."""
    width = 1
    while nn.count_parameters(build(width + 1), input_shape) <= wanted:
        width += 1
    return min((build(width), build(width + 1)), key=lambda net: abs(nn.count_parameters(net, input_shape) - wanted))
