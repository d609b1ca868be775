"""What theory says of a network's depth, width and learning rate, on one page."""

from typing import Any

import numpy as np

from nnlimits import fluctuations, nn, signal
from nnlimits.cli.networks import with_outputs
from nnlimits.cli.phase import MEANING, critical_text

MOST_ROWS = 200
"""Examples from which a learning rate is advised."""


def lines(net: nn.Layer, shape: tuple[int, ...], sample: Any, seed: int) -> list[tuple[str, str]]:
    """What is known, as pairs of a heading and a sentence.

    **Arguments:** `shape`, of an example; `sample`, inputs and targets (see `nnlimits.cli.spectra`), or `None`; `seed`, of the
    finite network.
    """
    found = [*_signals(net), ("depth and width", _fluctuations(net, shape))]
    if sample is None or sample.y is None:
        return [*found, ("learning rate", "give data and its target, or --digits, for the window of learning rates")]
    return [*found, *_learning_rates(net, sample, seed)]


def _signals(net: nn.Layer) -> list[tuple[str, str]]:
    try:
        settled = signal.fixed_point(net)
    except (ValueError, NotImplementedError) as error:
        return [("phase", f"not known: {error}")]
    depth = settled.trainable_depth
    reach = (
        "without bound"
        if np.isinf(depth)
        else f"{float(depth):.3g} blocks (this network has about {_repetitions(net)})"
    )
    scales = critical_text(net).replace("[bold]critical initialization[/bold]  ", "")
    return [
        (
            "phase",
            f"{settled.phase}: gradients change by {float(settled.chi_perp):.4g} a block. {MEANING[settled.phase]}",
        ),
        ("trainable depth", reach),
        ("critical initialization", scales),
    ]


def _repetitions(net: nn.Layer) -> int:
    """About how many blocks deep a network is."""
    unit = signal.repeated_block(net).layers
    return max(1, (len(signal.propagate(net).layers) - 1) // max(1, len(unit)))


def _fluctuations(net: nn.Layer, shape: tuple[int, ...]) -> str:
    if len(shape) > 1:
        return "the verdict is for fully connected networks; for convolutions see nnlimits.fluctuations.kernel_fluctuations"
    try:
        return str(fluctuations.verdict(net))
    except (ValueError, NotImplementedError) as error:
        return f"the corrections in 1/width are not known: {error}"


def _learning_rates(net: nn.Layer, sample: Any, seed: int) -> list[tuple[str, str]]:
    import jax

    from nnlimits import training

    x, y = (np.asarray(array[:MOST_ROWS], np.float32) for array in (sample.x, sample.y))
    network = with_outputs(net, y.shape[1])
    key = jax.random.key(seed)
    try:
        advice = training.learning_rate_advice(network, network.init(key, x.shape[1:], dtype=np.float32), x, y, key)
    except ImportError as error:
        return [("learning rate", str(error))]
    return [(f"rate, {bound.name}", f"{_number(bound.learning_rate)}: {bound.reason}") for bound in advice.bounds]


def _number(rate: float) -> str:
    return f"{rate:.4g}" if np.isfinite(rate) else "none"
