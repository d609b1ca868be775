"""The state: the residual network, its limit in depth, refinement, and draws."""

import inspect

import jax
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.infinite_depth import mean_field_residual as residual
from nnlimits.rates import fitted_rate


def by_hand(law, x):
    """Loops over layers, neurons and examples in NumPy."""
    states = x @ law.encoder
    for layer in law.particles:
        moved = np.zeros_like(states)
        for w0, w1, w2, b, *a in layer:
            moved += np.tanh(states @ np.array([w0, w1, w2]) + b)[:, None] * np.array(a)
        states = states + moved / (law.layers * law.width)
    return states @ law.readout


def test_is_the_residual_network(law, risk):
    np.testing.assert_allclose(law(risk.x), by_hand(law, risk.x), rtol=1e-13)
    states = law.trajectories(risk.x)
    assert states.shape == (7, 5, 3)
    np.testing.assert_allclose(np.asarray(states[-1]) @ law.readout, law(risk.x), rtol=1e-13)
    assert law(np.asarray(risk.x, np.float32)).dtype == np.float64  # that of the particles


def test_depth_without_bias_and_other_activations():
    unit = residual.ResidualUnit(nn.Relu(), 2, bias=False)
    assert unit.parameters == 4
    assert not unit.smooth
    law = residual.ResidualLaw(unit, np.full((1, 1, 4), 2.0, np.float32), np.eye(2), np.eye(2))
    np.testing.assert_allclose(law(np.array([[1.0, 0.5]])), [[1 + 2 * 3.0, 0.5 + 2 * 3.0]])


@pytest.mark.slow
def test_copies_of_intervals_approach_the_flow_as_one_over_their_number(fixed, risk):
    """Of Euler's method: the slope in the number of copies is -1 up to the next order, 1/L, here 0.01."""
    exact = np.asarray(residual.ode_trajectories(fixed, risk.x, substeps=16))[-1] @ fixed.readout
    coarser = np.asarray(residual.ode_trajectories(fixed, risk.x, substeps=8))[-1] @ fixed.readout
    np.testing.assert_allclose(coarser, exact, atol=1e-9)
    layers = np.array([24, 96])
    errors = [[np.sqrt(np.square(residual.with_copies(fixed, int(n))(risk.x) - exact).mean())] for n in layers]
    assert abs(fitted_rate(layers.astype(float), np.asarray(errors)).slope + 1) < 0.03


def test_refinement(fixed, paths, risk):
    """Smooth paths: between 6 and 12 layers linear interpolation errs by O(1/L^2) of the paths themselves."""
    finer = residual.with_layers(fixed, 12)
    exact = np.asarray(paths.followed(jax.random.key(0), 12, 4, np.float64))
    assert abs(finer.particles - exact).max() < 0.03 < np.ptp(exact)
    np.testing.assert_allclose(residual.with_layers(fixed, 6).particles, fixed.particles, atol=1e-14)
    doubled = residual.with_width(fixed, 8, jax.random.key(0))
    np.testing.assert_allclose(doubled(risk.x), fixed(risk.x), rtol=1e-12)
    assert residual.with_width(fixed, 3, jax.random.key(0)).width == 3
    single = residual.ResidualLaw(fixed.unit, fixed.particles[:1], fixed.encoder, fixed.readout)
    assert residual.with_layers(single, 3).layers == 3


