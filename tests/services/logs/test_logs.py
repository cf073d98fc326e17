"""CloudWatch Logs as boto3 and the SageMaker SDKs see it."""

import asyncio
import itertools
import time

import pytest
from botocore.exceptions import ClientError
from tests.refusals import refused

from wildsage.formats.logframes import LARGEST_MESSAGE, encode_frame

GROUP = "/aws/sagemaker/TrainingJobs"
NOW = int(time.time() * 1000)


def write(cloud, stream, *messages, group=GROUP, start=NOW, step=1):
    """Write a stream as a job's supervisor does."""
    made = asyncio.run(cloud.store.attach("123456789012", "us-west-2", group, stream, NOW / 1000))
    with made.path.open("ab") as file:
        for number, message in enumerate(messages):
            file.write(encode_frame(start + step * number, message.encode()))
    while asyncio.run(cloud.store.scan(made.id, "arn", lambda _frame: (), NOW / 1000)):
        pass


def messages(answer):
    return [event["message"] for event in answer["events"]]


# Groups


def test_the_life_of_a_group(cloud, logs):
    logs.create_log_group(logGroupName="/a/b", tags={"team": "x"})
    message = refused("ResourceAlreadyExistsException", logs.create_log_group, logGroupName="/a/b")
    assert message == "The specified log group already exists"
    logs.put_retention_policy(logGroupName="/a/b", retentionInDays=7)
    (group,) = logs.describe_log_groups()["logGroups"]
    assert group["arn"] == "arn:aws:logs:us-west-2:123456789012:log-group:/a/b:*"
    assert group["logGroupArn"] == group["arn"].removesuffix(":*")
    assert abs(group["creationTime"] - time.time() * 1000) < 60_000
    assert (group["retentionInDays"], group["storedBytes"], group["logGroupClass"]) == (7, 0, "STANDARD")
    logs.delete_retention_policy(logGroupName="/a/b")
    assert "retentionInDays" not in logs.describe_log_groups()["logGroups"][0]
    assert cloud.client("eu-west-1").describe_log_groups()["logGroups"] == []
    logs.delete_log_group(logGroupName="/a/b")
    assert logs.describe_log_groups()["logGroups"] == []
    message = refused("ResourceNotFoundException", logs.delete_log_group, logGroupName="/a/b")
    assert message == "The specified log group does not exist."


def test_groups_by_prefix_pattern_and_page(logs):
    for name in ("/aws/b", "/aws/a", "/other/AWS", "/x"):
        logs.create_log_group(logGroupName=name)

    def names(**request):
        pages = logs.get_paginator("describe_log_groups").paginate(
            **request, PaginationConfig={"PageSize": 1}
        )
        return [group["logGroupName"] for page in pages for group in page["logGroups"]]

    assert names() == ["/aws/a", "/aws/b", "/other/AWS", "/x"]
    assert names(logGroupNamePrefix="/aws/") == ["/aws/a", "/aws/b"]
    assert names(logGroupNamePattern="aws") == ["/aws/a", "/aws/b", "/other/AWS"]
    assert names(logGroupIdentifiers=["/x", "arn:aws:logs:us-west-2:123456789012:log-group:/aws/b"]) == [
        "/aws/b",
        "/x",
    ]
    assert names(logGroupClass="INFREQUENT_ACCESS") == []
    both = {"logGroupNamePrefix": "a", "logGroupNamePattern": "b"}
    assert "mutually exclusive" in refused("InvalidParameterException", logs.describe_log_groups, **both)


def test_tags_of_a_group(logs):
    arn = "arn:aws:logs:us-west-2:123456789012:log-group:g"
    logs.create_log_group(logGroupName="g", tags={"a": "1"})
    logs.tag_resource(resourceArn=arn, tags={"a": "2", "b": "3"})
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "2", "b": "3"}
    logs.untag_resource(resourceArn=arn, tagKeys=["a", "absent"])
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "3"}
    many = {f"k{number}": "" for number in range(50)}
    assert "51 tags" in refused("TooManyTagsException", logs.tag_resource, resourceArn=arn, tags=many)
    refused("InvalidParameterException", logs.tag_resource, resourceArn=arn, tags={"aws:x": "y"})
    refused("ResourceNotFoundException", logs.list_tags_for_resource, resourceArn=arn + "2")
    refused(
        "ResourceNotFoundException",
        logs.list_tags_for_resource,
        resourceArn=arn.replace("us-west", "eu-west"),
    )


