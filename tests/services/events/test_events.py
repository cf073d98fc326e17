"""Buses, rules, targets and entries as boto3 sees them."""

import json
import time
from datetime import UTC, datetime

import pytest
from tests.refusals import refused

from wildsage.services.events.envelope import envelope
from wildsage.store.events import Events
from wildsage.store.readonly import ReadOnlyDatabase

ACCOUNT = "123456789012"
ARN = f"arn:aws:events:us-west-2:{ACCOUNT}"
PATTERN = json.dumps({"source": ["aws.sagemaker"]})
QUEUE = f"arn:aws:sqs:us-west-2:{ACCOUNT}:queue"


def on_the_bus(server, **wanted):
    database = ReadOnlyDatabase(server.layout.state_database)
    found = [event for event in Events(database).read(0, 10_000) if event.source != "aws.sagemaker"]
    database.close()
    return [event for event in found if all(getattr(event, name) == value for name, value in wanted.items())]


def entry(**members):
    return {"Source": "mine", "DetailType": "Thing", "Detail": '{"a": 1}', **members}


# Buses


def test_the_default_bus_is_always_there(events):
    bus = events.describe_event_bus()
    assert (bus["Name"], bus["Arn"]) == ("default", f"{ARN}:event-bus/default")
    assert "default" in [bus["Name"] for bus in events.list_event_buses()["EventBuses"]]
    assert events.update_event_bus(Description="all")["Arn"] == bus["Arn"]
    events.update_event_bus(Name="default", Description="everything")
    assert events.describe_event_bus()["Description"] == "everything"
    assert [bus["Name"] for bus in events.list_event_buses()["EventBuses"]].count("default") == 1
    assert refused("ValidationException", events.delete_event_bus, Name="default")
    refused("ResourceAlreadyExistsException", events.create_event_bus, Name="default")


def test_the_life_of_a_bus(events):
    made = events.create_event_bus(Name="own", Description="mine", Tags=[{"Key": "a", "Value": "b"}])
    assert made["EventBusArn"] == f"{ARN}:event-bus/own"
    message = refused("ResourceAlreadyExistsException", events.create_event_bus, Name="own")
    assert message == "Event bus own already exists."
    assert events.describe_event_bus(Name=made["EventBusArn"])["Description"] == "mine"
    assert events.update_event_bus(Name="own", Description="ours")["Description"] == "ours"
    assert events.list_tags_for_resource(ResourceARN=made["EventBusArn"])["Tags"] == [
        {"Key": "a", "Value": "b"}
    ]
    events.put_rule(Name="r", EventBusName="own", EventPattern=PATTERN)
    assert "since it has rules" in refused("ValidationException", events.delete_event_bus, Name="own")
    events.delete_rule(Name="r", EventBusName="own")
    events.delete_event_bus(Name="own")
    events.delete_event_bus(Name="own")
    message = refused("ResourceNotFoundException", events.describe_event_bus, Name="own")
    assert message == "Event bus own does not exist."
    refused("ResourceNotFoundException", events.put_rule, Name="r", EventBusName="own", EventPattern=PATTERN)
    refused("ResourceNotFoundException", events.list_rules, EventBusName=f"{ARN}:event-bus/own")
    other = "arn:aws:events:us-west-2:999999999999:event-bus/default"
    refused("ResourceNotFoundException", events.list_rules, EventBusName=other)


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({"Name": "a/b"}, "must not contain '/'"),
        ({"Name": "a", "KmsKeyIdentifier": "k"}, "KmsKeyIdentifier"),
        ({"Name": "a", "EventSourceName": "aws.partner/x/y"}, "EventSourceName"),
        ({"Name": "a", "Tags": [{"Key": "aws:x", "Value": ""}]}, "reserved"),
    ],
)
def test_buses_that_cannot_be(events, request_, text):
    assert text in refused("ValidationException", events.create_event_bus, **request_)


# Rules


def test_the_life_of_a_rule(events):
    made = events.put_rule(
        Name="life", EventPattern=PATTERN, Description="d", Tags=[{"Key": "a", "Value": "b"}]
    )
    assert made["RuleArn"] == f"{ARN}:rule/life"
    rule = events.describe_rule(Name="life")
    assert (rule["State"], rule["EventPattern"], rule["EventBusName"]) == ("ENABLED", PATTERN, "default")
    events.disable_rule(Name="life")
    assert events.describe_rule(Name="life")["State"] == "DISABLED"
    events.enable_rule(Name="life")
    events.put_targets(Rule="life", Targets=[{"Id": "1", "Arn": QUEUE}])
    events.put_rule(Name="life", ScheduleExpression="rate(5 minutes)")
    rule = events.describe_rule(Name="life")
    assert "EventPattern" not in rule
    assert "Description" not in rule
    assert events.list_tags_for_resource(ResourceARN=made["RuleArn"])["Tags"]
    message = refused("ValidationException", events.delete_rule, Name="life")
    assert message == "Rule can't be deleted since it has targets."
    assert events.remove_targets(Rule="life", Ids=["1"])["FailedEntryCount"] == 0
    events.delete_rule(Name="life")
    events.delete_rule(Name="life")
    message = refused("ResourceNotFoundException", events.describe_rule, Name="life")
    assert message == "Rule life does not exist on EventBus default."
    refused("ResourceNotFoundException", events.enable_rule, Name="life")
    refused("ResourceNotFoundException", events.list_tags_for_resource, ResourceARN=made["RuleArn"])


