"""What belongs to single inputs is asked for once an input, and recording it changes no value."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.kernels import covariance_rule, evaluate
from nnlimits.kernels.inputs import input_covariance, rows
from nnlimits.kernels.per_input import of_examples, per_input, read, record, scan, stage, steps

GET = ("nngp", "ntk")
ACTIVATIONS = (
    nn.Relu(),
    nn.Erf(0.5, 2.0, -0.25),
    nn.Gelu(),
    nn.Tanh(),
    nn.HardTanh(),
    nn.Sin(),
    nn.Gaussian(),
    nn.Hermite(3),
    nn.ExpNormalized(0.5),
    nn.RectifiedMonomial(2),
)


def dense(*layers, width=8):
    return nn.Sequential(nn.Dense(width, w_std=1.2, b_std=0.3), *layers)


def on_the_spot(network, x1, x2):
    """The rules applied to all pairs, with nothing recorded."""
    state = input_covariance(rows(x1), rows(x2), None, ntk=True, keep_same=False)
    after = covariance_rule(evaluate.prepare(network, x1.dtype), state, "ntk")
    return after.nngp, after.ntk


def from_records(network, x1, x2):
    prepared = evaluate.prepare(network, x1.dtype)
    batches = (evaluate.batch(GET, prepared, x) for x in (x1, x2))
    return evaluate.pairs(GET, prepared, *batches, None)


@pytest.mark.slow
@pytest.mark.parametrize(
    "network",
    [
        *(nn.Sequential(*[dense(a)] * 3, nn.Dense(1)) for a in ACTIVATIONS),  # repeated: under a scan
        nn.Sequential(nn.Repeat(dense(nn.LayerNorm(), nn.Relu()), 4), nn.Dense(1)),
        nn.Sequential(dense(nn.Relu()), nn.Residual(dense(nn.Erf(), nn.Dense(8))), nn.Dense(1)),
        nn.Sequential(nn.Parallel(dense(nn.Relu()), dense(nn.Sin()), merge=nn.Concatenate()), nn.Dense(1)),
        nn.Sequential(nn.Parallel(dense(nn.Relu()), dense(nn.Erf()), merge=nn.Product()), nn.Dense(1)),
    ],
    ids=str,
)
def test_recording_changes_no_value(network):
    with jax.enable_x64(True):
        x1, x2 = (jnp.asarray(v) for v in np.split(np.random.default_rng(0).normal(size=(9, 3)), [5]))
        expected = jax.jit(partial(on_the_spot, network))(x1, x2)
        found = jax.jit(partial(from_records, network))(x1, x2)
        for f, e in zip(found, expected, strict=True):
            # the same operations on the same numbers: compiled apart, they differ by the order of a few roundings
            np.testing.assert_allclose(f, jnp.broadcast_to(e, f.shape), rtol=1e-13, atol=1e-14)


def test_asked_once_an_input():
    asked = []

    def root(q):
        asked.append(q.shape)
        return {"root": jnp.sqrt(q), "half": q / 2, "several": jnp.stack([q, 2 * q])}

    def rules(q1, q2):
        first, second = per_input(root, q1, q2)
        return first["root"] * second["half"] + first["several"][1] * second["several"][0]

    a, b = jnp.array([1.0, 4.0, 9.0]), jnp.array([4.0, 16.0])
    (_, known1), (_, known2) = (record(partial(rules, q, q)) for q in (a, b))
    assert asked == [(3,), (2,)]
    # what the second pass is given does not matter: it reads
    found = read(known1, known2, partial(rules, jnp.zeros((3, 1)), jnp.zeros((1, 2))))
    assert asked == [(3,), (2,)]
    np.testing.assert_allclose(found, np.sqrt(a)[:, None] * b / 2 + 2 * np.multiply.outer(a, b), rtol=1e-6)


def test_a_scan_records_every_layer():
    def rules(q1, q2):
        def step(state, weight):
            first, second = per_input(lambda q: weight * q, q1, q2)
            return state + first * second

        return scan(step, jnp.zeros(jnp.broadcast_shapes(q1.shape, q2.shape)), jnp.array([1.0, 2.0, 3.0]), 3)

    a, b = jnp.array([1.0, 2.0, 3.0]), jnp.array([5.0, 7.0])
    (diagonal, known1), (_, known2) = (record(partial(rules, q, q)) for q in (a, b))
    assert [k.shape for k in known1[0]] == [(3, 3)]
    np.testing.assert_allclose(diagonal, 14 * a**2)
    expected = 14 * np.multiply.outer(a, b)
    np.testing.assert_allclose(read(known1, known2, partial(rules, a[:, None], b[None])), expected)
    np.testing.assert_allclose(rules(a[:, None], b[None]), expected)


def test_a_stage_is_recorded_once_and_read_any_number_of_times():
    """In the order of the questions: what comes after it reads its own answers."""
    asked = []

    def square(q):
        asked.append(q.shape)
        return q**2

    def rules(q1, q2):
        def at_zero():
            first, second = per_input(square, q1, q2)
            return first * second

        found, known1, known2 = stage(at_zero)
        after1, after2 = per_input(lambda q: 10 * q, q1, q2)
        uses = [read(known1, known2, at_zero, places) for _ in range(2)]
        return found, uses, after1, after2

    places = (lambda v: v[jnp.array([0, 0, 1])], lambda v: v[jnp.array([1, 0, 1])])
    a, b = jnp.array([1.0, 2.0]), jnp.array([3.0, 5.0])
    ((found, *_), known1), (_, known2) = (record(partial(rules, q, q)) for q in (a, b))
    np.testing.assert_allclose(found, a**4)
    assert asked == [(2,), (2,)]
    nothing, uses, after1, after2 = read(known1, known2, partial(rules, None, None), places)
    assert nothing is None
    assert asked == [(2,), (2,)]
    expected = np.array([1.0, 1.0, 4.0]) * np.array([25.0, 9.0, 25.0])
    for found in uses:
        np.testing.assert_allclose(found, expected)
    np.testing.assert_allclose(after1, [10, 10, 20])
    np.testing.assert_allclose(after2, [50, 30, 50])


def test_what_belongs_to_examples_is_found_while_a_batch_is_recorded():
    calls = []

    def rules(q):
        def find():
            calls.append(q)
            return {"twice": 2 * q, "one": jnp.ones(())}

        return of_examples(find)

    a, b = jnp.array([1.0, 2.0]), jnp.array([3.0, 5.0])
    ((first, second), known1), (_, known2) = (record(partial(rules, q)) for q in (a, b))
    np.testing.assert_allclose(first["twice"], second["twice"])
    first, second = read(known1, known2, partial(rules, None))
    assert len(calls) == 2
    np.testing.assert_allclose(first["twice"] + second["twice"], [[8, 12], [10, 14]])
    np.testing.assert_allclose(first["one"] + second["one"], 2)


def test_stages_need_a_record():
    for ask in (lambda: stage(lambda: None), lambda: of_examples(lambda: None)):
        with pytest.raises(RuntimeError, match="recorded first"):
            ask()


def test_steps_ask_for_each_step():
    """A running sum over the positions of one axis, weighted by what each input is at that step."""

    def rules(q1, q2):
        def step(state, x):
            first, second = per_input(lambda q: q**2, *x)
            state = state + first * second
            return state, state

        return steps(step, jnp.zeros_like(q1[0] * q2[0]), (q1, q2), lambda v: jnp.moveaxis(v, -3, 0))

    a, b = jnp.array([[1.0, 2.0], [3.0, 4.0], [0.5, 1.0]]), jnp.array([[5.0], [7.0], [2.0]])
    ((last, all_), known1), (_, known2) = (record(partial(rules, q, q)) for q in (a, b))
    np.testing.assert_allclose(all_, np.cumsum(a**4, 0))
    np.testing.assert_allclose(last, (a**4).sum(0))
    pairs = (jnp.broadcast_to(a[:, :, None], (3, 2, 1)), jnp.broadcast_to(b[:, None], (3, 2, 1)))
    expected = np.cumsum(a[:, :, None] ** 2 * b[:, None] ** 2, 0)
    for found in (read(known1, known2, partial(rules, *pairs)), rules(*pairs)):
        np.testing.assert_allclose(found[1], expected, rtol=1e-6)
        np.testing.assert_allclose(found[0], expected[-1], rtol=1e-6)
