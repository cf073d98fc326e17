"""What goes through the FIFO of a channel in one epoch."""

import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from typing import BinaryIO

from wildsage.core.s3_uri import split_s3_uri
from wildsage.formats.augmented_manifest import Attribute, parse_line
from wildsage.formats.errors import FormatError
from wildsage.formats.lines import split_lines
from wildsage.formats.recordio_frames import LONGEST_PAYLOAD, frame_head
from wildsage.supervisor.contract import Channel, InputObject
from wildsage.supervisor.dealing import deal, deal_lines
from wildsage.supervisor.download import Chunks, InputError, ObjectReader
from wildsage.supervisor.fifo import Fifo

_CHUNK = 1 << 20
_GZIP_WINDOW = 31  # 15 bits, with gzip's header and trailer


class PipeContent:
    """Writes the epochs of a channel into FIFOs; memory does not grow with what the channel holds."""

    def __init__(self, channel: Channel, open_reader: Callable[[], ObjectReader]) -> None:
        self._channel = channel
        self._reader = open_reader()
        self._references = open_reader()  # while a manifest is still on its way, over a connection of its own

    def close(self) -> None:
        """Close the connections."""
        self._reader.close()
        self._references.close()

    def send(self, epoch: int, fifo: Fifo) -> None:
        """Stream one epoch.

        Raises
        ------
        InputError
            If an object cannot be had, or breaks the rules of what the channel says it is.
        wildsage.supervisor.fifo.ReaderGoneError
            If the reader closed.
        """
        channel = self._channel
        if channel.attributes:
            self._send_lines(epoch, fifo)
            return
        for item in deal(channel.objects, channel.share, channel.seed, epoch):
            if not item.key.endswith("/"):  # the marker of a folder
                self._send_object(item, fifo)

    def _send_object(self, item: InputObject, fifo: Fifo) -> None:
        if self._channel.gzip:
            with closing(gunzip(self._chunks(item), item)) as plain:
                self._send_chunks(plain, item, fifo)
            return
        if self._channel.wrap_records:
            fifo.write(record_head(item.size, item.location))
        files = self._open(item)
        if files is None:
            with closing(self._reader.read(item)) as chunks:
                for chunk in chunks:
                    fifo.write(chunk)
        else:
            _splice(files, fifo)
        if self._channel.wrap_records:
            fifo.write(bytes(-item.size % 4))

    def _send_chunks(self, chunks: Iterable[bytes], item: InputObject, fifo: Fifo) -> None:
        if not self._channel.wrap_records:
            for chunk in chunks:
                fifo.write(chunk)
            return
        content = bytearray()  # its length comes first
        for chunk in chunks:
            content += chunk
            if len(content) > LONGEST_PAYLOAD:
                break
        _send_record(bytes(content), item.location, fifo)

    # Content of objects

    def _open(self, item: InputObject) -> list[BinaryIO] | None:
        """Open the files of an object; None where they are not here: it has to be fetched."""
        files: list[BinaryIO] = []
        with ExitStack() as opened:
            try:
                for path in item.files:
                    file = opened.enter_context(open(path, "rb", buffering=0))  # noqa: PTH123 - a text
                    files.append(file)
            except OSError:  # overwritten or deleted since the run was described, or not for us
                return None
            opened.pop_all()
        return files if files or not item.size else None

    def _chunks(self, item: InputObject) -> Chunks:
        files = self._open(item)
        if files is None:
            yield from self._reader.read(item)
            return
        for file in files:
            with file:
                while chunk := file.read(_CHUNK):
                    yield chunk

    # Augmented manifests

    def _send_lines(self, epoch: int, fifo: Fifo) -> None:
        channel = self._channel
        (manifest,) = channel.objects
        source = manifest.location
        with closing(self._chunks(manifest)) as chunks:
            try:
                lines = deal_lines(split_lines(chunks, source), channel.share, channel.seed, epoch)
                for number, text in lines:
                    for attribute in parse_line(text, number, source, channel.attributes).attributes:
                        self._send_attribute(attribute, f"line {number} of {source}", fifo)
            except FormatError as error:
                raise InputError(f"ClientError: Unable to read the augmented manifest {error}") from None

    def _send_attribute(self, attribute: Attribute, line: str, fifo: Fifo) -> None:
        content = attribute.content
        where = f"{line}, attribute {attribute.name!r}"
        if attribute.is_reference:
            try:
                content = self._references.read_whole(*split_s3_uri(content.decode()), LONGEST_PAYLOAD)
            except InputError as error:
                raise InputError(f"{error} ({where})") from None
        if self._channel.wrap_records:
            _send_record(content, where, fifo)
        else:
            fifo.write(content)


def _splice(files: Sequence[BinaryIO], fifo: Fifo) -> None:
    with ExitStack() as opened:
        for file in files:
            opened.enter_context(file)
        for file in files:
            while fifo.splice(file.fileno()):
                pass


def _send_record(content: bytes, where: str, fifo: Fifo) -> None:
    fifo.write(record_head(len(content), where) + content + bytes(-len(content) % 4))


def record_head(size: int, where: str) -> bytes:
    """Return what stands before a RecordIO payload, as `wildsage.formats.recordio_frames` says.

    Raises
    ------
    InputError
        If a record cannot be that long.
    """
    if size > LONGEST_PAYLOAD:
        raise InputError(
            f"ClientError: {where} has {size} bytes: a RecordIO record holds at most {LONGEST_PAYLOAD}."
            " Split it, or set RecordWrapperType to None"
        )
    return frame_head(size)


def gunzip(chunks: Iterable[bytes], item: InputObject) -> Chunks:
    """Decompress, member by member, in bounded memory.

    Raises
    ------
    InputError
        With the byte position, if the content is not gzip or ends too early.
    """
    position = 0  # of the chunk's first byte
    member = None
    for chunk in chunks:
        rest = chunk
        while rest:
            member = member or zlib.decompressobj(_GZIP_WINDOW)
            try:
                plain = member.decompress(rest, _CHUNK)
            except zlib.error as error:
                raise _not_gzip(item, position + len(chunk) - len(rest), error) from None
            if plain:
                yield plain
            rest = member.unused_data if member.eof else member.unconsumed_tail
            if member.eof:
                member = None
        position += len(chunk)
    if member is not None:
        raise InputError(
            f"ClientError: Data download failed:Failed to decompress data. S3 key: {item.location}"
            f" ends inside of a gzip member, at byte {position}"
        )


def _not_gzip(item: InputObject, position: int, error: zlib.error) -> InputError:
    return InputError(
        f"ClientError: Data download failed:Failed to decompress data. S3 key: {item.location}"
        f" is no gzip data at byte {position} ({error}), but CompressionType is Gzip"
    )
