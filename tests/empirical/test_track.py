"""The kernel of a network in training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from functions import draw

import nnlimits as nl
from nnlimits import nn

optax = pytest.importorskip("optax")

NET = nn.Sequential(nn.Dense(16, b_std=0.2), nn.Tanh(), nn.Dense(2))
X, Y = draw(0, 6, 3), draw(1, 6, 2)


def parameters(dtype=np.float64):
    return NET.init(jax.random.key(0), (3,), dtype=dtype)


def test_records_are_what_they_say(x64):
    """Plain descent written out, with kernels by `ntk`: to rounding."""
    found = nl.empirical.track(NET.apply, parameters(), X, Y, optax.sgd(0.3), 8, record=[0, 3, 8], k=2)
    params, theta0 = parameters(), None
    gradient = jax.jit(jax.grad(lambda p: jnp.square(NET.apply(p, X) - Y).mean() / 2))
    centre = np.eye(6) - 1 / 6
    for step in range(9):
        if step in (0, 3, 8):
            row = [0, 3, 8].index(step)
            theta = np.asarray(nl.empirical.ntk(NET.apply, params, X, outputs="trace"))
            theta0 = theta if theta0 is None else theta0
            loss = np.square(np.asarray(NET.apply(params, X)) - Y).mean() / 2
            np.testing.assert_allclose(found.loss[row], loss, rtol=1e-10)
            drift = np.linalg.norm(theta - theta0) / np.linalg.norm(theta0)
            np.testing.assert_allclose(found.drift[row], drift, rtol=1e-8, atol=1e-15)
            np.testing.assert_allclose(found.spectrum[row], np.linalg.eigvalsh(theta)[:-3:-1], rtol=1e-10)
            for column, h in ((found.alignment, np.eye(6)), (found.centred_alignment, centre)):
                a, b = h @ theta @ h, h @ Y @ Y.T @ h
                cosine = np.trace(a @ b) / np.sqrt(np.trace(a @ a) * np.trace(b @ b))
                np.testing.assert_allclose(column[row], cosine, rtol=1e-10)
        if step == 8:
            for a, b in zip(jax.tree.leaves(found.params), jax.tree.leaves(params), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
        params = jax.tree.map(lambda p, g: p - 0.3 * g, params, gradient(params))


def test_alignment_with_the_targets_is_one_for_their_own_kernel():
    """`f = params x` has the kernel `x x^T`, and the targets are `x`."""
    x = draw(3, 5, 1)
    found = nl.empirical.track(lambda p, x: p * x, np.array(2.0), x, x, optax.sgd(0.1), 1)
    np.testing.assert_allclose(found.alignment, 1, rtol=1e-12)
    np.testing.assert_allclose(found.centred_alignment, 1, rtol=1e-12)


def test_interrupted_and_resumed_is_uninterrupted(tmp_path):
    """Bit for bit, with an optimizer that has a state; an interruption while a file is written, and one between two calls."""
    options = {"x": X, "y": Y, "optimizer": optax.adam(0.01), "record": [0, 5, 130, 200]}
    params = parameters(np.float32)
    whole = nl.empirical.track(NET.apply, params, steps=250, **options)
    path = tmp_path / "run.npz"

    nl.empirical.track(NET.apply, params, steps=130, path=path, **options | {"record": [0, 5]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.replace", _failing)
        with pytest.raises(KeyboardInterrupt):
            nl.empirical.track(NET.apply, params, steps=250, path=path, **options)
    resumed = nl.empirical.track(NET.apply, params, steps=250, path=path, **options)
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(resumed), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [file.name for file in tmp_path.iterdir()] == ["run.npz"]


def _failing(*_):
    raise KeyboardInterrupt


def test_a_file_of_another_run_is_refused(tmp_path):
    options = {"optimizer": optax.sgd(0.1), "path": tmp_path / "run.npz"}
    params = parameters(np.float32)
    nl.empirical.track(NET.apply, params, X, Y, steps=4, **options)
    with pytest.raises(ValueError, match="run from other parameters or data"):
        nl.empirical.track(NET.apply, params, X + 1, Y, steps=4, **options)
    with pytest.raises(ValueError, match="another optimizer"):
        nl.empirical.track(NET.apply, params, X, Y, steps=4, **options | {"optimizer": optax.adam(0.1)})
    with pytest.raises(ValueError, match="is at step 4 and has no record of step 3"):
        nl.empirical.track(NET.apply, params, X, Y, steps=5, record=[3], **options)
    with pytest.raises(ValueError, match="is at step 4 and has no record of step 3"):
        nl.empirical.track(NET.apply, params, X, Y, steps=3, record=[0], **options)
    (tmp_path / "run.npz").write_text("nothing")
    with pytest.raises(ValueError, match="is no saved run"):
        nl.empirical.track(NET.apply, params, X, Y, steps=4, **options)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"y": Y[:, 0]}, r"y must have the shape of the outputs, \(6, 2\); received \(6,\)"),
        ({"y": Y * np.nan}, "y contains nan"),
        ({"steps": -1}, "steps must be a whole number"),
        ({"record": [99]}, "record must hold numbers of steps between 0 and 40"),
        ({"optimizer": optax.sgd(1e6)}, "learning rate too large"),
    ],
)
def test_bad_arguments(changed, message):
    arguments = {"x": X, "y": Y, "optimizer": optax.sgd(0.1), "steps": 40} | changed
    with pytest.raises(ValueError, match=message):
        nl.empirical.track(NET.apply, parameters(np.float32), **arguments)
