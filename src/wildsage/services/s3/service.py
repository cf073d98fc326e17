"""The S3 service: all its resources over one store."""

from collections.abc import Mapping

from wildsage.services.operation import Handler, operations_of
from wildsage.services.s3.buckets import BucketOperations
from wildsage.services.s3.copying import Copies
from wildsage.services.s3.listing import Listings
from wildsage.services.s3.multipart import MultipartUploads
from wildsage.services.s3.multipart_listing import MultipartListings
from wildsage.services.s3.objects import ObjectContent
from wildsage.services.s3.records import BucketRecords
from wildsage.services.s3.tagging import Tagging
from wildsage.store.buckets import Buckets
from wildsage.store.uploads import Uploads


def s3_operations(buckets: Buckets) -> Mapping[str, Handler]:
    """Return every operation of S3 by name."""
    uploads = Uploads(buckets)
    return operations_of(
        BucketOperations(buckets),
        BucketRecords(buckets),
        ObjectContent(buckets),
        Copies(buckets),
        Listings(buckets),
        MultipartUploads(uploads),
        MultipartListings(uploads),
        Tagging(buckets),
    )
