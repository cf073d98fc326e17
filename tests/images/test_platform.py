"""The images that Wildsage brings, as a registry lists them."""

import re

import pytest

from wildsage.images.catalogue import ImageCatalogue, UnknownImageError
from wildsage.images.environments import Environments
from wildsage.images.frameworks import framework_repositories, tag_patterns
from wildsage.images.platform import PlatformImages, listed_tags, matching_tags, nearest_tags
from wildsage.images.registered import RegisteredImages

PLATFORM = PlatformImages({"kmeans": "wildsage.algorithms.kmeans", "sagemaker-xgboost": "x"})


@pytest.mark.parametrize(
    ("pattern", "tags"),
    [
        (r"1\.0|latest", ["1.0", "latest"]),
        (r"1\.2-[12](-cpu-py3)?", ["1.2-1", "1.2-1-cpu-py3", "1.2-2", "1.2-2-cpu-py3"]),
        (r"1(-a|-b)?", ["1", "1-a", "1-b"]),
        (r"(a|b)-1", ["a-1", "b-1"]),
        (r"\d+", []),
        (r"1\.*", []),
        (r"1.*", []),
        (r"(a(b)?)", []),
    ],
)
def test_tags_of_patterns(pattern, tags):
    assert matching_tags(pattern) == tags


def test_listed_tags_are_what_the_table_matches():
    for repository in framework_repositories():
        patterns = tag_patterns(repository)
        for image in PLATFORM.images(repository):
            for tag in image.tags:
                assert any(re.fullmatch(pattern, tag) for pattern in patterns)


def test_digests_stay_and_tell_images_apart():
    digests = {
        image.digest: image.repository
        for repository in PLATFORM.repositories()
        for image in PLATFORM.images(repository)
    }
    assert all(re.fullmatch("sha256:[0-9a-f]{64}", digest) for digest in digests)
    assert {"kmeans", "sagemaker-xgboost", "sagemaker-scikit-learn"} <= {*digests.values()}
    listed = sum(len(PLATFORM.images(repository)) for repository in PLATFORM.repositories())
    assert len(digests) == listed
    digest = PLATFORM.digest("sagemaker-scikit-learn", "1.2-1")
    assert digest == "sha256:32a82f7" + digest[14:]
    assert digest == PLATFORM.digest("sagemaker-scikit-learn", "1.2-1-cpu-py3")
    assert PLATFORM.digest("pytorch-training", "2.1-cpu-py310")
    assert not PLATFORM.digest("sagemaker-scikit-learn", "9.9")
    assert not PLATFORM.digest("kmeans", "2")
    assert not PLATFORM.digest("sagemaker-xgboost", "latest")
    assert not PLATFORM.digest("nothing", "1")


def test_an_image_is_found_by_the_digest_under_which_it_is_listed(tmp_path):
    builtin = {"kmeans": "wildsage.algorithms.kmeans"}
    catalogue = ImageCatalogue(builtin, RegisteredImages(tmp_path), Environments(tmp_path))
    registry = "174872318107.dkr.ecr.us-west-2.amazonaws.com"
    (image,) = catalogue.platform.images("kmeans")
    assert catalogue.resolve(f"{registry}/kmeans@{image.digest}").tag == "1"
    with pytest.raises(UnknownImageError):
        catalogue.resolve(f"{registry}/kmeans@sha256:{'0' * 64}")


@pytest.mark.parametrize(
    ("repository", "tag", "nearest"),
    [
        ("sagemaker-scikit-learn", "1.3-1-cpu-py3", ["1.0-1", "1.2-1", "1.4-2", "1.4-2-py312"]),
        ("sagemaker-xgboost", "2.0-1", ["1.5-1", "1.7-1", "3.0-5", "3.2-0"]),
        ("tensorflow-training", "1.15.2-cpu-py3", ["2.13-cpu-py310", "2.16-cpu-py310"]),
        ("pytorch-training", "latest", ["2.5.1-cpu-py311"]),
        ("no-such-image", "1", []),
    ],
)
def test_the_nearest_tags(repository, tag, nearest):
    assert nearest_tags(repository, tag) == nearest


def test_an_example_is_a_tag_of_its_pattern():
    for repository in framework_repositories():
        for pattern, tags in listed_tags(repository).items():
            assert all(re.fullmatch(pattern, tag) for tag in tags), (repository, pattern, tags)
            assert all(tags)
