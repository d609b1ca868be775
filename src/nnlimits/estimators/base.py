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
from nnlimits.estimators.candidates import candidates, check_takes
from nnlimits.estimators.criteria import CRITERIA
from nnlimits.estimators.layout import InputStandardization, input_standardization, layout, unstandardized
from nnlimits.estimators.regimes import KERNELS, Learned, learn
from nnlimits.estimators.scales import INITIAL_NOISE
from nnlimits.estimators.selection import Free, Judge, Selected, rows_to_select_on, select
from nnlimits.validation import check_non_negative

Examples = Float[np.ndarray, "n ..."]
Outputs = Float[np.ndarray, "n o"]

PARAMETERS = """
    **Parameters:**

    - `network`: an expression of `nnlimits.nn`, or the name of a preset in `nnlimits.presets` ("mlp", "cnn" or "gcn"), which is
      built for each `depth` and `activation`; "auto" is "mlp" for tables, and "cnn", over images or sequences, for examples with
      positions.
    - `depth`: the number of hidden layers of a preset, or a tuple of candidates.
    - `activation`: that of a preset, by name ("relu", "erf", "gelu", "tanh", ...) or as a layer of `nnlimits.nn`, or a tuple of
      candidates.
    - `w_std`, `b_std`: "auto" to select the scales of weights and biases, starting from those of the network; a number for all
      layers but the readout; or `None` for those of the network. These are the fields of such names of all layers (and the
      `u_std` of `nn.Rnn`); the other scales of attention and of embedded positions stay as they are.
    - `noise`: the variance of the noise on the targets, in units of the standardised targets (of the codes of classes, for a
      classifier); or "auto" to select it. For `regime="trained"` it is the ridge that the networks are trained with.
    - `relevance`: whether each feature (each channel, if there are positions) has a scale of its own that is selected, too:
      automatic relevance determination (Neal 1996; MacKay 1994). Not for tokens, graphs and padded inputs.
    - `regime`: "bayesian" (the posterior of a Bayesian network, kernel NNGP) or "trained" (an ensemble trained on squared error
      by gradient flow, kernel NTK).
    - `time`: for `regime="trained"`, how long to train at learning rate 1 with the loss `1/2` the mean over all entries of
      `(f - y)^2`; `math.inf` for the end of training. Whatever it is, scales are selected as for infinite time.
    - `select`: by what to select: "marginal_likelihood", "leave_one_out" (predictive density), or `None` not to select: then the
      first candidate is taken as it is, and a `noise` of "auto" is 0.05.
    - `selection_rows`: at most how many rows, drawn at random, take part in the selection; "auto" is 1,000, and fewer with
      positions, down to 32, as pairs of these are what the work grows with. All rows are learned from.
    - `standardize`: whether features, and targets of a regression, are given mean zero and unit variance first. With positions,
      a channel has one mean and one variance, over all examples and positions. Constant features are only centred; tokens,
      adjacency matrices and padding stay as they are.
    - `random_state`: for the draw of `selection_rows`.

    **Attributes:** `network_`, the selected network; `kernel_`, its kernel; `noise_`, `relevance_` (the factor of each feature or
    channel); `selection_`, a list of dictionaries with the `network`, `noise` and `value` of each candidate; `jitter_`, what had
    to be added to the Gram matrix's diagonal to solve with it; `log_marginal_likelihood_`; `input_shape_`, that of an example,
    `n_features_in_`, the product of it, and `feature_names_in_`. A regressor has `observation_noise_`, the variance of new
    observations around the function in units of the standardised targets; a classifier has `classes_` and `temperature_`.

    Time and memory grow as the cube and the square of the number of rows; 5,000 rows take seconds and about 1 GB. With positions
    the kernel takes most of the time: each pair of rows costs as much as there are positions, or as there are pairs of them where
    the network averages over positions or attends to them; then give `select=None`, or few `selection_rows`.
    """


