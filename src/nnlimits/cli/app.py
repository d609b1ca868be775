"""The commands, and the program that runs them."""

from typing import Annotated

import typer

import nnlimits
from nnlimits.cli import (
    approximate,
    catapult,
    demo,
    depth,
    environment,
    explain,
    fit,
    mean_field,
    phase,
    predict,
    rkhs,
)

app = typer.Typer(
    name="nnlimits",
    help="What a neural network becomes at infinite width, and what that predicts on data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"nnlimits {nnlimits.__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def prepare(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """What a neural network becomes at infinite width, and what that predicts on data."""
    environment.keep_compiled_functions()


app.command("demo")(demo.demo)
app.command("fit")(fit.fit)
app.command("predict")(predict.predict)
app.command("explain")(explain.explain)
app.command("phase")(phase.phase)
app.command("catapult")(catapult.catapult)
app.command("approximate")(approximate.approximate)
app.add_typer(mean_field.app, name="mean-field")
app.add_typer(depth.app, name="depth")
app.add_typer(rkhs.app, name="rkhs")


def main() -> None:
    """Run the command line."""
    app(prog_name="nnlimits")
