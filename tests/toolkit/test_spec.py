import subprocess
import sys

import pytest

from wildsage.algorithms.registry import MODULES, REPOSITORIES, load_spec
from wildsage.toolkit.errors import UserError


@pytest.fixture
def spec():
    return load_spec("kmeans")


def test_channels_are_checked_by_name_and_media_type(spec):
    spec.validate_channels({"train": None, "test": "Text/CSV;label_size=0"})
    with pytest.raises(UserError) as caught:
        spec.validate_channels({"training": None, "test": "text/libsvm"})
    text = str(caught.value)
    assert "Additional channels are not allowed ('training' unexpected)" in text
    assert "'train' is a required channel" in text
    assert (
        "content type 'text/libsvm' of channel 'test' is not one of 'application/x-recordio-protobuf'" in text
    )


def test_metric_definitions_have_the_shape_of_describe(spec):
    assert {"Name": "test:msd", "Regex": r"#quality_metric: host=\S+, test msd <loss>=(\S+)"} in (
        spec.metric_definitions()
    )


def test_every_repository_leads_to_a_declaration():
    for repository, name in REPOSITORIES.items():
        assert repository in [image.repository for image in load_spec(name).images]
    assert {load_spec(name).name for name in MODULES} == set(MODULES)


def test_declarations_are_light():
    code = (
        "import sys\n"
        "from wildsage.algorithms.registry import MODULES, load_spec\n"
        "for name in MODULES: load_spec(name)\n"
        "print([m for m in ('numpy', 'xgboost', 'asyncio', 'httptools') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
