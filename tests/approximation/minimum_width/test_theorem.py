"""Measured errors against certificates, widths against the theorem, and refusals."""

import jax
import numpy as np
import pytest

from nnlimits.approximation import minimum_width
from nnlimits.approximation.minimum_width import largest_bits
from nnlimits.approximation.target import as_target
from nnlimits.rates import fitted_rate


def smooth(x):
    return np.sin(3 * x[:, 0])


def kinked(x):
    return np.abs(x[:, 0] - 0.3) - np.abs(x[:, 1] + 0.2)


def oscillating(x):
    return np.stack([np.sin(20 * x[:, 0]), np.cos(20 * x[:, 0]), x[:, 0]], axis=1)


def step(x):
    return np.where(x[:, 0] > 0.3, 1.0, -1.0)


def three(x):
    return np.stack([np.abs(x).sum(axis=1), x[:, 0] * x[:, 2]], axis=1)


CASES = {
    "smooth": (smooth, [(0, 1)], {"bits": 5, "lipschitz": 3.0}),
    "smooth, float32": (smooth, [(0, 1)], {"bits": 5, "lipschitz": 3.0, "dtype": np.float32}),
    "kinked": (kinked, [(-1, 1), (-1, 1)], {"bits": 3, "lipschitz": 2**0.5, "p": 1.0}),
    "oscillating": (oscillating, [(0, 1)], {"bits": 5, "lipschitz": 20.0, "p": 3.0}),
    "oscillating, float32": (oscillating, [(0, 1)], {"bits": 5, "lipschitz": 20.0, "dtype": np.float32}),
    "step": (step, [(-1, 1)], {"bits": 5, "lipschitz": 0.0, "jumps": 1.0, "values": (-1.0, 1.0)}),
    "nothing claimed": (step, [(-1, 1)], {"bits": 5}),
    "three inputs": (three, [(-1, 1)] * 3, {"bits": 2, "lipschitz": 2.0}),
}


@pytest.fixture(scope="module")
def built():
    return {name: minimum_width(f, domain, **options) for name, (f, domain, options) in CASES.items()}


def hidden_widths(found):
    """The width of every hidden layer, from the shapes of the parameters."""
    biases = [
        leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(found.params[:-1])
        if path[-1] == jax.tree_util.DictKey("bias")
    ]
    return [leaf.shape[-1] for leaf in biases for _ in range(len(leaf) if leaf.ndim == 2 else 1)]


@pytest.mark.parametrize("name", CASES)
def test_measured_below_certificate_at_the_theorems_width(built, name):
    found = built[name]
    assert found.holds
    assert found.measured > 0.05 * found.certificate.bound  # a certificate that says something
    d, outputs = found.target.domain.dimension, found.target.outputs
    widths = hidden_widths(found)
    assert set(widths) == {max(d + 1, outputs)}
    assert len(widths) == found.certificate.constants["depth"]
    assert found.certificate.norm == "Lp"
    assert found.certificate.rigorous == (name != "nothing claimed")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_network_is_the_value_at_the_cells_centre(built, dtype):
    found = built["smooth, float32" if dtype == np.float32 else "smooth"]
    x = (np.arange(32)[:, None] + np.random.default_rng(0).uniform(0.01, 0.99, (32, 7))) / 32
    wanted = np.repeat(np.sin(3 * (np.arange(32) + 0.5) / 32), 7)
    got = np.asarray(found(x.reshape(-1, 1).astype(dtype)))[:, 0]
    quantum = 2.0 ** -found.certificate.constants["output bits"]
    np.testing.assert_allclose(got, wanted, atol=quantum + 4 * np.finfo(dtype).eps)


def test_error_falls_with_the_rate_of_the_bits():
    bits = np.array([2, 4, 6])
    errors = [minimum_width(smooth, [(0, 1)], bits=int(k), lipschitz=3.0).measured for k in bits]
    # the mean distance to a centre halves with each bit; the derivative is smooth, so the rate is exact to a percent
    assert fitted_rate(2.0**bits, np.array(errors)[:, None]).slope == pytest.approx(-1, abs=0.02)


def test_a_step_converges_with_the_square_root_in_the_mean_square():
    bits = np.array([2, 4, 6])
    errors = [minimum_width(step, [(-1, 1)], bits=int(k)).measured for k in bits]
    # 0.3 is at another place in its cell at each k: the share beyond it varies, hence the width
    assert fitted_rate(2.0**bits, np.array(errors)[:, None]).slope == pytest.approx(-0.5, abs=0.25)


def test_tolerance_is_met():
    found = minimum_width(smooth, [(0, 1)], tolerance=0.03, lipschitz=3.0)
    assert found.measured <= found.certificate.bound <= 0.03
    assert found.certificate.constants["input bits"] == 5  # 3 / sqrt(12) / 2^5 = 0.027


