"""`nnlimits approximate`."""

import pytest

from nnlimits.approximation.files import load_network


@pytest.mark.slow
def test_expression_with_figure_and_network(run, tmp_path):
    arguments = ["x0**2 + sin(x1)/2", "--theorem", "orthogonal-greedy", "--units", "4", "--activation", "step"]
    options = "--lipschitz", "3", "--constant", "5", "--domain", "0,1;-1,1", "--folder", "made"
    output = " ".join(run("approximate", *arguments, *options).output.split())
    assert "C_f = 5" in output
    assert "the Barron constant of f on the box is at most 5" in output
    stem = "x0_2_sin_x1_2_2d_orthogonal_greedy"
    assert (tmp_path / "made" / f"{stem}.png").stat().st_size > 10_000
    network, params, about = load_network(tmp_path / "made" / f"{stem}.npz")
    assert network.apply(params, params[0]["weight"].T).shape == (4, 1)
    assert about["lower"] == [0.0, -1.0]


def test_named_function_of_many_inputs(run, tmp_path):
    arguments = "step", "--dimension", "2", "--theorem", "barron", "--units", "4", "--activation", "nn.Step()"
    output = " ".join(run("approximate", *arguments).output.split())
    assert "Barron (1993), Theorem 1, by the relaxed greedy algorithm: at most 0.25 in L^2, proved" in output
    assert (tmp_path / "step_2d_barron.png").stat().st_size > 10_000


def test_list(run):
    output = run("approximate", "--list").output
    for name in ("gaussian", "ball", "has jumps", "yarotsky", "minimum-width"):
        assert name in output


@pytest.mark.slow
def test_verified(run):
    output = " ".join(
        run("approximate", "tent", "--theorem", "yarotsky", "--tolerance", "0.05", "--verify").output.split()
    )
    assert "verified sup |f - network| lies in [" in output
    assert "the largest difference found is" in output


BAD = {
    ("gaussian",): "the theorem shallow needs exactly one of tolerance and units",
    (): "TARGET is missing",
    ("bump", "--units", "3"): "target must be one of gaussian, ",
    ("sine(x0)", "--units", "3"): "sine(x0)\n  ^^^^",
    ("1/x0", "--units", "3", "--theorem", "barron"): "f is [inf] at",
    ("x1", "--dimension", "1", "--units", "3"): "there is no input x1 in dimension 1",
    ("gaussian", "--units", "3", "--domain", "0,inf"): "unbounded",
    ("1/x0", "--units", "3"): "f is [inf] at [0.0]",
    ("gaussian", "--units", "3", "--folder", "/dev/null/made"): "/dev/null is a file",
    ("gaussian", "--units", "3", "--domain", "0"): "--domain must be two numbers with a comma between",
    ("gaussian", "--units", "3", "--activation", "dense"): "there is no activation 'dense'",
    ("gaussian", "--units", "3", "--theorem", "stone"): "theorem must be one of",
    ("gaussian", "--units", "3", "--lipschitz", "0.1", "--theorem", "barron"): "lipschitz=0.1 is contradicted",
    ("ball", "--dimension", "2", "--units", "3", "--theorem", "yarotsky"): "order",
}


@pytest.mark.parametrize("arguments", BAD)
def test_bad_input(run, tmp_path, arguments):
    assert BAD[arguments] in run("approximate", *arguments, code=2).output
    assert not list(tmp_path.iterdir())
