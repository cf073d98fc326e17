"""Run a checkout of ceph's s3-tests against a fresh server, and count: passed of the applicable ones.

``python scripts/s3_conformance.py CHECKOUT --python VENV/bin/python``, where the interpreter has what the
checkout's ``requirements.txt`` asks for. Which tests do not apply, and why, is in ``s3_conformance.toml``.
"""

import argparse
import hashlib
import json
import os
import secrets
import shlex
import signal
import sqlite3
import subprocess
import sys
import tempfile
import tomllib
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

WILDSAGE = (sys.executable, "-m", "wildsage")
ACCOUNTS = {"s3 alt": "222222222222", "s3 tenant": "333333333333"}
"""Besides the account of the server: they own buckets of their own."""
MODULES = ("s3tests/functional/test_s3.py", "s3tests/functional/test_headers.py")


@dataclass(frozen=True, slots=True)
class Key:
    """An access key, as the configuration of the tests wants it."""

    access_key: str
    secret_key: str
    account: str

    @property
    def user_id(self) -> str:
        """Return the canonical user, as the server has it."""
        return hashlib.sha256(f"canonical-user-{self.account}".encode()).hexdigest()


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, Mapping[str, Key]]]:
    """Run a server with three accounts; yield its address and their keys."""
    data = folder / "data"
    process = start(data)
    stop(process)
    keys = {section: add_account(data / "state.db", account) for section, account in ACCOUNTS.items()}
    owner = json.loads((data / "credentials.json").read_text())
    keys["s3 main"] = Key(owner["access_key_id"], owner["secret_access_key"], owner["account"])
    process = start(data)
    try:
        yield json.loads((data / "server.json").read_text())["url"], keys
    finally:
        stop(process)


def start(data: Path) -> subprocess.Popen[bytes]:
    """Start a server and return when it answers."""
    data.mkdir(parents=True, exist_ok=True)
    with (data / "console.log").open("ab") as log:
        command = [*WILDSAGE, "up", "--port", "0", "--data-dir", str(data)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
    assert process.stdout is not None
    if not process.stdout.readline():
        raise SystemExit(f"the server did not start: {(data / 'console.log').read_text()}")
    return process


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server."""
    process.send_signal(signal.SIGTERM)
    process.wait()


def add_account(database: Path, account: str) -> Key:
    """Give another account a key that does not expire. A server has one account; only tests need more."""
    key = Key(f"AKIA{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30), account)
    connection = sqlite3.connect(database)
    with connection:
        connection.execute(
            "INSERT INTO access_key (access_key_id, account, secret_access_key, session_token, principal_arn,"
            " expires_at, bound_to) VALUES (?, ?, ?, '', ?, 9e9, '')",
            (key.access_key, account, key.secret_key, f"arn:aws:iam::{account}:root"),
        )
    connection.close()
    return key


def configuration(url: str, keys: Mapping[str, Key]) -> str:
    """Return the text of ``s3tests.conf``."""
    host, _, port = url.removeprefix("http://").partition(":")
    sections = [
        f"[DEFAULT]\nhost = {host}\nport = {port}\nis_secure = False\nssl_verify = False\n",
        "[fixtures]\nbucket prefix = conformance-{random}-\n",
    ]
    users = {**keys, "iam": keys["s3 main"], "iam root": keys["s3 main"], "iam alt root": keys["s3 alt"]}
    for section, key in users.items():
        sections.append(
            f"[{section}]\naccess_key = {key.access_key}\nsecret_key = {key.secret_key}\n"
            f"user_id = {key.user_id}\ndisplay_name = {key.account}\nemail = nobody@example.com\n"
            "api_name = \ntenant = other\nstorage_classes = STANDARD\n"
        )
    return "\n".join(sections)


def run(arguments: argparse.Namespace, url: str, keys: Mapping[str, Key], folder: Path) -> Path:
    """Run the tests; return the report in JUnit's form."""
    conf, report = folder / "s3tests.conf", folder / "report.xml"
    conf.write_text(configuration(url, keys))
    rules = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
    marks = " and ".join(f"not {mark}" for mark in rules["marks"])
    command = [str(Path(arguments.python).absolute()), "-m", "pytest", "-q", "--tb=short"]
    command += ["-p", "no:cacheprovider", "-p", "s3_conformance_hooks"]
    command += [f"--junitxml={report}", "-m", marks, *MODULES, *arguments.pytest]
    command += ["-k", " and ".join(f"not {word}" for word in rules["keywords"])]
    command += [f"--deselect={module}::{name}" for name in rules["tests"] for module in MODULES]
    environment = {**os.environ, "S3TEST_CONF": str(conf), "AWS_DEFAULT_REGION": "us-east-1"}
    environment["PYTHONPATH"] = str(Path(__file__).parent)
    output = sys.stderr if arguments.verbose else subprocess.DEVNULL
    subprocess.run(command, cwd=arguments.checkout, env=environment, stdout=output, check=False)
    return report


def outcomes(report: Path) -> dict[str, str]:
    """Return ``passed``, ``skipped`` or the first line of what went wrong, by test."""
    found: dict[str, str] = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - our own pytest wrote it
        name = str(case.get("name"))
        bad = case.find("failure") if case.find("failure") is not None else case.find("error")
        if bad is not None:
            found[name] = str(bad.get("message")).partition("\n")[0][:200]
        elif case.find("skipped") is not None:
            found[name] = "skipped"
        else:
            found.setdefault(name, "passed")
    return found


def main() -> None:
    """Run, count, and tell what failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkout", type=Path, help="a clone of github.com/ceph/s3-tests")
    parser.add_argument("--python", default=sys.executable, help="interpreter with the tests' requirements")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the outcome of each test")
    parser.add_argument("--verbose", action="store_true", help="show what pytest prints")
    parser.add_argument(
        "--pytest", type=shlex.split, default=[], help="further arguments of pytest, in one word"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wildsage-conformance-") as name:
        folder = Path(name)
        with server(folder) as (url, keys):
            found = outcomes(run(arguments, url, keys, folder))
    commit = subprocess.run(
        ["git", "-C", str(arguments.checkout), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1, sort_keys=True))
    failed = {name: why for name, why in found.items() if why not in ("passed", "skipped")}
    for name, why in sorted(failed.items()):
        print(f"{name}: {' '.join(why.split())}")
    counts = Counter("failed" if name in failed else why for name, why in found.items())
    applicable = counts["passed"] + counts["failed"]
    print(
        f"s3-tests {commit}: {counts['passed']} of {applicable} applicable tests passed, {counts['skipped']} skipped"
    )


if __name__ == "__main__":
    main()
