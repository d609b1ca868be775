"""`nnlimits rkhs`."""

import numpy as np
import pytest

NET = ("--depth", "1")
FEW = ("--sample", "100", "--tests", "70", "--sizes", "4")


@pytest.fixture
def images(tmp_path):
    """Images of two kinds, stripes one way and the other, under noise."""
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, 170)
    stripes = np.where(np.arange(6) % 2, 1.0, 0.0)
    patterns = np.where(labels[:, None, None] > 0, stripes[:, None], stripes[None])
    path = tmp_path / "stripes.npz"
    images = patterns + 0.3 * draw.standard_normal((170, 6, 6))
    np.savez(path, X=images, y=labels)
    np.savez(tmp_path / "numbers.npz", X=images, y=images[:, 0, 0])
    np.savez(tmp_path / "dark.npz", X=np.where(np.arange(170)[:, None, None] == 7, 0.0, images), y=labels)
    np.savez(tmp_path / "damaged.npz", X=np.where(np.arange(170)[:, None, None] == 9, np.nan, images), y=labels)
    return path


@pytest.mark.slow
def test_mercer(run, tmp_path):
    """The eigenvalues of one ReLU layer without biases: 1/3 of degree 1 in 3 dimensions, as N(3, 1) mu = 1/2 + 1/2."""
    found = run("rkhs", "mercer", "mlp", *NET, "--b-std", "0", "--dimension", "3", "--degrees", "20")
    output = " ".join(found.output.split())
    assert "1 3 0.333333 0.5000 0.166667 0.5000" in output
    assert "NTK eigenvalues fall as k^-3 at high degrees" in output
    assert "NNGP eigenvalues fall as k^-5 at high degrees" in output
    assert (tmp_path / "mercer.png").stat().st_size > 10_000


@pytest.mark.slow
def test_learning_curve(run, tmp_path):
    options = "--dimension", "4", "--sizes", "8,16", "--draws", "2", "--folder", "seen"
    output = " ".join(run("rkhs", "learning-curve", "mlp", *NET, *options).output.split())
    assert "NTK: mean squared test error, 2 samples" in output
    assert "NNGP: mean squared test error, 2 samples" in output
    assert (tmp_path / "seen" / "learning_curve.png").stat().st_size > 10_000


@pytest.mark.slow
def test_digits(run, tmp_path, images):
    options = "--sample", "140", "--tests", "30", "--sizes", "5,20", "--draws", "2"
    output = " ".join(run("rkhs", "digits", images, *NET, *options).output.split())
    assert "NTK: mean squared test error, summed over classes, 2 training sets of each size" in output
    assert "from eigenfunctions 10 to 14" in output
    assert (tmp_path / "digits.png").stat().st_size > 10_000


@pytest.mark.slow
def test_digits_of_a_network_for_images(run, images):
    options = "--network", "cnn", "--sample", "20", "--tests", "8", "--sizes", "5", "--draws", "2"
    assert "NNGP: mean squared test error" in run("rkhs", "digits", images, *NET, *options).output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mercer", "cnn"], "tells features apart"),
        (["mercer", "mlp", "--radius", "-1"], "radius must be finite and positive; received -1"),
        (["learning-curve", "mlp", "--power", "0,-1"], "--power must be numbers of at least 0"),
        (["learning-curve", "mlp", "--sizes", "8,4"], "--sizes must be whole numbers of at least 1 that ascend"),
        (["digits", "stripes.npz", "--sample", "180", "--sizes", "4"], "has 170 images"),
        (["digits", "stripes.npz", "--sample", "50", "--sizes", "50"], "--sizes must be below --sample, 50"),
        (["digits", "nothing.npz"], "nothing.npz"),
        (["digits", "numbers.npz", *FEW], "its labels are numbers such as"),
        (["digits", "dark.npz", *FEW], "image 7 of dark.npz has NaN, or entries that are all alike"),
        (["digits", "damaged.npz", *FEW], "image 9 of damaged.npz has NaN"),
        (
            ["mercer", "mlp", "--dimension", "5000", "--degrees", "300"],
            "degree 161 is beyond float64; give at most 160",
        ),
    ],
)
def test_bad_input(run, images, arguments, message):
    assert message in " ".join(run("rkhs", *arguments, code=2).output.split())
