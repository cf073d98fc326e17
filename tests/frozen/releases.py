"""The releases, each with what it brought to a data directory: how it is made, and what is said of it later."""

import json

from tests.frozen import release_0_1_0, release_0_2_0

RELEASES = {"0.1.0": release_0_1_0, "0.2.0": release_0_2_0}
"""In their order. A release freezes what it brought and what those before it did; its descriptions stay."""

NEWEST = list(RELEASES)[-1]


def until(version):
    """Return the releases up to one."""
    return list(RELEASES.values())[: list(RELEASES).index(version) + 1]


def describe_everything(opened, version):
    """Return what the frozen resources of a release look like, as JSON values."""
    said = {
        name: describe(opened) for release in until(version) for name, describe in release.DESCRIBERS.items()
    }
    return json.loads(json.dumps(_without_metadata(said), default=str))


def _without_metadata(value):
    if isinstance(value, dict):
        return {k: _without_metadata(v) for k, v in value.items() if k != "ResponseMetadata"}
    return [_without_metadata(item) for item in value] if isinstance(value, list) else value
