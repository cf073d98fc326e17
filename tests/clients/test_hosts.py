"""Which hosts are AWS's, and which service they stand for."""

import json
from pathlib import Path

import botocore
import pytest

from wildsage.clients.hosts import AWS_DOMAINS, is_aws_host, is_loopback, is_metadata_address, service_of


@pytest.mark.parametrize(
    ("host", "service"),
    [
        ("sts.amazonaws.com", "sts"),
        ("sts.us-west-2.amazonaws.com", "sts"),
        ("STS.us-west-2.AMAZONAWS.com.", "sts"),
        ("sts-fips.us-east-1.amazonaws.com", "sts"),
        ("sts.us-gov-west-1.amazonaws.com", "sts"),
        ("s3.amazonaws.com", "s3"),
        ("s3-us-west-2.amazonaws.com", "s3"),
        ("bucket.s3.amazonaws.com", "s3"),
        ("my.dotted.bucket.s3.cn-north-1.amazonaws.com.cn", "s3"),
        ("bucket.s3-eu-central-1.amazonaws.com", "s3"),
        ("bucket.s3.dualstack.eu-west-1.amazonaws.com", "s3"),
        ("bucket.s3-accelerate.dualstack.amazonaws.com", "s3"),
        ("us-west-2.s3.amazonaws.com", "s3"),
        ("sm-pysdk-t-us-west-2.s3.us-west-2.amazonaws.com", "s3"),
        ("s3-control.us-west-2.amazonaws.com", "s3-control"),
        ("iam.amazonaws.com", "iam"),
        ("iam.global.api.aws", "iam"),
        ("iam.cn-north-1.amazonaws.com.cn", "iam"),
        ("logs.us-east-1.api.aws", "logs"),
        ("monitoring.us-west-2.amazonaws.com", "monitoring"),
        ("stream-logs.us-east-1.amazonaws.com", "logs"),
        ("api.sagemaker.eusc-de-east-1.amazonaws.eu", "sagemaker"),
        ("api.sagemaker.us-east-1.amazonaws.com", "sagemaker"),
        ("api-fips.sagemaker.us-east-1.amazonaws.com", "sagemaker"),
        ("runtime.sagemaker-fips.us-east-1.api.aws", "sagemaker"),
        ("featurestore-runtime.sagemaker.ap-southeast-2.amazonaws.com", "sagemaker"),
        ("vpce-0a1b-c2d3.sts.us-east-1.vpce.amazonaws.com", "sts"),
        ("dynamodb.us-east-1.amazonaws.com", "dynamodb"),
        ("123456789012.dkr.ecr.us-west-2.amazonaws.com", "ecr"),
        ("amazonaws.com", ""),
        ("example.com", None),
        ("amazonaws.com.evil.example", None),
        ("notamazonaws.com", None),
        ("127.0.0.1", None),
    ],
)
def test_the_service_of_a_host(host, service):
    assert service_of(host) == service
    assert is_aws_host(host) == (service is not None)


def test_the_domains_are_those_of_every_partition():
    partitions = json.loads((Path(botocore.__file__).parent / "data" / "partitions.json").read_text())
    suffixes = {
        partition["outputs"][kind]
        for partition in partitions["partitions"]
        for kind in ("dnsSuffix", "dualStackDnsSuffix")
    }
    assert set(AWS_DOMAINS) == suffixes


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "169.254.170.2", "[fd00:ec2::254]", "::ffff:169.254.169.254", "fe80::1%eth0"]
)
def test_metadata_addresses(host):
    assert is_metadata_address(host)


@pytest.mark.parametrize("host", ["8.8.8.8", "example.com", "127.0.0.1", "fd00::1"])
def test_other_addresses(host):
    assert not is_metadata_address(host)


def test_loopback():
    assert all(is_loopback(host) for host in ("localhost", "127.0.0.1", "[::1]", "a.localhost"))
    assert not any(is_loopback(host) for host in ("evil.example", "10.0.0.1", "", "localhost.evil.example"))
