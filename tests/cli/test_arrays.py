"""`nnlimits fit`, `predict` and `explain` on images, sequences, tokens and graphs; and the networks they take."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

import nnlimits as nl
from nnlimits import nn, presets
from nnlimits.cli import arrays, cross_validation, models, networks, shapes, spectra

pytestmark = pytest.mark.usefixtures("no_card")

SMALL = ("--depth", "1", "--width", "4", "--folds", "2")
TOKENS = """
from nnlimits import nn
net = nn.Sequential(nn.Embedding(4, 8), nn.Flatten(), nn.Dense(1))
"""
FLATTENED = """
from nnlimits import nn
net = nn.Sequential(nn.Conv(8, (3, 3)), nn.Relu(), nn.Flatten(), nn.Dense(1))
"""


@pytest.fixture
def digits(tmp_path):
    """60 images of uint8 pixels without an axis for channels, in `digits.npz`, and 60 others in `new.npz`."""
    pixels, labels = load_digits(return_X_y=True)
    images = pixels.reshape(-1, 8, 8).astype(np.uint8)
    np.savez(tmp_path / "digits.npz", images=images[:60], labels=labels[:60] % 2)
    np.savez(tmp_path / "new.npz", images=images[60:120, ..., None], labels=labels[60:120] % 2, extra=labels[:3])
    return images, labels


@pytest.fixture
def bayesian(monkeypatch):
    """One regime, so that half as much is compiled."""
    regimes = cross_validation.REGIMES
    monkeypatch.setattr(cross_validation, "REGIMES", {"bayesian": regimes["bayesian"]})


@pytest.fixture
def quick(monkeypatch):
    """Estimators that take their scales as they are, and one competitor."""
    for name in ("InfiniteNetRegressor", "InfiniteNetClassifier"):
        estimator = getattr(cross_validation, name)
        monkeypatch.setattr(
            cross_validation, name, lambda estimator=estimator, **options: estimator(**(options | {"select": None}))
        )
    for name, kept in (("regressors", "ridge regression"), ("classifiers", "logistic regression")):
        build = getattr(cross_validation.baselines, name)
        monkeypatch.setattr(
            cross_validation.baselines, name, lambda seed, build=build, kept=kept: {kept: build(seed)[kept]}
        )


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_images_by_default_are_for_a_cnn(run, digits, tmp_path):
    output = run("fit", "digits.npz", *SMALL).output
    assert "60 examples of shape (8, 8, 1) in images; target labels: classification" in output
    assert "Channels are standardised over examples and positions" in output
    for name in ("(NNGP)", "(NTK)", "logistic regression", "Held-out predictions of 60 rows, 2-fold"):
        assert name in output
    assert "nn.Sequential(nn.Conv(4, 3, " in output

    output = run("predict", "digits.nnlimits", "new.npz").output
    assert "arrays that the model does not use: extra" in output
    assert "The data hold the target" in output
    model = models.load(tmp_path / "digits.nnlimits")
    assert model.array == "images"
    written = pd.read_csv("predictions.csv")
    chance = model.estimator.predict_proba(digits[0][60:120, ..., None].astype(float))
    np.testing.assert_allclose(written[["probability_0", "probability_1"]], chance, rtol=1e-9)
    # parity of a digit from 60 of them: chance is 0.5
    assert (written["label"] == digits[1][60:120] % 2).mean() > 0.75


@pytest.mark.usefixtures("quick", "bayesian")
def test_the_network_may_be_a_file(run, digits, tmp_path):
    (tmp_path / "mine.py").write_text(FLATTENED)
    run("fit", "digits.npz", "--network", "mine.py", "--folds", "2")
    assert isinstance(models.load(tmp_path / "digits.nnlimits").estimator.network_.layers[-2], nn.Flatten)


@pytest.mark.slow
@pytest.mark.usefixtures("quick", "bayesian")
def test_tokens(run, tmp_path):
    (tmp_path / "tokens.py").write_text(TOKENS)
    tokens = np.random.default_rng(0).integers(0, 4, (24, 6))
    np.savez("tokens.npz", x=tokens, y=(tokens == 2).sum(1) / 6.0)
    output = run("fit", "tokens.npz", "--preset", "tokens.py", "--folds", "2", "--task", "regression").output
    assert "24 examples of shape (6,) in x" in output
    run("predict", "tokens.nnlimits", "tokens.npz")
    assert list(pd.read_csv("predictions.csv").columns) == ["mean", "std"]


def test_graphs(tmp_path):
    graphs, y = np.ones((24, 3, 4)), np.arange(24.0)
    np.savez(tmp_path / "graphs.npz", X=graphs, y=y)
    found = arrays.load(tmp_path / "graphs.npz", None, "regression", presets.gcn(), images=False)
    np.testing.assert_array_equal(found.table.x, graphs)
    np.testing.assert_array_equal(found.table.y, y)
    assert found.target == "y"


@pytest.mark.usefixtures("quick", "bayesian")
def test_a_preset_for_a_table(run, regression_csv, tmp_path):
    run("fit", regression_csv, "--target", "y", *SMALL, "--b-std", "0.2")
    network = models.load(tmp_path / "heat.nnlimits").estimator.network_
    assert network == presets.mlp(1, 4, b_std=0.2)


IMAGES = np.random.default_rng(0).normal(size=(8, 4, 4))


def holed(place, value):
    x = IMAGES.copy()
    x[place] = value
    return x


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ({"images": IMAGES}, (), "--target names the array to predict; t.npz holds images (8, 4, 4)"),
        ({"images": IMAGES, "y": np.arange(8)}, ("--target", "z"), "there is no array 'z'; t.npz holds images"),
        (
            {"a": IMAGES, "b": IMAGES, "y": np.arange(8)},
            (),
            "must be the inputs, named X, x, images if there are others",
        ),
        ({"x": IMAGES, "y": np.arange(7)}, (), "must have one entry for each of the 8 examples; its shape is (7,)"),
        ({"x": IMAGES, "y": np.arange(8)}, ("--target", "x"), "it cannot be the target too"),
        ({"x": IMAGES, "y": np.arange(8)}, ("--drop", "x"), "--drop leaves out columns of a table"),
        ({"x": holed((3, 1, 2), np.nan), "y": np.arange(8)}, (), "the array 'x' contains nan at index (3, 1, 2)"),
        ({"x": IMAGES + 1j, "y": np.arange(8)}, (), "the array 'x' must hold real numbers; its dtype is complex128"),
        ({"x": IMAGES[:3], "y": np.arange(3)}, (), "t.npz has 3 examples; at least 4 are needed"),
        ({"x": IMAGES, "y": np.ones(8)}, (), "holds one class only"),
        ({"x": IMAGES, "y": np.r_[np.nan, np.arange(7)]}, (), "column 'y' has no value in row 1"),
        (
            {"x": IMAGES, "y": np.arange(8)},
            ("--preset", "mlp"),
            "the network cannot take the array 'x', examples of shape",
        ),
        ({"x": IMAGES, "y": np.arange(8)}, ("--preset", "resnet"), "there is no preset 'resnet'; there are cnn, gcn"),
        ({"x": IMAGES, "y": np.arange(8)}, ("--blocks", "2"), "the preset cnn takes no --blocks"),
        (
            {"x": IMAGES[:, 0], "y": np.arange(8)},
            ("--target", "y", "--preset", "cnn"),
            "cannot take the table, examples of",
        ),
        ({"x": IMAGES[:, 0], "y": np.arange(8)}, (), "--target names the column to predict; the columns are x_0"),
    ],
)
def test_bad_arrays(run, content, options, message):
    np.savez("t.npz", **content)
    assert message in " ".join(run("fit", "t.npz", *options, code=2).output.split())


@pytest.mark.usefixtures("quick", "bayesian")
def test_bad_arrays_at_prediction(run, digits, tmp_path):
    run("fit", "digits.npz", *SMALL)
    np.savez("other.npz", images=digits[0][:5, :4])
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    for name, message in (
        ("other.npz", "has examples of shape (4, 8); the model was fitted to (8, 8, 1)"),
        ("table.csv", "is not an NPZ file by its ending"),
        ("absent.npz", "there is no file absent.npz"),
    ):
        assert message in " ".join(run("predict", "digits.nnlimits", name, code=2).output.split())


def test_explain_a_preset_for_images(run):
    output = run("explain", "--preset", "cnn", "--depth", "1", "--width", "8", "--input-shape", "5,4,2").output
    assert "Kernels of two random (5, 4, 2) inputs" in output
    # 3 x 3 x 2 weights and a bias for each of 8 channels; one for each of 5 x 4 x 8 units, and a bias
    assert f"{8 * 19 + 160 + 1}" in output
    assert "done  kernels of two inputs" in output


def test_explain_with_images(run, digits):
    output = run("explain", "cnn", "--depth", "1", "--width", "8", "--data", "digits.npz", "--rows", "12").output
    assert "12 of 60 rows of digits.npz, channels standardised" in output
    assert "stable below a learning rate of" in output
    assert "over 24 targets" in " ".join(output.split())  # labels are read, as one-hot codes of two classes


@pytest.mark.slow
def test_explain_the_digits_as_images_and_save_a_figure(run, tmp_path):
    options = ("--depth", "1", "--digits", "--rows", "12", "--figure", "seen")
    assert "Parameters, with inputs of shape (8, 8, 1)" in run("explain", "cnn", *options).output
    assert (tmp_path / "seen.png").stat().st_size > 10_000


def test_explain_tokens(run, tmp_path):
    (tmp_path / "tokens.py").write_text(TOKENS)
    output = run("explain", "tokens.py", "--input-shape", "6").output
    assert "Tokens have no angle" in output
    assert "81" in output  # 4 tokens of 8 channels, 48 weights and a bias


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one network is needed"),
        (["cnn", "--preset", "mlp"], "one network is needed"),
        (["cnn", "--input-shape", "8,x"], "--input-shape must be positive integers with commas between"),
        (["cnn", "--input-shape", "8,0,1"], "--input-shape must be positive integers"),
        (["cnn", "--input-shape", "8"], "cnn cannot take examples of shape (8,): Conv at position 0"),
        (["mlp", "--input-shape", "8,8,1"], "mlp cannot take examples of shape (8, 8, 1): Dense at position 0"),
        (["mlp", "--input-shape", "8", "--features", "8"], "exclude each other"),
        (["file.py"], "give the shape of an example with --input-shape"),
        (["tokens.py", "--input-shape", "6", "--figure", "f"], "tokens have none"),
    ],
)
def test_bad_shapes(run, tmp_path, arguments, message):
    (tmp_path / "file.py").write_text(FLATTENED)
    (tmp_path / "tokens.py").write_text(TOKENS)
    assert message in " ".join(run("explain", *arguments, code=2).output.split())


@pytest.mark.parametrize("name", presets.NAMED)
def test_each_preset_takes_its_usual_shape(name):
    network = networks.resolve(name, {})
    assert shapes.of(name, network, None, None) == networks.PRESET_SHAPES[name]


def test_turned_inputs_have_their_angle_and_unit_mean_square():
    fixed, turned = spectra._with_positions([0, 60, 180], (4, 3, 2), 0)
    np.testing.assert_allclose((turned**2).mean((1, 2, 3)), 1)
    np.testing.assert_allclose((fixed * turned).mean((1, 2, 3)), [1, 0.5, -1])
    # a network that sees inputs as flat only knows the angle: the same kernel as that of two features
    net = nn.Sequential(nn.Flatten(), *presets.mlp(1).layers)
    flat = spectra.kernel_values(presets.mlp(1), [0, 60, 180])
    images = spectra.kernel_values(net, [0, 60, 180], (4, 3, 2))
    for found, expected in zip(images, flat, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_graphs_are_rings():
    fixed, turned = spectra._with_positions([0, 90], (5, 7), 5)
    assert fixed.shape == (1, 5, 7)
    np.testing.assert_array_equal(turned[:, :, :5].sum(-1), 2)
    np.testing.assert_array_equal(turned[0, :, :5], turned[0, :, :5].T)


def test_correlations_out_are_those_of_the_kernel():
    net = presets.cnn(1)
    values = spectra.kernel_values(net, [0, 90], (4, 4, 1))
    both = np.concatenate(spectra._with_positions([0, 90], (4, 4, 1), 0))
    nngp = np.asarray(nl.kernel(net).nngp(both))
    row = list(values.rows())[1]
    assert row[3] == pytest.approx(nngp[0, 2] / np.sqrt(nngp[0, 0] * nngp[2, 2]), rel=1e-9)


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (presets.cnn(2, 4), presets.cnn(2, 16)),
        (presets.myrtle(5, 4), presets.myrtle(5, 16)),
        (presets.rnn(4), presets.rnn(16)),
        (presets.gcn(2, 4, outputs=3), presets.gcn(2, 16, outputs=3)),
        (presets.mlp(2, 4), presets.mlp(2, 16)),
    ],
    ids=["cnn", "myrtle", "rnn", "gcn", "mlp"],
)
def test_with_width(network, expected):
    assert nn.with_width(network, 16) == expected


def test_with_width_keeps_shapes_that_have_to_agree():
    for name, shape in (("wide_resnet", (8, 8, 3)), ("transformer_encoder", (5, 3))):
        network = nn.with_width(presets.NAMED[name](outputs=7), 16)
        assert network.output_shape(shape) == (7,)


def test_grey_images_get_a_channel_where_the_network_needs_one():
    three, four = np.ones((5, 8, 8), np.uint8), np.ones((5, 8, 8, 2))
    square = nn.Sequential(nn.Conv(4, (3, 3)), nn.GlobalAvgPool(), nn.Dense(1))
    assert arrays._examples("x", three, square, images=False).shape == (5, 8, 8, 1)
    assert arrays._examples("x", three, presets.rnn(), images=False).shape == (5, 8, 8)
    assert arrays._examples("x", three, presets.cnn(), images=True).shape == (5, 8, 8, 1)
    assert arrays._examples("x", four, presets.cnn(), images=True).shape == (5, 8, 8, 2)
