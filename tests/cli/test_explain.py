"""`nnlimits explain`."""

import numpy as np
import pytest

import nnlimits as nl
from nnlimits import nn, presets
from nnlimits.cli import networks, spectra

pytestmark = pytest.mark.usefixtures("no_card")

NETWORK_FILE = """
from nnlimits import nn
net = nn.Sequential(nn.Dense(32), nn.Erf(), nn.Residual(nn.Sequential(nn.Dense(32), nn.Relu(), nn.Dense(32))), nn.Dense(2))
"""


def test_preset(run, tmp_path):
    output = run("explain", "mlp", "--depth", "1", "--width", "32", "--activation", "ERF", "--b-std", "0").output
    assert "nn.Sequential(nn.Dense(32, w_std=1.4142135623730951), nn.Erf(), nn.Dense(1))" in output
    assert "90°" in output
    assert "2,113" in output  # 64 inputs, 32 units: 64 * 32 + 32 + 32 + 1
    assert "stable below a learning rate" not in output


def test_python_file(run, tmp_path):
    (tmp_path / "mine.py").write_text(NETWORK_FILE)
    output = run("explain", "mine.py", "--features", "10").output
    assert "nn.Residual(" in output
    assert f"{nn.count_parameters(networks.resolve('mine.py', {}), (10,)):,}" in output


def test_data_and_figure(run, regression_csv, tmp_path):
    output = run("explain", "mlp", "--data", regression_csv, "--target", "y", "--figure", "seen").output
    assert "stable below a learning rate of" in output
    assert "60 of 60 rows" in output
    assert (tmp_path / "seen.png").stat().st_size > 10_000


def test_classes_as_target_and_fewer_rows(run, classification_csv):
    output = run("explain", "mlp", "--data", classification_csv, "--target", "kind", "--rows", "20").output.split()
    output = " ".join(output)  # lines break anywhere
    assert "20 of 60 rows" in output
    assert "over 40 targets" in output  # one-hot codes of two classes


def test_digits(run):
    assert "digits" in run("explain", "mlp", "--digits", "--rows", "30").output


def test_kernel_values_are_those_of_the_kernel():
    net = presets.mlp(depth=2)
    values = spectra.kernel_values(net, [0, 60, 180])
    x = np.array([[1.0, 0.0, 0.0], [0.5, 3**0.5 / 2, 0.0], [-1.0, 0.0, 0.0]]) * 3**0.5
    both = nl.kernel(net)(x)
    np.testing.assert_allclose(values.nngp, np.asarray(both.nngp)[0], rtol=1e-12)
    np.testing.assert_allclose(values.ntk, np.asarray(both.ntk)[0], rtol=1e-12)


def test_spectrum_predicts_steps_and_rate():
    draw = np.random.default_rng(0).standard_normal
    net, x, y = presets.mlp(depth=1), draw((12, 3)), draw((12, 2))
    found = spectra.spectrum(net, spectra.Sample("random", x, y))
    kernel = nl.kernel(net)
    assert found.max_learning_rate == pytest.approx(float(nl.max_learning_rate(kernel, x, 2)), rel=1e-10)
    assert found.target_share.sum() == pytest.approx(1)
    rate = found.max_learning_rate / 2
    _, vectors = np.linalg.eigh(np.asarray(kernel.ntk(x)))
    direction = vectors[:, -4]
    steps = int(found.steps_to(0.01)[3])
    descent = nl.gradient_descent(kernel, x, np.stack([direction, direction], 1), learning_rate=rate)
    left = 1 - np.asarray(descent.train(np.array([steps - 1, steps])))[..., 0] @ direction
    assert left[1] <= 0.01 < left[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["transformer"], "there are cnn, gcn, mlp, myrtle, rnn"),
        (["mlp", "--activation", "swash"], "there are abs, "),
        (["mlp", "--depth", "0"], "depth must be"),
        (["mlp", "--w-std", "-1"], "w_std must be"),
        (["absent.py"], "there is no file absent.py"),
        (["mlp", "--data", "absent.csv"], "there is no file absent.csv"),
        (["mlp", "--target", "y"], "--data"),
        (["mlp", "--data", "a.csv", "--digits"], "exclude each other"),
        (["mlp", "--rows", "1", "--digits"], "rows"),
    ],
)
def test_bad_arguments(run, arguments, message):
    assert message in run("explain", *arguments, code=2).output


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x = 1", "does not define net"),
        ("net = 3", "or a model of Equinox, Flax NNX or PyTorch; it is of type int"),
        ("net = ", "is not valid Python: invalid syntax in line 1"),
        ("a = 1\nnet = 1 / 0", "raised ZeroDivisionError in line 2"),
        ("from nnlimits import nn\nnet = nn.Dense('a')", "raised"),
        ("raise SystemExit(0)", "raised SystemExit"),
    ],
)
def test_bad_files(run, tmp_path, content, message):
    (tmp_path / "mine.py").write_text(content)
    assert message in run("explain", "mine.py", code=2).output


def test_options_of_presets_do_not_go_with_files(run, tmp_path):
    (tmp_path / "mine.py").write_text(NETWORK_FILE)
    assert "--w-std belong to presets" in run("explain", "mine.py", "--w-std", "2", code=2).output


def test_unknown_column_lists_the_columns(run, regression_csv):
    output = run("explain", "mlp", "--data", regression_csv, "--target", "z", code=2).output
    assert "there is no column 'z'; the columns are a, b, constant, c, y" in output
