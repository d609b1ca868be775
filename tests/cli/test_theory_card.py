"""What `nnlimits explain` says of training a network."""

import numpy as np
import pytest

from nnlimits import fluctuations, nn, presets, signal
from nnlimits.cli import theory_card
from nnlimits.cli.spectra import Sample


@pytest.mark.slow
def test_depth_and_width_and_figures(run, tmp_path):
    """The numbers are those of the library; the signals' figure is saved beside the kernels'."""
    output = run("explain", "mlp", "--depth", "4", "--w-std", "1.3", "--b-std", "0.4", "--figure", "seen").output
    text = " ".join(output.split())
    net = presets.mlp(4, w_std=1.3, b_std=0.4)
    settled = signal.fixed_point(net)
    assert f"{settled.phase}: gradients change by {float(settled.chi_perp):.4g} a block" in text
    assert f"{float(settled.trainable_depth):.3g} blocks (this network has about 4)" in text
    assert "w_std=1.4142136, b_std=0" in text
    assert " ".join(str(fluctuations.verdict(net)).split()) in text
    assert "for the window of learning rates" in text
    assert (tmp_path / "seen_signals.png").stat().st_size > 10_000


def test_what_is_not_known():
    net = nn.Sequential(nn.Conv(4, 3), nn.Relu(), nn.SumPool(2), nn.Conv(4, 3), nn.Relu(), nn.Flatten(), nn.Dense(1))
    card = dict(theory_card.lines(net, (8, 8, 1), None, 0))
    assert "the number of positions" in card["phase"]
    assert "for convolutions see nnlimits.fluctuations.kernel_fluctuations" in card["depth and width"]


@pytest.mark.slow
def test_learning_rates():
    draw = np.random.default_rng(0).standard_normal
    card = dict(theory_card.lines(presets.mlp(1, 16), (3,), Sample("drawn", draw((12, 3)), draw((12, 2))), 0))
    assert "lazy, stable training below" in card["rate, kernel"]
    assert {"rate, catapult end", "rate, measured divergence", "rate, first step"} <= set(card)
