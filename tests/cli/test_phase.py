"""`nnlimits phase`."""

import pytest

from nnlimits import presets, signal
from nnlimits.cli.phase import critical_text


def test_preset_and_figure(run, tmp_path):
    output = run("phase", "mlp", "--w-std", "1.2", "--b-std", "0.5", "--points", "4", "--figure", "seen").output
    assert "the ordered phase" in output
    found = signal.fixed_point(presets.mlp(w_std=1.2, b_std=0.5))
    assert f"{found.variance:.6g}" in output
    assert f"{found.trainable_depth:.6g}" in output
    assert "w_std=1.4142136, b_std=0" in output
    assert (tmp_path / "seen.png").stat().st_size > 10_000


def test_why_there_is_no_critical_point():
    assert "branches has no critical point" in critical_text(presets.wide_resnet())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["transformer_encoder"], "depends on how positions differ"),
        (["mlp", "--max-w-std", "0"], "--max-w-std and --max-b-std must be positive"),
        (["nothing"], "there is no preset 'nothing'"),
    ],
)
def test_bad_input(run, arguments, message):
    assert message in " ".join(run("phase", *arguments, code=2).output.split())
