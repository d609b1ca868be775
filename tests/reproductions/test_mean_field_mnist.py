"""Three layers on two digits of MNIST: features are learned at every width in the mean-field scaling, and less and less in
that of the kernel limit (Pham & Nguyen 2021; Yang & Hu 2021).
"""

import importlib.util
import pathlib

import numpy as np
import pytest

EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples" / "mean_field_mnist.py"
WIDTHS = (32, 128, 512)


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("mean_field_mnist", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def data(example, shared_data):
    return example.two_digits(shared_data / "mnist.npz")


def trained(example, data, scaling):
    found = [example.NETWORKS[scaling](*data, width, 0) for width in WIDTHS]
    assert all(row.steps < example.STEPS[-1] for row in found), "the loss was not reached"
    return found


@pytest.mark.slow
def test_features_move_alike_at_all_widths(example, data):
    """Seeds 0, 1 and 2 gave movements from 0.32 to 0.36, slopes of -0.01, -0.01 and -0.04, and alignments from 0.87 to 0.89."""
    found = trained(example, data, "mean field")
    assert min(row.movement for row in found) > 0.25
    assert abs(example.slope(found)) < 0.08
    assert all(after > 0.8 > 0.35 > before for before, after in (row.alignment for row in found))


@pytest.mark.slow
def test_features_of_the_twin_move_as_one_over_the_root_of_the_width(example, data):
    """Seeds 0, 1 and 2 gave slopes of -0.55, -0.56 and -0.59; a standard error of 0.02."""
    found = trained(example, data, "NTK")
    assert -0.65 < example.slope(found) < -0.45
    growth = [after - before for before, after in (row.alignment for row in found)]
    assert growth[0] > 2 * growth[-1] > 0


def test_alignment_by_its_definition(example):
    rng = np.random.default_rng(0)
    h, y = rng.standard_normal((6, 3)), rng.standard_normal((6, 1))
    center = np.eye(6) - 1 / 6
    k, l = center @ h @ h.T @ center, center @ y @ y.T @ center  # noqa: E741
    expected = (k * l).sum() / (np.linalg.norm(k) * np.linalg.norm(l))
    np.testing.assert_allclose(example.alignment(h, y), expected, rtol=1e-12)
