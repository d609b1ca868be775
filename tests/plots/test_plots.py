"""Figures: complete, without a display, and saved as a whole."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from nnlimits import plots, report
from nnlimits.plots.training_curves import Curves, Followed
from nnlimits.training import CoordinateCheck


@pytest.fixture
def distances():
    draw = np.random.default_rng(0)
    widths = [32, 64, 128, 256]
    return widths, np.stack([w**-0.6 * np.exp(0.1 * draw.standard_normal(50)) for w in widths])


def test_fitted_rate_recovers_a_power_law(distances):
    """The standard error of the slope is 0.1 / sqrt(50) over the root of the sum of squares of log widths, 0.009."""
    widths, values = distances
    rate = plots.fit_rate(widths, values)
    assert rate.error == pytest.approx(0.1 / 50**0.5 / (np.log(2) * 5**0.5), rel=0.2)
    assert abs(rate.slope + 0.6) < 4 * rate.error
    exact = plots.fit_rate(widths, np.asarray(widths, float)[:, None] ** -0.5)
    assert exact.slope == pytest.approx(-0.5)
    assert np.isnan(exact.error)


def texts(figure: Figure) -> str:
    legends = [text.get_text() for axis in figure.axes if axis.get_legend() for text in axis.get_legend().get_texts()]
    labels = [
        text for axis in figure.axes for text in (axis.get_title(loc="left"), axis.get_xlabel(), axis.get_ylabel())
    ]
    return "\n".join(legends + labels)


def test_convergence(distances):
    widths, values = distances
    figure = plots.convergence(widths, {"from theory": values, "from a line": values**2}, unit="distance")
    shown = texts(figure)
    for text in ("from theory", "from a line", "fitted slope \u22120.6", "width of the hidden layers", "distance"):
        assert text in shown


def test_coordinate_check():
    widths = np.array([16, 64, 256])
    sizes = np.stack([np.ones((3, 4)), np.repeat(widths[:, None] ** -0.5, 4, axis=1)], axis=-1)
    result = CoordinateCheck(widths, ("Dense 0", "Dense 2"), sizes, sizes[:, :, None])
    figure = plots.coordinate_check(result, name="muP")
    shown = texts(figure)
    for text in ("muP: at initialization", "change after 1 step", "Dense 0   +0.00", "Dense 2   \u22120.50", "width"):
        assert text in shown
    many = CoordinateCheck(widths, tuple(map(str, range(20))), np.ones((3, 4, 20)), np.ones((3, 4, 1, 20)))
    assert len(plots.coordinate_check(many).axes[0].get_legend().get_texts()) == 8


def test_training_curves():
    steps = [0, 1, 4, 16]
    curves = Curves(np.ones(4), np.ones(4))
    followed = Followed("One output", np.zeros(4), np.ones(4), np.zeros((3, 4)), 0.9)
    shown = texts(plots.training_curves(steps, curves, [8, 16], [curves, curves], followed))
    for text in (
        "width 8",
        "infinite width (theory)",
        "networks of width 16",
        "One output",
        "steps of gradient descent",
    ):
        assert text in shown


@pytest.mark.parametrize("n", [1, 3, 4, 9])
def test_calibration(n):
    draw = np.random.default_rng(0)
    binned = report.reliability(draw.integers(0, 3, 200), draw.dirichlet(np.ones(3), 200))
    figure = plots.calibration({f"classifier {i}": binned for i in range(n)})
    assert "classifier 0" in texts(figure)
    figure.draw_without_rendering()


def test_explanation_with_and_without_data():
    degrees, values = np.linspace(0, 180, 10), np.arange(9, 0, -1.0)
    assert len(plots.explanation(degrees, 2 - degrees, 2 - degrees).axes) == 1
    full = plots.explanation(degrees, 2 - degrees, 2 - degrees, eigenvalues={"NTK": values}, half_life=1 / values)
    assert len(full.axes) == 3
    assert "eigenvalue" in texts(full)


def test_edge_of_stability():
    losses, steps = np.linspace(1, 0.1, 21), np.arange(0, 21, 5)
    runs = [plots.Sharpening(rate, losses, steps, np.linspace(1, 2 / rate, 5)) for rate in (0.5, 1.0)]
    figure = plots.edge_of_stability(runs, loss="squared error")
    shown = texts(figure)
    for text in ("learning rate 0.5", "2 / learning rate", "squared error", "largest eigenvalue of the Hessian"):
        assert text in shown
    lines = [line.get_ydata() for line in figure.axes[1].lines]
    assert any(np.allclose(line, 4) for line in lines)  # the edge of the rate 0.5
    figure.draw_without_rendering()


def test_catapult():
    """Rates that diverge are left out; the boundaries are drawn in each panel."""
    multiples = np.array([1.0, 3.0, 5.0])
    curve = plots.CatapultCurve(
        multiples, np.array([1, 9, np.inf]), np.array([1, 1.5, np.nan]), np.array([0.1, 0.1, np.nan])
    )
    figure = plots.catapult({"linear": curve, "ReLU": curve}, divergence={"ReLU": 12.0})
    named = {text.get_text() for text in figure.legends[0].get_texts()}
    assert named == {"linear", "ReLU", "2 and 4, from theory", "divergence, measured"}
    assert "last curvature" in texts(figure)
    for axis in figure.axes:
        places = [line.get_xdata()[0] for line in axis.lines if len(set(line.get_xdata())) == 1]
        assert {2, 4, 12.0} <= set(places)
    figure.draw_without_rendering()


def test_save_adds_an_ending_makes_folders_and_leaves_nothing_half_written(tmp_path, distances):
    widths, values = distances
    figure = plots.convergence(widths, {"d": values}, unit="distance")
    saved = plots.save(figure, tmp_path / "new" / "f")
    assert saved == tmp_path / "new" / "f.png"
    assert saved.read_bytes().startswith(b"\x89PNG")
    with Image.open(saved) as image:
        assert (image.format, image.size) == ("PNG", tuple(int(150 * side) for side in figure.get_size_inches()))
    with pytest.raises(ValueError, match="not supported"):
        plots.save(figure, tmp_path / "f.docx")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_pyplot_is_not_imported():
    code = "import sys, nnlimits.plots; print('matplotlib.pyplot' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.strip() == "False"


def test_signals():
    """Phase diagram, propagation, spectrum and trainable depth: axes named, theory in the legend."""
    from nnlimits import nn, presets, signal

    net = presets.mlp(3, w_std=1.2, b_std=0.5)
    diagram = signal.phase_diagram(net, [0.5, 1.2, 1.8], [0.1, 0.5])
    figure = plots.phase_diagram(diagram, mark=(1.2, 0.5))
    assert "edge of chaos" in texts(figure)
    assert "this network" in texts(figure)
    assert "variance of weights" in texts(figure)
    passed = plots.propagation({"ordered": signal.propagate(net)})
    assert len(passed.axes) == 3
    assert len(passed.axes[0].lines[0].get_xdata()) == 5  # the input and four affine layers
    law = signal.jacobian_spectrum(nn.Dense(4), points=100)
    assert "finite networks" in texts(plots.jacobian_spectrum({"one": law}, simulated={"one": np.linspace(0, 2, 50)}))
    deep = plots.trainable_depth(np.array([1.0, 2.0]), [5, 10], np.eye(2), (np.array([1.0, 2.0]), np.array([8.0, 9.0])))
    assert "from theory" in texts(deep)


def course_of(units, records=4, m=6):
    from nnlimits.mean_field import Course

    rng = np.random.default_rng(0)
    positions = rng.standard_normal((records, m, units.size))
    return Course(
        np.arange(records), np.geomspace(1, 0.1, records), positions, np.full((records, m), 1 / m), np.zeros(4)
    )


def test_neurons_and_their_animation(tmp_path):
    """ReLU neurons stand at `|a| w`, in two colours; others at their parameters. The animation has a frame for each record."""
    from nnlimits import mean_field, nn

    relu, tanh = mean_field.TwoLayer(nn.Relu(), 2), mean_field.TwoLayer(nn.Tanh(), 2, bias=True)
    course = course_of(relu)
    figure = plots.neurons(course, relu, teacher=course.at(0))
    shown = texts(figure)
    for text in ("|a| w\u2081", "|a| w\u2082", "end, a > 0", "end, a < 0", "start", "teacher"):
        assert text in shown
    last = course.positions[-1]
    ends = np.concatenate([line.get_xydata() for line in figure.axes[0].lines if line.get_label().startswith("end")])
    expected = abs(last[:, 2:]) * last[:, :2]
    np.testing.assert_allclose(np.sort(ends, 0), np.sort(expected, 0))
    assert "parameter 3" in texts(plots.neurons(course_of(tanh), tanh, coordinates=(0, 2)))
    with pytest.raises(ValueError, match="coordinates must be two of 0 to 3"):
        plots.neurons(course_of(tanh), tanh, coordinates=(0, 4))
    saved = plots.animate_neurons(course, relu, tmp_path / "new" / "motion")
    with Image.open(saved) as image:
        assert (image.format, image.n_frames) == ("GIF", 4)
    assert [path.name for path in saved.parent.iterdir()] == ["motion.gif"]


def test_mean_field_figures():
    """Fitted rates and bands in the legend; both changes; the equation against particles."""
    from nnlimits import mean_field, nn

    rng, scales = np.random.default_rng(0), np.array([16.0, 64.0, 256.0])
    errors = {"outputs": scales[:, None] ** -0.5 * np.exp(0.1 * rng.standard_normal((3, 5)))}
    found = mean_field.Convergence(scales, np.arange(4.0), np.ones(4), np.ones((3, 5, 4)), errors)
    shown = texts(plots.propagation_of_chaos(found))
    for text in (
        "outputs: slope \u22120.5",
        "slope \u22120.5, for comparison",
        "m = 64",
        "number of neurons m",
        "reference",
    ):
        assert text in shown
    change = np.outer([1.0, 0.1, 0.01], [0.0, 1.0])
    lazy = mean_field.LazyTraining(np.array([1.0, 10, 100]), np.arange(2.0), change + 1, change + 2, change, change)
    for text in ("hidden weights", "tangent kernel", "scale of the output", "test", "Loss at time 1"):
        assert text in texts(plots.laziness(lazy))
    assert "test" not in texts(plots.laziness(lazy._replace(test_risks=None)))
    grid = mean_field.Grid(-3, 3, 10)
    density = mean_field.DensityCourse(grid, np.arange(4), np.full((4, 10), 0.1), np.ones(4), np.ones(4))
    units = mean_field.TwoLayer(nn.Tanh(), 1, readout=False)
    shown = texts(plots.particles_against_density(density, {"6 particles": course_of(units)}, parameter="w"))
    for text in ("6 particles", "finite volumes", "density of neurons", "Neurons at time 3"):
        assert text in shown
    flat = density._replace(grid=mean_field.Grid([0, 0], [1, 1], 2))
    with pytest.raises(ValueError, match="over one parameter; its grid has 2 axes"):
        plots.particles_against_density(flat, {})
