"""`nnlimits depth`."""

import numpy as np
import pytest


@pytest.fixture
def images(tmp_path):
    """Two classes that differ in their brightest corner, and a third; some to test on."""
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 3, 80)
    x = draw.uniform(0, 50, (80, 4, 4))
    x[np.arange(80), labels, labels] += 200
    path = tmp_path / "corners.npz"
    x = x.astype(np.uint8)
    np.savez(path, Xtrain=x[:60], ytrain=labels[:60], Xtest=x[60:], ytest=labels[60:])
    return path


@pytest.mark.slow
def test_residual_rates(run, tmp_path):
    options = "--layers", "2,4", "--widths", "2,4", "--seeds", "8", "--problems", "2", "--steps", "2"
    output = " ".join(run("depth", "residual-rates", *options, "--folder", "seen").output.split())
    assert "Slopes after 2 steps of 0.2" in output
    assert "width M, independent: outputs, root mean square" in output
    assert (tmp_path / "seen" / "residual_rates.png").stat().st_size > 10_000


@pytest.mark.slow
def test_spiral(run, tmp_path):
    options = "--points", "20", "--layers", "3", "--width", "6", "--steps", "60", "--loss", "logistic"
    output = " ".join(run("depth", "spiral", *options).output.split())
    assert "Two spirals of 20 points: 3 layers of 6 neurons" in output
    assert "no certificate" in output
    assert (tmp_path / "spiral.png").stat().st_size > 10_000


@pytest.mark.slow
def test_digits(run, tmp_path, images):
    options = (
        "--classes",
        "0,2",
        "--examples",
        "12",
        "--layers",
        "3",
        "--width",
        "8",
        "--features",
        "5",
        "--steps",
        "300",
    )
    output = " ".join(run("depth", "digits", images, *options, "--spread", "0").output.split())
    assert "12 images of 0 and 2: 3 layers of 8 neurons" in output
    assert "accuracy training 100.0%" in output
    assert "certified at no record: " in output
    assert (tmp_path / "digits.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["residual-rates", "--layers", "4"], "--layers must be two or more, to fit a slope; received '4'"),
        (["residual-rates", "--widths", "4,x"], "--widths must be whole numbers of at least 1 that ascend"),
        (["residual-rates", "--step", "0"], "--step must be finite and positive; received 0"),
        (["residual-rates", "--folder", "corners.npz/new"], "Invalid value for '--folder'"),
        (["residual-rates", "--seed", "99999999999999999999"], "--seed"),
        (["spiral", "--points", "7"], "points must be an even number of at least 4; received 7"),
        (["spiral", "--loss", "huber"], "--loss must be mse or logistic; received 'huber'"),
        (["spiral", "--readout", "-1"], "--readout must be finite and positive; received -1"),
        (["digits", "none.npz"], "there is no file none.npz"),
        (["digits", "corners.npz", "--classes", "4"], "--classes must be two whole numbers, such as 4,9; received '4'"),
        (["digits", "corners.npz", "--classes", "0,7"], "leaves no images of both classes to test on"),
        (["digits", "corners.npz", "--classes", "0,2"], "must hold 500 examples of the classes 0 and 2, of both"),
    ],
)
def test_bad_input(run, images, arguments, message):
    assert message in " ".join(run("depth", *arguments, code=2).output.split())


@pytest.mark.slow
def test_training_that_diverges_is_a_message(run):
    sizes = "--layers", "2,4", "--widths", "2,4", "--seeds", "4", "--problems", "2", "--steps", "1"
    output = run("depth", "residual-rates", *sizes, "--step", "1e6", code=2).output
    assert "step=1e+06 is too large" in " ".join(output.split())


def test_files_without_test_images(run, tmp_path, images):
    with np.load(images) as file:
        np.savez(tmp_path / "train.npz", X=file["Xtrain"], y=file["ytrain"])
    options = "--classes", "0,2", "--examples", "60"
    output = run("depth", "digits", "train.npz", *options, code=2).output
    assert "leaves no images of both classes to test on; give fewer --examples" in " ".join(output.split())
    np.savez(tmp_path / "other.npz", a=np.ones((3, 2)))
    assert "must hold images and their labels" in " ".join(run("depth", "digits", "other.npz", code=2).output.split())


@pytest.mark.slow
def test_solvers_prints_a_table_and_saves_a_figure(run, tmp_path):
    arguments = "--width", "8", "--examples", "32", "--steps", "20", "--folder", "seen"
    output = run("depth", "solvers", *arguments).output
    assert "Evaluations of the cell until all examples are solved" in " ".join(output.split())
    assert "plain iteration" in output
    assert (tmp_path / "seen" / "solvers.png").stat().st_size > 10_000


def test_options_are_refused_with_a_message(run):
    assert "--width" in run("depth", "solvers", "--width", "0", code=2).output
