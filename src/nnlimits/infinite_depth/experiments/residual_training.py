"""Mean-field residual networks trained to zero loss by the gradient flow of their law: two spirals, and two digits."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from nnlimits import datasets, nn
from nnlimits.infinite_depth.experiments.principal_features import principal_features
from nnlimits.infinite_depth.mean_field_residual.course import ResidualCourse
from nnlimits.infinite_depth.mean_field_residual.descent import residual_flow
from nnlimits.infinite_depth.mean_field_residual.law import ResidualLaw, last_features, padded
from nnlimits.infinite_depth.mean_field_residual.monitor import Monitor, monitor
from nnlimits.infinite_depth.mean_field_residual.paths import GaussianPaths
from nnlimits.infinite_depth.mean_field_residual.risk import ResidualRisk
from nnlimits.infinite_depth.mean_field_residual.unit import ResidualUnit
from nnlimits.nn.fields import as_integer
from nnlimits.progress import Advance, ignore
from nnlimits.validation import check_positive

_RECORDS = 9


class ResidualTraining(NamedTuple):
    """A course of training, and what theory says of it."""

    risk: ResidualRisk
    course: ResidualCourse
    monitor: Monitor
    test_x: Float[np.ndarray, "n inputs"]
    test_y: Float[np.ndarray, "n 1"]
    """-1 and 1."""

    @property
    def accuracy(self) -> float:
        """The share of training examples on the right side of zero at the end."""
        return accuracy(self.course.final, self.risk.x, self.risk.y)

    @property
    def test_accuracy(self) -> float:
        """That of test examples."""
        return accuracy(self.course.final, self.test_x, self.test_y)


def residual_spiral(
    points: int = 120,
    *,
    layers: int = 16,
    width: int = 32,
    features: int = 4,
    steps: int = 2000,
    loss: str = "mse",
    readout: float = 3.0,
    a_std: float = 1.0,
    seed: int = 0,
    advance: Advance = ignore,
) -> ResidualTraining:
    """Two interleaved spirals, told apart by a state of the plane and dimensions more, the last of which is read out.

    Neurons start at a Gaussian law, of full support, and are followed through depth. Test points lie on the spirals, one
    half-way in radius between each two neighbours of the others.

    **Arguments:** `points`, of both spirals; `layers`, `width` and `features`, L, M and the dimension of the state; `steps` of
    `residual_flow`; `loss`, `"mse"` or `"logistic"`; `readout`, the scale of the output; `a_std`, the spread of the neurons'
    outputs at the start; `seed`, of the draw; `advance`, told `work(steps)` times.

    **Raises:** `ValueError` or `TypeError` for numbers out of range.
    """
    check_positive("readout", readout)
    x, y = datasets.spirals(points)
    test_x, test_y = points_between(points)
    if as_integer("features", 1, features) < 3:
        raise ValueError(f"features must be at least 3, two for the plane and one for the output; received {features}")
    paths = GaussianPaths(ResidualUnit(nn.Tanh(), features), 6.0, 3.0, a_std)
    law = _drawn(paths, layers, width, padded(2, features), last_features(features, 1, readout), seed)
    return _trained(ResidualRisk(x, y, loss), law, steps, test_x, test_y[:, None], advance)


def points_between(points: int) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " n"]]:
    """Half-way in radius between neighbours of `datasets.spirals(points)`, two points fewer, and their labels."""
    x, y = datasets.spirals(2 * points - 2)
    each = len(x) // 2
    between = np.tile(np.arange(each) % 2 == 1, 2)  # the others are the points themselves
    return x[between], y[between]


def residual_digits(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    classes: tuple[int, int] = (4, 9),
    *,
    examples: int = 500,
    layers: int = 8,
    width: int = 64,
    features: int = 48,
    steps: int = 1000,
    loss: str = "mse",
    readout: float = 10.0,
    a_std: float = 1.0,
    seed: int = 0,
    advance: Advance = ignore,
) -> ResidualTraining:
    """Two classes of images, told apart by a state of their principal components and one dimension more, which is read out.

    **Arguments:** `train` and `test`, images (n, ...) and labels (n,); `classes`, the two labels; `examples`, how many of both,
    the first ones; `features`, one more than the number of components, which those examples give; the others as of
    `residual_spiral`.

    **Raises:** `ValueError` for too few examples, or numbers out of range.
    """
    if as_integer("features", 1, features) < 2:
        raise ValueError(f"features must be at least 2, one for the images and one for the output; received {features}")
    check_positive("readout", readout)
    x, y = datasets.pair_of_classes(*train, classes, examples)
    count = int(np.isin(test[1], classes).sum())
    test_x, test_y = datasets.pair_of_classes(*test, classes, count)
    centre, encoder = principal_features(x, features - 1)
    encoder = np.concatenate([encoder, np.zeros((len(encoder), 1), encoder.dtype)], 1)
    paths = GaussianPaths(ResidualUnit(nn.Tanh(), features), 12.0, 1.0, a_std)
    law = _drawn(paths, layers, width, encoder, last_features(features, 1, readout), seed)
    return _trained(ResidualRisk(x - centre, y, loss), law, steps, test_x - centre, test_y, advance)


def work(steps: int) -> int:
    """How often training calls `advance`."""
    return 2 * len(_records(steps))


def accuracy(law: ResidualLaw, x: Any, y: Any) -> float:
    """The share of examples whose output has the sign of their label -1 or 1."""
    return float((np.sign(np.asarray(law(x))) == np.asarray(y)).mean())


def _drawn(paths: GaussianPaths, layers: int, width: int, encoder: Any, readout: Any, seed: int) -> ResidualLaw:
    particles = np.asarray(paths.followed(jax.random.key(seed), layers, width))
    return ResidualLaw(paths.unit, particles, encoder, readout)


def _trained(
    risk: ResidualRisk, law: ResidualLaw, steps: int, test_x: Any, test_y: Any, advance: Advance
) -> ResidualTraining:
    course = residual_flow(risk, law, _records(steps), advance=advance)
    return ResidualTraining(risk, course, monitor(risk, course, advance=advance), test_x, test_y)


def _records(steps: int) -> Sequence[int]:
    """Steps at which to look: none, and ever more of them."""
    last = as_integer("steps", 1, steps)
    return [0, *sorted({round(value) for value in np.geomspace(min(10, last), last, _RECORDS)})]
