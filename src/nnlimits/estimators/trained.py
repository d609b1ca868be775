"""What classifiers share that train one finite network: batches, early stopping, calibrated probabilities."""

import abc
import contextlib
import functools
import warnings
from collections.abc import Callable
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PyTree
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from nnlimits import nn
from nnlimits.compute.progress import Progress, check_shown
from nnlimits.estimators import inputs
from nnlimits.estimators.calibration import fit_temperature
from nnlimits.estimators.candidates import check_takes
from nnlimits.estimators.convergence import solved_in, unsettled
from nnlimits.estimators.layout import InputStandardization, input_standardization, layout, unstandardized
from nnlimits.infinite_depth import solutions
from nnlimits.nn.fields import as_flag
from nnlimits.training.epochs import Penalty, by_parts, train_in_epochs
from nnlimits.training.per_example import CrossEntropy, Outputs
from nnlimits.validation import check_non_negative, check_positive

if TYPE_CHECKING:
    import optax

TRAINING = """
    - `learning_rate`: of Adam (Kingma & Ba 2015); `batch_size`, examples a step.
    - `weight_decay`: what each parameter shrinks by in a step, as a part of `learning_rate` (Loshchilov & Hutter 2019).
    - `max_epochs`: at most so many passes through the examples; `patience`: training ends when so many epochs have not lowered
      the loss of the examples held out, and the parameters of the best epoch are kept.
    - `validation_fraction`: the part of the examples held out, each class in proportion; it also fits the temperature of the
      probabilities, at least 1. With 0, and where a class has too few examples, the loss of the examples trained on decides, and
      the temperature is 1.
    - `standardize`: whether each feature (each channel, if there are positions) is given mean zero and unit variance first.
    - `progress`: whether to show a bar of the epochs; `None` for "if a person is watching".
    - `random_state`: for the parameters at the start, the examples held out, and the order of the others.

    **Attributes:** `network_`, an expression of `nnlimits.nn`, and `params_`, its parameters; `n_parameters_`, how many numbers
    these are; `losses_`, of each epoch the mean cross-entropy with its penalty, and `validation_losses_`, without; `best_epoch_`,
    counted from 0; `n_iter_`, the number of epochs; `temperature_`; `evaluations_`, how often right-hand sides of equations are
    evaluated for an example; `classes_`, `input_shape_`, `n_features_in_` and `feature_names_in_`.
    """


