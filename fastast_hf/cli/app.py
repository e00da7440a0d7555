"""The application: its commands, the options before a command, and errors in words instead of a traceback."""

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fastast_hf.cli import benchmark, card, classify, convert, export, trace, tune
from fastast_hf.cli.console import STDOUT, print_error
from fastast_hf.model.version import __version__
from fastast_hf.writing import naming

# What a user can cause: files, values, packages that are not installed. The Hub's errors are OSErrors and ValueErrors.
# Anything else is a fault of the program, whose traceback belongs into a report.
_ERRORS_OF_USERS = (OSError, ValueError, ImportError)

_DEBUG = "--debug"

_EPILOG = """
Examples:
  fastast classify dog.wav --model MIT/ast-finetuned-audioset-10-10-0.4593
  fastast benchmark my-fastast
  fastast trace dog.wav -o map.png --model my-fastast
  fastast tune my-fastast --data-dir recordings/ --speedup 4
  fastast export my-fastast my-fastast.onnx

MODEL is a folder or a name on the Hub, of a FastAST or of any AST.
"fastast COMMAND --help" explains a command.

Exit codes:
  0    all went well
  1    an error, told on stderr; also a value that this model refuses, or, in
       silence, that whoever read the output, such as head, had enough
  2    an option that no model takes, or a place where nothing can be written
  3    some files could not be read, and are listed on stderr
  130  interrupted
"""


class _ErrorsInWords(TyperGroup):
    """Commands whose users' errors become one message and exit code 1."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take --debug wherever it stands: who has just seen an error puts it after the same command."""
        end = args.index("--") if "--" in args else len(args)  # after it are names of files
        if _DEBUG in args[:end]:
            args = [_DEBUG, *(argument for argument in args[:end] if argument != _DEBUG), *args[end:]]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            done = super().invoke(ctx)
            with naming(STDOUT):
                sys.stdout.flush()
            return done
        except BrokenPipeError:
            raise  # whoever read our output, such as `head`, has enough: typer ends quietly
        except _ERRORS_OF_USERS as error:
            if ctx.params["debug"]:
                raise
            print_error(error)
            if isinstance(error, OSError) and error.filename == STDOUT:
                _throw_away_stdout()
            raise typer.Exit(1) from error


def _throw_away_stdout() -> None:
    """Let what stdout could not take go nowhere: at its end, Python would try once more and fail with a code of its own."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


app = typer.Typer(
    name="fastast",
    cls=_ErrorsInWords,
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fastast_hf {__version__}")
        raise typer.Exit()


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option(_DEBUG, help="Show the traceback of an error.")] = False,
) -> None:
    """Run an Audio Spectrogram Transformer several times faster.

    FastAST merges tokens of a sound that are alike, in every layer, with the
    weights that you have.
    """


app.command(epilog=benchmark.EPILOG)(benchmark.benchmark)
app.command(epilog=classify.EPILOG)(classify.classify)
app.command(epilog=card.EPILOG)(card.card)
app.command(epilog=convert.EPILOG)(convert.convert)
app.command(epilog=export.EPILOG)(export.export)
app.command(epilog=trace.EPILOG)(trace.trace)
app.command(epilog=tune.EPILOG)(tune.tune)


def main() -> None:
    """Run `fastast` with the arguments of this process, and exit with its code."""
    app(prog_name="fastast")
