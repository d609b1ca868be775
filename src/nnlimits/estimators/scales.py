"""The scales of a network that are selected: of its weights, biases and noise, as logarithms relative to a starting point."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.estimators.weights import WEIGHT_SCALES, replace_weighted_layers, scales_of, weight_groups, with_scale

Logs = dict[str, Any]
"""Free scales: `log(value / initial value)`, by the name of a group of layers and of the scale, of the `noise`, and of the
features' `relevance`."""

INITIAL_NOISE = 0.05
"""Variance of the noise, in units of the standardised targets, that is expected before the data are seen."""

_SPREAD = {"input": (1.0, 1.0), "hidden": (0.5, 1.0), "readout": (1.5, 1.5)}
"""Of weights and of biases, by group."""

_NOISE_SPREAD = 2.5
_RELEVANCE_SPREAD = 1.0
_RANGE = (-7.0, 7.0)
_NOISE_RANGE = (-11.0, 4.0)


def initial_logs(network: nn.Layer, *, w_std: bool, b_std: bool, noise: bool, columns: int | None) -> Logs:
    """The logarithms of all free scales, zero to begin with.

    Layers of a group share a factor for their `w_std` and one for their `b_std` (`Rnn` has one for its `u_std`, too); the
    readout has one for both, the scale of the output. A scale that is zero stays zero, and a bias that is absent stays absent.

    **Arguments:** which scales are free; `columns`, the number of features (of channels, if there are
    positions) if each has a scale of its own.
    """
    logs: Logs = {}
    for group, layers in weight_groups(network).items():
        free = dict.fromkeys(WEIGHT_SCALES, w_std) | {"b_std": b_std and group != "readout"}
        names = [
            name for name in free if free[name] and any(getattr(layer, name, 0) not in (None, 0) for layer in layers)
        ]
        if names:
            logs[group] = dict.fromkeys(names, 0.0)
    if noise:
        logs["noise"] = 0.0
    if columns is not None:
        logs["relevance"] = np.zeros(columns)
    return logs


def rescaled(network: nn.Layer, logs: Logs) -> nn.Layer:
    """The network with its scales multiplied by the exponentials of `logs`."""
    layers = []
    for group, members in weight_groups(network).items():
        factors = {name: jnp.exp(log) for name, log in logs.get(group, {}).items()}
        if group == "readout" and "w_std" in factors:
            factors["b_std"] = factors["w_std"]
        layers += [_multiplied(layer, factors) for layer in members]
    return replace_weighted_layers(network, layers)


def noise_variance(logs: Logs, noise: float) -> float:
    """The variance of the noise: `noise` itself, times its factor if it is free."""
    return noise * float(np.exp(logs.get("noise", 0.0)))


def relevances(logs: Logs, columns: int) -> Float[Array | np.ndarray, " columns"]:
    """The factor of each feature; one unless they are selected."""
    return jnp.exp(logs["relevance"]) if "relevance" in logs else np.ones(columns)


def spreads(logs: Logs) -> Logs:
    """The standard deviations of weak normal priors on `logs`, which keep the scales sensible where data are few."""
    found = {
        group: {name: _SPREAD[group][name not in WEIGHT_SCALES] for name in logs[group]}
        for group in _SPREAD
        if group in logs
    }
    return found | _others(logs, _NOISE_SPREAD, _RELEVANCE_SPREAD)


def ranges(logs: Logs, end: int) -> Logs:
    """The least (`end=0`) or largest (`end=1`) values that `logs` may take."""
    found = {group: dict.fromkeys(logs[group], _RANGE[end]) for group in _SPREAD if group in logs}
    return found | _others(logs, _NOISE_RANGE[end], _RANGE[end])


def concrete(network: nn.Layer) -> nn.Layer:
    """The network with Python numbers for scales, so that it prints as it would be written."""
    return jax.tree.map(float, network)


def _others(logs: Logs, noise: float, relevance: float) -> Logs:
    found: Logs = {}
    if "noise" in logs:
        found["noise"] = noise
    if "relevance" in logs:
        found["relevance"] = np.full(len(logs["relevance"]), relevance)
    return found


def _multiplied(layer: Any, factors: dict[str, Any]) -> Any:
    for name in scales_of(layer):
        if name in factors:
            layer = with_scale(layer, name, getattr(layer, name) * factors[name])
    return layer
