"""Descent, the flow, its energy, stochastic steps, and failures that are named."""

import dataclasses
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nnlimits import nn
from nnlimits.infinite_depth import mean_field_residual as residual


@pytest.fixture(scope="module")
def flowed(law, risk):
    return residual.residual_flow(risk, law, [0, 20, 2000])


def test_flow_reaches_zero_loss_and_never_rises(flowed, law, risk):
    """Five examples of two outputs, more neurons than these: zero to rounding; all of `course` agrees with itself."""
    assert flowed.risks[-1] < 1e-12 < flowed.risks[1] < flowed.risks[0]
    np.testing.assert_allclose(risk(flowed.final), flowed.risks[-1], rtol=1e-9)
    assert (np.diff(flowed.times) > 0).all()
    moved = [abs(getattr(flowed.final, end) - getattr(law, end)).max() for end in ("encoder", "readout")]
    assert min(moved) > 1e-3


@pytest.mark.slow
def test_small_steps_follow_the_flow(law, risk):
    """The energy identity errs in proportion to the step: half of it, half as much; 0.1 is a tenth of that ratio."""
    gaps = [residual.residual_descent(risk, law, 1 / n, [0, n]).energy_gap[-1] for n in (100, 200)]
    assert 1.9 < gaps[0] / gaps[1] < 2.1
    assert abs(gaps[1]) < 0.01


def test_fixed_ends_stay(fixed, risk):
    course = residual.residual_descent(risk, fixed, 0.05, [3])
    np.testing.assert_array_equal(course.final.encoder, fixed.encoder)
    np.testing.assert_array_equal(course.final.readout, fixed.readout)
    assert residual.movement(fixed, course.final).min() > 0


@pytest.mark.slow
def test_largest_stable_step(fixed, risk, x64):
    """Two over the largest eigenvalue of the Hessian in the neurons, times L M."""
    hessian = jax.hessian(lambda p: risk(fixed.moved(p.reshape(fixed.particles.shape))))(
        jnp.asarray(fixed.particles).ravel()
    )
    largest = np.linalg.eigvalsh(24 * np.asarray(hessian))[-1]
    np.testing.assert_allclose(residual.largest_stable_step(risk, fixed), 2 / largest, rtol=0.01)


def test_divergence_is_named(fixed, risk):
    with pytest.raises(
        RuntimeError, match=r"step=100 is too large: between times 0 and 1000 .* about [\d.]+; residual_flow"
    ):
        residual.residual_descent(risk, fixed, 100.0, [0, 10])
    with pytest.raises(ValueError, match="step must be finite and positive"):
        residual.residual_descent(risk, fixed, 0.0, [1])
    with pytest.raises(ValueError, match="steps must ascend"):
        residual.residual_flow(risk, fixed, [3, 2])


@pytest.mark.slow
def test_ends_early(law, risk):
    assert len(residual.residual_flow(risk, law, [0, 20, 2000], until=10.0).risks) == 1


@pytest.mark.slow
def test_logistic_loss_goes_on_for_ever(fixed, risk):
    """It has no minimum: steps grow to their limit, and the risk stays finite."""
    course = residual.residual_flow(residual.ResidualRisk(risk.x, np.sign(risk.y), "logistic"), fixed, [3000])
    assert np.isfinite(course.risks).all()
    assert course.risks[-1] < 1e-6


@pytest.mark.slow
def test_stochastic_steps(law, risk):
    """All examples drawn many times: plain steps average to descent, whose risk they reach within a tenth of what it loses."""
    batch, steps, step = 4096, 40, 0.05
    expected = residual.residual_descent(risk, law, step, [0, steps])
    found = residual.residual_sgd(risk, law, optax.sgd(step), [0, steps], jax.random.key(0), batch_size=batch)
    lost = expected.risks[0] - expected.risks[-1]
    assert abs(found.risks[-1] - expected.risks[-1]) < 0.1 * lost
    assert np.isnan(found.dissipated).all()
    with pytest.raises(RuntimeError, match=r"the risk is nan after step 40.*smaller learning rate"):
        residual.residual_sgd(risk, law, optax.sgd(1e200), [0, steps], jax.random.key(0), batch_size=batch)
    with pytest.raises(ValueError, match="batch_size must be an integer, at least 1"):
        residual.residual_sgd(risk, law, optax.sgd(step), [1], jax.random.key(0), batch_size=0)


@pytest.mark.slow
def test_adam_leaves_fixed_ends(fixed, risk):
    found = residual.residual_sgd(risk, fixed, optax.adam(1e-2), [200], jax.random.key(0), batch_size=5)
    np.testing.assert_array_equal(found.final.readout, fixed.readout)
    assert found.risks[-1] < 0.5 * float(risk(fixed))


@pytest.mark.slow
def test_monitor(flowed, law, risk):
    """Ends learn, so that no certificate is looked for; ratios are at least what the kernel of the neurons guarantees."""
    seen = residual.monitor(risk, flowed)
    assert seen.certificates == (None,) * 3
    assert not seen.certified
    assert (seen.ratios[:2] > seen.guaranteed[:2]).all()
    assert (seen.guaranteed > 0).all()
    assert (seen.conditions > 1).all()
    assert seen.movements.shape == (3, 6)
    assert (seen.movements[0] == 0).all()
    distances = residual.law_movement(law, flowed.final)
    assert (distances <= seen.movements[-1] * (1 + 1e-9)).all()
    np.testing.assert_allclose(seen.roughness[0], residual.depth_roughness(law))


