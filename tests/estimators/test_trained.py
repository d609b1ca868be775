"""Classifiers that train an ODE network or an equilibrium network."""

import copy
import dataclasses
import pickle
import warnings

import numpy as np
import pytest
from sklearn.datasets import make_moons
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.estimator_checks import check_estimator

from nnlimits import EquilibriumClassifier, NeuralODEClassifier, nn
from nnlimits.estimators.convergence import unsettled
from nnlimits.estimators.trained import _split
from nnlimits.training.epochs import Epochs

BOTH = [NeuralODEClassifier, EquilibriumClassifier]


@pytest.fixture(scope="module")
def moons():
    x, y = make_moons(200, noise=0.15, random_state=0)
    return x, np.array(["lower", "upper"])[y]


SMALL = {
    NeuralODEClassifier: nn.Sequential(
        nn.Dense(8),
        nn.NeuralODE(nn.Sequential(nn.Dense(16), nn.Tanh(), nn.Dense(8)), solver="midpoint", steps=4),
        nn.Dense(2),
        parameterization="standard",
    ),
    EquilibriumClassifier: nn.Sequential(
        nn.Equilibrium(nn.Cell(nn.Dense(16, b_std=None), nn.Dense(16), nn.Relu(), nn.Monotone())),
        nn.Dense(2),
        parameterization="standard",
    ),
}
"""Networks that compile quickly."""


@pytest.fixture(scope="module")
def fitted(moons):
    x, y = moons
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return {kind: kind(SMALL[kind], learning_rate=0.02, max_epochs=40).fit(x[:150], y[:150]) for kind in BOTH}


@pytest.mark.parametrize("kind", BOTH)
def test_two_moons_are_told_apart_with_probabilities(kind, fitted, moons):
    """A linear boundary is right for 87 %; the noise is so small that 98 % can be."""
    x, y = moons
    model = fitted[kind]
    assert model.score(x[150:], y[150:]) >= 0.94
    probability = model.predict_proba(x[150:])
    np.testing.assert_allclose(probability.sum(1), 1)
    assert (model.predict(x[150:]) == model.classes_[probability.argmax(1)]).all()
    np.testing.assert_allclose(np.exp(model.predict_log_proba(x[150:])), probability)
    assert model.evaluations_ > 5
    assert model.n_parameters_ == nn.count_parameters(model.network_, (2,))


@pytest.mark.slow
@pytest.mark.parametrize("kind", BOTH)
def test_the_networks_that_they_choose_tell_two_moons_apart(kind, moons):
    x, y = moons
    model = kind(max_epochs=60).fit(x[:150], y[:150])
    assert model.score(x[150:], y[150:]) >= 0.94


@pytest.mark.parametrize("kind", BOTH)
def test_early_stopping_keeps_the_best_epoch(kind, fitted):
    model = fitted[kind]
    assert model.best_epoch_ == int(model.validation_losses_.argmin())
    assert model.n_iter_ == len(model.losses_) <= 40
    assert model.temperature_ >= 1


@pytest.mark.parametrize("kind", BOTH)
def test_pickles_and_is_not_fitted_before(kind, fitted, moons):
    model = fitted[kind]
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict_proba(moons[0][:7]), model.predict_proba(moons[0][:7]))
    with pytest.raises(NotFittedError):
        kind().predict(moons[0])


def test_a_network_of_ones_own(fitted):
    for kind, network in SMALL.items():
        assert fitted[kind].network_ == network


def test_networks_that_do_not_fit(moons):
    x, y = moons
    with pytest.raises(ValueError, match="one output a class, 2; it has 3"):
        NeuralODEClassifier(nn.Sequential(nn.Dense(3))).fit(x, y)
    with pytest.raises(ValueError, match="network must be an expression"):
        EquilibriumClassifier("mlp").fit(x, y)


@pytest.mark.slow
def test_too_few_epochs_are_a_warning(moons):
    with pytest.warns(ConvergenceWarning, match="increase max_epochs"):
        NeuralODEClassifier(max_epochs=2).fit(*moons)


