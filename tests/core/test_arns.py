"""The form of a region's name."""

import re

import pytest

from wildsage.aws.model import Catalogue
from wildsage.core.arns import REGION


def test_every_region_of_aws_has_the_form():
    assert [name for name in Catalogue().regions if not re.fullmatch(REGION, name)] == []


@pytest.mark.parametrize("name", ["", "us-west", "us-2", "US-WEST-2", "us-west-2.", "us--2", "europe-west-1"])
def test_other_names_do_not(name):
    assert re.fullmatch(REGION, name) is None
