"""How every command ends: 0 done, 2 unknown command or option, 1 everything else: one line on stderr."""

from collections.abc import Sequence

import click


def invoke(command: click.Command, arguments: Sequence[str], name: str) -> int:
    """Run a command called `name`; gives its exit code. An error of ours is raised, with its traceback."""
    try:
        code = command.main(list(arguments), prog_name=name, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help(), err=True)
        return 2
    except click.UsageError as error:
        _complain(error.format_message())
        return 1 if isinstance(error, click.BadParameter) else 2
    except click.ClickException as error:
        _complain(error.format_message())
        return 1
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
    from fusion.session import SessionError
    from sharing.recording import RecordingError
    from sharing.settings import SettingsError
    from sharing.wire import WireError

    return isinstance(error, UnknownName | SessionError | RecordingError | SettingsError | WireError)


def _complain(text: str) -> None:
    line = " ".join(text.split())
    click.echo(f"sharedsky: {line}", err=True)
