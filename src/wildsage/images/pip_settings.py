"""How pip reaches the package index from inside a container: as it does on this machine.

A container has neither the files nor the variables that configure pip here. What says where packages come
from is read as pip reads it, and handed over as variables; other settings stay outside, because a target
folder, say, or a cache means nothing in a container. Source: "Configuration" (pip's documentation).
"""

import configparser
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

_OPTIONS = frozenset(
    {
        "cert", "client-cert", "constraint", "default-timeout", "extra-index-url", "find-links", "index-url",
        "keyring-provider", "no-index", "pre", "prefer-binary", "only-binary", "no-binary", "proxy", "retries",
        "timeout", "trusted-host", "use-deprecated", "use-feature",
    }
)  # fmt: skip
_SECTIONS = ("global", "install")
_PREFIX = "PIP_"
_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
PROXY_VARIABLES = (*_PROXIES, "NO_PROXY")
_DIRECT = "127.0.0.1,localhost"
"""Never through a proxy: this server."""

_EVERYWHERE = tuple(
    Path(name)
    for name in ("/usr", "/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/pki/ca-trust", "/etc/ca-certificates")
)
"""What every container has of this machine."""


@dataclass(frozen=True, slots=True)
class PipSettings:
    """What a container needs.

    Attributes
    ----------
    variables
        Environment variables. They may hold the password of an index, as pip's configuration does.
    paths
        Local indexes, constraints and certificates that the variables name.
    """

    variables: Mapping[str, str]
    paths: tuple[Path, ...] = ()


def pip_settings(
    environment: Mapping[str, str], prefix: Path = Path(sys.prefix), machine: Path = Path("/etc/pip.conf")
) -> PipSettings:
    """Read the settings of the pip that a user with this environment runs.

    Parameters
    ----------
    prefix
        Of the Python environment that the pip belongs to.
    machine
        The configuration file of all users.
    """
    options: dict[str, str] = {}
    sections = [_read(path) for path in _files(environment, prefix, machine)]
    for name in _SECTIONS:
        for file in sections:
            options |= file.get(name, {})
    options |= _from_variables(environment)
    kept = {name: _at_home(value, environment) for name, value in options.items() if name in _OPTIONS}
    certificate = next((environment[name] for name in _CERTIFICATES if environment.get(name)), None)
    if certificate is not None:
        kept.setdefault("cert", certificate)
    variables = {_PREFIX + name.upper().replace("-", "_"): value for name, value in kept.items()}
    paths = {path for value in kept.values() for path in _local_paths(value)}
    return PipSettings({**variables, **_proxies(environment)}, tuple(sorted(paths)))


def _files(environment: Mapping[str, str], prefix: Path, machine: Path) -> Iterator[Path]:
    """Yield pip's configuration files, the strongest last."""
    named = environment.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return
    home = Path(environment.get("HOME", "/nonexistent"))
    for folder in environment.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":"):
        yield Path(folder, "pip/pip.conf")
    yield machine
    yield home / ".pip/pip.conf"
    yield Path(environment.get("XDG_CONFIG_HOME") or home / ".config", "pip/pip.conf")
    yield prefix / "pip.conf"
    if named:
        yield Path(named)


def _read(path: Path) -> Mapping[str, Mapping[str, str]]:
    parser = configparser.RawConfigParser()
    try:
        parser.read(path)
    except (configparser.Error, UnicodeDecodeError):
        return {}  # pip says what is wrong with it to whoever runs pip
    return {
        section: {_normalized(name): value for name, value in parser.items(section)}
        for section in parser.sections()
    }


def _from_variables(environment: Mapping[str, str]) -> Mapping[str, str]:
    return {
        _normalized(name.removeprefix(_PREFIX)): value
        for name, value in environment.items()
        if name.startswith(_PREFIX) and value
    }


def _normalized(name: str) -> str:
    return name.lower().replace("_", "-").removeprefix("--")


def _at_home(value: str, environment: Mapping[str, str]) -> str:
    """Return a value on one line, with the home folder by its name: a container has another one."""
    home = environment.get("HOME", "~")
    return " ".join(home + word[1:] if word.startswith("~/") else word for word in value.split())


def _local_paths(value: str) -> Iterator[Path]:
    for word in value.split():
        parts = urlsplit(word)
        path = Path(unquote(parts.path) if parts.scheme == "file" else word)
        known = any(path.is_relative_to(folder) for folder in _EVERYWHERE)
        if path.is_absolute() and not known and path.exists():
            yield path


def _proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a proxy, in both spellings: some programs read only one."""
    found: dict[str, str] = {}
    for name in _PROXIES:
        value = environment.get(name.lower()) or environment.get(name)
        if value:
            found |= {name: value, name.lower(): value}
    if found:
        known = environment.get("no_proxy") or environment.get("NO_PROXY")
        direct = f"{known},{_DIRECT}" if known else _DIRECT
        found |= {"NO_PROXY": direct, "no_proxy": direct}
    return found
