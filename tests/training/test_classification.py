"""Regimes of abc-parameterizations: the published ones, the symmetry, and power counting against the theorem."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnlimits import nn
from nnlimits.training import classify, classify_layers, width_exponents
from nnlimits.training.width_exponents import LayerExponents, count

HIDDEN_RATE_N = nn.ABC((0, 0, -1), (1, 0, -1), (1, 0, -1))
"""The mean-field one with learning rates n in every role, too slow between hidden layers (Pham & Nguyen 2021: n^2)."""
STANDARD_OVER_N = nn.ABC((0, 0, 1), (0, 0.5, 1), (0, 0.5, 1), fixed=(0, 0.5))


@pytest.mark.parametrize(
    ("parameterization", "depth", "regime", "r"),
    [
        ("ntk", 1, "kernel", 0.5),
        ("ntk", 3, "kernel", 0.5),
        (STANDARD_OVER_N, 1, "kernel", 1.5),
        (STANDARD_OVER_N, 3, "kernel", 0.5),
        ("standard", 1, "unstable", 0.0),
        ("standard", 3, "unstable", -1.0),
        ("mup", 1, "feature learning", 0.0),
        ("mup", 3, "feature learning", 0.0),
        ("mean_field", 1, "feature learning", 0.0),
        ("mean_field", 2, "feature learning", 0.0),
        ("mean_field", 3, "trivial", 0.0),
        (HIDDEN_RATE_N, 2, "trivial", 0.0),
    ],
)
def test_published_parameterizations(parameterization, depth, regime, r):
    """Yang & Hu 2021, table 1 and section 3; r by hand from its definition there."""
    found = classify(parameterization, depth)
    assert (found.regime, found.r) == (regime, pytest.approx(r))


@pytest.mark.parametrize(
    ("a", "b", "c", "regime", "reason"),
    [
        ((0, 0.4, 0.5), (0, 0, 0), 0, "unstable", "preactivations of layer 2 grow as n^0.1 at initialization"),
        ((0, 0.5, 0.4), (0, 0, 0), 0, "unstable", "the output grows as n^0.1 at initialization"),
        ((0, 0.5, 0.5), (0, 0, 0), 0.5, "trivial", "the output changes as n^-0.5 only"),
        ((0, 0.5, 0.5), (0, 0, 0), -0.5, "unstable", "the readout's own training makes the output grow as n^0.5"),
        ((-0.5, 0, 0.5), (0.5, 0.5, 0.5), -0.5, "unstable", "r = -1 < 0: features grow"),
        ((0, 0.7, 0.5), (0, 0, 0), 0, "trivial", "preactivations of layer 2 vanish as n^-0.2"),
    ],
)
def test_reasons(a, b, c, regime, reason):
    found = classify_layers(a, b, c)
    assert found.regime == regime
    assert reason in found.reason


quarters = st.integers(-4, 8).map(lambda i: i / 4)


@st.composite
def exponents(draw):
    """Those with features of order one at initialization, as in the theorem, or not."""
    depth = draw(st.integers(1, 4))
    a = [draw(quarters) for _ in range(depth + 1)]
    b = [-a[0], *(0.5 - x for x in a[1:-1]), draw(st.sampled_from([0.5, 0.75, 1.0, 1.5])) - a[-1]]
    return tuple(a), tuple(b), draw(quarters)


@settings(max_examples=500, deadline=None)
@given(exponents())
def test_power_counting_agrees_with_the_theorem(found):
    """Sizes counted layer by layer and step by step know nothing of r, nor of the conditions for stability."""
    a, b, c = found
    counted = count(LayerExponents(a, b, (c,) * len(a)), "sgd")
    if not counted.stable:
        regime = "unstable"
    elif counted.change[-1] < -1e-9:
        regime = "trivial"
    else:
        regime = "feature learning" if max(counted.change[:-1]) > -1e-9 else "kernel"
    classified = classify_layers(a, b, c)
    assert classified.regime == regime
    if regime in ("kernel", "feature learning"):
        assert max(counted.change[:-1]) == pytest.approx(-classified.r)


@settings(max_examples=100, deadline=None)
@given(exponents(), st.lists(quarters, min_size=5, max_size=5))
def test_shifts_do_not_change_the_class(found, shifts):
    """(a + t, b - t, c - 2t), one t for all layers or another in each."""
    a, b, c = found
    expected = classify_layers(a, b, c)
    for t in ([shifts[0]] * len(a), shifts[: len(a)]):
        shifted = classify_layers(
            [x + s for x, s in zip(a, t, strict=True)],
            [x - s for x, s in zip(b, t, strict=True)],
            [c - 2 * s for s in t],
        )
        assert shifted.regime == expected.regime
        assert shifted.r == pytest.approx(expected.r)


def test_unstable_training_grows_from_step_to_step():
    assert width_exponents("standard", 2, steps=1).change == pytest.approx((-0.5, 0.5, 1.0))
    assert width_exponents("standard", 2, steps=2).change[1] > 0.5
    assert width_exponents("standard", 2).change == (math.inf,) * 3


def test_adam_of_the_kernel_regime_and_of_feature_learning():
    """Yang & Littwin 2023: with their learning rates every output changes at order one, features under "mup" alone."""
    assert width_exponents("ntk", 3, "adam").change == pytest.approx((-0.5, -0.5, -0.5, 0))
    assert width_exponents("mup", 3, "adam").change == pytest.approx((0, 0, 0, 0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: classify("mup", 0), "depth must be an integer, at least 1; received 0"),
        (lambda: classify("lazy", 2), "parameterization must be one of"),
        (lambda: classify_layers((0, 0.5), (0,), 0), "received 2, 1 and 2"),
        (lambda: classify_layers((0,), (0,), 0), "at least two"),
        (lambda: classify_layers((0, math.nan), (0, 0), 0), "a must be finite"),
        (lambda: width_exponents("mup", 2, "lion"), "optimizer must be one of 'sgd', 'adam'; received 'lion'"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