@pytest.mark.slow
def test_images():
    """Bars that stand or lie, at any of six places."""
    rng = np.random.default_rng(0)
    x, y = 0.3 * rng.standard_normal((120, 6, 6, 1)), rng.integers(2, size=120)
    for image, upright, place in zip(x, y, rng.integers(6, size=120), strict=True):
        image[(slice(None), place) if upright else (place, slice(None))] += 1.0
    model = EquilibriumClassifier(width=8, max_epochs=40, batch_size=16).fit(x[:90], y[:90])
    assert model.score(x[90:], y[90:]) > 0.85
    assert model.input_shape_ == (6, 6, 1)
    preset = NeuralODEClassifier(width=8, time_dependent=False, augment=2)._preset((6, 6, 1), 3)
    assert preset.output_shape((6, 6, 1)) == (3,)


@pytest.mark.slow
def test_the_jacobian_penalty_saves_evaluations(moons):
    """Both stop at equal numbers of epochs; the penalised cell contracts more."""
    x, y = moons
    settings = {"width": 16, "max_epochs": 30, "patience": 30}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        free, penalised = (EquilibriumClassifier(jacobian_weight=w, **settings).fit(x, y) for w in (0.0, 1.0))
    assert penalised.evaluations_ < 0.8 * free.evaluations_


def test_examples_are_held_out_class_by_class():
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    kept, held = _split(labels, 0.2, np.random.RandomState(0))
    assert sorted([*kept, *held]) == list(range(100))
    np.testing.assert_array_equal(np.bincount(labels[held]), [12, 6, 2])
    for few, fraction in ((np.array([0, 0, 0, 0, 1]), 0.2), (np.array([0, 1, 0, 1]), 0.2), (labels, 0.0)):
        kept, held = _split(few, fraction, np.random.RandomState(0))
        assert len(kept) == len(few)
        assert len(held) == 0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"width": 0}, 'width must be "auto" or a whole number'),
        ({"activation": "step"}, "activation must be"),
        ({"max_epochs": 0}, "max_epochs must be a whole number"),
        ({"batch_size": 1.5}, "batch_size must be a whole number"),
        ({"learning_rate": 0.0}, "learning_rate must be"),
        ({"weight_decay": -1.0}, "weight_decay must be"),
        ({"validation_fraction": -0.5}, "validation_fraction must be"),
        ({"validation_fraction": 1.0}, "validation_fraction must be below 1"),
        ({"activation": ("relu", "tanh")}, r"or one of abs, .*tanh; received \('relu', 'tanh'\)"),
    ],
)
@pytest.mark.parametrize("kind", BOTH)
def test_parameters_out_of_range(kind, parameters, message, moons):
    with pytest.raises(ValueError, match=message):
        kind(**parameters).fit(*moons)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"learning_rate": "a"}, "learning_rate must be a positive number; received 'a'"),
        ({"learning_rate": None}, "learning_rate must be a positive number; received None"),
        ({"weight_decay": None}, "weight_decay must be a non-negative number; received None"),
        ({"validation_fraction": "a"}, "validation_fraction must be a non-negative number; received 'a'"),
        ({"standardize": "no"}, "standardize must be True or False; received 'no'"),
        ({"progress": "yes"}, "progress must be True, False, or None for .*; received 'yes'"),
    ],
)
@pytest.mark.parametrize("kind", BOTH)
def test_parameters_of_other_types(kind, parameters, message, moons):
    with pytest.raises(TypeError, match=message):
        kind(**parameters).fit(*moons)


def test_the_weight_of_the_jacobian(moons):
    with pytest.raises(TypeError, match="jacobian_weight must be a non-negative number; received 'a'"):
        EquilibriumClassifier(jacobian_weight="a").fit(*moons)
    plain = nn.Sequential(nn.Dense(2))
    with pytest.raises(
        ValueError, match=r"jacobian_weight=0\.5 cannot be met: network has no layer with a fixed point"
    ):
        EquilibriumClassifier(plain, jacobian_weight=0.5, max_epochs=1).fit(*moons)