@pytest.mark.parametrize(
    "request_members",
    [{"kmsKeyId": "arn:k"}, {"deletionProtectionEnabled": True}, {"logGroupClass": "DELIVERY"}],
)
def test_what_cannot_be_kept_is_refused_and_nothing_stored(logs, request_members):
    with pytest.raises(ClientError, match=next(iter(request_members))):
        logs.create_log_group(logGroupName="g", **request_members)
    assert logs.describe_log_groups()["logGroups"] == []


def test_a_retention_that_does_not_exist_is_refused_with_those_that_do(logs):
    logs.create_log_group(logGroupName="g")
    message = refused(
        "InvalidParameterException", logs.put_retention_policy, logGroupName="g", retentionInDays=2
    )
    assert "retentionInDays 2 is not one of 1, 3, 5, 7" in message


# Streams


def test_the_life_of_a_stream(logs):
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s/1")
    refused("ResourceAlreadyExistsException", logs.create_log_stream, logGroupName="g", logStreamName="s/1")
    (stream,) = logs.describe_log_streams(logGroupName="g")["logStreams"]
    assert stream["arn"] == "arn:aws:logs:us-west-2:123456789012:log-group:g:log-stream:s/1"
    assert "firstEventTimestamp" not in stream
    assert logs.get_log_events(logGroupName="g", logStreamName="s/1")["events"] == []
    logs.delete_log_stream(logGroupName="g", logStreamName="s/1")
    message = refused(
        "ResourceNotFoundException", logs.delete_log_stream, logGroupName="g", logStreamName="s/1"
    )
    assert message == "The specified log stream does not exist."
    refused("ResourceNotFoundException", logs.create_log_stream, logGroupName="absent", logStreamName="s")


def test_streams_as_sdk_v2_asks_for_them(cloud, logs):
    """It repeats the call without the token for as long as the answer has one."""
    for number in (2, 1):
        write(cloud, f"job/algo-{number}-123", "line")
    write(cloud, "job2/algo-1-123", "line")
    answer = logs.describe_log_streams(
        logGroupName=GROUP, logStreamNamePrefix="job/", orderBy="LogStreamName", limit=2
    )
    assert [stream["logStreamName"] for stream in answer["logStreams"]] == [
        "job/algo-1-123",
        "job/algo-2-123",
    ]
    assert "nextToken" not in answer
    assert answer["logStreams"][0]["firstEventTimestamp"] == NOW


def test_streams_in_pages_by_the_time_of_their_last_event(cloud, logs):
    for number, name in enumerate(("c", "a", "b")):
        write(cloud, name, "line", start=NOW + number)
    logs.create_log_stream(logGroupName=GROUP, logStreamName="empty")
    for descending, expected in ((False, ["empty", "c", "a", "b"]), (True, ["b", "a", "c", "empty"])):
        pages = logs.get_paginator("describe_log_streams").paginate(
            logGroupName=GROUP,
            orderBy="LastEventTime",
            descending=descending,
            PaginationConfig={"PageSize": 1},
        )
        assert [stream["logStreamName"] for page in pages for stream in page["logStreams"]] == expected
    both = {"logGroupName": GROUP, "orderBy": "LastEventTime", "logStreamNamePrefix": "a"}
    assert "Cannot order by LastEventTime" in refused(
        "InvalidParameterException", logs.describe_log_streams, **both
    )


def test_a_group_is_named_in_one_way(logs):
    logs.create_log_group(logGroupName="g")
    arn = "arn:aws:logs:us-west-2:123456789012:log-group:g"
    assert logs.describe_log_streams(logGroupIdentifier=arn)["logStreams"] == []
    assert logs.describe_log_streams(logGroupIdentifier="g")["logStreams"] == []
    refused("InvalidParameterException", logs.describe_log_streams)
    refused("InvalidParameterException", logs.describe_log_streams, logGroupName="g", logGroupIdentifier="g")
    refused("ResourceNotFoundException", logs.describe_log_streams, logGroupName="absent")


# Events


