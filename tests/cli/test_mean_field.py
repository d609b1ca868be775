"""`nnlimits mean-field`."""

import numpy as np
import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "figures", "text"),
    [
        (
            [
                "gaussians",
                "--neurons",
                "50",
                "--draws",
                "2",
                "--end",
                "1",
                "--deltas",
                "2",
                "--long",
                "2",
                "--cells",
                "60",
            ],
            ["gaussians.png", "separation.png"],
            "one sphere of neurons is best",
        ),
        (
            [
                *("teacher", "--widths", "2,3", "--teacher", "2", "--dimension", "2", "--seeds", "3"),
                *("--steps", "200", "--neurons", "20", "--end", "20"),
            ],
            ["teacher.png", "sparse.png"],
            "of a neuron of the teacher",
        ),
        (["langevin", "--neurons", "200", "--end", "5", "--cells", "100"], ["langevin.png"], "free energy"),
        (["layers", "--widths", "4,8", "--seeds", "2"], ["layers.png"], "outputs at time 4 slope"),
        (
            ["refinement", "--cells", "40,80", "--square", "20,40", "--neurons", "500", "--fine", "20"],
            ["refinement.png"],
            "the density against 500 particles",
        ),
        (
            [
                *("chaos", "--sizes", "4,8", "--steps", "0.05,0.1", "--seeds", "2", "--step-seeds", "2"),
                *("--reference", "32"),
            ],
            ["chaos.png", "steps.png"],
            "sliced distance m^",
        ),
        (
            [
                *("regimes", "--alphas", "1,16,32", "--neurons", "16", "--dimension", "2", "--examples", "10"),
                *("--end", "5", "--seeds", "2"),
            ],
            ["regimes.png"],
            "kernel change alpha^-",
        ),
    ],
)
def test_experiments(run, tmp_path, arguments, figures, text):
    output = run("mean-field", *arguments, "--folder", "seen").output
    assert text in " ".join(output.split())
    for name in figures:
        assert (tmp_path / "seen" / name).stat().st_size > 10_000


@pytest.fixture
def images(tmp_path):
    """Two classes that differ in their brightest corner, and a third."""
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 3, 60)
    x = draw.uniform(0, 50, (60, 4, 4))
    x[np.arange(60), labels, labels] += 200
    path = tmp_path / "corners.npz"
    np.savez(path, Xtrain=x.astype(np.uint8), ytrain=labels, Xtest=x[:5])
    return path


@pytest.mark.slow
def test_digits(run, tmp_path, images):
    options = "--classes", "0,2", "--examples", "30", "--widths", "8,16", "--seeds", "2", "--folder", "seen"
    output = run("mean-field", "digits", images, *options).output
    assert "NTK scaling, means of 2 networks" in output
    assert (tmp_path / "seen" / "digits.png").stat().st_size > 10_000


def test_digits_of_bad_files(run, tmp_path, images):
    for arguments, message in (
        (["--classes", "4"], "--classes must be two whole numbers, such as 4,9; received '4'"),
        (["--classes", "0,7", "--examples", "10"], "examples of the classes 0 and 7; received"),
    ):
        output = run("mean-field", "digits", images, *arguments, code=2).output
        assert message in " ".join(output.split())
    np.savez(tmp_path / "other.npz", a=np.ones((3, 2)))
    output = run("mean-field", "digits", "other.npz", code=2).output
    assert "must hold images and their labels, named Xtrain and ytrain;" in " ".join(output.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gaussians", "--delta", "1.5"], "delta must be between 0 and 1"),
        (["gaussians", "--end", "-1"], "--end must be finite and positive; received -1"),
        (["teacher", "--widths", "5,x"], "--widths must be whole numbers of at least 1 that ascend"),
        (["langevin", "--cells", "110"], "--cells must be a multiple of 50; received 110"),
        (["langevin", "--temperature", "0"], "temperature must be finite and positive; received 0"),
        (["layers", "--widths", "32"], "--widths must be two or more, to fit a slope; received '32'"),
        (["digits", "none.npz"], "there is no file none.npz"),
        (["digits", "none.npz", "--widths", "8,4"], "--widths must be whole numbers of at least 1 that ascend"),
        (["refinement", "--cells", "50"], "cells must be two or more numbers that ascend"),
        (["refinement", "--fine", "25"], "--fine must be a multiple of 10; received 25"),
        (
            ["chaos", "--steps", "0.1,-1"],
            "--steps must be positive numbers that ascend, such as 0.1,1,10; received '0.1,-1'",
        ),
        (["chaos", "--sizes", "16"], "sizes must be two or more different numbers, to fit a rate; received (16,)"),
        (["regimes", "--neurons", "7"], "m must be an even number"),
        (["nothing"], "No such command 'nothing'"),
    ],
)
def test_bad_input(run, arguments, message):
    assert message in " ".join(run("mean-field", *arguments, code=2).output.split())


def test_help(run):
    assert "Usage" in run("mean-field", "--help").output
