"""Random features as transformers of scikit-learn."""

import abc
from typing import Any

import jax
import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

import nnlimits
from nnlimits.kernels import Kernel
from nnlimits.nn.fields import as_integer
from nnlimits.presets import mlp
from nnlimits.random_features.arc_cosine import arc_cosine_features
from nnlimits.random_features.feature_map import FeatureMap, RandomFeatureMap
from nnlimits.random_features.features import NetworkFeatures, features
from nnlimits.random_features.fourier import fourier_features
from nnlimits.random_features.kernel_error import KernelError, kernel_error
from nnlimits.random_features.leverage import leverage_weighted
from nnlimits.random_features.nystrom import leverage_landmarks, nystrom_features, uniform_landmarks
from nnlimits.random_features.stationary import LAWS, Stationary

Table = Float[np.ndarray, "n d"]

SAMPLINGS = ("uniform", "leverage")
PROBE_ROWS = 256
POOL = 4
"""As many times the features that are wanted are drawn where leverage scores choose among them."""
SCORED_ROWS = 2000
"""Rows whose features are formed to score features by."""


class FeatureTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, abc.ABC):
    """The common part: `fit` makes the features, `transform` applies them, in the precision of `X`."""

    random_state: Any
    features_: FeatureMap | NetworkFeatures
    n_features_in_: int
    _probe: Table

    @abc.abstractmethod
    def _make(self, x: Table, key: Any) -> FeatureMap | NetworkFeatures:
        """The features for inputs like `x`."""

    def fit(self, X: Any, y: Any = None) -> "FeatureTransformer":
        """Draw the features.

        **Arguments:** `X`, an array or data frame (n, d) of numbers; `y` is not looked at.

        **Raises:** `ValueError` or `TypeError` for a parameter out of range, NaN, or what is no table of numbers.
        """
        x = validate_data(self, X, dtype=(np.float64, np.float32))
        random = check_random_state(self.random_state)
        self.features_ = self._make(x, jax.random.key(random.randint(2**31 - 1)))
        self._probe = x[random.permutation(len(x))[:PROBE_ROWS]]
        return self

    def transform(self, X: Any) -> Table:
        """The features of inputs, (m, n_features), in single precision if `X` is.

        **Raises:** `ValueError` for NaN, or columns unlike those of `fit`.
        """
        check_is_fitted(self)
        return np.asarray(self.features_(validate_data(self, X, dtype=(np.float64, np.float32), reset=False)))

    def kernel_error(self, X: Any = None) -> KernelError:
        """The distance of the features' kernel from the exact one on a probe set: up to 256 examples of `fit`, if none are given.

        **Raises:** as `transform`.
        """
        check_is_fitted(self)
        x = self._probe if X is None else validate_data(self, X, dtype=(np.float64, np.float32), reset=False)
        z = np.asarray(self.features_(x), np.float64)
        return kernel_error(self._exact(x), z @ z.T)

    def _exact(self, x: Table) -> np.ndarray:
        assert isinstance(self.features_, FeatureMap)
        return np.asarray(self.features_.exact_kernel(x))

    @property
    def _n_features_out(self) -> int:
        return self.features_.n_features

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class DrawnFeatures(FeatureTransformer):
    """The common part of features from independent draws: as they come, or chosen among more by their leverage scores."""

    def __init__(self, n_features: Any, *, orthogonal: Any, sampling: Any, ridge: Any, random_state: Any) -> None:
        self.n_features = n_features
        self.orthogonal = orthogonal
        self.sampling = sampling
        self.ridge = ridge
        self.random_state = random_state

    @abc.abstractmethod
    def _draw(self, x: Table, count: int, key: Any) -> RandomFeatureMap:
        """So many features for inputs like `x`."""

    def _make(self, x: Table, key: Any) -> FeatureMap:
        check_sampling(self.sampling)
        count = as_integer("n_features", 1, self.n_features)
        if self.sampling == "uniform":
            return self._draw(x, count, key)
        first, second = jax.random.split(key)
        pool = self._draw(x, POOL * count, first)
        return leverage_weighted(pool, x[:SCORED_ROWS], count, self.ridge, key=second)


class RandomFourierFeatures(DrawnFeatures):
    """`fourier_features` as a transformer: a stationary kernel by cosines and sines of random frequencies.

    **Parameters:** `n_features`, an even number; `lengthscale`, a number, one for each column, or "scale": the root of the sum of
    the columns' variances, as scikit-learn's `gamma="scale"` up to a factor of `sqrt(2)`; `law`, "gaussian", "laplacian",
    "matern12", "matern32" or "matern52"; `orthogonal`, whether frequencies are orthogonal in groups; `sampling`, "uniform", or
    "leverage" to choose among four times as many by their leverage scores on up to 2,000 rows of `X`; `ridge`, the regularisation
    `lambda` of `(K + n lambda I)` that the scores are for; `random_state`.

    **Attributes:** `features_`, the features as a function; `n_features_in_` and `feature_names_in_`.
    """

    def __init__(
        self,
        n_features: Any = 512,
        *,
        lengthscale: Any = "scale",
        law: Any = "gaussian",
        orthogonal: Any = False,
        sampling: Any = "uniform",
        ridge: Any = 1e-4,
        random_state: Any = None,
    ) -> None:
        super().__init__(n_features, orthogonal=orthogonal, sampling=sampling, ridge=ridge, random_state=random_state)
        self.lengthscale = lengthscale
        self.law = law

    def _draw(self, x: Table, count: int, key: Any) -> RandomFeatureMap:
        length = _length(self.lengthscale, x)
        return fourier_features(
            x.shape[1], count, lengthscale=length, key=key, law=self.law, orthogonal=self.orthogonal
        )


