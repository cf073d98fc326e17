"""Configuration and credentials files that stand in for the user's own ``~/.aws``.

A script that names a profile finds it, with the user's region and output format but with Wildsage's
credentials. Nothing that leads to real credentials or endpoints is taken over: no SSO, no assumed role, no
credential process.
"""

import configparser
import io
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wildsage.clients.files import keep_file

_KEPT_SETTINGS = frozenset(
    {
        "cli_auto_prompt",
        "cli_binary_format",
        "cli_follow_urlparam",
        "cli_pager",
        "cli_timestamp_format",
        "max_attempts",
        "output",
        "parameter_validation",
        "region",
        "retry_mode",
        "tcp_keepalive",
    }
)

Settings = dict[str, str]


@dataclass(frozen=True, slots=True)
class Profiles:
    """The profiles of a user.

    Attributes
    ----------
    settings
        What is kept of each, by profile name. ``default`` is always there: it holds the settings of
        the profile that the user's environment selects.
    """

    settings: Mapping[str, Settings]

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Profiles":
        """Read the files that a client in `environ` would read."""
        home = Path(environ.get("HOME") or Path.home())
        config = _sections(_path(environ, "AWS_CONFIG_FILE", home / ".aws" / "config"))
        credentials = _sections(_path(environ, "AWS_SHARED_CREDENTIALS_FILE", home / ".aws" / "credentials"))
        settings: dict[str, Settings] = {name: {} for name in credentials}
        for section, values in config.items():
            name = _profile_name(section)
            if name is not None:
                settings[name] = {key: text for key, text in values.items() if key in _KEPT_SETTINGS}
        selected = environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or "default"
        settings["default"] = dict(settings.get(selected, {}))
        return cls(settings)

    @property
    def has_region(self) -> bool:
        """Whether any of them names a region."""
        return any("region" in settings for settings in self.settings.values())

    def write(self, folder: Path, credentials: Mapping[str, str]) -> dict[str, str]:
        """Write both files and return the variables that point at them.

        Parameters
        ----------
        credentials
            The settings that each profile gets, e.g. ``aws_access_key_id``.
        """
        config = {_section_name(name): settings for name, settings in self.settings.items()}
        secrets = {name: dict(credentials) for name in self.settings}
        return {
            "AWS_CONFIG_FILE": str(keep_file(folder, "config", _render(config))),
            "AWS_SHARED_CREDENTIALS_FILE": str(keep_file(folder, "credentials", _render(secrets))),
        }


def _path(environ: Mapping[str, str], variable: str, default: Path) -> Path:
    given = environ.get(variable)
    return Path(given).expanduser() if given else default


def _sections(path: Path) -> dict[str, Settings]:
    parser = _parser()
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError):
        # The client does not see this file: that it is broken is no reason to refuse the client.
        return {}
    return {section: dict(parser[section]) for section in parser.sections()}


def _parser() -> configparser.RawConfigParser:
    # "default" is a profile like any other; a section of this name gives nothing to the others.
    return configparser.RawConfigParser(default_section="\0", strict=False, allow_no_value=False)


def _profile_name(section: str) -> str | None:
    """Return the profile that a section of the configuration file describes, if it is one."""
    if section == "default":
        return section
    try:
        words = shlex.split(section)
    except ValueError:
        return None
    return words[1] if len(words) == 2 and words[0] == "profile" else None


def _section_name(profile: str) -> str:
    return profile if profile == "default" else f"profile {shlex.quote(profile)}"


def _render(sections: Mapping[str, Settings]) -> bytes:
    parser = _parser()
    for section, settings in sections.items():
        parser[section] = settings
    text = io.StringIO()
    parser.write(text)
    return text.getvalue().encode()