def test_putting_and_getting(logs):
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    events = [{"timestamp": NOW + number, "message": f"line {number} \u00fc"} for number in range(3)]
    answer = logs.put_log_events(
        logGroupName="g", logStreamName="s", logEvents=events, sequenceToken="ignored"
    )
    assert answer["nextSequenceToken"]
    assert "rejectedLogEventsInfo" not in answer
    read = logs.get_log_events(logGroupName="g", logStreamName="s", startFromHead=True)
    assert [{k: event[k] for k in ("timestamp", "message")} for event in read["events"]] == events
    (group,) = logs.describe_log_groups()["logGroups"]
    assert group["storedBytes"] > 0


def test_events_out_of_time_are_left_out_and_named(logs):
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    day, hour = 86_400_000, 3_600_000  # a suite may take minutes

    def put(*times):
        events = [{"timestamp": at, "message": str(at)} for at in times]
        answer = logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=events)
        return answer.get("rejectedLogEventsInfo")

    assert put(NOW - 14 * day - hour, NOW - 14 * day + hour) == {"tooOldLogEventEndIndex": 1}
    assert put(NOW, NOW + 3 * hour) == {"tooNewLogEventStartIndex": 1}
    read = logs.get_log_events(logGroupName="g", logStreamName="s", startFromHead=True)
    assert [event["timestamp"] for event in read["events"]] == [NOW - 14 * day + hour, NOW]


@pytest.mark.parametrize(
    ("events", "text"),
    [
        ([(NOW, "b"), (NOW - 1, "a")], "must be in chronological order"),
        ([(NOW - 90_000_000, "a"), (NOW, "b")], "cannot span more than 24 hours"),
        ([(NOW, "x" * (LARGEST_MESSAGE + 1))], "exceeds limit of 262144"),
        ([(NOW, "x" * 250_000)] * 5, "exceeds limit of 1048576"),
    ],
)
def test_batches_that_break_a_rule_change_nothing(logs, events, text):
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    request = {"logEvents": [{"timestamp": at, "message": message} for at, message in events]}
    message = refused(
        "InvalidParameterException", logs.put_log_events, logGroupName="g", logStreamName="s", **request
    )
    assert text in message
    assert logs.get_log_events(logGroupName="g", logStreamName="s")["events"] == []


def test_a_follower_reads_every_line_once_while_it_is_written(cloud, logs):
    """SDK v3 reads from the head until a page is empty, and goes on from the last token later."""
    write(cloud, "s", *(f"{number}" for number in range(25)))
    request = {"logGroupName": GROUP, "logStreamName": "s", "startFromHead": True, "limit": 10}
    seen = []

    def follow():
        while True:
            answer = logs.get_log_events(**request)
            request["nextToken"] = answer["nextForwardToken"]
            if not answer["events"]:
                return
            seen.extend(messages(answer))

    follow()
    token = request["nextToken"]
    follow()
    assert request["nextToken"] == token
    write(cloud, "s", "25", "26", start=NOW + 25)
    follow()
    assert seen == [f"{number}" for number in range(27)]


def test_without_a_direction_the_latest_events_come_and_tokens_lead_both_ways(cloud, logs):
    write(cloud, "s", *(f"{number}" for number in range(10)))
    request = {"logGroupName": GROUP, "logStreamName": "s", "limit": 4}
    last = logs.get_log_events(**request)
    assert messages(last) == ["6", "7", "8", "9"]
    before = logs.get_log_events(**request, nextToken=last["nextBackwardToken"])
    assert messages(before) == ["2", "3", "4", "5"]
    again = logs.get_log_events(**request, nextToken=before["nextForwardToken"])
    assert messages(again) == ["6", "7", "8", "9"]
    first = logs.get_log_events(**request, nextToken=before["nextBackwardToken"])
    assert messages(first) == ["0", "1"]
    end = logs.get_log_events(**request, nextToken=first["nextBackwardToken"])
    assert (messages(end), end["nextBackwardToken"]) == ([], first["nextBackwardToken"])


@pytest.mark.parametrize("from_head", [True, False])
@pytest.mark.parametrize("limit", [3, 10_000])
def test_a_time_range_holds_its_start_and_not_its_end(cloud, logs, from_head, limit):
    write(cloud, "s", *(f"{number:05d}" + "x" * 200 for number in range(3000)))
    request = {
        "logGroupName": GROUP,
        "logStreamName": "s",
        "startTime": NOW + 1000,
        "endTime": NOW + 1010,
        "startFromHead": from_head,
        "limit": limit,
    }
    seen = []
    while messages(answer := logs.get_log_events(**request)):
        page = [int(message[:5]) for message in messages(answer)]
        seen = [*seen, *page] if from_head else [*page, *seen]
        request["nextToken"] = answer["nextForwardToken" if from_head else "nextBackwardToken"]
    assert seen == list(range(1000, 1010))


