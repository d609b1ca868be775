"""`nnlimits depth shaped`."""

import pytest


@pytest.mark.slow
def test_experiment(run, tmp_path):
    options = "--correlations", "0.5,-0.5", "--width", "16", "--widths", "4,8", "--networks", "256"
    output = " ".join(run("depth", "shaped", *options, "--folder", "seen").output.split())
    assert "Correlation of the outputs at width 16 and depth 16" in output
    assert "-0.5, diffusion" in output
    assert (tmp_path / "seen" / "shaped.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--correlations", "1"], "--correlations must be numbers above -1 and below 1, such as 0,0.5; received '1'"),
        (["--correlations", "a"], "--correlations must be numbers above -1 and below 1"),
        (["--widths", "8,4"], "--widths must be whole numbers of at least 1 that ascend"),
        (["--depth-to-width", "0"], "depth_to_width must be finite and positive; received 0"),
        (["--c-plus", "nan"], "c_plus must be finite"),
    ],
)
def test_bad_input(run, arguments, message):
    assert message in " ".join(run("depth", "shaped", *arguments, code=2).output.split())
