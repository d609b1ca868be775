"""The encoder, the memorizer and the decoder, in exact arithmetic and in floating point."""

from fractions import Fraction

import numpy as np
import pytest

from nnlimits.approximation import Box
from nnlimits.approximation.compiled import compiled
from nnlimits.approximation.minimum_width.decoder import decoder, joined
from nnlimits.approximation.minimum_width.encoder import cell_centres, encoder
from nnlimits.approximation.minimum_width.layers import Layers
from nnlimits.approximation.minimum_width.memorizer import memorizer, memorizer_depth
from nnlimits.approximation.minimum_width.precision import Bits, mantissa_of


def exactly(layers, outputs, x):
    """The network's outputs at rational points, in rational arithmetic."""
    _, params = layers.network(outputs, np.float64)
    first, _, *repeated, last = params
    rational = np.vectorize(Fraction, otypes=[object])
    z = np.maximum(rational(x) @ rational(first["weight"]) + rational(first["bias"]), 0)
    if repeated:
        inside = repeated[0]["tail"][0]
        for weight, bias in zip(inside["weight"], inside["bias"], strict=True):
            z = np.maximum(z @ rational(weight) + rational(bias), 0)
    return z @ rational(last["weight"]) + rational(last["bias"])


def in_floats(layers, outputs, x, dtype):
    network, params = layers.network(outputs, dtype)
    return np.asarray(compiled(network, params, np.asarray(x, dtype)))


def test_encoder_is_the_number_of_the_cell_outside_of_ramps_and_between_neighbours_on_them():
    box, bits = Box((0.0, -1.0), (1.0, 1.0)), Bits(2, 1, 4)
    layers = Layers(2, 3)
    code = encoder(layers, box, bits, 53)
    rng = np.random.default_rng(0)
    x = np.round(box.uniform(rng, 300) * 2**20) / 2**20  # dyadic, so that Fractions are small
    found = exactly(layers, [code], x)[:, 0]
    t = (x - box.lower) / box.sides * 4
    cell = np.minimum(np.floor(t), 3)
    number = 4 * cell[:, 0] + cell[:, 1]
    on_ramp = ((t % 1 < 2.0**-4) & (t >= 1)).any(axis=1)
    assert on_ramp.sum() > 10
    assert all(value == wanted for value, wanted in zip(found[~on_ramp], number[~on_ramp], strict=True))
    assert all(0 <= value <= 15 for value in found)
    assert any(value.denominator > 1 for value in found[on_ramp])


@pytest.mark.parametrize(("dtype", "input_bits"), [(np.float32, 5), (np.float64, 6)])
def test_encoder_is_exact_in_floating_point(dtype, input_bits):
    mantissa = mantissa_of(dtype)
    box = Box((-1.0, 0.3), (2.0, 1.7))
    layers = Layers(2, 3)
    code = encoder(layers, box, Bits(input_bits, 1, mantissa - 2 - input_bits), mantissa)
    centres = cell_centres(box, input_bits)
    rng = np.random.default_rng(1)
    moved = centres + 0.49 * rng.uniform(-1, 1, centres.shape) * box.sides / 2**input_bits
    np.testing.assert_array_equal(in_floats(layers, [code], moved, dtype)[:, 0], np.arange(len(centres)))


@pytest.mark.parametrize("codes", [1, 2, 17, 18, 19, 100])
def test_memorizer_gives_each_code_its_value(codes):
    size = 2**19
    values = np.random.default_rng(codes).integers(0, size, codes)
    layers = Layers(1, 2)
    (code,) = layers.relu(layers.inputs()[0])
    outputs = [memorizer(layers, code, values, size)]
    assert layers.depth == 1 + memorizer_depth(codes)
    got = in_floats(layers, outputs, np.arange(codes)[:, None], np.float32)
    np.testing.assert_array_equal(got[:, 0], values)


def test_memorizer_stays_in_range_between_codes():
    values = np.random.default_rng(0).integers(0, 8, 40)
    layers = Layers(1, 2)
    (code,) = layers.relu(layers.inputs()[0])
    outputs = [memorizer(layers, code, values, 8)]
    between = np.linspace(0, 45, 1000)[:, None]
    got = in_floats(layers, outputs, between, np.float64)
    assert got.min() >= 0
    assert got.max() <= 7


@pytest.mark.parametrize(("bits", "outputs"), [(3, 2), (2, 4), (4, 1)])
def test_decoder_takes_the_digits_apart_in_its_width(bits, outputs):
    digits = np.random.default_rng(0).integers(0, 2**bits, (64, outputs))
    layers = Layers(1, max(2, outputs))
    (code,) = layers.relu(layers.inputs()[0])
    found = decoder(layers, code, bits, outputs)
    got = in_floats(layers, found, joined(digits, bits)[:, None], np.float64)
    np.testing.assert_array_equal(got, digits)


def test_decoder_stays_in_range_between_codes():
    layers = Layers(1, 3)
    (code,) = layers.relu(layers.inputs()[0])
    got = in_floats(layers, decoder(layers, code, 2, 3), np.linspace(0, 63, 2001)[:, None], np.float64)
    assert got.min() >= 0
    assert got.max() <= 3


def test_a_layer_of_more_units_than_its_width_is_a_mistake():
    layers = Layers(2, 1)
    with pytest.raises(AssertionError, match="2 units in a layer of width 1"):
        layers.relu(*layers.inputs())
