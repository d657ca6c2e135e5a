"""The group of commands, and what happens when one fails: one sentence on standard error, exit code 0, 1, 2 or 130."""

import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import interplay
from interplay.cli import advise, bound, compare, demo, evaluate, export, faithfulness, measure, predict, report, train

# Newer typer carries its own click, so the common base is reached through what typer exports.
UsageError: Any = typer.BadParameter.__mro__[1]

_EPILOG = """
**Examples**

`interplay demo` measures, trains and explains on embedded data and writes a report.

`interplay measure data.npz --target label` says what the modalities share, have alone, and carry only together.

`interplay train data.npz --target label --output model --test-size 0.25` trains and tests a model.

`interplay predict model --input new.npz --output answers.csv --explain` predicts, also with modalities missing.

Data are .npz (one array for each modality) or .parquet (columns audio.0, audio.1, ... for a modality audio).
Exit codes: 0 done, 1 wrong data, 2 wrong usage, 130 interrupted.
"""


class Commands(TyperGroup):
    """Runs a command and turns what goes wrong into one plain sentence."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run and exit with the code."""
        given = list(sys.argv[1:] if args is None else args)
        debug = "--debug" in given
        rest = [word for word in given if word != "--debug"]

        def command() -> Any:
            return super(Commands, self).main(rest, prog_name or "interplay", standalone_mode=False, **extra)

        with warnings.catch_warnings():
            warnings.showwarning = _note
            sys.exit(_run(command, debug))


def _run(command: Any, debug: bool) -> int:
    try:
        code = command()
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except SystemExit as error:
        # Lightning turns an interrupt during training into an ordinary exit.
        return 130 if isinstance(error.__context__, KeyboardInterrupt) else int(error.code or 0)
    except UsageError as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "interplay"
        text = error.format_message().removeprefix("Invalid value: ").rstrip(".")
        _complain(f"{text}{'' if text.endswith('?') else ';'} see '{path} --help'")
        return 2
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        _complain(_sentence(error))
        return _trace(debug)
    except Exception as error:
        _complain(f"internal error, {type(error).__name__}: {_sentence(error)}; --debug shows where")
        return _trace(debug)


def _trace(debug: bool) -> int:
    if debug:
        traceback.print_exc()
    return 1


def _sentence(error: BaseException) -> str:
    """The first line of what an exception says, with the file where the system complains about one."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename!r}" if error.filename else error.strerror
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _complain(sentence: str) -> None:
    typer.echo(f"error: {sentence}", err=True)


def _note(message: Warning | str, *_: Any, **__: Any) -> None:
    typer.echo(f"note: {str(message).strip().splitlines()[0]}", err=True)


app = typer.Typer(
    cls=Commands,
    name="interplay",
    help="Measure, learn and explain how modalities interact: redundancy, uniqueness and synergy.",
    epilog=_EPILOG,
    rich_markup_mode="markdown",
    add_completion=False,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error arose; may stand anywhere.")] = False,
) -> None:
    """Measure, learn and explain how modalities interact: redundancy, uniqueness and synergy."""
    if version:
        typer.echo(f"interplay {interplay.__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


for command in (demo, measure, advise, bound, train, predict, export, evaluate, compare, faithfulness, report):
    command.register(app)


def main() -> None:
    """Entry point of the console script."""
    app()
