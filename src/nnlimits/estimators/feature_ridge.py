"""What the estimators on random features share: ridge regression on the features of a network, batch by batch."""

from collections.abc import Iterator
from numbers import Integral
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

import nnlimits
from nnlimits.compute.progress import Progress, check_shown
from nnlimits.estimators import inputs
from nnlimits.estimators.candidates import candidates, check_takes
from nnlimits.estimators.layout import InputStandardization, input_standardization, layout, unstandardized
from nnlimits.estimators.reservoir import Reservoir
from nnlimits.kernels.load import work_of_a_pair
from nnlimits.random_features import (
    KernelError,
    NetworkFeatures,
    NystromFeatures,
    features,
    kernel_error,
    nystrom_features,
    uniform_landmarks,
)
from nnlimits.random_features.features import KERNELS
from nnlimits.random_features.ridge import RidgeStatistics
from nnlimits.random_features.ridge_regression import RidgeSolution
from nnlimits.validation import check_positive

Examples = Float[np.ndarray, "n ..."]
Outputs = Float[np.ndarray, "n o"]

APPROXIMATIONS = ("auto", "random", "nystrom")
BATCH_ENTRIES = 2**24
"""Of features in a batch, where its size is left open."""
PROBE_ROWS = 256
"""Rows whose exact kernel is formed to measure the error of the features."""

PARAMETERS = """
    **Parameters:**

    - `network`: an expression of `nnlimits.nn`, or the name of a preset in `nnlimits.presets` ("mlp" or "cnn"), which is
      built for `depth` and `activation`; "auto" is "mlp" for tables, and "cnn" for examples with positions.
    - `n_features`: at most how many features. Of random ones, their kernel's relative error falls as `n_features^{-1/2}`,
      and is measured: `kernel_error_`. Time grows as `n n_features^2`, memory as `24 n_features^2` bytes, whatever the
      number of examples.
    - `depth`: the number of hidden layers of a preset; `activation`: its activation, by name or as a layer.
    - `kernel`: "ntk", an ensemble of networks trained to the end, or "nngp", the mean of a Bayesian network.
    - `approximation`: "random", features that owe nothing to the data (Zandieh et al. 2021; Han et al. 2022), or "nystrom", the
      kernel's projection onto as many examples, drawn from the first batch (Rudi et al. 2015). Nystrom's has the smaller error of
      as many features, and none where all examples are taken; each example costs `n_features` entries of the exact kernel,
      which is little for networks of dense layers and much for convolutions. "auto" is "nystrom" where an entry costs little and
      there are examples to draw from, all of `fit`, or `n_features` in the first batch of `partial_fit`; otherwise "random".
    - `noise`: the variance of the noise on the targets, in units of the standardised targets, as of `InfiniteNetRegressor`;
      "auto" takes that of the least generalised cross-validation error.
    - `standardize`: whether each feature (each channel, if there are positions) is given mean zero and unit variance first.
      `partial_fit` does it by the mean and variance of its first batch.
    - `batch_size`: how many examples at a time; "auto" is as many as have 16 million features.
    - `progress`: whether to show a bar of the batches; `None` for "if a person is watching".
    - `random_state`: for the features, and for the examples that are kept to measure errors by.

    **Attributes:** `network_`; `approximation_`, "random" or "nystrom"; `features_`, the features of standardised examples;
    `coef_`, their weights, and `intercept_`; `noise_`; `effective_dimension_`, how many parameters were fitted;
    `validation_error_`, the generalised cross-validation error, as a part of the targets' variance; `kernel_error_`, the distance
    of the features' kernel from the exact one on up to 256 of the examples (a `KernelError`, computed when it is first asked
    for); `n_seen_`, how many examples were learned from; `input_shape_`, `n_features_in_` and `feature_names_in_`.

    Features have the precision of the `X` that came first: single for float32, otherwise double. Single takes half of the time.
    Where there are not many more examples than features, `InfiniteNetRegressor` and `InfiniteNetClassifier` compute the exact
    kernel in the same time.
    """