class InfiniteNet(BaseEstimator):
    """The common part of `InfiniteNetRegressor` and `InfiniteNetClassifier`."""

    network_: nnlimits.nn.Layer
    kernel_: nnlimits.Kernel
    noise_: float
    relevance_: Float[np.ndarray, " d"]
    selection_: list[dict[str, Any]]
    jitter_: float
    log_marginal_likelihood_: float
    n_features_in_: int
    input_shape_: tuple[int, ...]
    _learned: Learned
    _features: InputStandardization

    def __init__(
        self,
        network: Any = "auto",
        *,
        depth: Any = (1, 2, 4),
        activation: Any = "relu",
        w_std: Any = "auto",
        b_std: Any = "auto",
        noise: Any = "auto",
        relevance: Any = False,
        regime: Any = "bayesian",
        time: Any = math.inf,
        select: Any = "marginal_likelihood",
        selection_rows: Any = "auto",
        standardize: Any = True,
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
        """Raise `ValueError` naming a parameter that is out of range."""
        if self.regime not in KERNELS:
            raise ValueError(f"regime must be one of {', '.join(map(repr, KERNELS))}; received {self.regime!r}")
        if self.select is not None and self.select not in CRITERIA:
            raise ValueError(
                f"select must be None or one of {', '.join(map(repr, CRITERIA))}; received {self.select!r}"
            )
        if not _is_number(self.time) or not self.time >= 0:
            raise ValueError(f"time must be a number of at least 0, or math.inf; received {self.time!r}")
        if self.regime == "bayesian" and not math.isinf(self.time):
            raise ValueError(f'time is for regime="trained"; with regime="bayesian" received time={self.time!r}')
        if not (isinstance(self.noise, str) and self.noise == "auto"):
            if not _is_number(self.noise):
                raise ValueError(f'noise must be "auto" or a number; received {self.noise!r}')
            check_non_negative("noise", self.noise)
        rows = self.selection_rows
        if not (isinstance(rows, str) and rows == "auto") and (not isinstance(rows, int | np.integer) or rows < 2):
            raise ValueError(f'selection_rows must be an integer of at least 2, or "auto"; received {rows!r}')

    def _learn(self, x: Examples, y: Outputs, labels: Any = None) -> None:
        """Select and learn from raw features and standardised targets."""
        shape = x.shape[1:]
        networks = candidates(self.network, self.depth, self.activation, self.w_std, self.b_std, rank=len(shape))
        for network in networks:
            check_takes(network, x)
        entries = layout(networks[0], shape)
        if self.relevance and not entries.plain:
            raise ValueError(
                "relevance=True is not for tokens, graphs and padded inputs, whose values must stay; leave it out"
            )
        standard = (input_standardization if self.standardize else unstandardized)(x, entries)
        selected = self._selected(networks, standard.apply(x), y, labels)
        self._features = standard.weighed(selected.relevance)
        self.network_, self.noise_, self.relevance_ = selected.network, selected.noise, selected.relevance
        self.kernel_ = nnlimits.kernel(self.network_)
        inputs_ = self._features.apply(x)
        self._learned = learn(self.regime, self.kernel_, inputs_, y, noise=self.noise_, time=float(self.time))
        self.jitter_ = self._learned.jitter

    def _selected(self, networks: list[nnlimits.nn.Layer], x: Examples, y: Outputs, labels: Any) -> Selected:
        """The network and its scales, by the criterion or as the parameters say."""
        noise = INITIAL_NOISE if isinstance(self.noise, str) else float(self.noise)
        if self.select is None:
            self.selection_ = []
            return Selected(networks[0], noise, np.ones(x.shape[-1]), math.nan)
        w_std, b_std, noise_free = (isinstance(value, str) for value in (self.w_std, self.b_std, self.noise))
        free = Free(w_std, b_std, noise_free, bool(self.relevance))
        most = (
            rows_to_select_on(networks[0], x.shape[1:]) if isinstance(self.selection_rows, str) else self.selection_rows
        )
        rows = self._selection_rows(len(x), labels)[:most]
        judge = Judge(self.select, KERNELS[self.regime])
        best, found = select(networks, x[rows], y[rows], noise=noise, free=free, judge=judge)
        self.selection_ = [{"network": f.network, "noise": f.noise, "value": f.value} for f in found]
        return best

    def _selection_rows(self, n: int, labels: Any) -> np.ndarray:
        """All rows in random order, of which any first few have all classes in proportion."""
        order = check_random_state(self.random_state).permutation(n)
        if labels is not None:
            shuffled, rank = labels[order], np.zeros(n)
            for label in np.unique(shuffled):
                members = np.flatnonzero(shuffled == label)
                rank[members] = (np.arange(len(members)) + 0.5) / len(members)
            order = order[np.argsort(rank, kind="stable")]
        return order

    def _query(self, X: Any) -> Examples:
        """Features as the network sees them."""
        check_is_fitted(self)
        return self._features.apply(inputs.features(self, X, reset=False))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
