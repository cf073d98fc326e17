import asyncio

import pytest
from tests.aws.support import allow
from tests.live import client, serve

from wildsage.aws.authentication import Authenticator
from wildsage.aws.browsers import Browsers
from wildsage.aws.cross_origin import CrossOrigin
from wildsage.aws.form_upload import FormUploads
from wildsage.aws.gateway import Gateway
from wildsage.core.clock import SystemClock
from wildsage.core.context import RequestContext
from wildsage.core.credentials import AccessKey
from wildsage.core.errors import ServiceError
from wildsage.core.streams import ByteStream
from wildsage.services.s3.service import s3_operations
from wildsage.store.buckets import Buckets
from wildsage.store.database import Database
from wildsage.store.objects import Objects

ACCOUNT = "123456789012"
KEY = AccessKey("AKIDEXAMPLE", "secret", None, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root")


class Client:
    """Calls operations as the gateway does. Bodies come and go as bytes."""

    def __init__(self, buckets):
        self.buckets = buckets
        self.operations = s3_operations(buckets)

    def __call__(self, name, *, account=ACCOUNT, region="us-west-2", **request):
        return asyncio.run(self.answer(name, account=account, region=region, **request))

    async def answer(self, name, *, account=ACCOUNT, region="us-west-2", **request):
        context = RequestContext(
            account=account,
            region=region,
            partition="aws",
            principal_arn=f"arn:aws:iam::{account}:root",
            request_id="request",
            clock=self.buckets.clock,
            endpoint_url="http://127.0.0.1:8172",
        )
        if isinstance(request.get("Body"), bytes):
            request["Body"] = ByteStream.of(request["Body"])
        response = await self.operations[name](context, request)
        if isinstance(response.get("Body"), ByteStream):
            response["Body"] = await response["Body"].read(1 << 30)
        return response

    def refused(self, name, **request):
        """Return the error of a call that must fail."""
        with pytest.raises(ServiceError) as caught:
            self(name, **request)
        return caught.value

    def put(self, key, body=b"content", **request):
        return self("PutObject", Bucket="data", Key=key, Body=body, **request)

    def get(self, key, **request):
        return self("GetObject", Bucket="data", Key=key, **request)

    def put_parts(self, key, parts):
        """Store an object as a multipart upload."""
        upload = {"Bucket": "data", "Key": key}
        upload["UploadId"] = self("CreateMultipartUpload", **upload)["UploadId"]
        listed = [
            {"PartNumber": number, **self("UploadPart", **upload, PartNumber=number, Body=body)}
            for number, body in enumerate(parts, start=1)
        ]
        return self("CompleteMultipartUpload", **upload, MultipartUpload={"Parts": listed})

    def content_files(self):
        return [path for path in self.buckets.objects._folder.rglob("*") if path.is_file()]


@pytest.fixture
def empty(tmp_path):
    database = Database(tmp_path / "state.db", "state")
    objects = Objects(tmp_path / "objects")
    yield Client(Buckets(database, objects, SystemClock()))
    database.close()
    objects.close()


@pytest.fixture
def s3(empty):
    """A client, and its bucket ``data``."""
    empty("CreateBucket", Bucket="data", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    return empty


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """One server for all tests here: a gateway reads the service's model once."""
    clock, folder = SystemClock(), tmp_path_factory.mktemp("data")
    database, objects = Database(folder / "state.db", "state"), Objects(folder / "objects")
    buckets, find_key = Buckets(database, objects, clock), {KEY.access_key_id: KEY}.get
    handlers = {"s3": s3_operations(buckets)}
    browsers = Browsers(FormUploads(find_key, clock), CrossOrigin(buckets.cors_rules))
    with serve(Gateway(handlers, Authenticator(find_key, clock), allow, {}, clock, browsers=browsers)) as url:
        yield url
    database.close()
    objects.close()


@pytest.fixture(scope="module")
def account(url):
    return client("s3", url)


@pytest.fixture
def boto(account):
    """A client and its empty bucket ``data``."""
    account.create_bucket(Bucket="data", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    yield account
    for entry in account.list_objects_v2(Bucket="data").get("Contents", []):
        account.delete_object(Bucket="data", Key=entry["Key"])
    account.delete_bucket(Bucket="data")