class TrainedClassifier(ClassifierMixin, BaseEstimator, abc.ABC):
    """A finite network, trained on cross-entropy. A new one says which network, and checks its own parameters."""

    network: Any
    learning_rate: Any
    batch_size: Any
    weight_decay: Any
    max_epochs: Any
    patience: Any
    validation_fraction: Any
    standardize: Any
    progress: Any
    random_state: Any

    classes_: np.ndarray
    network_: nn.Layer
    params_: PyTree
    n_parameters_: int
    losses_: Float[np.ndarray, " epochs"]
    validation_losses_: Float[np.ndarray, " epochs"]
    best_epoch_: int
    n_iter_: int
    temperature_: float
    evaluations_: float
    input_shape_: tuple[int, ...]
    n_features_in_: int
    _features: InputStandardization

    @abc.abstractmethod
    def _preset(self, input_shape: tuple[int, ...], classes: int) -> nn.Layer:
        """The network for `network="auto"`.

        **Raises:** `ValueError` naming a parameter that is out of range.
        """

    def _penalty(self) -> Penalty | None:
        """What is added to the loss."""
        return None

    def fit(self, X: Any, y: Any) -> "TrainedClassifier":
        """Train the network.

        **Arguments:** `X`, an array or data frame `(n, d)` of numbers, or an array `(n, *positions, channels)` of images or
        sequences; `y`, labels `(n,)` of any kind.

        **Raises:** `ValueError` for a parameter out of range, one class only, NaN (with its place), a column that is not numeric
        (by its name), or shapes that do not match; `TypeError` for a parameter of another type; `nn.SolveError` if the network's
        equation cannot be solved, with the epoch; `training.DivergenceError` if training diverges.
        """
        self._check_parameters()
        x = inputs.features(self, X, reset=True)
        self.classes_, labels = inputs.classes_and_labels(y, len(x))
        self.network_ = self._network(x)
        random = check_random_state(self.random_state)
        entries = layout(self.network_, x.shape[1:])
        self._features = (input_standardization if self.standardize else unstandardized)(x, entries)
        z = self._features.apply(x).astype(np.float32)
        kept, held = _split(labels, float(self.validation_fraction), random)
        self._train(z[kept], labels[kept], z[held], labels[held], random)
        # a few examples held out, all of them right, would have probabilities of 0 and 1: they only ever soften
        self.temperature_ = max(1.0, fit_temperature(self._scores(z[held]), labels[held])) if len(held) else 1.0
        self.evaluations_ = self._evaluations(z)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row, `(m,)`."""
        probability = self.predict_proba(X)
        return self.classes_[probability.argmax(1)]

    def predict_proba(self, X: Any) -> Float[np.ndarray, "m classes"]:
        """The probability of each class in the order of `classes_`, `(m, classes)`.

        **Raises:** `ValueError` for features unlike those of `fit`; `nn.SolveError` if the network's equation cannot be solved.
        """
        check_is_fitted(self)
        x = self._features.apply(inputs.features(self, X, reset=False))
        return softmax(self._scores(x) / self.temperature_, axis=1)

    def predict_log_proba(self, X: Any) -> Float[np.ndarray, "m classes"]:
        """The logarithms of `predict_proba`."""
        return np.log(np.maximum(self.predict_proba(X), np.finfo(np.float64).tiny))

    def _network(self, x: np.ndarray) -> nn.Layer:
        classes, shape = len(self.classes_), x.shape[1:]
        if isinstance(self.network, str) and self.network == "auto":
            return self._preset(shape, classes)
        if not isinstance(self.network, nn.Layer):
            raise ValueError(f'network must be an expression of nnlimits.nn, or "auto"; received {self.network!r}')
        check_takes(self.network, x)
        if self.network.output_shape(shape) != (classes,):
            raise ValueError(
                f"network must have one output a class, {classes}; it has {self.network.output_shape(shape)[0]}"
            )
        return self.network

    def _train(self, x: np.ndarray, labels: np.ndarray, held_x: np.ndarray, held: np.ndarray, random: Any) -> None:
        key, init_key = jax.random.split(jax.random.key(random.randint(2**31)))
        params = self.network_.init(init_key, x.shape[1:], dtype=np.float32)
        self.n_parameters_ = sum(leaf.size for leaf in jax.tree.leaves(params))
        bar = Progress("training", int(self.max_epochs), self.progress)
        with bar, solved_in(lambda: f"in epoch {bar.done + 1} of training"):
            found = train_in_epochs(
                CrossEntropy(self.network_),
                params,
                (x, labels),
                _adam(float(self.learning_rate), float(self.weight_decay)),
                key,
                held_out=(held_x, held) if len(held) else None,
                penalty=self._penalty(),
                epochs=int(self.max_epochs),
                batch_size=int(self.batch_size),
                patience=int(self.patience),
                advance=lambda _: bar.advance(),
            )
        self.params_ = jax.tree.map(np.asarray, found.params)
        self.losses_, self.validation_losses_, self.best_epoch_ = found.losses, found.held_out, found.best
        self.n_iter_ = len(found.losses)
        if (message := unsettled(found)) is not None:
            warnings.warn(message, ConvergenceWarning, stacklevel=3)

    def _scores(self, x: np.ndarray) -> Float[np.ndarray, "m classes"]:
        """Outputs in double precision, so that they do not depend on which rows are asked for together."""
        with jax.enable_x64(True):
            double = jax.tree.map(lambda leaf: leaf.astype(np.float64), self.params_)
            with self._solved():
                return by_parts(Outputs(self.network_), double, (x.astype(np.float64),))

    def _evaluations(self, x: np.ndarray) -> float:
        """Evaluations of the right-hand sides of all equations for an example, for the first thousand together."""
        with self._solved():
            return float(solutions(self.network_, self.params_, jnp.asarray(x[:1000])).evaluations)

    def _solved(self) -> contextlib.AbstractContextManager[None]:
        return solved_in(lambda: f"with the parameters of epoch {self.best_epoch_ + 1} of training")

    def _check_parameters(self) -> None:
        """Raise `ValueError` or `TypeError` naming a parameter that is out of range."""
        for name in ("batch_size", "max_epochs", "patience"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1; received {value!r}")
        check_positive("learning_rate", self.learning_rate)
        check_non_negative("weight_decay", self.weight_decay)
        check_non_negative("validation_fraction", self.validation_fraction)
        as_flag("standardize", self.standardize)
        check_shown(self.progress)
        if self.validation_fraction >= 1:
            raise ValueError(f"validation_fraction must be below 1; received {self.validation_fraction!r}")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.non_deterministic = False
        return tags


def width_of(width: Any, input_shape: tuple[int, ...]) -> int:
    """The width that a classifier is given, or what "auto" stands for.

    **Raises:** `ValueError` unless it is "auto" or a positive integer.
    """
    if isinstance(width, str) and width == "auto":
        return 64 if len(input_shape) == 1 else 32
    if isinstance(width, bool) or not isinstance(width, Integral) or width < 1:
        raise ValueError(f'width must be "auto" or a whole number of at least 1; received {width!r}')
    return int(width)


def stem(
    width: int, activation: nn.Layer, input_shape: tuple[int, ...]
) -> tuple[tuple[nn.Layer, ...], Callable[..., nn.Layer], tuple[nn.Layer, ...]]:
    """The first layers of a preset, the kind of layer that maps its states, and how it loses its positions."""
    if len(input_shape) == 1:
        return (nn.Dense(width),), nn.Dense, ()
    halved = nn.Conv(width, 3, stride=2)
    return (halved, activation, halved), partial(nn.Conv, kernel_size=3), (nn.GlobalAvgPool(),)


def _split(labels: np.ndarray, fraction: float, random: Any) -> tuple[np.ndarray, np.ndarray]:
    """Which rows to train on and which to hold out, each class in proportion; none where a class has too few."""
    rows, counts = np.arange(len(labels)), np.bincount(labels)
    held = int(np.ceil(fraction * len(rows)))
    if held < len(counts) or counts.min() < 2 or len(rows) - held < len(counts):
        return rows, rows[:0]
    kept, held_out = train_test_split(rows, test_size=held, stratify=labels, random_state=random)
    return np.sort(kept), np.sort(held_out)


@functools.lru_cache
def _adam(learning_rate: float, weight_decay: float) -> "optax.GradientTransformation":
    """One object for equal numbers, so that training steps are compiled once."""
    import optax

    return optax.adamw(learning_rate, weight_decay=weight_decay)
