"""The S3 service: all its resources over one store."""

from collections.abc import Mapping

from wildsage.services.operation import Handler, operations_of
from wildsage.services.s3.acls import AccessControlLists
from wildsage.services.s3.buckets import BucketOperations
from wildsage.services.s3.configurations import BucketConfigurations
from wildsage.services.s3.copying import Copies
from wildsage.services.s3.deletion import Deletions
from wildsage.services.s3.listing import Listings
from wildsage.services.s3.locking import Locks
from wildsage.services.s3.multipart import MultipartUploads
from wildsage.services.s3.multipart_listing import MultipartListings
from wildsage.services.s3.objects import ObjectContent
from wildsage.services.s3.policies import Policies
from wildsage.services.s3.records import ProtectionRecords
from wildsage.services.s3.tagging import Tagging
from wildsage.services.s3.versioning import Versioning
from wildsage.store.buckets import Buckets
from wildsage.store.uploads import Uploads


def s3_operations(buckets: Buckets) -> Mapping[str, Handler]:
    """Return every operation of S3 by name."""
    uploads = Uploads(buckets)
    return operations_of(
        BucketOperations(buckets),
        ProtectionRecords(buckets),
        BucketConfigurations(buckets),
        Policies(buckets),
        AccessControlLists(buckets),
        Versioning(buckets),
        Locks(buckets),
        ObjectContent(buckets),
        Deletions(buckets),
        Copies(buckets),
        Listings(buckets),
        MultipartUploads(uploads),
        MultipartListings(uploads),
        Tagging(buckets),
    )