class ArcCosineRandomFeatures(DrawnFeatures):
    """`arc_cosine_features` as a transformer: the kernel of a layer of random neurons.

    **Parameters:** `n_features`; `order`, 0 (steps), 1 (ReLU) or 2; `orthogonal`, `sampling`, `ridge` and `random_state` as of
    `RandomFourierFeatures`.

    **Attributes:** `features_`, the features as a function; `n_features_in_` and `feature_names_in_`.
    """

    def __init__(
        self,
        n_features: Any = 512,
        *,
        order: Any = 1,
        orthogonal: Any = False,
        sampling: Any = "uniform",
        ridge: Any = 1e-4,
        random_state: Any = None,
    ) -> None:
        super().__init__(n_features, orthogonal=orthogonal, sampling=sampling, ridge=ridge, random_state=random_state)
        self.order = order

    def _draw(self, x: Table, count: int, key: Any) -> RandomFeatureMap:
        return arc_cosine_features(x.shape[1], count, order=self.order, key=key, orthogonal=self.orthogonal)


class NystromTransformer(FeatureTransformer):
    """`nystrom_features` as a transformer: a kernel's projection onto landmarks among the examples.

    **Parameters:** `n_features`, at most how many landmarks; `kernel`, a function of two batches such as
    `nnlimits.kernel(net).ntk`, or the name of a stationary kernel, one of those of `RandomFourierFeatures`; `lengthscale`, that
    of a stationary kernel; `sampling`, "uniform", or "leverage" to draw landmarks by their leverage scores; `ridge`, the
    regularisation `lambda` of `(K + n lambda I)` that the scores are for; `random_state`.

    A transformer is pickled with its kernel: `nnlimits.kernel(net).ntk` and functions of a module can be, a lambda cannot.

    **Attributes:** `features_`, the features as a function; `n_features_in_` and `feature_names_in_`.
    """

    def __init__(
        self,
        n_features: Any = 512,
        *,
        kernel: Any = "gaussian",
        lengthscale: Any = "scale",
        sampling: Any = "uniform",
        ridge: Any = 1e-4,
        random_state: Any = None,
    ) -> None:
        self.n_features = n_features
        self.kernel = kernel
        self.lengthscale = lengthscale
        self.sampling = sampling
        self.ridge = ridge
        self.random_state = random_state

    def _make(self, x: Table, key: Any) -> FeatureMap:
        kernel, count = self.kernel, min(as_integer("n_features", 1, self.n_features), len(x))
        if isinstance(kernel, Kernel):
            raise TypeError("kernel must be one of a network's two kernels: nnlimits.kernel(network).ntk or .nngp")
        if isinstance(kernel, str):
            if kernel not in LAWS:
                raise ValueError(
                    f"kernel must be a function, or one of {', '.join(map(repr, LAWS))}; received {kernel!r}"
                )
            kernel = Stationary(kernel, _length(self.lengthscale, x))
        check_sampling(self.sampling)
        if self.sampling == "uniform":
            rows = uniform_landmarks(len(x), count, key=key)
        else:
            rows = leverage_landmarks(kernel, x, count, ridge=self.ridge, key=key)
        return nystrom_features(kernel, x[rows])


class NetworkRandomFeatures(FeatureTransformer):
    """`features` as a transformer: the NTK or NNGP of a network of `nnlimits.nn` by random features.

    **Parameters:** `network`, an expression that takes rows (d,); `n_features`; `kernel`, "ntk" or "nngp"; `random_state`.

    **Attributes:** `features_`, the features as a function; `n_features_in_` and `feature_names_in_`.
    """

    def __init__(self, network: Any = None, n_features: Any = 512, *, kernel: Any = "ntk", random_state: Any = None):
        self.network = network
        self.n_features = n_features
        self.kernel = kernel
        self.random_state = random_state

    def _make(self, x: Table, key: Any) -> NetworkFeatures:
        network = mlp(depth=1) if self.network is None else self.network
        return features(network, self.n_features, input_shape=x.shape[1:], kernel=self.kernel, key=key)

    def _exact(self, x: Table) -> np.ndarray:
        assert isinstance(self.features_, NetworkFeatures)
        return np.asarray(getattr(nnlimits.kernel(self.features_.network), self.features_.kernel)(x))


def scale_of(x: Table) -> float:
    """The root of the sum of the columns' variances; 1 for constant columns."""
    varying = np.ptp(x, axis=0) > 0  # the variance of a constant is that of its mean's rounding
    return float(np.sqrt(x[:, varying].var(0, dtype=np.float64).sum())) or 1.0


def check_sampling(sampling: Any) -> None:
    """Raise `ValueError` unless a sampling is known."""
    if sampling not in SAMPLINGS:
        raise ValueError(f"sampling must be one of {', '.join(map(repr, SAMPLINGS))}; received {sampling!r}")


def _length(lengthscale: Any, x: Table) -> Any:
    return scale_of(x) if isinstance(lengthscale, str) and lengthscale == "scale" else lengthscale
