"""Addresses of the hosts of a job: of the loopback network, which has more than one."""

import os
import zlib
from collections.abc import Sequence
from pathlib import Path

LARGEST_CLUSTER = 100
"""Hosts of one job."""

_PARTS = 254
_ONLY_HOST = "127.0.0.1"


def addresses(names: Sequence[str], number: int, server: Path) -> dict[str, str]:
    """Return the addresses of a job's hosts by their names.

    All are of this machine, so what listens on one host can be reached from the others; and each is of one host
    alone, so hosts of one job and of several may listen on equal ports. Only a host that is alone is at
    ``127.0.0.1``, where programs expect themselves.

    Parameters
    ----------
    number
        Of the gang. Two whose numbers differ by less than 64,516 have no address in common.
    server
        Its data directory. Servers of one machine count their gangs from 1 each: each begins at a place of its own,
        so that gangs of two meet as good as never.
    """
    if len(names) == 1:
        return {names[0]: _ONLY_HOST}
    first = zlib.crc32(os.fsencode(server.absolute()))
    second, third = divmod((first + number) % (_PARTS * _PARTS), _PARTS)
    return {name: f"127.{second + 1}.{third + 1}.{host}" for host, name in enumerate(names, start=1)}
