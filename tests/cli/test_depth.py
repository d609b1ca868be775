"""`nnlimits depth`."""

import pytest


@pytest.mark.slow
def test_solvers_prints_a_table_and_saves_a_figure(run, tmp_path):
    arguments = "--width", "8", "--examples", "32", "--steps", "20", "--folder", "seen"
    output = run("depth", "solvers", *arguments).output
    assert "Evaluations of the cell until all examples are solved" in " ".join(output.split())
    assert "plain iteration" in output
    assert (tmp_path / "seen" / "solvers.png").stat().st_size > 10_000


def test_options_are_refused_with_a_message(run):
    assert "--width" in run("depth", "solvers", "--width", "0", code=2).output
