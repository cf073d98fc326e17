"""What the user reads when a script cannot be run. The forms are those of AWS's framework containers.

ClientError                    the user's part is at fault
├── ImportModuleError          the module does not import
├── ExecuteUserScriptError     the script ended with an exit code
└── InstallRequirementsError   pip ended with an exit code
"""

from collections.abc import Sequence

_LARGEST_MESSAGE = 700
"""A failure reason shows 1,024 characters: the command at the end must still be among them."""


class ClientError(Exception):
    """The user's code, its packages or its place are at fault; the text is for the user."""

    exit_code = 1


class ImportModuleError(ClientError):
    """A module of the user does not import."""


class CommandError(ClientError):
    """A command for the user ended with an exit code.

    Parameters
    ----------
    exit_code
        Negative after a signal, as `subprocess` has it.
    error_lines
        The last lines of its error output.
    """

    def __init__(self, command: Sequence[str], exit_code: int, error_lines: Sequence[str]) -> None:
        self.exit_code = exit_code if exit_code >= 0 else 128 - exit_code
        super().__init__(
            f"{type(self).__name__}:\nExitCode {exit_code}\n"
            f'ErrorMessage "{essence(error_lines)}"\nCommand "{" ".join(command)}"'
        )


class ExecuteUserScriptError(CommandError):
    """The user's script failed."""


class InstallRequirementsError(CommandError):
    """The user's packages could not be installed."""


def essence(lines: Sequence[str]) -> str:
    """Return what went wrong: behind the frames of the last traceback, or the last lines."""
    starts = [number for number, line in enumerate(lines) if line.startswith("Traceback (most recent")]
    if starts:
        after = range(starts[-1] + 1, len(lines))
        message = next((n for n in after if lines[n].strip() and not lines[n][0].isspace()), starts[-1])
        text = "\n".join(lines[message:]).strip()
        return text[:_LARGEST_MESSAGE]
    return "\n".join(lines).strip()[-_LARGEST_MESSAGE:]