def test_a_page_is_bounded_in_bytes(cloud, logs):
    write(cloud, "s", *("x" * 200_000 for _ in range(12)))
    for from_head in (True, False):
        answer = logs.get_log_events(logGroupName=GROUP, logStreamName="s", startFromHead=from_head)
        assert len(answer["events"]) == 5


@pytest.mark.parametrize("token", ["x", "f/-1", "f/", "q/1", "f/1/s", "f/9999999999999999999"])
def test_a_token_that_is_none_is_refused(cloud, logs, token):
    write(cloud, "s", "line")
    message = refused(
        "InvalidParameterException",
        logs.get_log_events,
        logGroupName=GROUP,
        logStreamName="s",
        nextToken=token,
    )
    assert "nextToken is invalid" in message


def test_a_missing_stream_or_group_has_its_own_text(cloud, logs):
    write(cloud, "s", "line")
    get = logs.get_log_events
    assert "log stream" in refused(
        "ResourceNotFoundException", get, logGroupName=GROUP, logStreamName="absent"
    )
    assert "log group" in refused("ResourceNotFoundException", get, logGroupName="absent", logStreamName="s")


# Search


def test_streams_are_searched_together_in_order_of_time(cloud, logs):
    write(cloud, "a/1", "0", "2", "4", step=2)
    write(cloud, "a/2", "1", "3", "5", start=NOW + 1, step=2)
    write(cloud, "b/1", "other")
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=GROUP, logStreamNamePrefix="a/", PaginationConfig={"PageSize": 2}
    )
    events = [event for page in pages for event in page["events"]]
    assert [event["message"] for event in events] == list("012345")
    assert [event["logStreamName"] for event in events][:2] == ["a/1", "a/2"]
    assert len({event["eventId"] for event in events}) == 6
    named = logs.filter_log_events(logGroupName=GROUP, logStreamNames=["b/1", "a/2"], startTime=NOW + 3)
    assert messages(named) == ["3", "5"]


def test_an_endpoint_is_followed_as_model_builder_does(cloud, logs):
    """It shows events only of pages with a token, and begins its next poll with the last one."""
    follow = {"logGroupName": "/aws/sagemaker/Endpoints/e", "logStreamNamePrefix": "AllTraffic/"}
    paginator, config, shown = logs.get_paginator("filter_log_events"), {"PageSize": 2}, []

    def poll():
        for page in paginator.paginate(**follow, PaginationConfig=config):
            if "nextToken" in page:
                config["StartingToken"] = page["nextToken"]
                shown.extend(messages(page))

    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        poll()
    stream = {"group": follow["logGroupName"]}
    write(cloud, "AllTraffic/1", "a", "b", "c", **stream)
    poll()
    poll()
    write(cloud, "AllTraffic/1", "d", start=NOW + 10, **stream)
    write(cloud, "AllTraffic/2", "e", start=NOW + 20, **stream)
    poll()
    assert shown == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("", ["ERROR disk full", "INFO ok", "WARN disk slow"]),
        ("ERROR", ["ERROR disk full"]),
        ("disk -slow", ["ERROR disk full"]),
        ('"disk slow"', ["WARN disk slow"]),
        ("?ERROR ?INFO", ["ERROR disk full", "INFO ok"]),
        ("error", []),
    ],
)
def test_messages_are_searched_by_pattern(cloud, logs, pattern, found):
    write(cloud, "s", "ERROR disk full", "INFO ok", "WARN disk slow")
    assert messages(logs.filter_log_events(logGroupName=GROUP, filterPattern=pattern)) == found


def test_a_long_search_for_a_rare_term_goes_in_pages(cloud, logs, monkeypatch):
    monkeypatch.setattr("wildsage.services.logs.search._MOST_SCANNED", 40)
    write(cloud, "s", *(["line"] * 100), "needle")
    pages = list(logs.get_paginator("filter_log_events").paginate(logGroupName=GROUP, filterPattern="needle"))
    assert [len(page["events"]) for page in pages] == [0, 0, 1, 0]


