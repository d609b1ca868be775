"""Classification by a network that is a fixed point."""

from typing import Any

import equinox as eqx
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits import nn
from nnlimits.estimators.candidates import as_activation
from nnlimits.estimators.trained import TRAINING, TrainedClassifier, stem, width_of
from nnlimits.infinite_depth import jacobian_penalty
from nnlimits.nn.constraints import Constraint
from nnlimits.training.epochs import Penalty
from nnlimits.validation import check_non_negative


class JacobianPenalty(eqx.Module):
    """A multiple of `infinite_depth.jacobian_penalty` of a network on a batch."""

    network: nn.Layer
    weight: float = eqx.field(static=True)

    def __call__(self, params: PyTree, batch: tuple[Array, ...], key: PRNGKeyArray) -> Float[Array, ""]:
        """The penalty, of one random vector an example.

        **Raises:** `ValueError` for a network without an equilibrium layer.
        """
        try:
            penalty = jacobian_penalty(self.network, params, batch[0], key)
        except ValueError as error:
            raise ValueError(f"jacobian_weight={self.weight:g} cannot be met: {error}") from error
        return self.weight * penalty


class EquilibriumClassifier(TrainedClassifier):
    """Classification by infinitely many layers with the same weights: a deep equilibrium network (Bai, Kolter & Koltun 2019).

    The state `z = activation(recurrent(z) + injection(x))` has a linear readout, which gives the scores of the classes. A
    constraint of the recurrent weights makes sure that there is one such state (Winston & Kolter 2020). It is trained by Adam on
    cross-entropy with early stopping; the temperature of its probabilities is fitted to the examples held out (Guo et al.
    2017). For small data: tables, small images and sequences.

    **Parameters:**

    - `network`: an expression of `nnlimits.nn` with one output a class, or "auto": an `nn.Equilibrium` whose recurrent layer and
      injection are `nn.Dense(width)`, then an `nn.Dense`; for examples with positions convolutions of size 3 in their place,
      after two of stride 2, and the average over positions before the readout. What follows is for "auto".
    - `width`: the number of units or channels; "auto" is 64, and 32 with positions.
    - `activation`: by name ("relu", "tanh", ...) or as a layer of `nnlimits.nn`, with slopes in [0, 1] for `nn.Monotone()`.
    - `constraint`: "monotone" or "norm_bound", for `nn.Monotone()` and `nn.NormBound()` as they are by default, either with
      another margin, or `None`, with which the state may not exist, or not be the only one.
    - `solver`: as of `nn.Equilibrium`.

    Of any network:

    - `jacobian_weight`: how much of the size of the cell's Jacobian, `infinite_depth.jacobian_penalty`, is added to the loss,
      which keeps the number of evaluations small (Bai, Koltun & Kolter 2021).
    """

    def __init__(
        self,
        network: Any = "auto",
        *,
        width: Any = "auto",
        activation: Any = "relu",
        constraint: Any = "monotone",
        solver: Any = "anderson",
        jacobian_weight: Any = 0.0,
        learning_rate: Any = 3e-3,
        batch_size: Any = 32,
        weight_decay: Any = 1e-4,
        max_epochs: Any = 200,
        patience: Any = 20,
        validation_fraction: Any = 0.2,
        standardize: Any = True,
        progress: Any = None,
        random_state: Any = 0,
    ) -> None:
        self.network = network
        self.width = width
        self.activation = activation
        self.constraint = constraint
        self.solver = solver
        self.jacobian_weight = jacobian_weight
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.standardize = standardize
        self.progress = progress
        self.random_state = random_state

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_non_negative("jacobian_weight", self.jacobian_weight)

    def _penalty(self) -> Penalty | None:
        weight = float(self.jacobian_weight)
        return JacobianPenalty(self.network_, weight) if weight > 0 else None

    def _preset(self, input_shape: tuple[int, ...], classes: int) -> nn.Layer:
        width, activation = width_of(self.width, input_shape), as_activation(self.activation)
        first, layer, last = stem(width, activation, input_shape)
        first = first if len(input_shape) > 1 else ()
        cell = nn.Cell(layer(width, b_std=None), layer(width), activation, _constraint(self.constraint))
        equilibrium = nn.Equilibrium(cell, solver=self.solver)
        return nn.Sequential(*first, equilibrium, *last, nn.Dense(classes), parameterization="standard")


def _constraint(constraint: Any) -> Constraint | None:
    """A constraint by its name, or as it is."""
    known = {"monotone": nn.Monotone, "norm_bound": nn.NormBound}
    if isinstance(constraint, str) and constraint in known:
        return known[constraint]()
    if constraint is None or isinstance(constraint, Constraint):
        return constraint
    raise ValueError(
        f'constraint must be "monotone", "norm_bound", None, nn.Monotone(...) or nn.NormBound(...); received {constraint!r}'
    )


EquilibriumClassifier.__doc__ = f"{(EquilibriumClassifier.__doc__ or '').rstrip()}{TRAINING}"
