"""Repositories and images as boto3 sees them, beside what `wildsage images` registered."""

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from tests.refusals import refused
from tests.served import ServedApplication

from wildsage.images.registered import RegisteredImages

ACCOUNT = "123456789012"
PLATFORM = "683313688378"
LAYER = {"mediaType": "l", "size": 30, "digest": "sha256:" + "1" * 64}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ServedApplication(tmp_path_factory.mktemp("server")) as made:
        yield made


@pytest.fixture
def ecr(server):
    """A client of an empty registry."""
    client = server.client("ecr")
    for repository in client.describe_repositories()["repositories"]:
        client.delete_repository(repositoryName=repository["repositoryName"], force=True)
    return client


@pytest.fixture
def registered(server):
    return RegisteredImages(server.layout.images)


def manifest(number=1):
    return json.dumps({"schemaVersion": 2, "config": {"number": number}, "layers": [LAYER, LAYER]})


def digest_of(text):
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def put(ecr, number=1, tag=None, **members):
    request = {"repositoryName": "app", "imageManifest": manifest(number), **members}
    return ecr.put_image(**request, **({"imageTag": tag} if tag else {}))["image"]


def listed(ecr, **request):
    ids = ecr.list_images(repositoryName="app", **request)["imageIds"]
    return sorted((one.get("imageTag", ""), one["imageDigest"]) for one in ids)


# Repositories


def test_the_life_of_a_repository(ecr):
    made = ecr.create_repository(repositoryName="team/app", tags=[{"Key": "a", "Value": "b"}])["repository"]
    assert made["repositoryArn"] == f"arn:aws:ecr:us-west-2:{ACCOUNT}:repository/team/app"
    assert made["repositoryUri"] == f"{ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com/team/app"
    assert made["imageTagMutability"] == "MUTABLE"
    assert made["imageScanningConfiguration"] == {"scanOnPush": False}
    message = refused("RepositoryAlreadyExistsException", ecr.create_repository, repositoryName="team/app")
    assert (
        message == f"The repository with name 'team/app' already exists in the registry with id '{ACCOUNT}'"
    )
    (shown,) = ecr.describe_repositories(repositoryNames=["team/app"])["repositories"]
    assert shown == made
    arn = made["repositoryArn"]
    ecr.tag_resource(resourceArn=arn, tags=[{"Key": "c", "Value": "d"}])
    ecr.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "c", "Value": "d"}]
    ecr.put_image_scanning_configuration(
        repositoryName="team/app", imageScanningConfiguration={"scanOnPush": True}
    )
    (shown,) = ecr.describe_repositories()["repositories"]
    assert shown["imageScanningConfiguration"] == {"scanOnPush": True}
    ecr.delete_repository(repositoryName="team/app")
    message = refused("RepositoryNotFoundException", ecr.describe_repositories, repositoryNames=["team/app"])
    assert message.startswith("The repository with name 'team/app' does not exist in the registry with id")
    refused("RepositoryNotFoundException", ecr.list_tags_for_resource, resourceArn=arn)
    refused("InvalidParameterException", ecr.list_tags_for_resource, resourceArn=arn.replace("ecr:", "s3:"))


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"repositoryName": "UPPER"}, "InvalidParameterException"),
        ({"imageTagMutability": "IMMUTABLE_WITH_EXCLUSION"}, "InvalidParameterException"),
        ({"encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": "k"}}, "InvalidParameterException"),
        ({"tags": [{"Key": "aws:x", "Value": ""}]}, "InvalidTagParameterException"),
    ],
)
def test_repositories_that_cannot_be(ecr, members, code):
    refused(code, ecr.create_repository, **{"repositoryName": "bad", **members})
    assert ecr.describe_repositories()["repositories"] == []


