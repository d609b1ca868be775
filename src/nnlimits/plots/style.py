"""What all figures have in common: size, fonts, and colours that colour-blind readers can tell apart."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from PIL import Image

COLORS = {
    "blue": "#0072B2",
    "orange": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "yellow": "#E69F00",
    "sky": "#56B4E9",
    "theory": "#1A1A1A",
    "faint": "#8A8A8A",
}
"""The palette of Okabe & Ito (2008), black for theory, and grey for what stays in the background."""

_RC: Any = {
    "font.size": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "lines.linewidth": 1.8,
}


def new_figure(rows: int, columns: int, *, width: float, height: float, **options: Any) -> tuple[Figure, np.ndarray]:
    """A figure of `rows` by `columns` axes, `width` by `height` inches, and the array of its axes."""
    with rc_context(_RC):
        figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.14, h_pad=0.08))
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, axes


def sequence(n: int) -> list[Any]:
    """`n` colours from light to dark, for values that ascend."""
    return [colormaps["viridis_r"](position) for position in np.linspace(0.12, 0.92, n)]


def title(axis: Axes, text: str) -> None:
    """The title of an axis, over its left edge."""
    axis.set_title(text, loc="left", fontsize=11.5, fontweight="bold")


def plain_logarithmic(axis: Any) -> None:
    """Let a logarithmic `axis.xaxis` or `axis.yaxis` be labelled 0.1, 0.2, 0.5, 1 and so on, as its range has room for."""
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def legend(axis: Axes | Figure, **options: Any) -> None:
    """The legend of an axis, or of a whole figure."""
    with rc_context(_RC):
        axis.legend(**options)


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure, as PNG unless the path's ending says otherwise. The file appears when it is complete.

    PNG files have a palette of 256 colours, which makes them a third as large; lines and maps of colours look the same.

    **Raises:** `ValueError` for an ending that matplotlib cannot write; `OSError` if the folder cannot be written.
    """
    path = Path(path)
    path = path if path.suffix else path.with_suffix(".png")
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with rc_context(_RC):
            figure.savefig(partial, dpi=150)
        if path.suffix.lower() == ".png":
            with Image.open(partial) as image:
                image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(partial, optimize=True)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path