def test_tolerance_chooses_few_layers_for_several_outputs():
    found = minimum_width(oscillating, [(0, 1)], tolerance=0.3, lipschitz=20.0)
    assert found.measured <= found.certificate.bound <= 0.3
    constants = found.certificate.constants
    finer = minimum_width(
        oscillating,
        [(0, 1)],
        bits=int(constants["input bits"]),
        output_bits=int(constants["output bits"]) - 1,
        lipschitz=20.0,
    )
    assert finer.certificate.bound > 0.3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "exactly one of tolerance and bits"),
        ({"bits": 3, "tolerance": 0.1}, "exactly one of tolerance and bits"),
        ({"bits": 0}, "bits must be an integer, at least 1"),
        (
            {"bits": 12, "dtype": np.float32},
            "12 bits of each input are more than float32 has digits for.*at most 11.*float64",
        ),
        ({"bits": 4, "output_bits": 20, "dtype": np.float32}, "20 bits of each output.*at most 19"),
        ({"bits": 14}, "more than depth_limit=32768; bits=13 is the most"),
        ({"bits": 3, "dtype": np.float16}, "float32 or float64"),
        ({"bits": 3, "p": 0.5}, "p must be at least 1"),
        ({"bits": 3, "lipschitz": 1.0}, "lipschitz=1 is contradicted"),
        ({"tolerance": 1e-6, "lipschitz": 3.0}, "tolerance=1e-06 is not reached.*the least bound there is"),
        ({"tolerance": 1e-17}, "below what float64 resolves"),
        ({"bits": 3, "jumps": 1.0}, "jumps needs lipschitz"),
        ({"bits": 3, "jumps": 1.0, "lipschitz": 0.0}, "lipschitz=0 with jumps=1 is contradicted.*is needed"),
        ({"bits": 3, "values": (0.0, 0.5)}, "values=.* is contradicted"),
        ({"bits": 3, "values": (1.0, 0.5)}, "the least and the largest"),
        (
            {"bits": 3, "values": (np.nan, 1.0)},
            r"the least and the largest value of f, such as .* received \(nan, 1.0\)",
        ),
        ({"bits": 3, "depth_limit": 0}, "depth_limit must be an integer, at least 1"),
        (
            {"tolerance": 0.1, "lipschitz": 3.0, "output_bits": 60},
            "60 bits of each output are more than float64 has digits for.*at most 48",
        ),
    ],
)
def test_refusals_name_what_works(options, message):
    with pytest.raises(ValueError, match=message):
        minimum_width(smooth, [(0, 1)], **options)


def test_no_jumps_for_a_target_with_a_constant():
    with pytest.raises(ValueError, match="leave out jumps"):
        minimum_width(as_target(smooth, [(0, 1)], 3.0), bits=3, jumps=1.0, lipschitz=3.0)


def test_largest_bits_are_those_of_the_mantissa():
    assert largest_bits(1, 1, np.float32) == (11, 19)
    assert largest_bits(3, 4, np.float32) == (8, 4)
    assert largest_bits(1, 1, np.float64) == (25, 48)
    assert largest_bits(3, 4, np.float64) == (17, 12)


def test_far_from_the_origin_the_ramps_grow_and_the_certificate_holds():
    found = minimum_width(lambda x: np.sin(x[:, 0]), [(1000, 1001)], bits=6, lipschitz=1.0, dtype=np.float32)
    near = minimum_width(lambda x: np.sin(x[:, 0]), [(0, 1)], bits=6, lipschitz=1.0, dtype=np.float32)
    assert found.holds
    assert (
        found.certificate.constants["share of ramps and jumps"]
        > 10 * near.certificate.constants["share of ramps and jumps"]
    )


def test_a_depth_limit_below_one_bit_is_named():
    with pytest.raises(ValueError, match="depth_limit=100: one bit of each of 7 inputs takes 1"):
        minimum_width(lambda x: x.sum(axis=1), [(0, 1)] * 7, tolerance=1.0, lipschitz=3.0, depth_limit=100)


def test_a_linear_function_on_a_small_interval_is_as_far_as_certified():
    # the bound is then the distance itself; corners, which are farther, are no part of a mean
    found = minimum_width(lambda x: 1e9 * x[:, 0], (1e-9, 2e-9), bits=4, lipschitz=1e9)
    assert found.holds
    assert found.measured == pytest.approx(found.certificate.bound, rel=1e-6)


def test_values_near_the_end_of_the_range():
    found = minimum_width(lambda x: 1e140 * x[:, 0], (0, 1), bits=3, lipschitz=1e140)
    assert found.holds
    with pytest.raises(ValueError, match="beyond the range of float32"):
        minimum_width(lambda x: 1e39 * x[:, 0], (0, 1), bits=3, lipschitz=1e39, dtype=np.float32)
