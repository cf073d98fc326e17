"""The variables that bring an unmodified client to Wildsage, and the way back."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wildsage.clients.discovery import ServerInfo
from wildsage.clients.profiles import Profiles
from wildsage.clients.trust import BUNDLE_VARIABLES, write_bundle
from wildsage.images.remote_functions import DEFAULT_IMAGE
from wildsage.store.layout import Layout

SAVED = "WILDSAGE_SAVED_ENVIRONMENT"
"""Holds, as JSON, what the variables were before `wildsage env` changed them."""

Changes = dict[str, str | None]
"""Variables to set, or (None) to unset."""

_CHILD = Path(__file__).parent / "child"
_NO_PROXY = "localhost,127.0.0.1,::1"
_UNSET = (
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_CREDENTIAL_FILE",
    "AWS_ACCOUNT_ID",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    # With these, botocore refuses an endpoint URL.
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
)
_DEFAULT_IMAGE = "SAGEMAKER_INTERNAL_IMAGE_URI"
"""The image that remote functions run in unless they name one, as Studio gives it to the SDKs."""

_UNSET_PREFIXES = ("AWS_ENDPOINT_URL_", "AWS_CONTAINER_", "AWS_BEARER_TOKEN_")


@dataclass(frozen=True, slots=True)
class Bringing:
    """What a client needs to be brought here.

    Attributes
    ----------
    proxy_url
        Where the proxy listens.
    authority
        The certificate that its TLS is vouched for with, PEM.
    """

    layout: Layout
    server: ServerInfo
    proxy_url: str
    authority: str

    def changes(self, environ: Mapping[str, str]) -> Changes:
        """Return what has to change in a user's environment (see `original`) for a client to come here.

        The user's region stays; where there is none at all, neither a variable nor in a profile, it is
        the server's.
        """
        keys = json.loads(self.layout.credentials.read_text())
        profiles = Profiles.of(environ)
        bundle = str(write_bundle(environ, self.authority, self.layout.clients))
        unset = [name for name in environ if name in _UNSET or name.startswith(_UNSET_PREFIXES)]
        changes: Changes = dict.fromkeys(sorted(unset))
        secrets = {f"aws_{name}": value for name, value in keys.items() if name in _KEY_PARTS and value}
        changes |= {name.upper(): value for name, value in secrets.items()}
        changes |= profiles.write(self.layout.clients, secrets)
        if not (environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or profiles.has_region):
            changes |= dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), self.server.region)
        changes |= {"AWS_ENDPOINT_URL": self.proxy_url, "AWS_EC2_METADATA_DISABLED": "true"}
        if not environ.get(_DEFAULT_IMAGE):
            changes[_DEFAULT_IMAGE] = DEFAULT_IMAGE
        changes |= dict.fromkeys(BUNDLE_VARIABLES, bundle)
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            changes |= {name: self.proxy_url, name.lower(): self.proxy_url}
        return changes | {"NO_PROXY": _NO_PROXY, "no_proxy": _NO_PROXY}


_KEY_PARTS = ("access_key_id", "secret_access_key", "session_token")


def shortening_waits(environ: Mapping[str, str]) -> Changes:
    """Return what has `wildsage.clients.fast_waits` at work in every Python that starts in an environment."""
    path = environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([str(_CHILD), *([path] if path else [])])}


def applied(environ: Mapping[str, str], changes: Changes) -> dict[str, str]:
    """Return an environment with changes made."""
    merged = {**environ, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def original(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment as it was before `wildsage env`; the same where that was not used."""
    return applied(environ, restoring(environ))


def remembering(environ: Mapping[str, str], changes: Changes) -> Changes:
    """Return changes together with the note from which `restoring` takes them back."""
    before = {name: environ.get(name) for name in changes}
    return {**changes, SAVED: json.dumps(before, separators=(",", ":"))}


def restoring(environ: Mapping[str, str]) -> Changes:
    """Return what takes `remembering`'s changes back; nothing where there are none."""
    if SAVED not in environ:
        return {}
    try:
        before = json.loads(environ[SAVED])
    except ValueError:
        before = None
    # A damaged note can only be forgotten.
    known = before if isinstance(before, dict) else {}
    return {**{str(name): value for name, value in known.items()}, SAVED: None}
