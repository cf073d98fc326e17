import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.aws.support import botocore_model

from wildsage.aws.model import Catalogue, _data_directory

catalogue = Catalogue()


@pytest.mark.parametrize("name", ["sagemaker", "s3", "iam", "cloudwatch"])
def test_a_model_reads_as_botocore_reads_it(name):
    ours, theirs = catalogue.service(name), botocore_model(name)

    assert set(ours.operation_names) == set(theirs.operation_names)
    for operation_name in theirs.operation_names:
        mine, model = ours.operation(operation_name), theirs.operation_model(operation_name)
        assert mine.method == model.http["method"]
        expected = model.input_shape.members if model.input_shape else {}
        assert list(mine.input.members) == list(expected)
        for member, shape in expected.items():
            assert mine.input.members[member].kind == shape.type_name
            assert mine.input.members[member].wire_name(member) == shape.serialization.get("name", member)


@pytest.mark.parametrize("name", ["", "..", "../botocore", "sagemaker/2017-07-24", "nonsense", "\0", "ü"])
def test_names_off_the_wire_stay_inside_the_models(name):
    assert Catalogue().service(name) is None


def test_every_folder_of_botocores_data_is_a_service():
    folders = {path.name for path in _data_directory().iterdir() if path.is_dir()}
    assert {path.parent.parent.name for path in _data_directory().glob("*/*/service-2.json*")} == folders


def test_regions_of_every_partition_are_known():
    assert {"us-east-1", "cn-north-1", "us-gov-west-1", "eu-central-2"} <= catalogue.regions
    assert "mars-north-1" not in catalogue.regions


def test_prose_is_left_out_and_members_of_that_name_are_not():
    operation = catalogue.service("apigateway").operation("CreateDocumentationVersion")

    assert "documentation" not in operation.raw
    assert operation.input.members


def test_the_gateway_is_imported_without_botocore():
    code = "import sys, wildsage.aws.gateway; print('botocore' in sys.modules)"

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == "False"


def test_threads_that_ask_at_once_get_the_same_service():
    catalogue = Catalogue()
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: catalogue.service("sts"), range(8)))
    assert all(service is found[0] for service in found)
