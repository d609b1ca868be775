"""`nnlimits demo`."""

import json
import time

import pytest

from nnlimits.cli import demo_comparison

FIGURES = ("convergence.png", "training.png", "calibration.png", "spectrum.png")
SMALL = ("--widths", "16,32", "--seeds", "2", "--images", "20", "--comparison-images", "50")


@pytest.fixture
def small(monkeypatch):
    """Little to select among, and small finite networks."""
    own = demo_comparison._CLASSIFIER
    monkeypatch.setattr(
        demo_comparison,
        "_CLASSIFIER",
        lambda *network, **options: own(*network, **(options | {"depth": 1, "selection_rows": 40})),
    )
    monkeypatch.setattr(demo_comparison, "FINITE_WIDTH", 32)
    monkeypatch.setattr(demo_comparison, "FINITE_STEPS", 20)
    kept = ("logistic regression", "SVM, RBF kernel")
    build = demo_comparison.baselines.classifiers
    monkeypatch.setattr(demo_comparison.baselines, "classifiers", lambda seed: {k: build(seed)[k] for k in kept})


@pytest.mark.usefixtures("small")
def test_small_demo_is_complete(run, tmp_path):
    output = run("demo", "--output", "one", *SMALL).output
    for text in ("Finite networks and their limit", "from its own linearization", "(NNGP)", "(NTK)", "logistic"):
        assert text in output
    for figure in FIGURES:
        assert f"one/{figure}" in output
        assert (tmp_path / "one" / figure).stat().st_size > 20_000
    numbers = json.loads((tmp_path / "one" / "numbers.json").read_text())
    assert numbers["widths"]["widths"] == [16, 32]


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_a_demo_repeats_itself(run, tmp_path):
    for folder in ("one", "two"):
        run("demo", "--output", folder, *SMALL)
    first, second = ((tmp_path / folder / "numbers.json").read_text() for folder in ("one", "two"))
    assert first == second


@pytest.mark.parametrize("widths", ["a,b", "32", "64,32", "32,32", "0,32"])
def test_bad_widths(run, widths):
    assert "--widths must be" in run("demo", "--widths", widths, code=2).output


def test_output_that_is_a_file(run, tmp_path):
    (tmp_path / "taken").write_text("")
    run("demo", "--output", "taken", code=2)


@pytest.mark.slow
def test_full_demo_shows_what_it_promises(run, tmp_path):
    """Networks at width 1024 are within 0.12 of theory, infinite networks are among the best, and it takes minutes at most."""
    start = time.perf_counter()
    run("demo", "--output", "full")
    print(f"{time.perf_counter() - start:.0f} s")
    numbers = json.loads((tmp_path / "full" / "numbers.json").read_text())
    rates = numbers["widths"]["rates"]
    print(rates)
    assert rates["from its own linearization"]["slope"] <= -0.5
    assert numbers["widths"]["distances"]["from the infinite network that started alike"][-1] < 0.12
    estimators = numbers["comparison"]["estimators"]
    for name in (demo_comparison.NNGP, demo_comparison.NTK):
        assert estimators[name]["accuracy"] > 0.975
        assert estimators[name]["NLL"] < 0.08
    same, finite = estimators[demo_comparison.SAME], estimators[demo_comparison.FINITE]
    assert abs(same["accuracy"] - finite["accuracy"]) < 0.01
