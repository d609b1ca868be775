"""Which learning rates to try, for a network and its data, and why."""

import math
from typing import Any, NamedTuple

import jax
from jaxtyping import PRNGKeyArray, PyTree

from nnlimits import nn
from nnlimits.predict.losses import mse
from nnlimits.training.first_step import LayerChange, first_step
from nnlimits.training.phases import Phases, phases
from nnlimits.training.problem import Problem
from nnlimits.training.thresholds import Thresholds, measured_thresholds

STEPS = 100
"""Of each descent that measures a threshold."""

_SPAN = 16.0
"""Thresholds are looked for from the lazy bound over this number to the lazy bound times it."""


class Bound(NamedTuple):
    """One learning rate, and what it means."""

    name: str
    learning_rate: float
    reason: str


class LearningRateAdvice(NamedTuple):
    """Learning rates of full-batch gradient descent on one problem; prints as a table."""

    bounds: tuple[Bound, ...]
    layers: tuple[LayerChange, ...]
    """What the first step does to each layer."""

    def __getitem__(self, name: Any) -> Any:
        """The learning rate of the bound of that name."""
        if not isinstance(name, str):
            return tuple.__getitem__(self, name)
        rates = {bound.name: bound.learning_rate for bound in self.bounds}
        if name not in rates:
            raise KeyError(f"there is no bound {name!r}; there are {sorted(rates)}")
        return rates[name]

    def __str__(self) -> str:
        width = max(len(bound.name) for bound in self.bounds)
        lines = [f"{bound.name:<{width}}  {bound.learning_rate:>9.4g}  {bound.reason}" for bound in self.bounds]
        lines.append(
            "first step: the learning rate at which it changes a layer's preactivations by as much as their size"
        )
        name = max(len(layer.layer) for layer in self.layers)
        lines += [f"  {layer.layer:<{name}}  {layer.learning_rate:>9.4g}" for layer in self.layers]
        return "\n".join(lines)


def learning_rate_advice(
    network: Any, params: PyTree, x: Any, y: Any, key: PRNGKeyArray, *, loss: Any = "mse", steps: int = STEPS
) -> LearningRateAdvice:
    """Learning rates for full-batch gradient descent on a network and its data, before it is trained.

    Losses are means: half the mean over all N entries of the squared error, or the mean cross-entropy of examples. So the
    curvature that counts is the largest eigenvalue of the empirical NTK over N, and for other losses of the Gauss-Newton
    matrix `J^T H J`. The bounds, by name:

    - `"kernel"`: `2 / curvature`, below which the linearized network trains stably (Lee et al. 2019).
    - `"infinite kernel"`: the same with the NTK of the infinitely wide network, where it has one and the loss is squared.
    - `"hessian"`: 2 over the largest eigenvalue of the Hessian of the loss.
    - `"catapult end"`: `4 / curvature`, where two-layer linear networks begin to diverge (Lewkowycz et al. 2020).
    - `"measured rise"`, `"measured divergence"`: where the loss first rises, and ends above its first value, in descents of
      `steps` steps of this very network; infinite beyond 16 times the kernel bound.
    - `"first step"`: the smallest rate at which the first step changes a layer by its own size (Jelassi, Hanin et al. 2023).

    **Arguments:** `network`, `params`, `x`, `y`, `loss`: as of `Problem`; `key`, for Lanczos' iteration; `steps`, of each of
    about 25 descents.

    **Returns:** `LearningRateAdvice`: `advice["kernel"]` is a number, `print(advice)` shows all with their reasons.

    **Raises:** as `Problem`; `ImportError` without `matfree`.
    """
    problem = Problem(network, params, x, y, loss)
    found = phases(problem, key)
    measured = measured_thresholds(
        problem,
        jax.tree.map(lambda leaf: leaf[None], problem.params),
        lowest=found.lazy_below / _SPAN,
        highest=found.lazy_below * _SPAN,
        steps=steps,
        bisections=4,
    )
    layers = first_step(network, params, x, y, loss=loss)
    return LearningRateAdvice(_bounds(network, problem, found, measured, layers, steps), layers)


def _bounds(
    network: Any,
    problem: Problem,
    found: Phases,
    measured: Thresholds,
    layers: tuple[LayerChange, ...],
    steps: int,
) -> tuple[Bound, ...]:
    matrix = "the empirical NTK over the number of targets" if problem.loss is mse else "the Gauss-Newton matrix"
    strictest = min(layers, key=lambda layer: layer.learning_rate)
    rise, divergence = float(measured.rise[0]), float(measured.divergence[0])
    return (
        Bound(
            "kernel",
            found.lazy_below,
            f"2 / {found.curvature:.4g}, the top eigenvalue of {matrix}: lazy, stable training below",
        ),
        *_infinite(network, problem),
        Bound("hessian", 2 / found.sharpness if found.sharpness > 0 else math.inf,
              f"2 / {found.sharpness:.4g}, the sharpness at initialization: above, its direction is unstable at once"),
        Bound("catapult end", found.divergent_above,
              "4 / curvature: a two-layer linear network is catapulted to flatter places below, and diverges above"),
        _measured("measured rise", rise, f"this network, {steps} steps: above, the loss rises at some step"),
        _measured("measured divergence", divergence, f"this network, {steps} steps: above, the loss ends higher than it began"),
        Bound("first step", strictest.learning_rate, f"one step changes layer {strictest.layer} by its own size"),
    )  # fmt: skip


def _measured(name: str, rate: float, reason: str) -> Bound:
    searched = "" if math.isfinite(rate) else f"; none such up to {_SPAN:g} times the kernel bound"
    return Bound(name, rate, reason + searched)


def _infinite(network: Any, problem: Problem) -> tuple[Bound, ...]:
    """The bound of the infinitely wide network, or none."""
    if not isinstance(network, nn.Layer) or problem.loss is not mse or problem.y.ndim != 2:
        return ()
    from nnlimits.kernels import kernel
    from nnlimits.predict import max_learning_rate

    try:
        rate = float(max_learning_rate(kernel(network), problem.x, problem.y.shape[1]))
    except NotImplementedError:
        return ()
    return (Bound("infinite kernel", rate, "the same of this network at infinite width, all initializations alike"),)
