"""What all commands share: the numbers and files they take, and how they end.

Exit codes: 0 done, 2 unknown command or option, 1 everything else, with one line on stderr.
"""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click


class Number(click.ParamType):
    """A number of type `kind` from `low` to `high`; anything else is refused with what is allowed."""

    name = "number"

    def __init__(self, kind: type[int] | type[float], low: float, high: float) -> None:
        self._kind, self._low, self._high = kind, low, high

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number that `value` (a text, or a default) stands for. Raises BadParameter."""
        try:
            number = self._kind(value)
        except ValueError:
            number = None
        if number is None or not self._low <= number <= self._high:
            what = "a whole number" if self._kind is int else "a number"
            self.fail(f"{value!r}: expected {what} from {self._low} to {self._high}", param, ctx)
        return number


def check_out(out: Path, *inputs: Path | str) -> None:
    """Refuse, before any work, an `out` that cannot be written or that would overwrite one of `inputs`.

    Commands write ``NAME.part`` and rename it, so that counts as `out` too. Raises ClickException.
    """
    folder, part = out.parent, out.parent / f"{out.name}.part"
    if out.is_dir():
        problem = "is a directory; -o needs a file"
    elif str(out) == "-" or not _plain(out):
        problem = "is not a plain file (but a stream, a device or a link)"
    elif not folder.is_dir():
        problem = f"cannot be written: no directory {folder}"
    elif not os.access(folder, os.W_OK | os.X_OK):
        problem = f"cannot be written: directory {folder} is not writable"
    elif any(_same(a, Path(b)) for a in (out, part) for b in inputs):
        problem = "would overwrite what is read; choose another name for -o"
    else:
        return
    raise click.ClickException(f"{out}: {problem}")


def _plain(path: Path) -> bool:
    """Whether `path` is a regular file or nothing yet."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return True


def _same(a: Path, b: Path) -> bool:
    return a.exists() and b.exists() and a.samefile(b)


def invoke(command: click.Command, arguments: Sequence[str], name: str) -> int:
    """Run a command called `name`; gives its exit code. An error of ours is raised, with its traceback."""
    try:
        code = command.main(list(arguments), prog_name=name, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help())
        return 0
    except click.ClickException as error:
        _complain(error.format_message())
        return 2 if isinstance(error, click.NoSuchCommand | click.NoSuchOption) else 1
    except (click.Abort, KeyboardInterrupt):
        _complain("stopped")
        return 1
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        _complain(f"{error.filename}: {reason}" if error.filename else reason)
        return 1
    except ValueError as error:
        if not _is_operators(error):
            raise
        _complain(str(error))
        return 1
    return code if isinstance(code, int) else 0


def _is_operators(error: ValueError) -> bool:
    """Whether a mistake is the operator's; any other is ours, and shows its traceback."""
    from configs import UnknownName
    from fusion.stated import SessionError
    from sharing.recording import RecordingError
    from sharing.settings import SettingsError
    from sharing.wire import WireError

    return isinstance(error, UnknownName | SessionError | RecordingError | SettingsError | WireError)


def _complain(text: str) -> None:
    line = " ".join(text.split())
    click.echo(f"sharedsky: {line}", err=True)
