"""All operations of S3, with what it says of the public sample buckets."""

from collections.abc import Mapping

from wildsage.services.operation import Handler
from wildsage.services.rooms import ServiceRooms
from wildsage.services.s3.samples import with_samples
from wildsage.services.s3.service import s3_operations


def handlers(rooms: ServiceRooms) -> Mapping[str, Handler]:
    """Return the handler of each operation that exists, by its name."""
    return with_samples(s3_operations(rooms.buckets), rooms.buckets)
