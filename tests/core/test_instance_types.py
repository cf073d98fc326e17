import botocore.session
import pytest

from wildsage.core.instance_types import Capacity, capacity_of

MODEL = botocore.session.get_session().get_service_model("sagemaker")


@pytest.mark.parametrize(
    "shape",
    [
        "TrainingInstanceType",
        "ProductionVariantInstanceType",
        "ProcessingInstanceType",
        "TransformInstanceType",
        "InstanceType",
        "AppInstanceType",
    ],
)
def test_every_legal_name_has_a_size(shape):
    names = [name for name in MODEL.shape_for(shape).metadata["enum"] if name != "system"]
    for name in names:
        capacity = capacity_of(name)
        assert 1 <= capacity.vcpus <= 448, name
        assert 1 <= capacity.memory_gib <= 4096, name
        assert 0 <= capacity.gpus <= 16, name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ml.m5.xlarge", Capacity(4, 16)),
        ("ml.m5.large", Capacity(2, 8)),
        ("ml.m4.16xlarge", Capacity(64, 256)),
        ("ml.c5.9xlarge", Capacity(36, 72)),
        ("ml.c4.large", Capacity(2, 3.75)),
        ("ml.c4.8xlarge", Capacity(36, 60)),
        ("ml.r5.2xlarge", Capacity(8, 64)),
        ("ml.t2.medium", Capacity(2, 4)),
        ("ml.t3.2xlarge", Capacity(8, 32)),
        ("ml.c6g.medium", Capacity(1, 2)),
        ("ml.g4dn.xlarge", Capacity(4, 16, 1)),
        ("ml.g5.48xlarge", Capacity(192, 768, 8)),
        ("ml.p3.2xlarge", Capacity(8, 61, 1)),
        ("ml.p3.16xlarge", Capacity(64, 488, 8)),
        ("ml.inf1.6xlarge", Capacity(24, 48)),
        ("ml.m7i-flex.large", Capacity(2, 8)),
    ],
)
def test_sizes_are_those_of_ec2(name, expected):
    assert capacity_of(name) == expected


@pytest.mark.parametrize(
    "name", ["m5.xlarge", "ml.m5", "ml.m5.huge", "ml.z9.xlarge", "local", "", "ml.m5.xlarge "]
)
def test_other_names_are_refused_with_the_name(name):
    with pytest.raises(ValueError, match="is no instance type"):
        capacity_of(name)
