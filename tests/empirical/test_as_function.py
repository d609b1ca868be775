"""Models of several libraries, each against derivatives taken by that library's own means."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from functions import draw, kernel_by_definition

import nnlimits as nl
from nnlimits import nn
from nnlimits.empirical import batches

X = draw(0, 4, 3, dtype=np.float32)


def test_network_of_the_language():
    net = nn.Sequential(nn.Dense(4), nn.Relu(), nn.Dropout(0.5), nn.Dense(2))
    params = net.init(jax.random.key(0), (3,))
    f, given = nl.empirical.as_function(net, params)
    assert given is params
    np.testing.assert_array_equal(f(params, X), net.apply(params, X))
    assert nl.empirical.as_function(net, params)[0] == f  # so that compiled code is found again
    with pytest.raises(TypeError, match="params is missing"):
        nl.empirical.as_function(net)


def test_equinox():
    keys = jax.random.split(jax.random.key(0))
    layers = [eqx.nn.Linear(3, 5, key=keys[0]), eqx.nn.Lambda(jnp.tanh), eqx.nn.Dropout(0.5)]
    model = eqx.nn.Sequential([*layers, eqx.nn.Linear(5, 2, key=keys[1])])
    f, params = nl.empirical.as_function(model)
    jacobian = jax.vmap(eqx.filter_jacrev(lambda m, x: eqx.nn.inference_mode(m)(x)), (None, 0))(model, X)
    flat = np.concatenate([leaf.reshape(4, 2, -1) for leaf in jax.tree.leaves(jacobian)], 2)
    found = nl.empirical.ntk(f, params, X)
    np.testing.assert_allclose(found, np.einsum("iap,jbp->ijab", flat, flat), rtol=1e-5, atol=1e-5)


def test_equinox_with_a_state_is_refused():
    with pytest.raises(ValueError, match="BatchNorm, which keeps a state"):
        nl.empirical.as_function(eqx.nn.Sequential([eqx.nn.BatchNorm(3, "batch", mode="ema")]))


def test_flax():
    nnx = pytest.importorskip("flax.nnx")

    class Model(nnx.Module):
        def __init__(self):
            rngs = nnx.Rngs(0)
            self.first, self.last = nnx.Linear(3, 5, rngs=rngs), nnx.Linear(5, 2, rngs=rngs)
            self.norm, self.dropout = nnx.BatchNorm(5, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)

        def __call__(self, x):
            return self.last(self.dropout(jnp.tanh(self.norm(self.first(x)))))

    model = Model()
    f, params = nl.empirical.as_function(model)
    assert not model.dropout.deterministic
    weights = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(params)]
    assert sum(leaf.size for leaf in weights) == 3 * 5 + 5 + 5 * 2 + 2 + 2 * 5

    def by_hand(params, x):
        hidden = x @ params["first"]["kernel"] + params["first"]["bias"]
        hidden = params["norm"]["scale"] * hidden / np.sqrt(1 + 1e-5) + params["norm"]["bias"]
        return jnp.tanh(hidden) @ params["last"]["kernel"] + params["last"]["bias"]

    plain = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), nnx.to_pure_dict(params))
    expected = kernel_by_definition(by_hand, plain, X.astype(np.float64), X.astype(np.float64))
    np.testing.assert_allclose(nl.empirical.ntk(f, params, X), expected, rtol=1e-5, atol=1e-5)


@pytest.fixture
def torch_model():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layers = torch.nn
    model = layers.Sequential(
        layers.Linear(3, 5), layers.BatchNorm1d(5), layers.Tanh(), layers.Dropout(0.5), layers.Linear(5, 2)
    )
    model[4].bias.requires_grad_(False)
    return model.double()


def torch_jacobian(model, x):
    """Row by row, by `backward`."""
    import torch

    model = model.eval()
    rows = []
    for example in torch.as_tensor(x):
        for output in model(example[None])[0]:
            model.zero_grad()
            output.backward(retain_graph=True)
            rows.append(np.concatenate([p.grad.numpy().ravel() for p in model.parameters() if p.requires_grad]))
    return np.array(rows).reshape(len(x), 2, -1)


def test_torch(torch_model, monkeypatch):
    f, params = nl.empirical.as_function(torch_model)
    assert torch_model.training
    x1, x2 = draw(0, 5, 3), draw(1, 5, 3)
    left, right = torch_jacobian(torch_model, x1), torch_jacobian(torch_model, x2)
    for working_bytes in (2**30, 1000):
        monkeypatch.setattr(batches, "WORKING_BYTES", working_bytes)
        for other, jacobian in ((x2, right), (None, left)):
            full = np.einsum("iap,jbp->ijab", left, jacobian)
            diagonal = np.einsum("ijaa->ija", full)
            for outputs, expected in {"full": full, "diagonal": diagonal, "trace": diagonal.mean(2)}.items():
                found = nl.empirical.ntk(f, params, x1, other, outputs=outputs)
                assert isinstance(found, np.ndarray)
                np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
                matched = nl.empirical.ntk(f, params, x1, other, outputs=outputs, pairs="matched")
                np.testing.assert_allclose(matched, expected[np.arange(5), np.arange(5)], rtol=1e-10, atol=1e-12)


def test_torch_nngp_and_bad_arguments(torch_model):
    import torch

    f, params = nl.empirical.as_function(torch_model)
    x1, x2 = draw(0, 5, 3), draw(1, 4, 3)
    with torch.no_grad():
        left, right = (torch_model.eval()(torch.as_tensor(x)).numpy() for x in (x1, x2))
    np.testing.assert_allclose(nl.empirical.nngp(f, params, x1, x2), left @ right.T / 2, rtol=1e-12)
    with pytest.raises(ValueError, match="algorithm for a PyTorch module"):
        nl.empirical.ntk(f, params, x1, algorithm="structured")
    with pytest.raises(ValueError, match=r"x1 contains nan at index \(0, 0\)"):
        nl.empirical.ntk(f, params, x1 * np.nan)
    with pytest.raises(TypeError, match="PyTorch"):
        nl.empirical.linearize(f, params)


def test_what_is_no_model():
    with pytest.raises(TypeError, match="model must be a network"):
        nl.empirical.as_function(3)
    with pytest.raises(TypeError, match="a function needs its parameters"):
        nl.empirical.as_function(lambda p, x: x)
