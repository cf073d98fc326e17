"""The holder of a shared network: ``python -m wildsage.compute.network_holder FOLDER COUNT``.

It makes the network and hands it out (`wildsage.compute.shared_network`), and ends when so many have come for it or when
the folder is gone.
"""

import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

from wildsage.compute.enter import enter_network_namespace
from wildsage.compute.shared_network import SOCKET_NAME, address_in

_LOOK_SECONDS = 1.0


def main(folder: Path, count: int) -> int:
    """Hold a network until `count` have come for it."""
    try:
        with address_in(folder) as address, socket.socket(socket.AF_UNIX) as listener:
            (folder / SOCKET_NAME).unlink(missing_ok=True)
            listener.bind(address)
            enter_network_namespace()
            listener.listen(count)
            listener.settimeout(_LOOK_SECONDS)
            _hand_out(listener, folder / SOCKET_NAME, count)
    except FileNotFoundError:  # the folder is gone already
        return 0
    return 0


def _hand_out(listener: socket.socket, place: Path, count: int) -> None:
    own = [os.open(f"/proc/self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in ("net", "user")]
    while count and place.exists():
        with suppress(TimeoutError, OSError):
            client, _ = listener.accept()
            with client:
                socket.send_fds(client, [b"!"], own)
            count -= 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
