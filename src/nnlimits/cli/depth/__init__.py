"""`nnlimits depth`: the experiments of the literature on networks of infinite depth."""

import typer

from nnlimits.cli.depth import adjoints, euler, flow

app = typer.Typer(no_args_is_help=True, help="Networks of infinite depth: experiments, with their figures.")
app.command("euler")(euler.euler)
app.command("adjoints")(adjoints.adjoints)
app.command("flow")(flow.flow)
