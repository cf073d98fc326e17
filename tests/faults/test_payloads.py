"""Bodies of any size: refused before they are read, or read without growing the server."""

import asyncio
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.faults.platform import until
from tests.faults.wire import encode, sign, unsigned

PART = bytes(range(256)) * (16 * 4096)  # 16 MiB
GROWTH = 160 * 1024 * 1024


def peak_memory(platform):
    """The most that the server's process ever held."""
    status = Path("/proc", str(platform.process.pid), "status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


def refusal_of(platform, head):
    """Send a head and not one byte of its body; return the answer's status line."""
    address = urlsplit(platform.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(head)
        return connection.recv(65_536).split(b"\r\n")[0]


def test_what_is_too_large_is_refused_before_a_byte_of_it_came(platform):
    before = peak_memory(platform)
    size = b"Content-Length: 100000000000\r\n\r\n"
    invocation = sign(
        platform, "sagemaker", unsigned(platform, "s3", "POST /endpoints/endpoint/invocations", b"")
    )
    heads = [
        encode(invocation).partition(b"Content-Length")[0] + size,
        encode(sign(platform, "sagemaker", unsigned(platform, "sagemaker", "CreateModel", {}))).partition(
            b"Content-Length"
        )[0] + size,
    ]  # fmt: skip
    for head in heads:
        assert refusal_of(platform, head).split(b" ")[1] == b"413"
    assert peak_memory(platform) - before < 32 * 1024 * 1024


@pytest.mark.faults
def test_an_upload_of_any_size_takes_a_bounded_memory(platform):
    """As 100 GB would: the same parts again and again; the parts of one number replace each other on disk."""
    s3 = platform.client("s3")
    s3.put_object(Bucket="out", Key="warm", Body=PART)
    begun = s3.create_multipart_upload(Bucket="out", Key="large")
    upload = {"Bucket": "out", "Key": "large", "UploadId": begun["UploadId"]}
    before = peak_memory(platform)
    for number in range(128):  # 2 GiB through the server, 128 MiB on disk
        s3.upload_part(PartNumber=number % 8 + 1, Body=PART, **upload)
    parts = s3.list_parts(**upload)["Parts"]
    listed = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]
    s3.complete_multipart_upload(MultipartUpload={"Parts": listed}, **upload)
    assert s3.head_object(Bucket="out", Key="large")["ContentLength"] == 8 * len(PART)
    body = s3.get_object(Bucket="out", Key="large")["Body"]
    assert sum(len(chunk) for chunk in body.iter_chunks(1 << 20)) == 8 * len(PART)
    assert peak_memory(platform) - before < GROWTH


@pytest.mark.faults
def test_many_uploads_at_once_take_a_bounded_memory(platform):
    before = peak_memory(platform)

    async def upload(number):
        message = encode(sign(platform, "s3", unsigned(platform, "s3", f"PUT /out/{number}", PART)))
        address = urlsplit(platform.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(message)
        await writer.drain()
        assert (await reader.readline()).split(b" ")[1] == b"200"
        writer.close()

    async def crowd():
        await asyncio.gather(*(upload(number) for number in range(16)))

    asyncio.run(crowd())
    assert peak_memory(platform) - before < GROWTH


@pytest.mark.faults
def test_a_job_that_ignores_its_end_is_killed_after_two_minutes(platform):
    """The documented grace in full: 120 s between SIGTERM and SIGKILL."""
    request = platform.job_request("deaf")
    platform.layout.images.mkdir(exist_ok=True)
    request["AlgorithmSpecification"]["ContainerEntrypoint"] = [
        "/bin/sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"
    ]  # fmt: skip
    request["StoppingCondition"] = {"MaxRuntimeInSeconds": 1}
    platform.client("sagemaker").create_training_job(**request)
    until(lambda: "stopping" in platform.journal("deaf"), 60)
    ended = platform.ended("deaf", 180)
    assert (ended["TrainingJobStatus"], ended["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert 119 <= ended["TrainingTimeInSeconds"] <= 140
    platform.assert_nothing_left()
