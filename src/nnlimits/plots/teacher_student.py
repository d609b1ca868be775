"""Success by width, where descent ends, and the teacher's neurons found by conic flow."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from scipy import stats

from nnlimits.mean_field.experiments import SparseRecovery, TeacherStudent
from nnlimits.plots.style import COLORS, legend, new_figure, sequence, title

_FLOOR = 1e-12


def teacher_student(found: TeacherStudent) -> Figure:
    """The share of runs that find the teacher, with bands of 95 % (Clopper & Pearson 1934), and the last risk of every run."""
    figure, axes = new_figure(1, 2, width=11.6, height=4.4)
    share, ends = axes[0]
    runs = found.risks.shape[1]
    intervals = [stats.binomtest(int(k), runs).proportion_ci(0.95) for k in found.reached]
    low, high = np.array([(i.low, i.high) for i in intervals]).T
    share.fill_between(found.widths, low, high, color=COLORS["blue"], alpha=0.2, linewidth=0, label="95 % interval")
    share.plot(found.widths, found.reached / runs, "o-", color=COLORS["blue"], label=f"of {runs} runs")
    share.set(ylabel=f"share of runs below {found.success:g} of the first risk", ylim=(-0.03, 1.03))
    title(share, f"A teacher of {found.teacher} neurons, {found.dimension} dimensions")
    spread = np.exp(0.02 * np.linspace(-1, 1, runs))
    for width, risks in zip(found.widths, found.risks, strict=True):
        ends.plot(width * spread, np.maximum(np.sort(risks), _FLOOR), ".", color=COLORS["blue"], alpha=0.7)
    ends.axhline(found.success, color=COLORS["theory"], linestyle="--", linewidth=1.2, label="success below")
    ends.set(yscale="log", ylabel=f"last risk over first (or {_FLOOR:g} if less)")
    title(ends, "Runs stall, or find the teacher")
    for axis in axes[0]:
        axis.axvline(found.teacher, color=COLORS["faint"], linestyle=":", label="width of the teacher")
        axis.set(xscale="log", xlabel="neurons, m")
        axis.set_xticks(found.widths, [str(m) for m in found.widths])
        axis.xaxis.set_minor_locator(NullLocator())
    legend(share, loc="lower right")
    legend(ends, loc="upper right")
    return figure


def sparse_recovery(found: SparseRecovery) -> Figure:
    """Where the mass of the conic flow gathers, the masses found against the teacher's, and the certificate."""
    figure, axes = new_figure(1, 3, width=13.2, height=4.3)
    angles, masses, gaps = axes[0]
    records = np.unique(np.linspace(0, len(found.times) - 1, 5).astype(int))
    for record, color in zip(records, sequence(len(records)), strict=True):
        order = np.argsort(found.angles[record])
        total = np.cumsum(found.masses[record][order]) / found.masses[record].sum()
        label = f"t = {found.times[record]:.3g}"
        angles.step(found.angles[record][order], total, where="post", color=color, label=label)
    angles.set(
        xlabel="angle to the nearest neuron of the teacher, degrees", ylabel="share of mass within", ylim=(0, 1.03)
    )
    title(angles, "Mass gathers at the teacher's neurons")
    legend(angles, loc="lower right")
    nearest = np.argmax(found.positions[-1] @ found.teacher.T, 1)
    gathered = np.bincount(nearest, found.masses[-1], len(found.teacher))
    places = np.arange(len(found.teacher))
    masses.bar(places - 0.2, found.teacher_masses, 0.38, color=COLORS["faint"], label="teacher")
    masses.bar(places + 0.2, gathered, 0.38, color=COLORS["blue"], label="found nearest to it")
    masses.set(xlabel="neuron of the teacher", ylabel="mass on the sphere", xticks=places)
    masses.set_xticklabels([str(i + 1) for i in places])
    masses.set_ylim(0, 1.3 * masses.get_ylim()[1])
    title(masses, "with its masses")
    legend(masses, ncols=2)
    gaps.plot(found.times[1:], np.maximum(found.gaps[1:], _FLOOR), ".-", color=COLORS["orange"], label="certified gap")
    gaps.plot(found.times[1:], found.risks[1:], ".-", color=COLORS["blue"], label="risk with decay")
    gaps.set(xscale="log", yscale="log", xlabel="time of the flow", ylabel="risk, and how far it may be from least")
    title(gaps, "The certificate closes")
    legend(gaps)
    return figure
