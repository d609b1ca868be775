"""Bad input on the command line ends in a message and exit code 2; an interruption in exit code 130."""

import contextlib
import os
import sys
from collections.abc import Iterator

import typer

BAD_INPUT = 2
INTERRUPTED = 130


@contextlib.contextmanager
def reported() -> Iterator[None]:
    """Turn the errors that input can cause into a message on standard error; to be used as a decorator of commands.

    With the environment variable `NNLIMITS_TRACEBACK` set, they are raised as they are.
    """
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:  # the reader of our output has gone, as in `nnlimits ... | head`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        raise typer.Exit(1) from None
    except MemoryError as error:
        _fail(f"there is not enough memory: {error or 'the data are too large for this machine'}", error)
    except FileNotFoundError as error:
        _fail(f"there is no file {error.filename}" if error.filename else str(error), error)
    except OSError as error:
        _fail(f"{error.strerror}: {error.filename}" if error.strerror and error.filename else str(error), error)
    except (ValueError, ImportError, NotImplementedError) as error:
        _fail(str(error), error)


def _fail(message: str, error: BaseException) -> None:
    if os.environ.get("NNLIMITS_TRACEBACK"):
        raise error
    typer.secho("error: ", fg="red", bold=True, err=True, nl=False)
    typer.echo(message, err=True)
    raise typer.Exit(BAD_INPUT) from None