@pytest.mark.slow
def test_draws():
    """The law at each depth is the same Gaussian; 4,000 draws know deviations to 1.1 %, of which 0.05 is four and a half."""
    unit = residual.ResidualUnit(nn.Tanh(), 2)
    paths = residual.GaussianPaths(unit, 2.0, 3.0, 0.5)
    followed = np.asarray(paths.followed(jax.random.key(0), 3, 4000))
    independent = np.asarray(paths.independent(jax.random.key(0), 3, 4000))
    for drawn in (followed, independent):
        expected = np.tile([2 / 2**0.5, 2 / 2**0.5, 3.0, 0.5, 0.5], (3, 1))
        np.testing.assert_allclose(drawn.std(1), expected, rtol=0.05)
    within = [np.corrcoef(drawn[0, :, 2], drawn[1, :, 2])[0, 1] for drawn in (followed, independent)]
    np.testing.assert_allclose(within, [np.cos(np.pi / 3), 0.0], atol=0.06)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda law: residual.ResidualLaw(law.unit, law.particles[0], law.encoder, law.readout), r"layers, neurons, 7"),
        (lambda law: residual.ResidualLaw(law.unit, law.particles[:, :, 1:], law.encoder, law.readout), r"\(6, 4, 6\)"),
        (lambda law: residual.ResidualLaw(law.unit, law.particles, law.encoder.T, law.readout), "encoder must be"),
        (lambda law: residual.ResidualLaw(law.unit, law.particles, law.encoder, law.readout.T), "readout must be"),
        (
            lambda law: residual.ResidualLaw(
                law.unit, np.where(law.particles > 0, np.nan, 0), law.encoder, law.readout
            ),
            r"particles contains nan at index \(\d, \d, \d\)",
        ),
        (
            lambda law: residual.ResidualLaw(
                law.unit, law.particles, law.encoder, law.readout, residual.EndRates(-1.0, 0.0)
            ),
            "rates must be finite and not negative",
        ),
        (lambda law: law(np.ones((2, 3))), "x must have 2 columns, the encoder's inputs; received 3"),
        (lambda law: law(np.array([[1.0, np.nan]])), r"x contains nan at index \(0, 1\)"),
        (lambda law: residual.with_copies(law, 8), "a multiple of the 6 there are; received 8"),
        (lambda law: residual.with_layers(law, 0), "layers must be an integer, at least 1; received 0"),
        (lambda law: residual.with_width(law, 0, jax.random.key(0)), "width must be an integer, at least 1"),
        (lambda law: residual.GaussianPaths(law.unit).followed(jax.random.key(0), 0, 3), "layers must be"),
        (lambda law: residual.GaussianPaths(law.unit, -1.0), "w_std must be finite and non-negative"),
        (lambda law: residual.padded(3, 2), "features must be at least the number of inputs, 3; received 2"),
        (lambda law: residual.last_features(1, 2), "features must be at least the number of outputs, 2"),
    ],
)
def test_bad_input(fixed, call, message):
    with pytest.raises(ValueError, match=message):
        call(fixed)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda law: _init(residual.ResidualLaw, "u", *_arrays(law)), "unit must be a ResidualUnit; received str"),
        (lambda law: _init(residual.ResidualLaw, law.unit, *_arrays(law), 3), "rates must be EndRates.*; received 3"),
        (lambda law: _init(residual.GaussianPaths, "u"), "unit must be a ResidualUnit; received str"),
        (lambda law: _init(residual.TorusPaths, "u"), "unit must be a ResidualUnit; received str"),
        (lambda law: _init(residual.TorusPaths, law.unit, seed="a"), "seed must be an integer; received 'a'"),
        (lambda law: _init(residual.ResidualUnit, law.unit.activation, 4, bias="no"), "bias must be True or False"),
        (
            lambda law: residual.GaussianPaths(law.unit).followed(jax.random.key(0), 5, 7, dtype=int),
            "dtype must be a floating-point type, such as np.float32; received <class 'int'>",
        ),
        (lambda law: residual.GaussianPaths(law.unit).independent(jax.random.key(0), 5, 7, "no"), "dtype must be a"),
    ],
)
def test_other_objects(fixed, call, message):
    with pytest.raises(TypeError, match=message):
        call(fixed)


def test_the_scale_of_a_readout_is_finite():
    with pytest.raises(ValueError, match="scale must be finite; received nan"):
        residual.last_features(4, 1, np.nan)


def _init(kind, *arguments, **named):
    """A call whose annotations are not checked, as in a user's session."""
    inspect.unwrap(kind.__init__)(object.__new__(kind), *arguments, **named)


def _arrays(law):
    return law.particles, law.encoder, law.readout