def test_rules_of_a_bus_of_its_own_have_the_bus_in_their_arn(events):
    events.create_event_bus(Name="second")
    arn = events.put_rule(Name="same", EventBusName="second", EventPattern=PATTERN)["RuleArn"]
    assert arn == f"{ARN}:rule/second/same"
    events.put_rule(Name="same", EventPattern=PATTERN)
    assert [rule["Arn"] for rule in events.list_rules(EventBusName="second")["Rules"]] == [arn]
    schedule = {"Name": "s", "EventBusName": "second", "ScheduleExpression": "rate(1 day)"}
    assert "only on the default" in refused("ValidationException", events.put_rule, **schedule)
    events.delete_rule(Name="same")


def test_lists_come_in_pages(events):
    for number in range(5):
        events.put_rule(Name=f"page-{number}", EventPattern=PATTERN)
    first = events.list_rules(NamePrefix="page-", Limit=2)
    events.delete_rule(Name="page-0")
    second = events.list_rules(NamePrefix="page-", Limit=2, NextToken=first["NextToken"])
    third = events.list_rules(NamePrefix="page-", Limit=2, NextToken=second["NextToken"])
    names = [rule["Name"] for page in (first, second, third) for rule in page["Rules"]]
    assert names == [f"page-{number}" for number in range(5)]
    assert "NextToken" not in third
    refused("ValidationException", events.list_rules, NamePrefix="other", NextToken=first["NextToken"])
    refused("ValidationException", events.list_rules, NextToken="nonsense")


@pytest.mark.parametrize(
    ("members", "code", "text"),
    [
        ({}, "ValidationException", "EventPattern or ScheduleExpression must be specified"),
        ({"EventPattern": "{"}, "InvalidEventPatternException", "Event pattern is not valid. Reason:"),
        ({"EventPattern": '{"source": "x"}'}, "InvalidEventPatternException", "object or an array"),
        ({"ScheduleExpression": "rate(1 minutes)"}, "ValidationException", "ScheduleExpression is not valid"),
        ({"ScheduleExpression": "at(2030-01-01T00:00:00)"}, "ValidationException", "ScheduleExpression"),
    ],
)
def test_rules_that_cannot_be(events, members, code, text):
    assert text in refused(code, events.put_rule, Name="bad", **members)
    refused("ResourceNotFoundException", events.describe_rule, Name="bad")


# Targets


def test_targets_are_kept_as_given(events):
    events.put_rule(Name="targets", EventPattern=PATTERN)
    pipeline = {
        "Id": "pipeline", "Arn": f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:pipeline/p",
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/r",
        "SageMakerPipelineParameters": {"PipelineParameterList": [{"Name": "a", "Value": "b"}]},
        "RetryPolicy": {"MaximumRetryAttempts": 2},
    }  # fmt: skip
    events.put_targets(Rule="targets", Targets=[pipeline, {"Id": "b", "Arn": QUEUE}])
    events.put_targets(Rule="targets", Targets=[{"Id": "b", "Arn": QUEUE, "Input": "{}"}])
    listed = events.list_targets_by_rule(Rule="targets")["Targets"]
    assert listed == [{"Id": "b", "Arn": QUEUE, "Input": "{}"}, pipeline]
    assert events.list_rule_names_by_target(TargetArn=QUEUE)["RuleNames"] == ["targets"]
    assert events.list_rule_names_by_target(TargetArn=QUEUE + "x")["RuleNames"] == []
    answer = events.remove_targets(Rule="targets", Ids=["b", "nobody"])
    assert answer["FailedEntryCount"] == 1
    assert [(e["TargetId"], e["ErrorCode"]) for e in answer["FailedEntries"]] == [
        ("nobody", "ResourceNotFoundException")
    ]
    assert [one["Id"] for one in events.list_targets_by_rule(Rule="targets")["Targets"]] == ["pipeline"]


def test_targets_that_cannot_be(events):
    events.put_rule(Name="bad-targets", EventPattern=PATTERN)
    put = events.put_targets
    refused("ResourceNotFoundException", put, Rule="nobody", Targets=[{"Id": "1", "Arn": QUEUE}])
    message = refused("ValidationException", put, Rule="bad-targets", Targets=[{"Id": "1", "Arn": "queue"}])
    assert message == "Parameter queue is not valid. Reason: Provided Arn is not in correct format."
    both = {"Id": "1", "Arn": QUEUE, "Input": "{}", "InputPath": "$"}
    refused("ValidationException", put, Rule="bad-targets", Targets=[both])
    six = [{"Id": str(number), "Arn": QUEUE} for number in range(6)]
    refused("LimitExceededException", put, Rule="bad-targets", Targets=six)
    assert events.list_targets_by_rule(Rule="bad-targets")["Targets"] == []