@pytest.mark.slow
def test_roughness_has_a_limit_for_followed_neurons_only(paths):
    """Followed: slopes of smooth paths, to 1/L^2; independent: in proportion to L, to the noise of 400 neurons, 5 %."""
    ends = residual.padded(2, 3, np.float64), residual.last_features(3, 1)

    def roughness(draw, layers):
        particles = draw(paths, jax.random.key(layers), layers, 400, np.float64)
        return residual.depth_roughness(residual.ResidualLaw(paths.unit, np.asarray(particles), *ends))

    followed, independent = (
        [roughness(d, n) for n in (20, 40)] for d in (type(paths).followed, type(paths).independent)
    )
    assert abs(followed[1] / followed[0] - 1) < 0.05
    assert abs(independent[1] / independent[0] - 2) < 0.1


@pytest.mark.slow
def test_roughness_of_laws(fixed):
    """Whatever the order of the neurons of a layer: at most that of followed ones."""
    mixed = dataclasses.replace(
        fixed, particles=np.stack([row[[2, 0, 3, 1]] if i % 2 else row for i, row in enumerate(fixed.particles)])
    )
    assert residual.depth_roughness(mixed) > 2 * residual.depth_roughness(fixed)
    np.testing.assert_allclose(residual.law_roughness(mixed), residual.law_roughness(fixed))
    assert residual.law_roughness(fixed) <= residual.depth_roughness(fixed) * (1 + 1e-9)
    single = residual.ResidualLaw(fixed.unit, fixed.particles[:1], fixed.encoder, fixed.readout)
    assert residual.depth_roughness(single) == residual.law_roughness(single) == 0


def test_other_shapes(fixed):
    other = residual.with_layers(fixed, 3)
    with pytest.raises(ValueError, match=r"the same layers and neurons; received \(6, 4, 7\) and \(3, 4, 7\)"):
        residual.movement(fixed, other)


@pytest.mark.slow
def test_single_precision(fixed, risk):
    """The same course as in double precision to rounding: 1e-4 after 20 steps."""
    single = residual.ResidualLaw(
        fixed.unit, *(part.astype(np.float32) for part in (fixed.particles, fixed.encoder, fixed.readout))
    )
    data = residual.ResidualRisk(risk.x.astype(np.float32), risk.y.astype(np.float32))
    found = residual.residual_descent(data, single, 0.05, [20])
    assert found.final.particles.dtype == np.float32
    np.testing.assert_allclose(found.risks, residual.residual_descent(risk, fixed, 0.05, [20]).risks, rtol=1e-4)


@pytest.mark.parametrize("single", ["law", "data", "ends"])
def test_mixed_precision(fixed, risk, single):
    """Whichever of law and data is single: all is double, and the same as of arrays that were rounded and made double."""

    def rounded(dtype, **parts):
        return {name: np.asarray(part, np.float32).astype(dtype) for name, part in parts.items()}

    parts = {name: getattr(fixed, name) for name in ("particles", "encoder", "readout")}
    data = {"x": risk.x, "y": risk.y}
    found = []
    for dtype in (np.float32, np.float64):
        mixed = {**parts, **data}
        names = {"law": parts, "data": data, "ends": ("encoder", "readout")}[single]
        mixed.update(rounded(dtype, **{name: mixed[name] for name in names}))
        law = residual.ResidualLaw(fixed.unit, *(mixed[name] for name in parts))
        one = residual.ResidualRisk(mixed["x"], mixed["y"])
        courses = [
            residual.residual_descent(one, law, 0.05, [3]),
            residual.residual_flow(one, law, [3], step=0.05),
            residual.residual_sgd(one, law, optax.sgd(0.05), [3], jax.random.key(0), batch_size=4),
        ]
        assert all(course.final.particles.dtype == course.final.encoder.dtype == np.float64 for course in courses)
        numbers = [course.risks[0] for course in courses] + [residual.largest_stable_step(one, law), float(one(law))]
        found.append([*numbers, *np.ravel(residual.tangent_kernel(law, one.x))])
        assert residual.tangent_kernel(law, one.x).dtype == one.adjoint(law).adjoints.dtype == np.float64
        assert one.velocity(law)[1].particles.dtype == np.float64
    np.testing.assert_allclose(*found, rtol=1e-9)


def test_kinks_are_told():
    assert not residual.ResidualUnit(nn.Relu(), 2).smooth


def test_other_objects(fixed, risk):
    descent, flow, sgd, monitor = (
        inspect.unwrap(one)
        for one in (residual.residual_descent, residual.residual_flow, residual.residual_sgd, residual.monitor)
    )
    for call, message in (
        (lambda: descent(fixed, risk, 0.1, [1]), "risk must be a ResidualRisk; received ResidualLaw"),
        (lambda: descent(risk, risk, 0.1, [1]), "law must be a ResidualLaw; received ResidualRisk"),
        (lambda: flow(fixed, risk, [1]), "risk must be a ResidualRisk"),
        (lambda: sgd(risk, fixed, "sgd", [1], jax.random.key(0)), "optimizer must be one of Optax.*; received 'sgd'"),
        (lambda: monitor(risk, "c"), "course must be a ResidualCourse; received str"),
    ):
        with pytest.raises(TypeError, match=message):
            call()


def test_the_risk_to_stop_at_is_not_negative(fixed, risk):
    with pytest.raises(ValueError, match="until must be finite and non-negative; received -1"):
        residual.residual_flow(risk, fixed, [1], step=0.1, until=-1.0)