def test_parameters_of_the_equations():
    x, y = np.eye(6), np.arange(6) % 2
    with pytest.raises(ValueError, match="solver must be one of"):
        NeuralODEClassifier(solver="guess").fit(x, y)
    for wrong in ("norm", 0.5):
        with pytest.raises(ValueError, match='constraint must be "monotone", "norm_bound"'):
            EquilibriumClassifier(constraint=wrong).fit(x, y)
    with pytest.raises(ValueError, match=r"slopes in \[0, 1\]"):
        EquilibriumClassifier(activation="sin").fit(x, y)


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        ("monotone", nn.Monotone()),
        ("norm_bound", nn.NormBound()),
        (nn.NormBound(0.5), nn.NormBound(0.5)),
        (None, None),
    ],
)
def test_constraints_have_names(constraint, expected):
    cell = EquilibriumClassifier(constraint=constraint)._preset((2,), 3).layers[0].cell
    assert cell.constraint == expected


def test_a_state_that_is_not_found_is_an_error_of_its_own(moons):
    """Without a constraint the map doubles the state in every step."""
    cell = nn.Cell(nn.Dense(4, w_std=30.0), nn.Dense(4), nn.Relu())
    network = nn.Sequential(nn.Equilibrium(cell, solver="iteration"), nn.Dense(2))
    told = (
        "network's equation could not be solved in epoch 1 of training; lower learning_rate. The solver says: .*Equil"
    )
    with pytest.raises(nn.SolveError, match=told):
        EquilibriumClassifier(network, max_epochs=3).fit(*moons)


def test_an_equation_lost_after_training_is_told_with_its_epoch(fitted, moons):
    """Of what was trained with four steps, two are not enough for an adaptive solver."""
    model = copy.copy(fitted[NeuralODEClassifier])
    first, ode, last = model.network_.layers
    stiff = dataclasses.replace(ode, solver="tsit5", steps=None, max_steps=2)
    model.network_ = nn.Sequential(first, stiff, last, parameterization="standard")
    told = f"with the parameters of epoch {model.best_epoch_ + 1} of training; lower learning_rate.*max_steps.*atol.$"
    with pytest.raises(nn.SolveError, match=told):
        model.predict(moons[0])


def test_training_that_does_not_settle():
    def epochs(losses, settled):
        return Epochs((), np.array(losses), np.array([]), 0, settled, [])

    assert unsettled(epochs([1.0, 0.5], True)) is None
    assert "still falling after max_epochs=2, at 0.5; increase max_epochs" in str(unsettled(epochs([1.0, 0.5], False)))
    for settled in (True, False):
        told = str(unsettled(epochs([1.0, 6.5e28], settled)))
        assert "6.5e+28 in epoch 2, and was 1 in the first: training does not settle; lower learning_rate" in told


@pytest.mark.parametrize("kind", [pytest.param(NeuralODEClassifier, marks=pytest.mark.slow), EquilibriumClassifier])
def test_a_learning_rate_that_is_much_too_large(kind, moons):
    """Either the equation is lost on the way, or the loss has risen; both say what to do."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        try:
            kind(SMALL[kind], learning_rate=1e6, max_epochs=3).fit(*moons)
        except nn.SolveError as error:
            assert "could not be solved" in str(error) and "lower learning_rate" in str(error)  # noqa: PT017, PT018
        else:
            assert any("training does not settle; lower learning_rate" in str(one.message) for one in caught)


@pytest.mark.slow
@pytest.mark.parametrize("kind", BOTH)
def test_check_estimator(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(kind(width=8, max_epochs=40, learning_rate=0.02), on_fail="raise")
    assert {r["check_name"] for r in results if r["status"] != "passed"} <= {"check_array_api_input"}
    assert len(results) > 40
