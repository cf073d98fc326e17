"""The signer against published vectors and botocore's own signer."""

from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from wildsage.core.clock import SystemClock
from wildsage.core.credentials import AccessKey
from wildsage.core.signing import (
    EMPTY_HASH,
    ChunkSignatures,
    Message,
    Scope,
    canonical_forms,
    sign,
    sign_request,
)

# The example key of AWS's documentation.
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
KEY = AccessKey("AKIAIOSFODNN7EXAMPLE", SECRET, None, "123456789012", "arn:aws:iam::123456789012:root")


def test_documented_get_object_signature():
    """S3 API Reference, "Signature Calculations for the Authorization Header", GET Object."""
    headers = [
        ("host", "examplebucket.s3.amazonaws.com"),
        ("range", "bytes=0-9"),
        ("x-amz-content-sha256", EMPTY_HASH),
        ("x-amz-date", "20130524T000000Z"),
    ]
    names = tuple(name for name, _ in headers)
    message = Message("GET", "/test.txt", "", headers, names, EMPTY_HASH)
    signature = sign(
        SECRET, Scope("20130524", "us-east-1", "s3"), "20130524T000000Z", canonical_forms(message, "s3")[0]
    )
    assert signature == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"


def test_documented_chunk_signatures():
    """S3 API Reference, "Transferring Payload in Multiple Chunks"."""
    import hashlib

    chain = ChunkSignatures(
        SECRET,
        Scope("20130524", "us-east-1", "s3"),
        "20130524T000000Z",
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    )
    hashes = [hashlib.sha256(b"a" * 65536).hexdigest(), hashlib.sha256(b"a" * 1024).hexdigest(), EMPTY_HASH]
    assert [chain.of_chunk(chunk_hash) for chunk_hash in hashes] == [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ]


def test_s3_paths_are_not_normalised_and_others_are_encoded_twice():
    message = Message("GET", "/a/./b//..%2Fc%20d", "", [], (), "")
    assert canonical_forms(message, "s3")[0].split("\n")[1] == "/a/./b//../c%20d"
    assert canonical_forms(message, "s3")[1].split("\n")[1] == "/a/./b//..%2Fc%20d"
    assert canonical_forms(message, "sagemaker")[0].split("\n")[1] == "/a/b/..%252Fc%2520d"


def test_query_is_sorted_and_the_signature_left_out():
    message = Message("GET", "/", "b=2&a=x+y&b=1&flag&X-Amz-Signature=f00", [], (), "")
    assert canonical_forms(message, "s3")[0].split("\n")[2] == "a=x%20y&b=1&b=2&flag="


def test_repeated_fields_and_spaces_fold():
    fields = [("a", "  x   y "), ("b", "1"), ("a", "z")]
    message = Message("GET", "/", "", fields, ("a",), "hash")
    assert canonical_forms(message, "s3") == ["GET\n/\n\na:x y,z\n\na\nhash"]


def test_sign_request_equals_botocore():
    temporary = AccessKey("ASIAEXAMPLE", SECRET, "token/+=", "123456789012", "arn:x", 1.0)
    for key in (KEY, temporary):
        for signer, service in ((S3SigV4Auth, "s3"), (SigV4Auth, "sagemaker")):
            url = "http://127.0.0.1:8172/bucket/a%20b/c%2Bd.csv?versionId=3&partNumber=2"
            reference = AWSRequest("GET", url, headers={"Range": "bytes=0-"}, data=b"")
            if service != "s3":
                reference.headers["X-Amz-Content-SHA256"] = EMPTY_HASH
            credentials = Credentials(key.access_key_id, key.secret_access_key, key.session_token)
            at = SystemClock().now()
            signer(credentials, service, "eu-west-1").add_auth(reference)
            # The reference reads the clock itself: sign at the second it took.
            stamps = [at, at + 1]
            ours = [
                sign_request(
                    key,
                    "GET",
                    url,
                    region="eu-west-1",
                    at=stamp,
                    service=service,
                    headers={"Range": "bytes=0-"},
                )
                for stamp in stamps
            ]
            assert reference.headers["Authorization"] in [fields["authorization"] for fields in ours]
            assert ours[0]["host"] == urlsplit(url).netloc
