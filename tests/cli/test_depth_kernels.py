"""`nnlimits depth kernels`."""

import pytest


@pytest.mark.slow
def test_tables_and_figure(run, tmp_path):
    options = "--depths", "4,8", "--widths", "4,8", "--draws", "20", "--inputs", "10", "--folder", "seen"
    output = " ".join(run("depth", "kernels", *options).output.split())
    assert "Kernels of finite depth: relative errors" in output
    assert "20 simulated networks of each width" in output
    assert "of the NTK at depth 8" in output
    assert (tmp_path / "seen" / "depth_kernels.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--depths", "4"], "--depths must be two or more, to fit a slope; received '4'"),
        (["--widths", "8,4"], "--widths must be whole numbers of at least 1 that ascend"),
        (["--draws", "1"], "--draws"),
    ],
)
def test_bad_input(run, arguments, message):
    assert message in " ".join(run("depth", "kernels", *arguments, code=2).output.split())
