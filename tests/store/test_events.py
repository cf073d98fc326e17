"""The bus: an event is there exactly if the change that it reports is."""

import sqlite3
import uuid

import pytest

from wildsage.core.states import IllegalTransitionError
from wildsage.store.database import Database
from wildsage.store.events import DELETED, Events, Retention
from wildsage.store.readonly import ReadOnlyDatabase
from wildsage.store.resources import Key, Resources
from wildsage.store.tags import Tags

WHERE = ("123456789012", "us-west-2", "default")


def key(kind="training-job", name="job"):
    return Key("123456789012", "us-west-2", kind, name)


def arn(kind="training-job", name="job"):
    return f"arn:aws:sagemaker:us-west-2:123456789012:{kind}/{name}"


def insert(state, kind="training-job", name="job", status="InProgress", at=1.0, tags=(), **body):
    state.write_blocking(
        lambda t: Resources.insert(
            t, key(kind, name), arn=arn(kind, name), status=status, at=at, body=body, tags=tags
        )
    )


def put(state, at=1.0, detail='{"a":1}'):
    return state.write_blocking(
        lambda t: Events.put(
            t, WHERE, at, source="mine", detail_type="Thing", subject={"resources": []}, detail=detail
        )
    )


def every(state):
    return Events(state).read(0, 10_000)


def test_a_change_is_reported_with_the_resource_as_it_was_then(state):
    insert(
        state,
        tags=[{"Key": "team", "Value": "a"}],
        SecondaryStatus="Starting",
        HyperParameters={"k": "1"},
    )
    assert Tags(state).of(arn()) == [{"Key": "team", "Value": "a"}]
    state.write_blocking(
        lambda t: Resources.transition(
            t, key(), to="InProgress", at=2.0, body={"SecondaryStatus": "Training"}
        )
    )
    state.write_blocking(
        lambda t: Resources.transition(
            t, key(), to="Completed", at=3.0, body={"SecondaryStatus": "Completed"}
        )
    )
    state.write_blocking(lambda t: (Tags.remove_all(t, arn()), Resources.delete(t, key())))
    first, second, third = every(state)
    assert (first.subject["status"], first.body["SecondaryStatus"]) == ("InProgress", "Starting")
    assert first.body["HyperParameters"] == {"k": "1"}
    assert [event.subject["tags"] for event in (first, second, third)] == [{"team": "a"}] * 3
    assert (second.subject["status"], second.body) == ("InProgress", {"SecondaryStatus": "Training"})
    assert (third.subject["status"], third.at, third.subject["created_at"]) == ("Completed", 3.0, 1.0)
    assert [event.sequence for event in (first, second, third)] == [1, 2, 3]


def test_a_step_without_another_status_is_no_event(state):
    insert(state, SecondaryStatus="Training", message="1 %")
    body = {"SecondaryStatus": "Training", "message": "2 %"}
    state.write_blocking(lambda t: Resources.transition(t, key(), to="InProgress", at=2.0, body=body))
    state.write_blocking(lambda t: Resources.update(t, key(), at=3.0, body=body))
    assert len(every(state)) == 1


def test_a_work_that_raises_reports_nothing(state):
    insert(state)

    def work(transaction):
        Resources.transition(transaction, key(), to="Completed", at=2.0)
        raise LookupError

    with pytest.raises(LookupError):
        state.write_blocking(work)
    with pytest.raises(IllegalTransitionError):
        state.write_blocking(lambda t: Resources.transition(t, key(), to="Nonsense", at=2.0))
    assert len(every(state)) == 1
    put(state)
    assert [event.sequence for event in every(state)] == [1, 2]


def test_kinds_that_have_no_events_have_none(state):
    insert(state, kind="role", status="")
    state.write_blocking(lambda t: Resources.delete(t, key("role"), at=2.0))
    assert every(state) == []


def test_a_deletion_is_reported_where_its_time_is_known(state):
    insert(state, kind="model", status="", Image="i")
    state.write_blocking(lambda t: Resources.delete(t, key("model"), at=5.0))
    created, deleted = every(state)
    assert (created.subject["status"], deleted.subject["status"]) == ("", DELETED)
    assert (deleted.at, deleted.body) == (5.0, {"Image": "i"})


