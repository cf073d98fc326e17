from wildsage.aws.coverage import render_coverage
from wildsage.services.members import tables


def test_operations_and_members_are_listed():
    text = render_coverage({"sagemaker": {"AddTags", "CreateTrainingJob"}, "sts": set()})

    assert "\n2 of " in text
    assert "| AddTags | implemented | 2 | 0 | 0 |" in text
    assert "## AWS Security Token Service" in text
    assert "Not implemented" in text
    assert "DescribeModel" in text.split("Not implemented", 1)[1]
    for path, reason in tables("sagemaker")["CreateTrainingJob"].recorded.items():
        assert f"| `{path}` | recorded: {reason}" in text


def test_members_can_be_left_out():
    assert "### CreateTrainingJob" not in render_coverage({"sagemaker": {"CreateTrainingJob"}}, members=False)
