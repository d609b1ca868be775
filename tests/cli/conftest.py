"""Running the command line within the test process, on small tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from nnlimits.cli.app import app


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run `nnlimits` with these arguments in an empty folder, and check its exit code."""
    monkeypatch.chdir(tmp_path)

    def run_arguments(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, f"exit code {result.exit_code}\n{result.output}"
        return result

    return run_arguments


@pytest.fixture
def regression_csv(tmp_path) -> Path:
    draw = np.random.default_rng(0)
    x = draw.standard_normal((60, 3))
    y = 10 + np.sin(2 * x[:, 0]) + x[:, 1] + 0.1 * draw.standard_normal(60)
    path = tmp_path / "heat.csv"
    pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "constant": 1.0, "c": x[:, 2], "y": y}).to_csv(path, index=False)
    return path


@pytest.fixture
def classification_csv(tmp_path) -> Path:
    draw = np.random.default_rng(0)
    x = draw.standard_normal((60, 2))
    labels = np.where(x[:, 0] * x[:, 1] > 0, "same", "different")
    path = tmp_path / "signs.csv"
    pd.DataFrame({"left": x[:, 0], "right": x[:, 1], "kind": labels}).to_csv(path, index=False)
    return path


@pytest.fixture
def no_card(monkeypatch):
    """What theory says of training is tested by itself: it takes seconds to compile."""
    from nnlimits.cli import theory_card

    monkeypatch.setattr(theory_card, "lines", lambda *_: [])