def test_repositories_come_in_pages(ecr):
    for number in range(3):
        ecr.create_repository(repositoryName=f"page-{number}")
    pages = list(ecr.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 2}))
    names = [[one["repositoryName"] for one in page["repositories"]] for page in pages]
    assert names == [["page-0", "page-1"], ["page-2"]]
    refused("InvalidParameterException", ecr.describe_repositories, nextToken="x")


def test_policies_are_kept_and_shown(ecr):
    ecr.create_repository(repositoryName="app")
    policy = json.dumps(
        {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "ecr:*"}}
    )
    rules = {"rules": [{"rulePriority": 1, "selection": {"tagStatus": "any"}, "action": {"type": "expire"}}]}
    lifecycle = json.dumps(rules, indent=4)
    kinds = (("repository_policy", "policyText", policy, ecr.set_repository_policy),
             ("lifecycle_policy", "lifecyclePolicyText", lifecycle, ecr.put_lifecycle_policy))  # fmt: skip
    for name, member, text, keep in kinds:
        get, delete = getattr(ecr, f"get_{name}"), getattr(ecr, f"delete_{name}")
        absent = (
            "RepositoryPolicyNotFoundException"
            if member == "policyText"
            else "LifecyclePolicyNotFoundException"
        )
        assert "'app' in the registry" in refused(absent, get, repositoryName="app")
        refused("InvalidParameterException", keep, repositoryName="app", **{member: "{" * 120})
        refused(
            "InvalidParameterException",
            keep,
            repositoryName="app",
            **{member: json.dumps({"rules": [1] * 50})},
        )
        keep(repositoryName="app", **{member: text})
        assert get(repositoryName="app")[member] == text
        assert delete(repositoryName="app")[member] == text
        refused(absent, delete, repositoryName="app")


# Images


def test_the_life_of_an_image(ecr):
    ecr.create_repository(repositoryName="app")
    image = put(ecr, 1, "v1")
    assert image["imageId"] == {"imageDigest": digest_of(manifest(1)), "imageTag": "v1"}
    put(ecr, 1, "stable")
    put(ecr, 2)
    one, two = digest_of(manifest(1)), digest_of(manifest(2))
    assert listed(ecr) == [("", two), ("stable", one), ("v1", one)]
    details = {d["imageDigest"]: d for d in ecr.describe_images(repositoryName="app")["imageDetails"]}
    assert sorted(details[one]["imageTags"]) == ["stable", "v1"]
    assert "imageTags" not in details[two]
    assert details[one]["imageSizeInBytes"] == 60
    refused("ImageAlreadyExistsException", put, ecr=ecr, number=1, tag="v1")
    refused("ImageAlreadyExistsException", put, ecr=ecr, number=1)
    put(ecr, 2, "stable")
    (moved,) = ecr.describe_images(repositoryName="app", imageIds=[{"imageTag": "stable"}])["imageDetails"]
    assert moved["imageDigest"] == two
    assert "still contains images" in refused(
        "RepositoryNotEmptyException", ecr.delete_repository, repositoryName="app"
    )
    answer = ecr.batch_delete_image(
        repositoryName="app", imageIds=[{"imageTag": "v1"}, {"imageTag": "v1"}, {"imageDigest": two}]
    )
    assert answer["imageIds"] == [
        {"imageDigest": one, "imageTag": "v1"}, {"imageDigest": two, "imageTag": "stable"}
    ]  # fmt: skip
    assert [failure["failureCode"] for failure in answer["failures"]] == ["ImageNotFound"]
    assert listed(ecr) == []


def test_a_force_delete_takes_the_images_with_it(ecr):
    ecr.create_repository(repositoryName="app")
    put(ecr, 1, "v1")
    ecr.delete_repository(repositoryName="app", force=True)
    ecr.create_repository(repositoryName="app")
    assert listed(ecr) == []


