"""Estimators on images, sequences, tokens and graphs; the networks are small, as compilation is most of the time."""

import pickle

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score

import nnlimits as nl
from nnlimits import InfiniteNetClassifier, InfiniteNetRegressor, nn, presets
from nnlimits.estimators.layout import input_standardization, layout
from nnlimits.estimators.selection import LEAST_ROWS, MOST_ROWS, rows_to_select_on

CNN = presets.cnn(depth=1, width=4)
QUICK = {"select": None}
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def digits():
    """300 images of 8 x 8 pixels, of type uint8."""
    pixels, labels = load_digits(return_X_y=True)
    return pixels[:300].reshape(-1, 8, 8, 1).astype(np.uint8), labels[:300]


def test_images(digits):
    x, labels = digits
    model = InfiniteNetClassifier(CNN, **QUICK).fit(x[:150], labels[:150])
    # a baseline of chance has 0.1, logistic regression on these 150 images 0.87
    assert model.score(x[150:], labels[150:]) > 0.9
    chance = model.predict_proba(x[150:])
    np.testing.assert_allclose(chance.sum(1), 1)
    assert model.input_shape_ == (8, 8, 1)
    assert model.n_features_in_ == 64
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(x[150:]), chance)


def test_it_is_the_posterior_of_images_standardised_by_channel():
    x, y = RNG.normal(size=(20, 5, 4, 2)) * [1.0, 30.0] + [0.0, 7.0], RNG.normal(size=20)
    model = InfiniteNetRegressor(CNN, **QUICK, noise=0.1).fit(x[:15], y[:15])
    mean, scale = x[:15].mean((0, 1, 2)), x[:15].std((0, 1, 2))
    z, target = (x - mean) / scale, (y[:15] - y[:15].mean()) / y[:15].std()
    bayes = nl.posterior(nl.kernel(CNN), z[:15], target, noise=0.1)
    expected = np.asarray(bayes.mean(z[15:])) * y[:15].std() + y[:15].mean()
    np.testing.assert_allclose(model.predict(x[15:]), expected, rtol=1e-9)
    assert model.predict(x[15:], return_std=True)[1].shape == (5,)


@pytest.mark.slow
def test_selection_finds_a_better_network(digits):
    """The scales of convolutions are selected like those of dense layers; the evidence cannot fall."""
    x, labels = digits[0][:60], digits[1][:60]
    poor = nn.Sequential(nn.Conv(1, 3, w_std=0.2, b_std=0.5), nn.Relu(), nn.Flatten(), nn.Dense(1))
    before = InfiniteNetClassifier(poor, **QUICK).fit(x, labels)
    after = InfiniteNetClassifier(poor).fit(x, labels)
    conv = after.network_.layers[0]
    assert conv.w_std / conv.b_std > 2 * 0.2 / 0.5
    assert (conv.kernel_size, conv.padding, conv.width) == (3, "same", 1)
    assert after.log_marginal_likelihood_ > before.log_marginal_likelihood_
    assert len(after.selection_) == 1
    assert eval(repr(after.network_)) == after.network_


def test_channels_that_do_not_matter_lose_their_relevance():
    x = RNG.normal(size=(40, 4, 2))
    y = x[:, :, 0].sum(1)
    model = InfiniteNetRegressor(CNN, relevance=True, w_std=None, b_std=None).fit(x, y)
    assert model.relevance_.shape == (2,)
    assert model.relevance_[1] < model.relevance_[0] / 2


@pytest.mark.parametrize("axes", [2, 3])
def test_networks_that_suit_the_axes_by_themselves(axes):
    x, y = RNG.normal(size=(12, 4, 3, 2)[: axes + 1]), np.arange(12) % 2
    model = InfiniteNetClassifier(**QUICK, depth=1).fit(x, y)
    assert isinstance(model.network_.layers[0], nn.Conv)
    assert isinstance(model.network_.layers[-2], nn.Flatten)


