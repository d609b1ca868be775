"""`nnlimits mean-field`."""

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
        (
            [
                "chaos",
                "--sizes",
                "4,8",
                "--steps",
                "0.05,0.1",
                "--seeds",
                "2",
                "--step-seeds",
                "2",
                "--reference",
                "32",
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gaussians", "--delta", "1.5"], "delta must be between 0 and 1"),
        (["gaussians", "--end", "-1"], "--end must be finite and positive; received -1"),
        (["teacher", "--widths", "5,x"], "--widths must be whole numbers of at least 1 that ascend"),
        (["langevin", "--cells", "110"], "--cells must be a multiple of 50; received 110"),
        (["langevin", "--temperature", "0"], "temperature must be finite and positive; received 0"),
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