def test_tags_that_may_not_move(ecr):
    ecr.create_repository(repositoryName="app", imageTagMutability="IMMUTABLE")
    put(ecr, 1, "v1")
    put(ecr, 1, "latest")
    message = refused("ImageTagAlreadyExistsException", put, ecr=ecr, number=2, tag="v1")
    assert "'v1' already exists in the 'app' repository and cannot be overwritten" in message
    ecr.put_image_tag_mutability(
        repositoryName="app", imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": "late*"}],
    )  # fmt: skip
    refused("ImageTagAlreadyExistsException", put, ecr=ecr, number=2, tag="v1")
    put(ecr, 2, "latest")
    ecr.put_image_tag_mutability(repositoryName="app", imageTagMutability="MUTABLE")
    (shown,) = ecr.describe_repositories()["repositories"]
    assert "imageTagMutabilityExclusionFilters" not in shown
    put(ecr, 2, "v1")


@pytest.mark.parametrize(
    ("one", "code"),
    [
        ({"imageTag": "nobody"}, "ImageNotFound"),
        ({"imageDigest": "sha256:" + "0" * 64}, "ImageNotFound"),
        ({"imageDigest": "nonsense"}, "InvalidImageDigest"),
        ({}, "MissingDigestAndTag"),
        ({"imageTag": "v1", "imageDigest": "sha256:" + "0" * 64}, "ImageTagDoesNotMatchDigest"),
    ],
)
def test_images_that_are_not_there(ecr, one, code):
    ecr.create_repository(repositoryName="app")
    put(ecr, 1, "v1")
    answer = ecr.batch_get_image(repositoryName="app", imageIds=[one, {"imageTag": "v1"}])
    assert [failure["failureCode"] for failure in answer["failures"]] == [code]
    assert [image["imageManifest"] for image in answer["images"]] == [manifest(1)]
    message = refused("ImageNotFoundException", ecr.describe_images, repositoryName="app", imageIds=[one])
    assert "does not exist within the repository with name 'app'" in message


def test_lists_of_images_are_filtered_and_come_in_pages(ecr):
    ecr.create_repository(repositoryName="app")
    put(ecr, 1, "a")
    put(ecr, 2, "b")
    put(ecr, 3)
    assert [tag for tag, _ in listed(ecr, filter={"tagStatus": "TAGGED"})] == ["a", "b"]
    assert len(ecr.list_images(repositoryName="app", filter={"tagStatus": "UNTAGGED"})["imageIds"]) == 1
    assert (
        len(ecr.describe_images(repositoryName="app", filter={"imageStatus": "ARCHIVED"})["imageDetails"])
        == 0
    )
    pages = ecr.get_paginator("describe_images").paginate(
        repositoryName="app", PaginationConfig={"PageSize": 2}
    )
    assert [len(page["imageDetails"]) for page in pages] == [2, 1]
    answer = ecr.batch_get_image(
        repositoryName="app", imageIds=[{"imageTag": "a"}], acceptedMediaTypes=["other"]
    )
    assert answer["images"] == []


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"imageManifest": "{"}, "InvalidParameterException"),
        ({"imageManifest": "[]"}, "InvalidParameterException"),
        ({"imageManifest": "{}"}, "InvalidParameterException"),
        ({"imageManifest": '{"a":' * 100_000}, "InvalidParameterException"),
        ({"imageDigest": "sha256:" + "0" * 64}, "ImageDigestDoesNotMatchException"),
        ({"repositoryName": "nobody"}, "RepositoryNotFoundException"),
    ],
)
def test_images_that_cannot_be(ecr, members, code):
    ecr.create_repository(repositoryName="app")
    refused(code, ecr.put_image, **{"repositoryName": "app", "imageManifest": manifest(), **members})
    assert listed(ecr) == []


def test_layers_cannot_be_uploaded(ecr):
    ecr.create_repository(repositoryName="app")
    message = refused("NotImplementedException", ecr.initiate_layer_upload, repositoryName="app")
    assert "InitiateLayerUpload" in message


