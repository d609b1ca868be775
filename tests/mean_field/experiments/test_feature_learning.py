"""Three layers on two digits of MNIST: features are learned at every width in the mean-field scaling, and less and less in
that of the kernel limit (Pham & Nguyen 2021; Yang & Hu 2021).
"""

import numpy as np
import pytest

from nnlimits import datasets
from nnlimits.mean_field import experiments
from nnlimits.mean_field.experiments.feature_learning import STEPS, alignment


@pytest.fixture(scope="module")
def found(shared_data):
    arrays = datasets.read_arrays(shared_data / "mnist.npz")
    x, y = experiments.two_classes(arrays["Xtrain"], arrays["ytrain"], (4, 9), 300)
    return experiments.feature_learning(x, y, (32, 128, 512), seeds=2)


@pytest.mark.slow
def test_features_move_alike_at_all_widths(found):
    """Three seeds gave movements from 0.32 to 0.37, slopes of -0.01, -0.01 and -0.04, and alignments from 0.87 to 0.89."""
    learned = found.mean_field
    assert (learned.steps < STEPS).all(), "the loss was not reached"
    assert learned.movement.min() > 0.25
    assert abs(found.rate(learned).slope) < 0.08
    assert learned.after.min() > 0.8
    assert learned.before.max() < 0.45


@pytest.mark.slow
def test_features_of_the_twin_move_as_one_over_the_root_of_the_width(found):
    """Three seeds gave slopes of -0.55, -0.56 and -0.59; a standard error of 0.02."""
    learned = found.ntk
    assert (learned.losses < found.target).all()
    assert -0.65 < found.rate(learned).slope < -0.45
    growth = (learned.after - learned.before).mean(1)
    assert growth[0] > 2 * growth[-1] > 0


def test_alignment_by_its_definition():
    rng = np.random.default_rng(0)
    h, y = rng.standard_normal((6, 3)), rng.standard_normal((6, 1))
    center = np.eye(6) - 1 / 6
    k, l = center @ h @ h.T @ center, center @ y @ y.T @ center  # noqa: E741
    expected = (k * l).sum() / (np.linalg.norm(k) * np.linalg.norm(l))
    np.testing.assert_allclose(alignment(h, y), expected, rtol=1e-12)


def test_two_classes():
    """Centred, of mean square norm 1, in the order of the file."""
    images, labels = np.arange(40.0).reshape(10, 2, 2) ** 2, np.array([4, 9, 1, 4, 9, 9, 4, 1, 4, 4])
    x, y = experiments.two_classes(images, labels, (4, 9), 5)
    np.testing.assert_array_equal(y[:, 0], [-1, 1, -1, 1, 1])
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(np.square(x).sum() / 5, 1, rtol=1e-5)
    with pytest.raises(ValueError, match="labels must hold 9 examples of the classes 4 and 9; received 8"):
        experiments.two_classes(images, labels, (4, 9), 9)
    with pytest.raises(ValueError, match=r"x must hold at least 8 examples .*received shapes \(5, 4\)"):
        experiments.feature_learning(x, y, (4, 8))