def test_a_token_is_short_however_many_streams_there_are_and_says_where_each_is(cloud, logs):
    for number in range(60):
        write(cloud, f"s/{number:02}", "a", "b", start=NOW + number)
    first = logs.filter_log_events(logGroupName=GROUP, limit=70)
    assert len(first["nextToken"]) < 150
    write(cloud, "s/00", "late", start=NOW - 5)  # older than what was shown, and not lost
    rest = logs.filter_log_events(logGroupName=GROUP, nextToken=first["nextToken"])
    assert len(first["events"]) + len(rest["events"]) == 121
    assert "late" in messages(rest)
    assert len({event["eventId"] for event in [*first["events"], *rest["events"]]}) == 121
    again = logs.filter_log_events(logGroupName=GROUP, nextToken=first["nextToken"])
    assert again["events"] == rest["events"]


def test_a_token_that_has_expired_says_so(cloud, logs):
    write(cloud, "s", "a", "b")
    token = logs.filter_log_events(logGroupName=GROUP, limit=1)["nextToken"]
    asyncio.run(cloud.store.database.write(lambda t: t.execute("DELETE FROM log_cursor")))
    message = refused(
        "InvalidParameterException", logs.filter_log_events, logGroupName=GROUP, limit=1, nextToken=token
    )
    assert "expired" in message


def test_what_a_group_does_not_keep_is_not_shown(logs):
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    day = 86_400_000
    for at in (NOW - 5 * day, NOW - 2 * day, NOW):
        event = {"timestamp": at, "message": str((at - NOW) // day)}
        logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=[event])
    logs.put_retention_policy(logGroupName="g", retentionInDays=3)
    for from_head in (True, False):
        read = logs.get_log_events(logGroupName="g", logStreamName="s", startFromHead=from_head)
        assert messages(read) == ["-2", "0"]
    assert messages(logs.filter_log_events(logGroupName="g")) == ["-2", "0"]
    old = [
        {"timestamp": NOW - 4 * day, "message": "x"},
        {"timestamp": NOW - 3 * day + 60_000, "message": "y"},
    ]
    answer = logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=old[:1])
    assert answer["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}
    logs.delete_retention_policy(logGroupName="g")
    assert messages(logs.filter_log_events(logGroupName="g")) == ["-5", "-2", "0"]


def test_events_say_when_they_happened_and_when_they_came_in(cloud, logs):
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    logs.put_log_events(
        logGroupName="g", logStreamName="s", logEvents=[{"timestamp": NOW - 60_000, "message": "m"}]
    )
    write(cloud, "job", "line")
    for read in (
        logs.get_log_events(logGroupName="g", logStreamName="s"),
        logs.filter_log_events(logGroupName="g"),
    ):
        (event,) = read["events"]
        assert event["timestamp"] == NOW - 60_000
        assert NOW - 1000 <= event["ingestionTime"] <= time.time() * 1000
    (line,) = logs.get_log_events(logGroupName=GROUP, logStreamName="job")["events"]
    assert line["ingestionTime"] == line["timestamp"] == NOW


def test_what_a_search_refuses(cloud, logs):
    write(cloud, "s", "line")
    search = logs.filter_log_events
    both = {"logStreamNames": ["s"], "logStreamNamePrefix": "s"}
    for request, text in (
        (both, "mutually exclusive"),
        ({"filterPattern": "{ $.a = }"}, "Invalid filter pattern"),
        ({"filterPattern": "a/b"}, "double quotes"),
        ({"startFromHead": False}, "startFromHead"),
        ({"nextToken": "x"}, "nextToken is invalid"),
    ):
        assert text in refused("InvalidParameterException", search, logGroupName=GROUP, **request)
    refused("ResourceNotFoundException", search, logGroupName=GROUP, logStreamNames=["absent"])
    token = search(logGroupName=GROUP)["nextToken"]
    assert "same parameters" in refused(
        "InvalidParameterException", search, logGroupName=GROUP, nextToken=token, filterPattern="other"
    )


def test_names_are_checked_against_the_model(logs):
    for name in ("with space", "x" * 513):
        with pytest.raises(ClientError):
            logs._make_api_call("CreateLogGroup", {"logGroupName": name})
    assert logs.describe_log_groups()["logGroups"] == []


def test_regions_and_accounts_keep_their_own(cloud, logs):
    for region, number in zip(("us-west-2", "eu-central-1"), itertools.count()):
        cloud.client(region).create_log_group(logGroupName=f"g{number}")
    assert [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]] == ["g0"]
