import asyncio

import pytest

from wildsage.core.clock import SystemClock
from wildsage.core.credentials import AccessKey
from wildsage.core.errors import AccessDeniedError
from wildsage.images.catalogue import ImageCatalogue
from wildsage.images.environments import Environments
from wildsage.images.preparation import ImagePreparation
from wildsage.images.registered import RegisteredImages
from wildsage.serving.deployments import ENDPOINT, Deployment, VariantPlan
from wildsage.serving.orders import OrderDesk, OrderError
from wildsage.serving.placements import new_placement
from wildsage.store.access_keys import AccessKeys
from wildsage.store.buckets import Buckets
from wildsage.store.logs import LogStreams
from wildsage.store.object_access import RoleObjects
from wildsage.store.objects import Objects
from wildsage.store.resources import Key
from wildsage.store.run_tokens import RunTokens

ROLE = "arn:aws:iam::123456789012:role/Execution"


def authorize(_context, permission):
    if permission.resource.endswith("secret.tar.gz"):
        raise AccessDeniedError(f"{permission.action} on {permission.resource}: no")


@pytest.fixture
def desk(tmp_path, state, telemetry):
    clock = SystemClock()
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "serve").write_text("#!/bin/sh\n")
    (tmp_path / "image" / "serve").chmod(0o755)
    (tmp_path / "logs").mkdir()
    registered = RegisteredImages(tmp_path / "images")
    registered.add_directory("server:1", tmp_path / "image")
    objects = Objects(tmp_path / "objects")
    buckets = Buckets(state, objects, clock)

    async def fill():
        await buckets.create_bucket("models", "123456789012", "us-west-2")
        for key in ("m/model.tar.gz", "plain/a", "plain/sub/b", "plain/sub/", "plainer"):
            await buckets.put_bytes("models", key, b"x")

    asyncio.run(fill())
    environments, logs = Environments(tmp_path / "cache"), LogStreams(telemetry, tmp_path / "logs")
    yield OrderDesk(
        clock=clock,
        images=ImageCatalogue({}, registered, environments),
        preparation=ImagePreparation(environments, logs, clock),
        objects=RoleObjects(buckets, authorize, clock),
        logs=logs,
        tokens=RunTokens(state),
        keys=AccessKeys(state, AccessKey("AKIA", "secret", None, "123456789012", ROLE)),
        endpoint_url="http://127.0.0.1:8172",
        credentials_path="/_wildsage/credentials",
        sandbox="none",
        memory_bytes=900,
    )
    objects.close()


def place(**container):
    plan = VariantPlan(
        "AllTraffic", "model", {"Image": "server:1", **container}, ROLE, False, "ml.m5.large", 1
    )
    endpoint = Key("123456789012", "us-west-2", ENDPOINT, "live")
    return new_placement(Deployment(endpoint, 1, "config", (plan,)), plan, 1.0), plan


def order(desk, **container):
    placement, plan = place(**container)
    return placement, asyncio.run(desk.order(placement, plan))


def test_an_order_says_all_that_a_supervisor_needs(desk):
    placement, made = order(desk, ModelDataUrl="s3://models/m/model.tar.gz", Environment={"A": "1"})
    job = made.job
    assert (job.run_id, job.purpose, job.region, job.sandbox) == (
        placement.run_id, "serve", "us-west-2", "none",
    )  # fmt: skip
    assert [(item.bucket, item.key, item.path) for item in job.model] == [
        ("models", "m/model.tar.gz", "model.tar.gz")
    ]
    assert job.program.argv[-1].endswith("/serve")
    assert job.limits.memory_bytes == 900
    assert job.program.environment["A"] == "1"
    assert job.program.environment["SAGEMAKER_BIND_TO_PORT"] == str(placement.port)
    assert job.credentials_url == f"http://127.0.0.1:8172/_wildsage/credentials/{placement.run_id}"
    assert desk.tokens.role_of(placement.run_id, made.token).role_arn == ROLE
    assert made.token not in job.to_json()
    group = desk.logs.group("123456789012", "us-west-2", "/aws/sagemaker/Endpoints/live")
    stream = desk.logs.stream(group, f"AllTraffic/{placement.instance_id}")
    assert job.log_path == str(stream.path)


def test_a_prefix_brings_what_is_below_it_and_no_neighbours(desk):
    source = {"S3Uri": "s3://models/plain", "S3DataType": "S3Prefix", "CompressionType": "None"}
    _, made = order(desk, ModelDataSource={"S3DataSource": source})
    assert [(item.key, item.path) for item in made.job.model] == [("plain/a", "a"), ("plain/sub/b", "sub/b")]


def test_a_container_may_have_no_model_data(desk):
    assert order(desk)[1].job.model == ()


@pytest.mark.parametrize(
    ("container", "said"),
    [
        (
            {"ModelDataUrl": "s3://models/gone.tar.gz"},
            "Could not find model data at s3://models/gone.tar.gz.",
        ),
        (
            {"ModelDataUrl": "s3://models/secret.tar.gz"},
            "container_1. s3:GetObject on arn:aws:s3:::models/secret.tar.gz: no",
        ),
        ({"Image": "nothing:1"}, "nothing:1 does not exist"),
    ],
)
def test_what_vanished_since_the_creation_is_told(desk, container, said):
    with pytest.raises(OrderError, match=said):
        order(desk, **container)


def test_credentials_end_with_the_worker(desk):
    placement, made = order(desk)
    asyncio.run(desk.settle(placement.run_id))
    assert desk.tokens.role_of(placement.run_id, made.token) is None