@pytest.mark.slow
def test_cross_validation_and_grid_search(digits):
    x, labels = digits[0][:60], digits[1][:60] % 2
    assert cross_val_score(InfiniteNetClassifier(CNN, **QUICK), x, labels, cv=2).mean() > 0.8
    useless = nn.Sequential(nn.Flatten(), nn.Dense(1, w_std=1e-4, b_std=1.0), nn.Relu(), nn.Dense(1))
    search = GridSearchCV(InfiniteNetClassifier(**QUICK), {"network": [useless, CNN]}, cv=2).fit(x, labels)
    assert search.best_params_["network"] == CNN


def test_padded_sequences():
    """A position that is padding stays so, and what the padding is does not matter."""
    lengths = RNG.integers(2, 7, 40)
    there = np.arange(6) < lengths[:, None]
    values = 5 + RNG.normal(size=(40, 6, 2))
    y = np.where(there, values[..., 0] - 5, 0).sum(1)
    predictions = []
    for value in (0.0, -9.0):
        network = nn.Masked(nn.Linear(1, b_std=0.1), nn.Flatten(), nn.Dense(1), value=value)
        x = np.where(there[..., None], values, value)
        model = InfiniteNetRegressor(network, **QUICK, noise=1e-4).fit(x[:30], y[:30])
        z = model._features.apply(x)
        np.testing.assert_array_equal(z[~there], value)
        np.testing.assert_allclose(z[:30][there[:30]].mean(0), 0, atol=1e-12)
        np.testing.assert_allclose(z[:30][there[:30]].std(0), 1, rtol=1e-12)
        predictions.append(model.predict(x[30:]))
    np.testing.assert_allclose(*predictions, rtol=1e-8)
    assert np.corrcoef(predictions[0], y[30:])[0, 1] > 0.9


def test_tokens_are_not_standardised_and_are_selected_for():
    x = RNG.integers(0, 3, (60, 4))
    y = (x == 2).sum(1).astype(float)
    network = nn.Sequential(nn.Embedding(3, 1), nn.Flatten(), nn.Dense(1))
    model = InfiniteNetRegressor(network).fit(x[:45], y[:45])
    # linear in one-hot codes, so that 45 examples without noise determine it
    np.testing.assert_allclose(model.predict(x[45:]), y[45:], atol=0.1)
    assert not np.allclose(model.network_.layers[0].w_std, 1.0)
    with pytest.raises(ValueError, match=r"the network cannot take X, .* integers from 0 to 2; x has 3"):
        InfiniteNetRegressor(network, **QUICK).fit(x + 1, y)
    with pytest.raises(ValueError, match="relevance=True is not for tokens"):
        InfiniteNetRegressor(network, **QUICK, relevance=True).fit(x, y)


def graphs(n: int, nodes: int = 4):
    """Random graphs with a feature of mean 10; the target is the sum over edges of the products of features."""
    edges = np.triu(RNG.integers(0, 2, (n, nodes, nodes)), 1)
    edges = (edges + edges.swapaxes(1, 2)).astype(float)
    features = RNG.normal(size=(n, nodes, 1))
    y = np.einsum("npq,qn,pn->n", edges, features[..., 0].T, features[..., 0].T)
    return np.concatenate([edges, features + 10], axis=-1), y


def test_graphs_whose_nodes_are_alike_differ_by_their_edges():
    x = graphs(16)[0]
    x[..., 4:] = 3.0
    found = input_standardization(x, layout(nn.GraphNetwork(nn.Aggregate(), nn.Dense(1)), x.shape[1:])).apply(x)
    np.testing.assert_array_equal(found[..., :4], x[..., :4])
    np.testing.assert_array_equal(found[..., 4:], 1.0)


