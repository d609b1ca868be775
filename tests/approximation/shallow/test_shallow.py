"""Networks of one hidden layer against their certificates."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.approximation import Box, PolynomialActivationError, Target, adversarial_error, shallow, verify
from nnlimits.rates import fitted_rate

INTERVAL = Box.cube(1)


def smooth(x):
    return jnp.sin(6 * x[:, 0])


def kinked(x):
    return jnp.abs(x[:, 0] - 0.3)


def oscillating(x):
    return jnp.cos(25 * x[:, 0]) * x[:, 0]


def two_outputs(x):
    return jnp.stack([jnp.sin(3 * x[:, 0]), jnp.exp(-x[:, 0])], axis=1)


ACTIVATIONS = [
    nn.Relu(), nn.LeakyRelu(), nn.ABRelu(1.0, 0.0), nn.ABRelu(2.0, -0.5), nn.Abs(), nn.Tanh(), nn.HardTanh(), nn.Sigmoid(),
    nn.Silu(), nn.Softplus(), nn.Mish(), nn.Gelu(), nn.Gelu(approximate=True), nn.Elu(), nn.Elu(-0.5), nn.Elu(3.0), nn.Selu(),
    nn.Erf(1.0, 2.0, 3.0), nn.Erf(1.0, -2.0), nn.Sin(), nn.Cos(2.0, 3.0, 1.0), nn.Rbf(), nn.Gaussian(2.0, -3.0), nn.Exp(),
    nn.Step(), nn.Sign(), nn.RectifiedMonomial(0), nn.RectifiedMonomial(1), nn.RectifiedMonomial(2), nn.RectifiedMonomial(3),
]  # fmt: skip
QUICK = nn.Elu(3.0), nn.Erf(1.0, -2.0), nn.RectifiedMonomial(3)
UNITS = 30


@pytest.mark.parametrize(
    "activation", [pytest.param(a, marks=[] if a in QUICK else pytest.mark.slow, id=str(a)) for a in ACTIVATIONS]
)
def test_the_error_is_below_the_certificate(activation) -> None:
    for function in (smooth, kinked):
        found = shallow(function, INTERVAL, activation=activation, units=UNITS)
        assert found.certificate.rigorous
        assert found.holds
        assert len(found.params[0]["bias"]) <= UNITS
        # bounds are of the right size: below the function's range of 2, but for the few degrees that double precision allows
        assert found.certificate.bound < (2 if isinstance(activation, nn.Exp) else 0.5)


@pytest.mark.slow
@pytest.mark.parametrize("function", [oscillating, two_outputs])
@pytest.mark.parametrize("activation", [nn.Relu(), nn.Sigmoid(), nn.Sin(), nn.Gaussian()], ids=str)
def test_oscillations_and_several_outputs(function, activation) -> None:
    assert shallow(function, (-1, 1), activation=activation, units=100).holds


@pytest.mark.parametrize(
    ("activation", "function"),
    [
        (nn.Relu(), smooth),
        (nn.Step(), kinked),
        *(
            pytest.param(*pair, marks=pytest.mark.slow)
            for pair in itertools.product(
                [nn.Relu(), nn.Gelu(), nn.Tanh(), nn.Sin(), nn.Step(), nn.Gaussian()], [kinked, smooth, oscillating]
            )
        ),
    ],
)
def test_certificates_are_proved_by_intervals_and_stand_against_a_search(activation, function) -> None:
    found = shallow(function, INTERVAL, activation=activation, units=24)
    bound = found.certificate.bound
    verified = verify(found, bound=bound * (1 + 1e-2), budget=30_000)
    worst = adversarial_error(found, starts=6, points=1024)
    assert verified.outcome == "bound proved"
    assert worst.error <= min(verified.upper, bound)
    assert found.error.sup <= worst.error * (1 + 1e-3)


@pytest.mark.parametrize(
    ("activation", "function", "slope"),
    [
        (nn.Relu(), smooth, -2),
        pytest.param(nn.Gelu(), smooth, -2, marks=pytest.mark.slow),
        pytest.param(nn.Tanh(), smooth, -1, marks=pytest.mark.slow),
        pytest.param(nn.Relu(), "root", -0.5, marks=pytest.mark.slow),
        pytest.param(nn.Sin(), kinked, -1, marks=pytest.mark.slow),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value),
)
def test_rates(activation, function, slope) -> None:
    # the measured error of interpolation falls as N^-2 for smooth functions, that of steps as N^-1, of the root at zero as
    # N^-1/2, and of trigonometric sums of a kink as N^-1 up to a logarithm; slopes over a factor of 4 are within 0.15 of that
    units = [32, 64, 128]
    if function == "root":
        found = [shallow(lambda x: np.sqrt(x[:, 0]), INTERVAL, activation=activation, units=n) for n in units]
    else:
        found = [shallow(function, INTERVAL, activation=activation, units=n) for n in units]
        assert all(each.holds for each in found)
    rate = fitted_rate(np.array(units, float), np.array([[each.error.sup] for each in found]), resamples=2)
    assert abs(rate.slope - slope) < 0.15


@pytest.mark.parametrize(
    "activation",
    [nn.Relu(), *(pytest.param(a, marks=pytest.mark.slow) for a in (nn.Tanh(), nn.Sin(), nn.Gaussian()))],
    ids=str,
)
def test_a_tolerance_is_met_with_few_units(activation) -> None:
    found = shallow(smooth, INTERVAL, activation=activation, tolerance=0.2)
    units = len(found.params[0]["bias"])
    assert found.certificate.bound <= 0.2
    if units > 2:
        assert shallow(smooth, INTERVAL, activation=activation, units=units - 1).certificate.bound > 0.2


@pytest.mark.slow
def test_rounding_takes_its_part_of_a_tolerance() -> None:
    # 16,000 units whose rounding is a tenth of the tolerance
    found = shallow(lambda x: 100 + jnp.sin(x[:, 0]), INTERVAL, tolerance=1e-9, most_units=100_000)
    assert found.certificate.constants["rounding"] > 1e-11
    assert found.certificate.bound <= 1e-9
    with pytest.raises(ValueError, match=r"tolerance=5e-11 is below what rounding in float64 leaves to prove"):
        shallow(lambda x: 1e4 * x[:, 0], INTERVAL, tolerance=5e-11)


def test_a_function_that_holds_arrays() -> None:
    class Wave(eqx.Module):
        frequency: jax.Array

        def __call__(self, x):
            return jnp.sin(x @ self.frequency)

    wave = Wave(jnp.array([2.0]))
    assert shallow(wave, INTERVAL, units=20).certificate.rigorous
    assert Target(wave, INTERVAL) == Target(wave, INTERVAL) != Target(Wave(jnp.array([2.0])), INTERVAL)


class TestSeveralVariables:
    @staticmethod
    def wavy(x):
        return jnp.sin(3 * x[:, 0]) * jnp.cos(2 * x[:, 1])

    @pytest.mark.slow
    @pytest.mark.parametrize("activation", [nn.Relu(), nn.Tanh(), nn.Sin(), nn.Gaussian()], ids=str)
    def test_two(self, activation) -> None:
        found = shallow(self.wavy, Box((0.0, -1.0), (1.0, 1.0)), activation=activation, units=300)
        assert found.holds
        assert found.certificate.rigorous
        assert found.certificate.bound < 1.5

    @pytest.mark.slow
    def test_three(self) -> None:
        found = shallow(lambda x: jnp.exp(-jnp.sum(x**2, axis=1)), Box.cube(3), activation=nn.Sin(), units=300)
        assert found.holds
        assert found.certificate.bound < 0.3

    def test_a_tolerance(self) -> None:
        found = shallow(self.wavy, Box.cube(2), tolerance=0.5)
        assert found.holds
        assert found.certificate.bound <= 0.5

    @pytest.mark.slow
    def test_proved_by_intervals(self) -> None:
        found = shallow(self.wavy, Box.cube(2), activation=nn.Sin(), units=30)
        verified = verify(found, bound=found.certificate.bound, budget=20_000)
        assert verified.outcome == "bound proved"
        assert adversarial_error(found, starts=4, points=512).error <= verified.upper


@pytest.mark.parametrize("activation", [nn.Relu(), nn.Sin()], ids=str)
def test_constants_and_loose_tolerances(activation) -> None:
    for function in (lambda x: 0 * x[:, 0] + 2.5, lambda x: x.sum(1)):
        found = shallow(function, Box.cube(2), activation=activation, tolerance=50.0)
        assert found.holds
        assert found.certificate.bound <= 50


class TestClaims:
    def test_a_function_of_numpy_needs_a_claim_to_be_rigorous(self) -> None:
        estimated = shallow(lambda x: np.sin(6 * x[:, 0]), INTERVAL, units=20)
        assert not estimated.certificate.rigorous
        assert "estimated" in str(estimated.certificate)
        claimed = shallow(lambda x: np.sin(6 * x[:, 0]), INTERVAL, units=20, lipschitz=6.0)
        assert claimed.certificate.rigorous
        assert claimed.certificate.bound >= 6 / 20 / 2

    def test_constants_proved_by_intervals(self) -> None:
        constants = shallow(smooth, INTERVAL, units=20).certificate.constants
        assert 6 <= constants["lipschitz"] < 6.01
        assert 36 <= constants["curvature"] < 36.1

    def test_a_claimed_curvature_gives_the_quadratic_bound(self) -> None:
        found = shallow(lambda x: np.sin(6 * x[:, 0]), INTERVAL, units=20, lipschitz=6.0, curvature=36.0)
        assert np.isclose(found.certificate.bound, 36 / 20**2 / 8, rtol=1e-9)
        assert found.holds

    def test_a_false_curvature_is_refused(self) -> None:
        with pytest.raises(ValueError, match="curvature=10 is contradicted"):
            shallow(smooth, INTERVAL, units=20, curvature=10.0)
        with pytest.raises(ValueError, match="one variable"):
            shallow(TestSeveralVariables.wavy, Box.cube(2), units=20, curvature=10.0)

    @pytest.mark.slow
    def test_detected_shapes_are_not_rigorous_but_hold_and_can_be_verified(self) -> None:
        for function in (jnp.arctan, lambda x: jnp.sqrt(1 + x * x)):
            found = shallow(smooth, INTERVAL, activation=nn.Elementwise(function, kinks=()), units=20)
            assert found.holds
            assert not found.certificate.rigorous
            assert verify(found, bound=found.certificate.bound * 1.05, budget=20_000).outcome == "bound proved"

    @pytest.mark.slow
    def test_smooth_functions_of_ones_own_by_divided_differences(self) -> None:
        found = shallow(lambda x: 0.5 * x[:, 0] ** 2, (-1, 1), activation=nn.Elementwise(jnp.sinh, kinks=()), units=7)
        assert found.certificate.rigorous
        assert found.holds
        # the polynomial's bound sin(pi / 16) pi / 2 = 0.31 of a Lipschitz constant 1 is nearly all of it
        assert found.certificate.constants["differences"] < 1e-3

    @pytest.mark.slow
    def test_single_precision(self) -> None:
        found = shallow(smooth, INTERVAL, units=50).astype(np.float32)
        assert found.certificate.rigorous
        assert found.holds
        assert found.certificate.constants["rounding to float32"] < 1e-4


class TestRefusals:
    @pytest.mark.parametrize(
        "activation",
        [nn.Hermite(4), nn.Monomial(3), nn.Polynomial((1.0, 2.0, 0.0)), nn.Identity(), nn.LeakyRelu(1.0), nn.Exp(1.0, 0.0),
         nn.Elementwise(lambda x: (x + 1) ** 2 / 3 - x, kinks=())],
        ids=str,
    )  # fmt: skip
    def test_polynomials(self, activation) -> None:
        with pytest.raises(PolynomialActivationError, match=r"away from all of those, proved by a measure") as caught:
            shallow(smooth, INTERVAL, activation=activation, units=50)
        assert caught.value.obstruction.distance > 0.01

    @pytest.mark.parametrize("sizes", [{}, {"tolerance": 0.1, "units": 3}])
    def test_one_of_tolerance_and_units(self, sizes) -> None:
        with pytest.raises(ValueError, match="exactly one of tolerance and units"):
            shallow(smooth, INTERVAL, **sizes)

    def test_a_tolerance_that_needs_too_many_units(self) -> None:
        with pytest.raises(ValueError, match=r"needs more than most_units=10 units .* achievable is a bound of 0.045"):
            shallow(smooth, INTERVAL, tolerance=1e-3, most_units=10)

    def test_a_tolerance_below_rounding(self) -> None:
        with pytest.raises(ValueError, match="below what float64 resolves"):
            shallow(smooth, INTERVAL, tolerance=1e-17)

    def test_units_too_few(self) -> None:
        with pytest.raises(ValueError, match=r"units=5 is too few: .* needs at least 17 units"):
            shallow(smooth, INTERVAL, activation=nn.Gaussian(), units=5)

    def test_no_activation(self) -> None:
        with pytest.raises(TypeError, match="activation must be a nonlinearity"):
            shallow(smooth, INTERVAL, activation=nn.Dense(3), units=5)

    def test_a_false_constant(self) -> None:
        with pytest.raises(ValueError, match="contradicted"):
            shallow(smooth, INTERVAL, units=5, lipschitz=1.0)

    @pytest.mark.parametrize(
        "function", [lambda x: np.floor(3 * x[:, 0]), lambda x: jnp.where(x[:, 0] > 0.31, 1.0, 0.0)]
    )
    def test_jumps(self, function) -> None:
        with pytest.raises(ValueError, match=r"f jumps by 1 at .* no continuous network is closer to it than 0.5"):
            shallow(function, INTERVAL, units=5)

    def test_an_unbounded_domain(self) -> None:
        with pytest.raises(ValueError, match="compact"):
            shallow(smooth, (0, np.inf), units=5)

    def test_shapeless_activations_of_several_variables(self) -> None:
        with pytest.raises(ValueError, match="degrees too low for functions of 2 variables"):
            shallow(TestSeveralVariables.wavy, Box.cube(2), activation=nn.Exp(), units=5)
