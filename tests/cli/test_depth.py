"""`nnlimits depth`."""

import pytest


@pytest.mark.slow
def test_solvers_prints_a_table_and_saves_a_figure(run, tmp_path):
    result = run("depth", "solvers", "--width", "8", "--examples", "32", "--steps", "20", "--folder", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert "until all examples are solved" in result.output
    assert "plain iteration" in result.output
    assert (tmp_path / "solvers.png").stat().st_size > 10_000


def test_options_are_refused_with_a_message(run):
    result = run("depth", "solvers", "--width", "0")
    assert result.exit_code == 2
    assert "--width" in result.output
