"""What the regressor and the classifier share: their parameters, the selection of a network, and its learning."""

import math
from numbers import Real
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

import nnlimits
from nnlimits.estimators import inputs
from nnlimits.estimators.candidates import candidates
from nnlimits.estimators.criteria import CRITERIA
from nnlimits.estimators.regimes import KERNELS, Learned, learn
from nnlimits.estimators.scales import INITIAL_NOISE
from nnlimits.estimators.selection import Free, Judge, Selected, select
from nnlimits.estimators.standardization import Standardization, identity, standardization
from nnlimits.validation import check_non_negative

Table = Float[np.ndarray, "n d"]
Outputs = Float[np.ndarray, "n o"]


class InfiniteNet(BaseEstimator):
    """The common part of `InfiniteNetRegressor` and `InfiniteNetClassifier`; see there."""

    network_: nnlimits.nn.Layer
    kernel_: nnlimits.Kernel
    noise_: float
    jitter_: float
    log_marginal_likelihood_: float
    n_features_in_: int
    _learned: Learned
    _features: Standardization

    def __init__(
        self,
        network: Any = "mlp",
        *,
        depth: Any = (1, 2, 4),
        activation: Any = "relu",
        w_std: Any = "auto",
        b_std: Any = "auto",
        noise: Any = "auto",
        relevance: Any = False,
        regime: str = "bayesian",
        time: float = math.inf,
        select: str | None = "marginal_likelihood",
        selection_rows: int = 500,
        standardize: bool = True,
        random_state: Any = 0,
    ) -> None:
        self.network = network
        self.depth = depth
        self.activation = activation
        self.w_std = w_std
        self.b_std = b_std
        self.noise = noise
        self.relevance = relevance
        self.regime = regime
        self.time = time
        self.select = select
        self.selection_rows = selection_rows
        self.standardize = standardize
        self.random_state = random_state

    def _check_parameters(self) -> None:
        if self.regime not in KERNELS:
            raise ValueError(f"regime must be one of {', '.join(map(repr, KERNELS))}; received {self.regime!r}")
        if self.select is not None and self.select not in CRITERIA:
            raise ValueError(f"select must be None or one of {', '.join(map(repr, CRITERIA))}; received {self.select!r}")
        if isinstance(self.time, bool) or not isinstance(self.time, Real) or not self.time >= 0:
            raise ValueError(f"time must be a number of at least 0, or math.inf; received {self.time!r}")
        if self.regime == "bayesian" and not math.isinf(self.time):
            raise ValueError(f'time is for regime="trained"; with regime="bayesian" received time={self.time!r}')
        if self.noise != "auto":
            if isinstance(self.noise, bool) or not isinstance(self.noise, Real):
                raise ValueError(f'noise must be "auto" or a number; received {self.noise!r}')
            check_non_negative("noise", self.noise)
        if not isinstance(self.selection_rows, int | np.integer) or self.selection_rows < 2:
            raise ValueError(f"selection_rows must be an integer of at least 2; received {self.selection_rows!r}")

    def _learn(self, x: Table, y: Outputs, labels: Any = None) -> None:
        """Select and learn from raw features and standardised targets."""
        self._check_parameters()
        self._features = standardization(x) if self.standardize else identity(x.shape[1])
        z = self._features.apply(x)
        selected = self._select(z, y, labels)
        self._features = Standardization(self._features.mean, self._features.scale / selected.relevance)
        self.network_, self.noise_ = selected.network, selected.noise
        self.relevance_ = selected.relevance
        self.kernel_ = nnlimits.kernel(self.network_)
        self._learned = learn(
            self.regime, self.kernel_, self._features.apply(x), y, noise=self.noise_, time=float(self.time)
        )
        self.jitter_ = self._learned.jitter

    def _select(self, z: Table, y: Outputs, labels: Any) -> Selected:
        networks = candidates(self.network, self.depth, self.activation, self.w_std, self.b_std)
        noise = INITIAL_NOISE if self.noise == "auto" else float(self.noise)
        free = Free(
            w_std=self.w_std == "auto",
            b_std=self.b_std == "auto",
            noise=self.noise == "auto",
            relevance=bool(self.relevance),
        )
        if self.select is None:
            free = Free(False, False, False, False)
            self.selection_: list[dict[str, Any]] = []
            return Selected(networks[0], noise, np.ones(z.shape[1]), math.nan)
        rows = self._selection_rows(len(z), labels)
        judge = Judge(self.select, KERNELS[self.regime])
        best, found = select(networks, z[rows], y[rows], noise=noise, free=free, judge=judge)
        self.selection_ = [{"network": f.network, "noise": f.noise, "value": f.value} for f in found]
        return best

    def _selection_rows(self, n: int, labels: Any) -> np.ndarray:
        """A random sample of rows in random order, of which any first few have all classes in proportion."""
        order = check_random_state(self.random_state).permutation(n)
        if labels is not None:
            shuffled = labels[order]
            rank = np.zeros(n)
            for label in np.unique(shuffled):
                members = np.flatnonzero(shuffled == label)
                rank[members] = (np.arange(len(members)) + 0.5) / len(members)
            order = order[np.argsort(rank, kind="stable")]
        return order[: self.selection_rows]

    def _query(self, X: Any) -> Table:
        """Features as the network sees them."""
        check_is_fitted(self)
        return self._features.apply(inputs.features(self, X, reset=False))
