"""The channels of a run: brought in, shown or streamed, as their modes say."""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from wildsage.compute.base import Mount
from wildsage.supervisor.contract import Channel
from wildsage.supervisor.dealing import deal
from wildsage.supervisor.download import InputError, ObjectReader
from wildsage.supervisor.environment import ML_TARGET
from wildsage.supervisor.feeder import Feeder, Pause
from wildsage.supervisor.lazy_view import LazyView, UnavailableViewError
from wildsage.supervisor.staging import Placed, place

SHOWN_FOLDER = "shown"
"""In the run's folder: the channels in FastFile mode, a folder each, whose files may be the store's own."""

_NEW_FOLDER = 0o755


class Inputs:
    """What the container reads.

    Parameters
    ----------
    folder, ml
        The run's folder; its ``/opt/ml``.
    is_private
        Tells whether the container has a file system of its own. Where it has none, nothing can be shown to
        it read-only: FastFile channels are copies then, and a folder of this machine is a link.
    open_reader
        Makes what fetches objects.
    shares_mounts
        The container sees what this process mounts. One of a container engine does not: there, FastFile channels
        that no links can show are brought in before the start.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        folder: Path,
        ml: Path,
        is_private: Callable[[], bool],
        open_reader: Callable[[Pause], ObjectReader],
        *,
        shares_mounts: bool = True,
    ) -> None:
        self._channels = channels
        self._shown = folder / SHOWN_FOLDER
        self._ml = ml
        self._open_reader = open_reader
        self._find_private = is_private
        self._shares_mounts = shares_mounts
        self._is_private = False
        self._feeders: list[Feeder] = []
        self._views: list[LazyView] = []
        self._failed: Exception | None = None
        self._descriptors: list[int] = []

    # Before the launch

    def place(self) -> list[Placed]:
        """Make the folders and FIFOs; return which objects have to be brought in.

        Raises
        ------
        InputError
            If a key cannot be a file, or a folder of this machine is not there.
        """
        special = any(channel.folder or channel.mode == "FastFile" for channel in self._channels)
        self._is_private = special and self._find_private()
        placed = []
        for channel in self._channels:
            try:
                if channel.mode == "Pipe":
                    self._add_feeder(channel)
                elif channel.folder:
                    self._show_folder(channel)
                else:
                    placed += self._place_objects(channel)
            except InputError as error:
                raise error.of_channel(channel.name) from None
        return placed

    def mounts(self) -> list[Mount]:
        """Return what the container has to see besides ``/opt/ml`` itself."""
        if not self._is_private:
            return []
        return [
            Mount(
                channel.folder or str(self._shown / channel.name),
                f"{ML_TARGET}/{channel.place}",
                writable=channel.writable,
            )
            for channel in self._channels
            if channel.folder or channel.mode == "FastFile"
        ]

    def _place_objects(self, channel: Channel) -> list[Placed]:
        objects = deal(channel.objects, channel.share)
        point = self._ml / channel.place
        if channel.mode == "File" or not self._is_private:
            return place(objects, point, channel.name)
        point.mkdir(_NEW_FOLDER, parents=True, exist_ok=True)
        shown = self._shown / channel.name
        placed = place(objects, shown, channel.name, is_shown=True)
        if not self._shares_mounts or all(len(one.item.files) == 1 for one in placed):
            return placed
        try:
            view = LazyView(
                channel.name, placed, shown, lambda: self._open_reader(_sleep), is_first=not self._views
            )
            self._views.append(view)
        except UnavailableViewError:  # then they are brought in before the start
            return placed
        return []

    def _show_folder(self, channel: Channel) -> None:
        if not Path(channel.folder).is_dir():
            raise InputError(f"ClientError: {channel.folder} is not a folder of this machine any more")
        point = self._ml / channel.place
        if self._is_private:
            point.mkdir(_NEW_FOLDER, parents=True, exist_ok=True)
        else:
            point.parent.mkdir(_NEW_FOLDER, parents=True, exist_ok=True)
            point.symlink_to(channel.folder)

    def _add_feeder(self, channel: Channel) -> None:
        folder = (self._ml / channel.place).parent
        folder.mkdir(_NEW_FOLDER, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._descriptors.append(descriptor)
        self._feeders.append(Feeder(channel, descriptor, self._open_reader))

    @property
    def _sources(self) -> list[Feeder | LazyView]:
        return [*self._views, *self._feeders]

    # Beside the container

    def start(self) -> None:
        """Begin to stream. Call after the launch: threads and forks do not go together."""
        for feeder in self._feeders:
            feeder.start()

    @property
    def failure(self) -> Exception | None:
        """Why a channel cannot go on, the first that was seen; None while all can."""
        if self._failed is None:
            failures = (source.failure for source in self._sources)
            self._failed = next((failure for failure in failures if failure is not None), None)
        return self._failed

    def close(self) -> None:
        """End all streams. Call after the container's end."""
        _ = self.failure  # before its source goes
        for source in self._sources:
            source.close()
        self._views, self._feeders = [], []
        for descriptor in self._descriptors:
            with suppress(OSError):
                os.close(descriptor)
        self._descriptors = []


def _sleep(seconds: float) -> None:
    """Pause between attempts: the process of a view is killed when the run ends."""
    if seconds:
        time.sleep(seconds)
