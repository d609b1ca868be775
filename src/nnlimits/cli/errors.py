"""Bad input on the command line ends in a message and exit code 2; an interruption in exit code 130."""

import _thread
import contextlib
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator

import typer

BAD_INPUT = 2
INTERRUPTED = 130
OPTIONAL = ("pyarrow",)
"""Packages that a user may have left out."""


@contextlib.contextmanager
def reported() -> Iterator[None]:
    """Turn the errors that input can cause into a message on standard error; to be used as a decorator of commands.

    With the environment variable `NNLIMITS_TRACEBACK` set, they are raised as they are.
    """
    try:
        with warnings.catch_warnings(), _interrupts_that_arrive():
            warnings.showwarning = _show_warning
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
    except ImportError as error:
        if error.name not in OPTIONAL:
            raise
        _fail(str(error), error)
    except (ValueError, NotImplementedError) as error:
        _fail(str(error), error)
    except RuntimeError as error:  # a step too large, an equation that is not solved
        if not _is_our_own(error):
            raise
        _fail(str(error), error)


def _is_our_own(error: BaseException) -> bool:
    """Whether it was raised by a line of this library, with a message meant for people."""
    *_, last = traceback.walk_tb(error.__traceback__)
    return last[0].f_globals.get("__name__", "").startswith("nnlimits.")


@contextlib.contextmanager
def _interrupts_that_arrive() -> Iterator[None]:
    """An interruption that Python ignores, as it does in JAX's hook of the garbage collector, comes again.

    None comes after the end: it would kill the process while it exits, instead of the exit code.
    """
    ordinary, pending = sys.unraisablehook, []

    def hook(unraisable: "sys.UnraisableHookArgs") -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            return ordinary(unraisable)
        again = threading.Timer(0.1, _interrupt)
        again.daemon = True
        pending.append(again)
        again.start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = ordinary
        for again in pending:
            again.cancel()


def _interrupt() -> None:
    if hasattr(signal, "pthread_kill"):  # wakes the main thread as well
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()


def _show_warning(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: object) -> None:
    if issubclass(category, UserWarning):
        typer.secho("warning: ", fg="yellow", err=True, nl=False)
        typer.echo(message, err=True)


def _fail(message: str, error: BaseException) -> None:
    if os.environ.get("NNLIMITS_TRACEBACK"):
        raise error
    typer.secho("error: ", fg="red", bold=True, err=True, nl=False)
    typer.echo(message, err=True)
    raise typer.Exit(BAD_INPUT) from None