class OneKernel(eqx.Module):
    """The NTK or the NNGP of a network: a function that can be pickled."""

    network: nnlimits.nn.Layer
    kernel: str = eqx.field(static=True)

    def __call__(self, x1: Any, x2: Any) -> Any:
        """The kernel of all pairs."""
        return getattr(nnlimits.kernel(self.network), self.kernel)(x1, x2)


class Solved(NamedTuple):
    """What is kept of a `RidgeSolution`."""

    solution: RidgeSolution
    calibration: float
    """What the classifier fits to predictions of examples left out."""


class FeatureRidge(BaseEstimator):
    """The common part of `NTKFeatureRegressor` and `NTKFeatureClassifier`."""

    network_: nnlimits.nn.Layer
    approximation_: str
    features_: NetworkFeatures | NystromFeatures
    n_seen_: int
    n_features_in_: int
    input_shape_: tuple[int, ...]
    _standard: InputStandardization
    _statistics: RidgeStatistics
    _reservoir: Reservoir
    _dtype: Any
    _found: dict[str, Any]

    def __init__(
        self,
        network: Any = "auto",
        *,
        n_features: Any = 4096,
        depth: Any = 3,
        activation: Any = "relu",
        kernel: Any = "ntk",
        approximation: Any = "auto",
        noise: Any = "auto",
        standardize: Any = True,
        batch_size: Any = "auto",
        progress: Any = None,
        random_state: Any = 0,
    ) -> None:
        self.network = network
        self.n_features = n_features
        self.depth = depth
        self.activation = activation
        self.kernel = kernel
        self.approximation = approximation
        self.noise = noise
        self.standardize = standardize
        self.batch_size = batch_size
        self.progress = progress
        self.random_state = random_state

    @property
    def coef_(self) -> Outputs:
        """The weights of the features, (n_features, outputs)."""
        return self._solved().solution.weights

    @property
    def intercept_(self) -> Float[np.ndarray, " o"]:
        """What is added to each output."""
        return self._solved().solution.offset

    @property
    def noise_(self) -> float:
        """The variance of the noise on the standardised targets."""
        return self._solved().solution.ridge * self.n_seen_

    @property
    def effective_dimension_(self) -> float:
        """How many parameters were fitted."""
        return self._solved().solution.effective_dimension

    @property
    def validation_error_(self) -> float:
        """The generalised cross-validation error, as a part of the targets' variance."""
        return self._solved().solution.validation

    @property
    def kernel_error_(self) -> KernelError:
        """The distance of the features' kernel from the exact one, on examples learned from."""
        check_is_fitted(self)
        if "error" not in self._found:
            probe = self._reservoir.examples[:PROBE_ROWS]
            z = np.asarray(self.features_(probe), np.float64)
            exact = getattr(nnlimits.kernel(self.network_), self.kernel)(probe)
            self._found["error"] = kernel_error(np.asarray(exact), z @ z.T)
        return self._found["error"]

    def _begin(self, x: Examples, outputs: int, dtype: Any, landmarks: int) -> None:
        """Choose the features, by parameters and first examples; they serve as landmarks if they are so many."""
        network = candidates(self.network, self.depth, self.activation, None, None, rank=x.ndim - 1)[0]
        check_takes(network, x)
        random = check_random_state(self.random_state)
        key = jax.random.key(random.randint(2**31 - 1))
        entries = layout(network, x.shape[1:])
        standard = (input_standardization if self.standardize else unstandardized)(x, entries)
        self.network_, self._standard, self._dtype = network, standard, dtype
        self.approximation_ = self._chosen_approximation(x, landmarks)
        self.features_ = self._feature_map(x, key)
        self._statistics = RidgeStatistics(self.features_.n_features, outputs)
        self._reservoir = Reservoir(np.empty((0, *x.shape[1:]), dtype), np.empty((0, outputs)), random)
        self.n_seen_ = 0

    def _chosen_approximation(self, x: Examples, landmarks: int) -> str:
        if self.approximation != "auto":
            return self.approximation
        cheap = work_of_a_pair(self.network_, x.shape[1:]) == 1
        return "nystrom" if cheap and len(x) >= landmarks else "random"

    def _feature_map(self, x: Examples, key: Any) -> NetworkFeatures | NystromFeatures:
        """The features of standardised examples, the first of which are `x` before."""
        if self.approximation_ == "random":
            return features(self.network_, self.n_features, kernel=self.kernel, input_shape=x.shape[1:], key=key)
        landmarks = x[uniform_landmarks(len(x), min(self.n_features, len(x)), key=key)]
        kernel = OneKernel(self.network_, self.kernel)
        return nystrom_features(kernel, self._standard.apply(landmarks).astype(self._dtype))

    def _add(self, x: Examples, y: Outputs) -> None:
        """Learn from more examples, of which all were checked."""
        self._found = {}
        batches = list(self._batches(len(x)))
        with Progress("learning from batches", len(batches), self.progress) as progress:
            for batch in batches:
                z = self._standard.apply(x[batch]).astype(self._dtype)
                self._statistics.partial_fit(self.features_(z), y[batch])
                self._reservoir.add(z, y[batch])
                progress.advance()
        self.n_seen_ = self._statistics.n_examples

    def _solved(self) -> Solved:
        """The weights, found when they are first needed after more was learned."""
        check_is_fitted(self)
        if "solved" not in self._found:
            if isinstance(self.noise, str):
                solution = self._statistics.select()
            else:
                solution = self._statistics.solve(self.noise / self.n_seen_)
            calibration = self._calibrate(solution)
            # the factor is as large as the statistics, and no longer needed
            self._found["solved"] = Solved(solution.without_factor(), calibration)
        return self._found["solved"]

    def _calibrate(self, solution: RidgeSolution) -> float:
        return 0.0

    def _left_out(self, solution: RidgeSolution) -> tuple[Outputs, Outputs]:
        """Predictions of some examples by what the others teach, and their targets."""
        z, y = np.asarray(self.features_(self._reservoir.examples), np.float64), self._reservoir.targets
        leverage = np.minimum(solution.leverage(z), 1 - 1e-6)[:, None]
        return (z @ solution.weights + solution.offset - leverage * y) / (1 - leverage), y

    def _outputs(self, X: Any) -> Outputs:
        """What the model gives for new examples."""
        check_is_fitted(self)
        x = inputs.features(self, X, reset=False)
        solution = self._solved().solution
        outputs = np.empty((len(x), solution.weights.shape[1]))
        for batch in self._batches(len(x)):
            z = self._standard.apply(x[batch]).astype(self._dtype)
            outputs[batch] = np.asarray(self.features_(z), np.float64) @ solution.weights + solution.offset
        return outputs

    def _batches(self, n: int) -> Iterator[slice]:
        size = self.batch_size
        if isinstance(size, str):
            size = max(1, BATCH_ENTRIES // self.features_.n_features)
        for start in range(0, n, size):
            yield slice(start, start + size)

    def _is_begun(self) -> bool:
        return hasattr(self, "_statistics")

    def _check_parameters(self) -> None:
        """Raise `ValueError` naming a parameter that is out of range."""
        if self.kernel not in KERNELS:
            raise ValueError(f"kernel must be one of {', '.join(map(repr, KERNELS))}; received {self.kernel!r}")
        if self.approximation not in APPROXIMATIONS:
            raise ValueError(
                f"approximation must be one of {', '.join(map(repr, APPROXIMATIONS))}; received {self.approximation!r}"
            )
        if not (isinstance(self.noise, str) and self.noise == "auto"):
            check_positive("noise", self.noise)
        _check_count("n_features", self.n_features)
        if not (isinstance(self.batch_size, str) and self.batch_size == "auto"):
            _check_count("batch_size", self.batch_size, ', or "auto"')
        _check_count("depth", self.depth)
        check_shown(self.progress)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def precision(X: Any) -> Any:
    """The dtype of the features of examples."""
    return np.float32 if getattr(X, "dtype", None) == np.float32 else np.float64


def _check_count(name: str, value: Any, alternative: str = "") -> None:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be a positive integer{alternative}; received {value!r}")
