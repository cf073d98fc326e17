"""Every way an unmodified script reaches AWS, and proof that none of them leaves this machine.

Run it under ``wildsage run`` with any boto3 (1.20 is old enough to know nothing of AWS_ENDPOINT_URL) and
with a real-looking ``~/.aws`` that has a profile ``prod``. An audit hook sees each connection and each name
that the process asks for: anything but loopback ends it with an error. Prints what was answered, as JSON.
"""

import json
import os
import sys
import urllib.error
import urllib.request

LOOPBACK = ("127.", "::1", "localhost")
outside = []


def watch(event, arguments):
    """Note every address and name that is not this machine's own."""
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host or ""
    if not host.startswith(LOOPBACK):
        outside.append(f"{event} {host}")


sys.addaudithook(watch)

import boto3  # noqa: E402 - the hook is to see the import as well
from botocore.exceptions import ClientError  # noqa: E402 - as above

answers = {"boto3": boto3.__version__}


def account(**options):
    """Ask who calls."""
    session = boto3.Session(profile_name=options.pop("profile_name", None))
    return session.client("sts", region_name="us-west-2", **options).get_caller_identity()["Account"]


answers["accounts"] = [
    account(),
    account(profile_name="prod"),
    account(endpoint_url="https://sts.us-west-2.amazonaws.com"),
    account(endpoint_url="http://sts.us-west-2.amazonaws.com"),
]

bucket = f"nothing-outside-{os.getpid()}"
for address in (None, "https://s3.us-west-2.amazonaws.com"):
    s3 = boto3.client("s3", region_name="us-west-2", endpoint_url=address)
    if address is None:
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_object(Bucket=bucket, Key="a/b c", Body=b"x" * 3_000_000)
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a/b c"})
    with urllib.request.urlopen(url, timeout=30) as response:
        answers[f"presigned {'virtual host' if address is None else address}"] = len(response.read())

try:
    boto3.client("dynamodb", region_name="us-east-1").list_tables()
except ClientError as error:
    answers["unknown service"] = str(error)

for url in (
    "https://sm-pysdk-t-us-west-2.s3.us-west-2.amazonaws.com/telemetry?x-project=1",
    "http://169.254.169.254/latest/meta-data/",
):
    try:
        urllib.request.urlopen(url, timeout=30).close()
    except urllib.error.HTTPError as error:
        answers[url] = error.code

print(json.dumps(answers, indent=2))
if outside:
    sys.exit(f"left this machine: {outside}")
