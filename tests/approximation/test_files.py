"""Networks on disk."""

import jax
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


@pytest.mark.parametrize(
    "text", ["__import__('os')", "nn.Dense", "nn.count_parameters(1)", "3", "nn.Dense(", "nn.nn.Dense(1)"]
)
def test_no_code_is_run(text):
    with pytest.raises(ValueError, match=r"is no word of nnlimits.nn|no network is written so"):
        network_of(text)
