"""Networks of one hidden layer in the mean-field limit, by particles, as scikit-learn estimators."""

import functools
import warnings
from numbers import Integral, Real
from typing import Any, cast

import jax
import numpy as np
from jaxtyping import Float
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from nnlimits import nn
from nnlimits.estimators import inputs
from nnlimits.estimators.candidates import as_activation
from nnlimits.estimators.decay import choose_decay
from nnlimits.estimators.standardization import Standardization, identity, standardization
from nnlimits.mean_field.certificate import Certificate, certificate
from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.rest import Rest, descend_to_rest, wander
from nnlimits.mean_field.risk import EmpiricalRisk
from nnlimits.mean_field.two_layer import TwoLayer
from nnlimits.validation import check_non_negative, check_positive

Array = Float[np.ndarray, "..."]

_PARAMETERS = """
    **Parameters:**

    - `n_neurons`: how many particles stand for the distribution of neurons `a phi(<w, x> + b)`.
    - `activation`: by name ("relu", "erf", "tanh", ...) or as a layer of `nnlimits.nn`.
    - `decay`: the risk is the mean loss plus `decay / 2` times the mean over neurons of `|w|^2 + b^2 + |a|^2`; "auto" for the one
      of 0.1, 0.03, ..., 0.00003 that predicts a fifth of the examples best, held out while it is chosen (of fewer than ten
      examples, 0.003). A number takes a fraction of the time.
    - `temperature`: of mean-field Langevin dynamics, which needs a positive `decay`; 0 for gradient descent.
    - `learning_rate`: the step of the flow; "auto" is half of the largest that is stable, which for gradient descent then
      follows the energy identity: smaller where neurons jump to and fro, larger where they follow the flow closely.
    - `tolerance`: gradient descent ends when 50 steps lower the risk by less than this part of it. Langevin dynamics goes on.
    - `max_steps`: at most so many steps, rounded up to fifties.
    - `standardize`: whether features, and targets of a regression, are given mean zero and unit variance first.
    - `random_state`: for the neurons at the start (and the noise): Gaussian, with `E |w|^2 = E b^2 = E a^2 = 1`.

    **Attributes:** `units_` and `neurons_`, of `nnlimits.mean_field`; `decay_`, the decay used; `risk_`, the `EmpiricalRisk` on
    the standardised examples; `risk_curve_`, its values after each stride of 50 steps, at the times of the flow in `times_`;
    `n_iter_`, the number of steps; `certificate_`, the `mean_field.Certificate` that bounds by how much `risk_` exceeds the
    least risk of any distribution of neurons (of the same total mass, for a homogeneous activation), computed when it is first
    asked for.
    """


