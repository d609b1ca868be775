"""Networks from files."""

import equinox as eqx
import jax
import pytest

from nnlimits import convert, nn
from nnlimits.cli import networks

EQUINOX = """
import equinox as eqx, jax
model = eqx.nn.MLP(4, 2, 16, 2, key=jax.random.key(0))
"""


def test_a_model_of_equinox(tmp_path):
    (tmp_path / "mine.py").write_text(EQUINOX)
    found = networks.resolve(str(tmp_path / "mine.py"), {})
    assert found == convert.from_equinox(eqx.nn.MLP(4, 2, 16, 2, key=jax.random.key(0)))
    assert isinstance(found, nn.Sequential)


def test_a_model_of_torch(tmp_path):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    torch.save(model, tmp_path / "mine.pt")
    assert networks.resolve(str(tmp_path / "mine.pt"), {}) == convert.from_torch(model)
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="holds weights without their model"):
        networks.resolve(str(tmp_path / "weights.pt"), {})
    (tmp_path / "broken.pt").write_text("nothing")
    with pytest.raises(ValueError, match="cannot be read as a model of PyTorch"):
        networks.resolve(str(tmp_path / "broken.pt"), {})


def test_what_has_no_expression(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import equinox as eqx\nimport jax\nmodel = eqx.nn.LSTMCell(2, 3, key=jax.random.key(0))\n"
    )
    with pytest.raises(ValueError, match="has no expression in nnlimits"):
        networks.resolve(str(tmp_path / "mine.py"), {})
    with pytest.raises(FileNotFoundError, match="there is no file"):
        networks.resolve(str(tmp_path / "absent.pt"), {})
