"""What the user reads when a script cannot be run. The forms are those of AWS's framework containers.

ClientError                    the user's part is at fault
├── DistributionError          the launcher that the job asks for is not here
├── ImportModuleError          the module does not import
├── ExecuteUserScriptError     the script ended with an exit code
├── InstallModuleError         pip ended with an exit code: the code itself is a package
└── InstallRequirementsError   pip ended with an exit code
"""

import re
from collections.abc import Sequence
from itertools import takewhile

_LARGEST_MESSAGE = 700
"""A failure reason shows 1,024 characters: the command at the end must still be among them."""

TRACEBACK = "Traceback (most recent"
_OF_RANK = re.compile(r"\[(?:\d+,|rank)(?P<rank>\d+)\](?:<stderr>)?: ?(?P<text>.*)")
"""A line of Open MPI's ``--tag-output``, or of PyTorch's."""

_RULE = "-" * 20


class ClientError(Exception):
    """The user's code, its packages or its place are at fault; the text is for the user."""

    exit_code = 1


class DistributionError(ClientError):
    """The job asks for a launcher that this image does not have."""

    def __init__(self, message: str) -> None:
        super().__init__(f"DistributionError: {message}")


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


class InstallModuleError(CommandError):
    """The user's code could not be installed."""


class InstallRequirementsError(CommandError):
    """The user's packages could not be installed."""


def essence(lines: Sequence[str]) -> str:
    """Return what went wrong: behind the frames of the last traceback, or the last lines.

    Where lines say of which rank they are, as those of Open MPI and PyTorch do, the first rank with a traceback counts: the
    others fail because it did.
    """
    lines = _of_first_rank_that_failed(lines) or lines
    starts = [number for number, line in enumerate(lines) if line.startswith(TRACEBACK)]
    if starts:
        after = range(starts[-1] + 1, len(lines))
        message = next((n for n in after if lines[n].strip() and not lines[n][0].isspace()), starts[-1])
        text = "\n".join(lines[message:]).strip()
        return text[:_LARGEST_MESSAGE]
    return "\n".join(lines).strip()[-_LARGEST_MESSAGE:]


def _of_first_rank_that_failed(lines: Sequence[str]) -> Sequence[str]:
    """Return the lines of the rank whose traceback comes first, to the rule that Open MPI draws; nothing if there is none."""
    tagged = [match for line in lines if (match := _OF_RANK.fullmatch(line))]
    first = next((match["rank"] for match in tagged if match["text"].startswith(TRACEBACK)), None)
    own = (match["text"] for match in tagged if match["rank"] == first)
    return list(takewhile(lambda text: not text.startswith(_RULE), own))
