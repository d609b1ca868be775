"""Classification by a network that is a differential equation."""

from typing import Any

from nnlimits import nn
from nnlimits.estimators.candidates import as_activation
from nnlimits.estimators.trained import TRAINING, TrainedClassifier, stem, width_of
from nnlimits.nn.fields import as_integer


class NeuralODEClassifier(TrainedClassifier):
    """Classification by a residual network of infinite depth: an ordinary differential equation (Chen et al. 2018).

    A first layer takes the examples to the states of the equation, its solution moves them, and a linear readout gives the
    scores of the classes. It is trained by Adam on cross-entropy with early stopping; the temperature of its probabilities is
    fitted to the examples held out (Guo et al. 2017). For small data: tables, small images and sequences.

    **Parameters:**

    - `network`: an expression of `nnlimits.nn` with one output a class, or "auto": `nn.Dense(width)`, then an `nn.NeuralODE` with
      the field `nn.Dense(width)`, activation, `nn.Dense(width)`, then an `nn.Dense`; for examples with positions convolutions
      of size 3 in their place, the first two of stride 2, and the average over positions before the readout. What
      follows is for "auto".
    - `width`: the number of units or channels; "auto" is 64, and 32 with positions.
    - `activation`: by name ("tanh", "relu", "gelu", ...) or as a layer of `nnlimits.nn`.
    - `time_dependent`, `augment`, `solver`, `rtol`: as of `nn.NeuralODE`.
    """

    def __init__(
        self,
        network: Any = "auto",
        *,
        width: Any = "auto",
        activation: Any = "tanh",
        time_dependent: Any = True,
        augment: Any = 0,
        solver: Any = "tsit5",
        rtol: Any = None,
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
        self.time_dependent = time_dependent
        self.augment = augment
        self.solver = solver
        self.rtol = rtol
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.standardize = standardize
        self.progress = progress
        self.random_state = random_state

    def _preset(self, input_shape: tuple[int, ...], classes: int) -> nn.Layer:
        width, activation = width_of(self.width, input_shape), as_activation(self.activation)
        first, layer, last = stem(width, activation, input_shape)
        states = width + as_integer("augment", 0, self.augment)
        ode = nn.NeuralODE(
            nn.Sequential(layer(width), activation, layer(states)),
            time_dependent=self.time_dependent,
            augment=self.augment,
            solver=self.solver,
            rtol=self.rtol,
        )
        return nn.Sequential(*first, ode, *last, nn.Dense(classes), parameterization="standard")


NeuralODEClassifier.__doc__ = f"{(NeuralODEClassifier.__doc__ or '').rstrip()}{TRAINING}"
