"""The figures of the demonstration."""

from pathlib import Path

import numpy as np
import scipy.linalg
from matplotlib.figure import Figure

import nnlimits as nl
from nnlimits import plots
from nnlimits.cli.demo_comparison import Comparison
from nnlimits.cli.demo_widths import Study, network
from nnlimits.plots.training_curves import Curves, Followed


def draw(study: Study, table: Comparison, folder: Path) -> list[tuple[Path, str]]:
    """Save all figures to a folder; the path of each, and a sentence that explains it."""
    widest = study.results[-1].width
    drawn = {
        "convergence.png": (
            plots.convergence(study.widths, study.distances, unit="root mean square distance, in units of the output"),
            "Each dot is one trained network. The wider it is, the closer it ends to what theory predicts for it, and to its "
            "own linearization, in which training is solved exactly.",
        ),
        "training.png": (
            _training(study),
            f"Loss, one output, and the ensemble's spread through training: the dashed lines were computed without training "
            f"anything, and the networks of width {widest} follow them.",
        ),
        "calibration.png": (
            plots.calibration(table.reliabilities),
            "A dot on the diagonal is a set of predictions whose confidence is honest: of those made with confidence 0.8, eight "
            "in ten are right. The larger a dot, the more predictions it holds.",
        ),
        "spectrum.png": (
            _spectrum(study),
            "How alike the network finds two images, by their angle; the spectrum of its kernels on the training images; and how "
            "many steps halve the error along each direction. Directions on the right are learned late, if at all.",
        ),
    }
    return [(plots.save(figure, folder / name), sentence) for name, (figure, sentence) in drawn.items()]


def _training(study: Study) -> Figure:
    theory = Curves(study.theory.train_loss, study.theory.std.mean(1))
    finite = [
        Curves(
            ((np.asarray(r.training.train) - study.problem.y) ** 2).mean((0, 2, 3)) / 2,
            np.asarray(r.training.test).std(0, ddof=1).mean((1, 2)),
        )
        for r in study.results
    ]
    label = int(study.labels[0])
    followed = Followed(
        f"Output “{label}” for a test image of a {label}",
        study.theory.mean[:, 0, label],
        study.theory.std[:, 0],
        np.asarray(study.results[-1].training.test)[:, :, 0, label],
        0.9,
    )
    return plots.training_curves(study.problem.steps, theory, study.widths, finite, followed)


def _spectrum(study: Study) -> Figure:
    kernel = nl.kernel(network(1))
    angles = np.radians(np.arange(0, 181, 2.0))
    fixed, turned = np.array([[1.0, 0.0]]) * 2**0.5, np.stack([np.cos(angles), np.sin(angles)], axis=1) * 2**0.5
    by_angle = kernel(fixed, turned)
    values = [scipy.linalg.eigvalsh(np.asarray(gram))[::-1] for gram in kernel(study.problem.x.astype(np.float64))]
    shrink = np.log1p(-study.problem.learning_rate * values[1] / study.problem.y.size)
    return plots.explanation(
        np.degrees(angles),
        np.asarray(by_angle.nngp)[0],
        np.asarray(by_angle.ntk)[0],
        eigenvalues={"NNGP": values[0], "NTK": values[1]},
        half_life=np.maximum(1, np.ceil(np.log(0.5) / shrink)),
    )
