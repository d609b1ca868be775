"""`nnlimits depth`: ODE networks."""

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "figure", "text"),
    [
        (["euler", "--depths", "4,8", "--seeds", "2"], "euler.png", "midpoint L^-"),
        (
            ["adjoints", "--tolerances", "1e-6", "--steps", "4,8"],
            "adjoints.png",
            "from the gradient of 4 residual blocks",
        ),
        (["flow", "--steps", "20", "--width", "8", "--cells", "20"], "flow.png", "On 2,048 points held out"),
    ],
)
def test_experiments(run, tmp_path, arguments, figure, text):
    output = " ".join(run("depth", *arguments, "--folder", "seen").output.split())
    assert text in output
    assert (tmp_path / "seen" / figure).stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["euler", "--depths", "4"], "depths must be two or more numbers of blocks that ascend"),
        (["euler", "--depths", "8,x"], "--depths must be whole numbers of at least 1 that ascend"),
        (["adjoints", "--tolerances", "2"], "tolerances must be between 1e-12 and 1"),
        (["adjoints", "--processes", "x"], "--processes must be whole numbers of at least 1 that ascend"),
        (["adjoints", "--steps", "16"], "steps must be two or more whole numbers that ascend"),
        (["flow", "--learning-rate", "-1"], "learning_rate must be finite and positive; received -1"),
    ],
)
def test_bad_input(run, arguments, message):
    assert message in " ".join(run("depth", *arguments, code=2).output.split())