# Entries


def test_entries_are_on_the_bus_under_the_ids_of_the_answer(server, events):
    moment = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
    answer = events.put_events(Entries=[entry(Resources=["a"], Time=moment), entry(DetailType="Other")])
    assert answer["FailedEntryCount"] == 0
    found = {event.id: envelope(event) for event in on_the_bus(server)}
    first, second = (found[one["EventId"]] for one in answer["Entries"])
    assert first == {
        "version": "0", "id": answer["Entries"][0]["EventId"], "detail-type": "Thing", "source": "mine",
        "account": ACCOUNT, "time": "2026-01-31T12:00:00Z", "region": "us-west-2", "resources": ["a"],
        "detail": {"a": 1},
    }  # fmt: skip
    assert (second["detail-type"], second["resources"]) == ("Other", [])
    assert abs(datetime.fromisoformat(second["time"]).timestamp() - time.time()) < 60


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"Source": "aws.sagemaker"}, "NotAuthorizedForSourceException"),
        ({"Source": ""}, "InvalidArgument"),
        ({"DetailType": ""}, "InvalidArgument"),
        ({"Detail": "{"}, "MalformedDetail"),
        ({"Detail": "[1]"}, "MalformedDetail"),
        ({"Detail": '{"a": NaN}'}, "MalformedDetail"),
        ({"Detail": '{"a": "\\ud800"}'}, "MalformedDetail"),
        ({"Detail": '{"a": 1e999}'}, "MalformedDetail"),
        ({"Detail": '{"a":' * 600 + "1" + "}" * 600}, "MalformedDetail"),
        ({"Detail": '{"a":' * 100_000}, "MalformedDetail"),
        ({"EventBusName": "nobody"}, "InvalidArgument"),
        ({"EventBusName": f"arn:aws:events:eu-west-1:{ACCOUNT}:event-bus/default"}, "InvalidArgument"),
    ],
)
def test_a_bad_entry_fails_alone(server, events, members, code):
    answer = events.put_events(Entries=[entry(), entry(**members), entry()])
    assert answer["FailedEntryCount"] == 1
    first, bad, last = answer["Entries"]
    assert (bad["ErrorCode"], "EventId" in bad) == (code, False)
    stored = [event.id for event in on_the_bus(server)]
    assert stored[-2:] == [first["EventId"], last["EventId"]]


def test_a_request_that_is_too_large_is_refused_whole(server, events):
    before = len(on_the_bus(server))
    large = entry(Detail=json.dumps({"a": "x" * 600_000}))
    message = refused("ValidationException", events.put_events, Entries=[large, large])
    assert message == "Total size of the entries in the request is over the limit."
    assert len(on_the_bus(server)) == before
    assert events.put_events(Entries=[large])["FailedEntryCount"] == 0


def test_entries_go_to_the_bus_they_name(server, events):
    events.create_event_bus(Name="third")
    events.put_events(Entries=[entry(EventBusName="third"), entry(EventBusName=f"{ARN}:event-bus/third")])
    assert len(on_the_bus(server, bus="third")) == 2


# Patterns and tags on the wire


def test_a_pattern_can_be_tried(events):
    event = {
        "id": "1", "account": ACCOUNT, "source": "aws.sagemaker", "time": "2026-01-31T12:00:00Z",
        "region": "us-west-2", "resources": [], "detail-type": "t", "detail": {"n": 3},
    }  # fmt: skip
    test = events.test_event_pattern
    assert test(EventPattern=PATTERN, Event=json.dumps(event))["Result"] is True
    assert test(EventPattern='{"detail":{"n":[4]}}', Event=json.dumps(event))["Result"] is False
    refused("InvalidEventPatternException", test, EventPattern="[]", Event=json.dumps(event))
    refused("ValidationException", test, EventPattern=PATTERN, Event="{")
    message = refused("ValidationException", test, EventPattern=PATTERN, Event='{"id": "1"}')
    assert "account" in message


def test_tags_are_changed_by_arn(events):
    arn = events.put_rule(Name="tagged", EventPattern=PATTERN)["RuleArn"]
    events.tag_resource(ResourceARN=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    events.untag_resource(ResourceARN=arn, TagKeys=["a", "absent"])
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    many = [{"Key": f"k{number}", "Value": ""} for number in range(50)]
    refused("ValidationException", events.tag_resource, ResourceARN=arn, Tags=many)
    role = f"arn:aws:iam::{ACCOUNT}:role/service-role/AmazonSageMaker-ExecutionRole"
    refused("ResourceNotFoundException", events.tag_resource, ResourceARN=role, Tags=[])