class MeanField(BaseEstimator):
    """The common part of `MeanFieldRegressor` and `MeanFieldClassifier`."""

    decay_: float
    units_: TwoLayer
    neurons_: Neurons
    risk_: EmpiricalRisk
    risk_curve_: Float[np.ndarray, " strides"]
    times_: Float[np.ndarray, " strides"]
    n_iter_: int
    n_features_in_: int
    _features: Standardization

    def __init__(
        self,
        n_neurons: Any = 512,
        *,
        activation: Any = "relu",
        decay: Any = "auto",
        temperature: Any = 0.0,
        learning_rate: Any = "auto",
        tolerance: Any = 1e-3,
        max_steps: Any = 10_000,
        standardize: Any = True,
        random_state: Any = 0,
    ) -> None:
        self.n_neurons = n_neurons
        self.activation = activation
        self.decay = decay
        self.temperature = temperature
        self.learning_rate = learning_rate
        self.tolerance = tolerance
        self.max_steps = max_steps
        self.standardize = standardize
        self.random_state = random_state

    @functools.cached_property
    def _certificate(self) -> Certificate:
        with jax.enable_x64(True):
            neurons = Neurons(
                *(np.asarray(part, np.float64) for part in (self.neurons_.positions, self.neurons_.masses))
            )
            return certificate(self.risk_, neurons, jax.random.key(0))

    @property
    def certificate_(self) -> Certificate:
        """By how much the risk may exceed the least possible."""
        check_is_fitted(self)
        return self._certificate

    def _check_parameters(self) -> None:
        """Raise `ValueError` naming a parameter that is out of range."""
        for name in ("n_neurons", "max_steps"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1; received {value!r}")
        automatic = isinstance(self.decay, str)
        if automatic and self.decay != "auto":
            raise ValueError(f'decay must be "auto" or a number of at least 0; received {self.decay!r}')
        for name in ("temperature", "tolerance") if automatic else ("decay", "temperature", "tolerance"):
            check_non_negative(name, getattr(self, name))
        if automatic and self.temperature > 0:
            raise ValueError(f'decay="auto" is for temperature=0; give a number with temperature={self.temperature!r}')
        if self.temperature > 0 and self.decay == 0:
            raise ValueError(
                f"temperature={self.temperature!r} drives neurons apart without end; give a positive decay to hold them"
            )
        if not (isinstance(self.learning_rate, str) and self.learning_rate == "auto"):
            if not isinstance(self.learning_rate, Real):
                raise ValueError(f'learning_rate must be "auto" or a number; received {self.learning_rate!r}')
            check_positive("learning_rate", self.learning_rate)

    def _learn(self, x: Array, y: Array, loss: str) -> None:
        """Train neurons on raw features and the targets of the loss."""
        self.__dict__.pop("_certificate", None)
        self._features = (standardization if self.standardize else lambda x: identity(x.shape[1]))(x)
        z, (d, outputs) = self._features.apply(x), (x.shape[1], y.shape[1])
        self.units_ = TwoLayer(cast(nn.Activation, as_activation(self.activation)), d, outputs, bias=True)
        random = check_random_state(self.random_state)
        start = random.standard_normal((int(self.n_neurons), self.units_.size)) / np.sqrt([d] * d + [1] * (1 + outputs))
        neurons, key = Neurons(start.astype(np.float32)), jax.random.key(random.randint(2**31))
        if self.decay == "auto":
            risk = EmpiricalRisk(self.units_, z, y, loss)
            self.decay_ = choose_decay(
                risk, neurons, lambda risk, first: self._trained(risk, first, key).neurons, random
            )
        else:
            self.decay_ = float(self.decay)
        self.risk_ = EmpiricalRisk(self.units_, z, y, loss, self.decay_)
        rest = self._trained(self.risk_, neurons, key)
        self.neurons_, self.n_iter_ = rest.neurons, rest.steps
        self.times_, self.risk_curve_ = rest.times, rest.risks
        if not rest.settled:
            warnings.warn(
                f"the risk was still falling after max_steps={self.max_steps} steps, at {rest.risks[-1]:.4g}; increase "
                "max_steps or decay",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _trained(self, risk: EmpiricalRisk, neurons: Neurons, key: jax.Array) -> Rest:
        """In single precision, which training does not notice; the certificate is in double."""
        x, y = (part.astype(np.float32) for part in (risk.x, risk.y))
        risk = EmpiricalRisk(risk.units, x, y, risk.loss, risk.decay)
        step = None if isinstance(self.learning_rate, str) else float(self.learning_rate)
        if self.temperature > 0:
            return wander(risk, neurons, float(self.temperature), key, steps=int(self.max_steps), step=step)
        return descend_to_rest(risk, neurons, tolerance=float(self.tolerance), max_steps=int(self.max_steps), step=step)

    def _outputs(self, X: Any) -> Array:
        """Those of the network, in double precision so that they do not depend on which rows are asked for together."""
        check_is_fitted(self)
        x = self._features.apply(inputs.table(self, X, reset=False))
        neurons = Neurons(np.asarray(self.neurons_.positions, np.float64), np.asarray(self.neurons_.masses, np.float64))
        with jax.enable_x64(True):
            return np.asarray(self.units_.apply(neurons, x))


class MeanFieldRegressor(RegressorMixin, MeanField):
    """Regression by a distribution of neurons that learns features.

    Descent of the mean squared error by particles follows the Wasserstein gradient flow (Mei, Montanari & Nguyen 2018; Chizat
    & Bach 2018), whose points of rest have a certificate of how good they are.
    """

    _targets: Standardization
    _vector: bool

    def fit(self, X: Any, y: Any) -> "MeanFieldRegressor":
        """Train the neurons.

        **Arguments:** `X`, an array or data frame `(n, d)` of numbers; `y`, targets `(n,)` or `(n, outputs)`.

        **Raises:** `ValueError` for a parameter out of range, NaN (with its place), a column that is not numeric (by its name),
        or shapes that do not match.
        """
        self._check_parameters()
        x = inputs.table(self, X, reset=True)
        y = inputs.targets(y, len(x))
        self._vector = y.ndim == 1
        y = y.reshape(len(y), -1)
        self._targets = (standardization if self.standardize else lambda y: identity(y.shape[1]))(y)
        self._learn(x, self._targets.apply(y), "mse")
        return self

    def predict(self, X: Any) -> Array:
        """The network's outputs, `(m,)` or `(m, outputs)`.

        **Raises:** `ValueError` for features unlike those of `fit`.
        """
        outputs = self._outputs(X)
        found = self._targets.undo(outputs)
        return found[:, 0] if self._vector else found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class MeanFieldClassifier(ClassifierMixin, MeanField):
    """Classification by a distribution of neurons that learns features, trained on cross-entropy.

    Descent by particles follows the Wasserstein gradient flow (Mei, Montanari & Nguyen 2018; Chizat & Bach 2018), whose points
    of rest have a certificate of how good they are.
    """

    classes_: np.ndarray

    def fit(self, X: Any, y: Any) -> "MeanFieldClassifier":
        """Train the neurons.

        **Arguments:** `X`, an array or data frame `(n, d)` of numbers; `y`, labels `(n,)` of any kind.

        **Raises:** `ValueError` for a parameter out of range, one class only, NaN (with its place), a column that is not numeric
        (by its name), or shapes that do not match.
        """
        self._check_parameters()
        x = inputs.table(self, X, reset=True)
        self.classes_, labels = inputs.classes_and_labels(y, len(x))
        self._learn(x, np.eye(len(self.classes_))[labels], "cross_entropy")
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row, `(m,)`."""
        outputs = self._outputs(X)
        return self.classes_[outputs.argmax(1)]

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class in the order of `classes_`, `(m, classes)`.

        **Raises:** `ValueError` for features unlike those of `fit`.
        """
        return softmax(self._outputs(X), axis=1)

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithms of `predict_proba`."""
        return np.log(np.maximum(self.predict_proba(X), np.finfo(np.float64).tiny))


MeanFieldRegressor.__doc__ = f"{MeanFieldRegressor.__doc__}\n{_PARAMETERS}"
MeanFieldClassifier.__doc__ = f"{MeanFieldClassifier.__doc__}\n{_PARAMETERS}"
