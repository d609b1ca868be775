"""`nnlimits depth`: experiments with networks of infinite depth."""

import typer

from nnlimits.cli.depth import images, solvers

app = typer.Typer(no_args_is_help=True, help="Networks of infinite depth: experiments, with their figures.")
app.command("images")(images.images)
app.command("solvers")(solvers.solvers)