def test_the_token_is_what_docker_login_takes(ecr):
    (data,) = ecr.get_authorization_token()["authorizationData"]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    assert (user, len(password) > 40) == ("AWS", True)
    assert data["proxyEndpoint"] == f"https://{ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com"
    assert timedelta(hours=11) < data["expiresAt"] - datetime.now(UTC) < timedelta(hours=13)


# What `wildsage images` knows


def test_registered_images_are_in_the_own_registry(ecr, registered):
    made = registered.add_command("app:v1", ["true"])
    registered.add_command("app:v2", ["true"])
    assert [one["repositoryName"] for one in ecr.describe_repositories()["repositories"]] == ["app"]
    assert listed(ecr) == [("v1", made.digest), ("v2", made.digest)]
    (image,) = ecr.batch_get_image(repositoryName="app", imageIds=[{"imageTag": "v1"}])["images"]
    assert json.loads(image["imageManifest"])["config"]["digest"] == made.digest
    refused("RepositoryAlreadyExistsException", ecr.create_repository, repositoryName="app")
    message = refused("ImageTagAlreadyExistsException", put, ecr=ecr, number=1, tag="v1")
    assert "wildsage images remove" in message
    put(ecr, 1, "v3")
    assert [tag for tag, _ in listed(ecr)] == ["v1", "v2", "v3"]
    ecr.tag_resource(
        resourceArn=f"arn:aws:ecr:us-west-2:{ACCOUNT}:repository/app", tags=[{"Key": "a", "Value": "b"}]
    )
    ecr.batch_delete_image(repositoryName="app", imageIds=[{"imageTag": "v1"}])
    assert [image.name for image in registered.list()] == ["app:v2"]
    ecr.delete_repository(repositoryName="app", force=True)
    assert registered.list() == []
    assert ecr.describe_repositories()["repositories"] == []


def test_images_of_the_platform_are_in_every_other_registry(ecr):
    names = [one["repositoryName"] for one in ecr.describe_repositories(registryId=PLATFORM)["repositories"]]
    assert {"kmeans", "sagemaker-xgboost", "sagemaker-scikit-learn", "pytorch-training"} <= {*names}
    where = {"registryId": PLATFORM, "repositoryName": "sagemaker-scikit-learn"}
    (image,) = ecr.describe_images(**where, imageIds=[{"imageTag": "1.2-1-cpu-py3"}])["imageDetails"]
    assert image["imageTags"] == ["1.2-1", "1.2-1-cpu-py3"]
    assert (
        image["imageDigest"]
        == ecr.batch_get_image(**where, imageIds=[{"imageTag": "1.2-1"}])["images"][0]["imageId"][
            "imageDigest"
        ]
    )
    torch = {"registryId": PLATFORM, "repositoryName": "pytorch-training"}
    assert ecr.list_images(**torch)["imageIds"] == []
    assert ecr.describe_images(**torch, imageIds=[{"imageTag": "2.1-cpu-py310"}])["imageDetails"]
    refused("RepositoryNotFoundException", ecr.describe_images, repositoryName="kmeans")
    there = {"registryId": PLATFORM, "repositoryName": "kmeans", "http_status": 403}
    for call, members in (
        (ecr.create_repository, {}),
        (ecr.delete_repository, {}),
        (ecr.put_image, {"imageManifest": manifest()}),
    ):
        refused("AccessDeniedException", call, **there, **members)


def test_a_job_that_names_an_image_nobody_registered_is_told_how_to(server, ecr):
    ecr.create_repository(repositoryName="app")
    put(ecr, 1, "v1")
    sagemaker = server.client("sagemaker")
    role = f"arn:aws:iam::{ACCOUNT}:role/service-role/AmazonSageMaker-ExecutionRole"
    image = {"Image": f"{ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com/app:v1"}
    message = refused(
        "ValidationException",
        sagemaker.create_model,
        ModelName="m",
        ExecutionRoleArn=role,
        PrimaryContainer=image,
    )
    assert "wildsage images add app DIR" in message
