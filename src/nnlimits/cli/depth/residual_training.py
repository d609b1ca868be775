"""What the commands that train mean-field residual networks share."""

from typing import Annotated, Any

import typer

Layers = Annotated[int, typer.Option(help="L, the number of layers.", min=1)]
Width = Annotated[int, typer.Option(help="M, the number of neurons in each layer.", min=1)]
Steps = Annotated[int, typer.Option(help="Of descent along the gradient flow.", min=1)]
Loss = Annotated[str, typer.Option(help="mse or logistic.")]
Readout = Annotated[float, typer.Option(help="The scale of the output: large for lazy training.")]
Spread = Annotated[float, typer.Option(help="Of the neurons' output weights at the start; 0 for the identity.")]


def check_loss(loss: str) -> None:
    """Refuse a loss of another name."""
    if loss not in ("mse", "logistic"):
        raise ValueError(f"--loss must be mse or logistic; received {loss!r}")


def print_training(out: Any, found: Any, what: str) -> None:
    """The course of training in a table, and what was reached."""
    from nnlimits.cli.tables import Column, numbers

    seen = found.monitor
    names = ("time", "risk", "gradient^2 / risk", "guaranteed", "kernel's condition", "movement", "roughness in depth")
    forms = (".3g", ".3g", ".3g", ".2g", ".2g", ".3f", ".2f")
    columns = [Column(name, form) for name, form in zip(names, forms, strict=True)]
    values = (
        seen.times,
        seen.risks,
        seen.ratios,
        seen.guaranteed,
        seen.conditions,
        seen.movements.mean(1),
        seen.roughness,
    )
    rows = [(f"{steps}", [float(v[i]) for v in values]) for i, steps in enumerate(found.course.steps)]
    law = found.course.final
    out.print(numbers(f"{what}: {law.layers} layers of {law.width} neurons", "step", columns, rows))
    out.print(f"[bold]accuracy[/bold]  training {found.accuracy:.1%}, test {found.test_accuracy:.1%}")
    out.print(f"[bold]zero loss[/bold]  {_certified(seen)}")


def _certified(seen: Any) -> str:
    known = [(i, one) for i, one in enumerate(seen.certificates) if one is not None]
    if not known:
        return "no certificate: it is for the loss mse and fixed ends"
    proved = [(i, one) for i, one in known if one.certified]
    if proved:
        i, one = proved[0]
        return (
            f"certified from time {seen.times[i]:.3g} on: residual {one.residual:.3g} below {one.threshold:.3g}, the risk falls "
            f"at least as exp(-{one.rate:.3g} t)"
        )
    _, one = known[-1]
    if one.threshold == 0:
        return (
            "certified at no record: at the last the tangent kernel's least eigenvalue is zero to rounding, or the neurons are "
            "too large for its bounds"
        )
    return (
        f"certified at no record: at the last the residual is {one.residual:.3g}, and certified is what is below "
        f"{one.threshold:.3g} (the condition is sufficient, not necessary)"
    )
