"""Figures of spectra and learning curves, from kernels that need no network."""

import numpy as np
import pytest

from nnlimits import rkhs
from nnlimits.plots.learning_curves import data_learning_curves, sphere_learning_curves
from nnlimits.plots.mercer_spectrum import mercer_spectrum
from nnlimits.rkhs import experiments


def rough(a, b):
    """A kernel with the decay `k^-3` in three dimensions."""
    return 4 - np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1) / 2)


def smooth(a, b):
    return np.exp(a @ b.T / 3)


def legends(figure):
    found = [axis.get_legend() for axis in figure.axes]
    return "\n".join(text.get_text() for legend in found if legend for text in legend.get_texts())


def test_spectra_show_what_is_promised():
    spectra = {"NTK": rkhs.mercer(rough, 3, 20, radius=1.0), "NNGP": rkhs.mercer(smooth, 3, 20)}
    decays = {"NTK": rkhs.spectral_decay(rough, 3, radius=1.0), "NNGP": rkhs.spectral_decay(smooth, 3)}
    figure = mercer_spectrum(experiments.SphereSpectra(spectra, decays))
    shown = legends(figure)
    assert "NTK: of its singularity, $k^{-3}$" in shown
    assert "NNGP: of its singularity" not in shown
    assert "NTK; beyond degree 20" in shown
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    np.testing.assert_allclose(lines["NTK"].get_ydata(), spectra["NTK"].eigenvalues[1:])


def test_learning_curves_show_measured_and_predicted():
    curve = experiments.sphere_learning_curve(smooth, 3, [0, 1], [8, 16], noise=0.1, draws=2, tests=50, degrees=12)
    figure = sphere_learning_curves({"one": curve}, "the title")
    assert figure.axes[0].get_title(loc="left") == "the title"
    assert "noise" in legends(figure)
    np.testing.assert_allclose(figure.axes[0].get_lines()[0].get_ydata(), curve.predicted.test)
    draw = np.random.default_rng(0)
    x, test = draw.standard_normal((2, 40, 3))
    data = experiments.data_learning_curve(smooth, x, x[:, 0], test, test[:, 0], [5, 10], ridge=0.1, draws=2)
    figure = data_learning_curves({"one": data}, "data")
    assert "predicting zero" in legends(figure)
    np.testing.assert_allclose(figure.axes[0].get_lines()[1].get_ydata(), data.plug_in.test)


@pytest.mark.parametrize("scale", [1e-9, 0.4, 0.98])
def test_learning_curves_have_numbers_on_their_axis(scale):
    """Errors that fall by many orders of magnitude, by two, and hardly at all."""
    curve = experiments.sphere_learning_curve(smooth, 3, [0, 1], [8, 16], draws=2, tests=50, degrees=12)
    errors = np.array([1.0, scale])
    measured = rkhs.MeasuredCurve(curve.measured.sizes, np.stack([errors, errors], 1), np.zeros((2, 2)))
    figure = sphere_learning_curves({"one": curve._replace(measured=measured)}, "falls")
    figure.draw_without_rendering()
    axis = figure.axes[0]
    low, high = axis.get_ylim()
    labelled = [t for t, text in zip(axis.get_yticks(), axis.get_yticklabels(), strict=True) if text.get_text()]
    assert sum(low <= tick <= high for tick in labelled) >= 2
