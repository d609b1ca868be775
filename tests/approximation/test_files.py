"""Networks on disk."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.approximation.files import load_network, network_of, save_network

NETWORK = nn.Sequential(
    nn.Repeat(nn.Sequential(nn.Dense(3, w_std=1.5), nn.RectifiedMonomial(2)), 2),
    nn.Residual(nn.Dense(3, b_std=None)),
    nn.Dense(1),
    parameterization="standard",
)


def test_what_is_written_is_read(tmp_path):
    params = NETWORK.init(jax.random.key(0), (3,))
    path = save_network(tmp_path / "new" / "net", NETWORK, params, {"domain": [[0.0, 1.0]]})
    assert path == tmp_path / "new" / "net.npz"
    assert [file.name for file in path.parent.iterdir()] == ["net.npz"]
    network, read, about = load_network(path)
    assert network == NETWORK
    assert about == {"domain": [[0.0, 1.0]]}
    assert jax.tree.structure(read) == jax.tree.structure(params)
    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    np.testing.assert_array_equal(network.apply(read, x), NETWORK.apply(params, x))


def test_refused(tmp_path):
    with pytest.raises(ValueError, match="the network cannot be saved: no network is written so"):
        save_network(tmp_path / "net", nn.Sequential(nn.Elementwise(lambda x: x)), ((),))
    assert not any(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError):
        load_network(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("x")
    with pytest.raises(ValueError, match="is not a network saved by nnlimits"):
        load_network(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", header=np.asarray("{}"))
    with pytest.raises(ValueError, match="not a network of the format"):
        load_network(tmp_path / "other.npz")


class Pair(NamedTuple):
    """Parameters of a type of one's own."""

    weight: np.ndarray


@pytest.mark.parametrize(
    ("params", "about", "message"),
    [
        ({"weight": object()}, {}, "received object of type object"),
        (Pair(np.zeros(1)), {}, "received Pair"),
        ({"weight": jnp.zeros(1, jnp.bfloat16)}, {}, "bfloat16"),
        ({1: np.zeros(1)}, {}, r"names of parameters must be texts; received \[1\]"),
        ((), {"domain": np.zeros(2)}, "about must hold what JSON can"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(tmp_path, params, about, message):
    with pytest.raises(ValueError, match=message):
        save_network(tmp_path / "net", nn.Relu(), params, about)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "header",
    [
        '{"format": "nnlimits network 1"}',
        '{"format": "nnlimits network 1", "network": "nn.Relu()", "params": "array3", "about": {}}',
        '{"format": "nnlimits network 1", "network": "nn.Dense()", "params": null, "about": {}}',
    ],
)
def test_damaged_files(tmp_path, header):
    np.savez(tmp_path / "net.npz", header=np.asarray(header))
    with pytest.raises(ValueError, match="is damaged"):
        load_network(tmp_path / "net.npz")


@pytest.mark.parametrize(
    "text", ["__import__('os')", "nn.Dense", "nn.count_parameters(1)", "3", "nn.Dense(", "nn.nn.Dense(1)"]
)
def test_no_code_is_run(text):
    with pytest.raises(ValueError, match=r"is no word of nnlimits.nn|no network is written so"):
        network_of(text)