@pytest.mark.slow
def test_graphs_keep_their_edges():
    x, y = graphs(16)
    model = InfiniteNetRegressor(presets.gcn(depth=1, width=1, b_std=0.3), **QUICK).fit(x, y)
    z = model._features.apply(x)
    np.testing.assert_array_equal(z[..., :4], x[..., :4])
    assert z[..., 4].mean() == pytest.approx(0, abs=1e-12)
    # the kernel is that of the graphs, not of standardised numbers in the place of edges
    bayes = nl.posterior(model.kernel_, z, (y - y.mean()) / y.std(), noise=model.noise_)
    np.testing.assert_allclose(model.predict(x), np.asarray(bayes.mean(z)) * y.std() + y.mean(), rtol=1e-8, atol=1e-9)


X = RNG.normal(size=(12, 4, 4, 1))
Y = X[:, 0, 0, 0]


def holed(value: float) -> np.ndarray:
    x = X.copy()
    x[3, 1, 2, 0] = value
    return x


@pytest.mark.parametrize(
    ("network", "x", "message"),
    [
        (CNN, holed(np.nan), r"X contains NaN at index \(3, 1, 2, 0\) \(1 entries"),
        (CNN, holed(np.inf), r"X contains infinity at index \(3, 1, 2, 0\)"),
        (presets.mlp(1), X, r'examples have shape \(4, 4, 1\): Dense at .* network="cnn", or start .* nn.Flatten'),
        ("mlp", X, r"the network cannot take X, whose examples have shape \(4, 4, 1\)"),
        (CNN, X[:, 0, :, 0], r"the network cannot take X, whose examples have shape \(4,\): Conv at position 0"),
        (nn.Sequential(nn.Conv(1, 3), nn.Linear(1)), X, r"outputs with positions, \(4, 4, 1\); end it in nn.Flatten"),
        (CNN, X.astype(complex), "real numbers; received dtype complex128"),
        (CNN, X.astype(str), "real numbers; received dtype <U"),
        (CNN, X[:0], r"X has shape \(0, 4, 4, 1\); at least one example"),
        (nn.Masked(nn.GlobalAvgPool(), nn.Dense(1)), 0 * X, "all positions of example 0"),
    ],
    ids=["nan", "inf", "dense", "mlp", "flat", "positions", "complex", "text", "empty", "masked"],
)
def test_bad_training_data(network, x, message):
    with pytest.raises(ValueError, match=message):
        InfiniteNetRegressor(network, **QUICK).fit(x, Y[: len(x)])


def test_shapes_at_prediction():
    model = InfiniteNetRegressor(CNN, **QUICK).fit(X, Y)
    for x in (X[:, :3], X[..., 0], X.reshape(12, -1)):
        with pytest.raises(ValueError, match=r"InfiniteNetRegressor was fitted to examples of shape \(4, 4, 1\)"):
            model.predict(x)
    with pytest.raises(ValueError, match=r"for one example write X\[None\]"):
        model.predict(X[0])
    with pytest.raises(ValueError, match=r"X contains NaN at index \(3, 1, 2, 0\)"):
        model.predict(holed(np.nan))
    flat = InfiniteNetRegressor(depth=1, **QUICK).fit(X.reshape(12, -1), Y)
    with pytest.raises(ValueError, match=r"X has examples of shape|dim 4"):
        flat.predict(X)


def test_a_fit_to_images_forgets_the_columns_of_a_table():
    import pandas as pd

    model = InfiniteNetRegressor(depth=1, **QUICK).fit(pd.DataFrame({"a": Y, "b": -Y}), Y).fit(X.tolist(), Y)
    assert not hasattr(model, "feature_names_in_")
    assert model.input_shape_ == (4, 4, 1)


@pytest.mark.parametrize(
    ("network", "shape", "rows"),
    [
        (presets.mlp(), (64,), MOST_ROWS),
        (CNN, (8, 8, 1), 176),  # (2e6 / 64)^0.5
        (presets.myrtle(), (32, 32, 3), LEAST_ROWS),
    ],
    ids=["mlp", "cnn", "myrtle"],
)
def test_pairs_of_positions_limit_the_rows_that_scales_are_selected_on(network, shape, rows):
    assert rows_to_select_on(network, shape) == rows
