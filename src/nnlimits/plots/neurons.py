"""Neurons on their way: where they start, their paths, and where they end."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nnlimits.plots.style import COLORS, legend, new_figure, title

_MOST_PATHS = 400


def neurons(course: Any, units: Any, *, coordinates: tuple[int, int] = (0, 1), teacher: Any = None) -> Figure:
    """Starts, paths and ends of neurons in the plane of two coordinates.

    Homogeneous neurons with one readout weight, ReLU say, are shown as `|a| w`, what the network sees of them, coloured by the
    sign of a; others by two of their parameters.

    **Arguments:** `course`, a `mean_field.Course` with a record of all times to be drawn; `units`, its `mean_field.TwoLayer` or
    other units; `coordinates`, of the hidden weights or parameters; `teacher`, neurons to be marked.

    **Raises:** `ValueError` for coordinates that neurons do not have.
    """
    places, signs = _seen(course, units, coordinates)
    figure, axes = new_figure(1, 1, width=6.6, height=5.6)
    axis = axes[0, 0]
    _label(axis, units, coordinates, fixed=False)
    for color, label, kept in _groups(signs, places.shape[1]):
        shown = places[:, kept]
        if not shown.shape[1]:
            continue
        paths = shown[:, :: max(1, shown.shape[1] // _MOST_PATHS)]
        axis.plot(paths[..., 0], paths[..., 1], "-", color=color, linewidth=0.8, alpha=0.45, zorder=1)
        axis.plot(*shown[0].T, "o", color=COLORS["faint"], markersize=2.8, alpha=0.7, mew=0, zorder=2)
        axis.plot(*shown[-1].T, "o", color=color, markersize=4.6, mec="white", mew=0.4, zorder=3, label=f"end{label}")
    axis.plot([], [], "o", color=COLORS["faint"], markersize=3.5, mew=0, label="start")
    _draw_teacher(axis, teacher, units, coordinates)
    title(axis, f"{places.shape[1]} neurons up to time {float(course.times[-1]):g}")
    legend(axis, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def animate_neurons(
    course: Any,
    units: Any,
    path: str | Path,
    *,
    coordinates: tuple[int, int] = (0, 1),
    teacher: Any = None,
    frames_per_second: int = 12,
) -> Path:
    """Write the neurons' motion as an animated GIF, a frame for each record, with the risk beside it.

    **Arguments:** as `neurons`; `path`, of the file, which appears when it is complete; `frames_per_second`.

    **Raises:** as `neurons`; `OSError` if the folder cannot be written.
    """
    from matplotlib.animation import FuncAnimation, PillowWriter

    places, signs = _seen(course, units, coordinates)
    times, risks = (np.asarray(v, np.float64) for v in (course.times, course.risks))
    figure, axes = new_figure(1, 2, width=9.6, height=4.4)
    plane, curve = axes[0]
    dots = [
        (plane.plot([], [], "o", color=color, markersize=4.2, mew=0, alpha=0.85, label=label.strip(", "))[0], kept)
        for color, label, kept in _groups(signs, places.shape[1])
        if kept.any()
    ]
    _label(plane, units, coordinates, fixed=True)
    _draw_teacher(plane, teacher, units, coordinates)
    stars = [line.get_xydata() for line in plane.lines if line.get_marker() == "*"]
    _limits(plane, np.concatenate([places.reshape(-1, 2), *stars]))
    if len(dots) > 1 or teacher is not None:
        legend(plane, loc="upper left")
    curve.plot(times, risks, color=COLORS["theory"], linewidth=1.4)
    (mark,) = curve.plot([], [], "o", color=COLORS["orange"])
    curve.set(xlabel="time", ylabel="risk", yscale="log" if (risks > 0).all() else "linear")
    title(curve, "Risk")
    title(plane, f"{places.shape[1]} neurons")

    def draw(record: int) -> list[Any]:
        for line, kept in dots:
            line.set_data(*places[record, kept].T)
        mark.set_data(times[record : record + 1], risks[record : record + 1])
        title(plane, f"{places.shape[1]} neurons at time {times[record]:.3g}")
        return [*(line for line, _ in dots), mark]

    path = Path(path).with_suffix(".gif")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.partial.gif")
    try:
        movie = FuncAnimation(figure, draw, frames=len(times), blit=False)
        movie.save(str(partial), writer=PillowWriter(fps=frames_per_second), dpi=80)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _homogeneous(units: Any) -> bool:
    """Whether neurons are shown as `|a| w`: homogeneous, with one readout weight and no bias."""
    return units.degree is not None and getattr(units, "readout", False) and units.outputs == 1 and not units.bias


def _seen(
    course: Any, units: Any, coordinates: tuple[int, int]
) -> tuple[Float[np.ndarray, "records m 2"], Float[np.ndarray, " m"] | None]:
    """Places in the plane, and the signs of the readout weights at the end, if they count."""
    places, signs = _placed(np.asarray(course.positions, np.float64), units)
    if max(coordinates) >= places.shape[-1] or min(coordinates) < 0 or len(coordinates) != 2:
        raise ValueError(f"coordinates must be two of 0 to {places.shape[-1] - 1}; received {coordinates}")
    return places[..., list(coordinates)], None if signs is None else signs[-1]


def _placed(positions: np.ndarray, units: Any) -> tuple[np.ndarray, np.ndarray | None]:
    if not _homogeneous(units):
        return positions, None
    w_scale, _, a_scale = units.scales
    w, a = w_scale * positions[..., : units.inputs], a_scale * positions[..., -1]
    return np.abs(a)[..., None] * w, np.sign(a)


def _groups(signs: np.ndarray | None, m: int) -> list[tuple[str, str, np.ndarray]]:
    if signs is None:
        return [(COLORS["blue"], "", np.ones(m, bool))]
    return [(COLORS["orange"], ", a > 0", signs >= 0), (COLORS["blue"], ", a < 0", signs < 0)]


def _limits(axis: Axes, places: np.ndarray) -> None:
    low, high = places.min(0), places.max(0)
    room = 0.06 * np.maximum(high - low, 1e-9)
    axis.set(xlim=(low[0] - room[0], high[0] + room[0]), ylim=(low[1] - room[1], high[1] + room[1]))


def _label(axis: Axes, units: Any, coordinates: tuple[int, int], *, fixed: bool) -> None:
    name = "|a| w" if _homogeneous(units) else "parameter "
    axis.set(xlabel=f"{name}{_index(name, coordinates[0])}", ylabel=f"{name}{_index(name, coordinates[1])}")
    if _homogeneous(units):
        axis.set_aspect("equal", adjustable="box" if fixed else "datalim")


def _index(name: str, coordinate: int) -> str:
    return str(coordinate + 1) if name.endswith(" ") else "".join(chr(0x2080 + int(c)) for c in str(coordinate + 1))


def _draw_teacher(axis: Axes, teacher: Any, units: Any, coordinates: tuple[int, int]) -> None:
    if teacher is None:
        return
    places, _ = _placed(np.asarray(teacher.positions, np.float64), units)
    if _homogeneous(units):  # rays: a homogeneous neuron counts by its direction, its length by its mass
        places = places * (np.asarray(teacher.masses) * len(places))[:, None]
    x, y = (places[:, c] for c in coordinates)
    axis.plot(
        x, y, "*", color=COLORS["yellow"], markersize=13, mec=COLORS["theory"], mew=0.7, zorder=4, label="teacher"
    )
