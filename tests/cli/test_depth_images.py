"""`nnlimits depth images`."""

import numpy as np
import pytest


@pytest.fixture
def images(tmp_path):
    """Two classes that differ in their brightest corner."""
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, 60)
    x = draw.uniform(0, 50, (60, 8, 8))
    x[np.arange(60), labels, labels] += 200
    path = tmp_path / "corners.npz"
    np.savez(path, Xtrain=x[:40].astype(np.uint8), ytrain=labels[:40], Xtest=x[40:].astype(np.uint8), ytest=labels[40:])
    return path


@pytest.mark.slow
def test_images(run, tmp_path, images):
    options = "--examples", "40", "--channels", "2", "--epochs", "1", "--batch-size", "20", "--folder", "seen"
    output = run("depth", "images", images, *options).output
    assert "40 images to train on, 20 to test" in output
    assert (tmp_path / "seen" / "images.png").stat().st_size > 10_000


def test_bad_files_and_options(run, tmp_path, images):
    arrays = np.load(images)
    np.savez(tmp_path / "train.npz", Xtrain=arrays["Xtrain"], ytrain=arrays["ytrain"])
    np.savez(tmp_path / "flat.npz", **{name: a.reshape(len(a), -1) if a.ndim > 1 else a for name, a in arrays.items()})
    for arguments, message in (
        (["train.npz"], "must hold images and their labels, named Xtest and ytest; x_test and y_test"),
        (["flat.npz"], "images must have shape (n, height, width)"),
        ([images, "--learning-rate", "0"], "--learning-rate must be finite and positive; received 0"),
    ):
        output = run("depth", "images", *arguments, code=2).output
        assert message in " ".join(output.split())