def test_an_endpoint_that_updates_reports_its_deployment_too(state):
    insert(state, kind="endpoint", status="Creating")
    for status in ("InService", "Updating", "InService"):
        state.write_blocking(lambda t, to=status: Resources.transition(t, key("endpoint"), to=to, at=2.0))
    assert [event.detail_type.split()[2:-2] for event in every(state)] == [[], [], [], ["Deployment"], []]


def test_ids_are_uuids_and_stay_what_they_are(tmp_path):
    database = Database(tmp_path / "state.db", "state")
    returned = [put(database, at=at) for at in (1_800_000_000.123, 1_800_000_000.123, 1.0)]
    ids = [event.id for event in every(database)]
    database.close()
    assert returned == ids
    assert len(set(ids)) == 3
    assert all(uuid.UUID(one).version == 7 and uuid.UUID(one).variant == uuid.RFC_4122 for one in ids)
    again = Database(tmp_path / "state.db", "state")
    assert [event.id for event in every(again)] == ids
    again.close()


def test_a_consumer_goes_on_where_it_was(tmp_path):
    database = Database(tmp_path / "state.db", "state")
    for _ in range(5):
        put(database)
    events = Events(database)
    assert (events.position("mine"), events.newest()) == (0, 5)
    two = events.read(events.position("mine"), 2)
    database.write_blocking(lambda t: Events.move(t, "mine", two[-1].sequence))
    database.close()
    again = Events(Database(tmp_path / "state.db", "state"))
    assert [event.sequence for event in again.read(again.position("mine"), 9)] == [3, 4, 5]
    assert again.position("another") == 0
    again.database.close()


def test_listeners_hear_of_events(state):
    heard = []
    state.listen("event", lambda: heard.append(Events(state).newest()))
    put(state)
    insert(state)
    assert heard == [1, 2]


@pytest.mark.parametrize(
    ("retention", "kept"),
    [
        (Retention(seconds=5.0), [5, 6, 7, 8, 9, 10]),
        (Retention(count=3), [8, 9, 10]),
        (Retention(volume=2 * 62), [9, 10]),
        (Retention(seconds=0.0), [10]),
        (Retention(count=0, volume=0), [10]),
        (Retention(), list(range(1, 11))),
    ],
)
def test_old_events_go_and_the_newest_stays(state, retention, kept):
    for at in range(1, 11):
        put(state, at=float(at), detail='{"text":"' + "x" * 34 + '"}')
    state.write_blocking(lambda t: Events.prune(t, 10.0, retention))
    assert [event.sequence for event in every(state)] == kept
    put(state)
    assert every(state)[-1].sequence == 11


def test_the_bus_prunes_itself(state):
    def work(transaction):
        for number in range(520):
            at = 1.0 if number < 300 else 1e9
            Events.put(
                transaction, WHERE, at, source="s", detail_type="t", subject={"resources": []}, detail="{}"
            )

    state.write_blocking(work)
    assert every(state)[0].sequence == 301


def test_events_since_a_moment_begin_behind_a_number(state):
    assert Events(state).before(0.0) == 0
    for at in (1.0, 2.0, 3.0):
        put(state, at=at)
    assert [Events(state).before(at) for at in (0.0, 1.0, 1.5, 3.0, 3.5)] == [0, 0, 1, 2, 3]


def test_an_empty_bus_is_pruned_in_peace(state):
    state.write_blocking(lambda t: Events.prune(t, 10.0))
    assert Events(state).newest() == 0


def test_a_reader_beside_the_server_sees_events_and_changes_nothing(tmp_path):
    with pytest.raises(FileNotFoundError):
        ReadOnlyDatabase(tmp_path / "state.db")
    database = Database(tmp_path / "state.db", "state")
    reader = ReadOnlyDatabase(tmp_path / "state.db")
    put(database)
    assert len(Events(reader).read(0, 10)) == 1
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.read("DELETE FROM event")
    database.close()
    assert len(Events(reader).read(0, 10)) == 1
    reader.close()
    stopped = ReadOnlyDatabase(tmp_path / "state.db")
    assert len(Events(stopped).read(0, 10)) == 1
    stopped.close()
