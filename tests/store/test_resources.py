"""Resources: names, pages against a naive model, states."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wildsage.core.states import IllegalTransitionError
from wildsage.store.resources import AlreadyExistsError, Key, Position, Query, Resources

ACCOUNT, REGION = "123456789012", "us-west-2"


def key(name, kind="training-job", region=REGION):
    return Key(ACCOUNT, region, kind, name)


def insert(database, name, *, at=1.0, status="InProgress", kind="training-job", region=REGION, body=None):
    arn = f"arn:aws:sagemaker:{region}:{ACCOUNT}:{kind}/{name.lower()}"
    database.write_blocking(
        lambda t: Resources.insert(
            t, key(name, kind, region), arn=arn, status=status, at=at, body=body or {"Name": name}
        )
    )
    return arn


def test_what_was_stored_comes_back(state):
    arn = insert(state, "one", body={"Ω": [1, {"x": None}]})
    found = Resources(state).get(key("one"))
    assert (found.arn, found.status, found.body) == (arn, "InProgress", {"Ω": [1, {"x": None}]})
    assert Resources(state).get_by_arn(arn) == found


def test_a_taken_name_is_refused_in_any_case(state):
    insert(state, "one")
    for name in ("one", "ONE"):
        with pytest.raises(AlreadyExistsError) as raised:
            insert(state, name)
        assert raised.value.existing.key.name == "one"


def test_regions_hold_their_own(state):
    insert(state, "one")
    insert(state, "one", region="eu-west-1")
    assert len(Resources(state).page(Query(ACCOUNT, "eu-west-1", "training-job"), None, 10)) == 1


def test_only_the_state_machine_changes_a_status(state):
    insert(state, "one")
    state.write_blocking(lambda t: Resources.transition(t, key("one"), to="Completed", at=2.0))
    assert Resources(state).get(key("one")).status == "Completed"
    with pytest.raises(IllegalTransitionError, match="'Completed' cannot become 'InProgress'"):
        state.write_blocking(lambda t: Resources.transition(t, key("one"), to="InProgress", at=3.0))
    with pytest.raises(KeyError):
        state.write_blocking(lambda t: Resources.transition(t, key("two"), to="Failed", at=3.0))


NAMES = st.text("abcAB-", min_size=1, max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(NAMES, st.integers(0, 5)), max_size=25, unique_by=lambda row: row[0].lower()),
    contains=st.one_of(st.none(), st.text("abA-", min_size=1, max_size=2)),
    sort_by=st.sampled_from(["created_at", "name", "status", "modified_at"]),
    descending=st.booleans(),
    after=st.one_of(st.none(), st.integers(0, 5)),
    limit=st.integers(1, 7),
)
def test_pages_equal_a_naive_model(state, rows, contains, sort_by, descending, after, limit):
    state.write_blocking(lambda t: t.execute("DELETE FROM resource"))
    for name, at in rows:
        insert(state, name, at=float(at))
    query = Query(
        ACCOUNT,
        REGION,
        "training-job",
        name_contains=contains,
        created_after=after,
        sort_by=sort_by,
        descending=descending,
    )
    resources = Resources(state)
    found, position = [], None
    while page := resources.page(query, position, limit):
        found += page
        position = Position.of(query, page[-1])
    wanted = [
        name
        for name, at in rows
        if (contains is None or contains.lower() in name.lower()) and (after is None or at > after)
    ]
    assert sorted(item.key.name for item in found) == sorted(wanted)
    values = [item.key.name if sort_by == "name" else getattr(item, sort_by) for item in found]
    assert values == sorted(values, reverse=descending)


def test_a_clock_that_was_set_back_does_not_turn_statuses_around(state):
    resources, key = Resources(state), Key("1", "r", "endpoint", "name")

    def story(transaction):
        Resources.insert(transaction, key, arn="arn", status="Creating", at=100.0, body={})
        Resources.transition(transaction, key, to="InService", at=40.0)
        Resources.transition(transaction, key, to="InService", at=50.0)
        Resources.transition(transaction, key, to="Failed", at=130.0)

    state.write_blocking(story)
    assert resources.history(key) == [("InService", 100.0), ("Failed", 130.0)]
    assert resources.get(key).modified_at == 130.0
    state.write_blocking(lambda transaction: Resources.delete(transaction, key))
    assert resources.history(key) == []


@pytest.mark.parametrize("after", [None, 10])
@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("sort_by", ["created_at", "name", "status", "modified_at"])
def test_each_order_walks_an_index(state, monkeypatch, sort_by, descending, after):
    plans = []

    def explain(sql, parameters):
        plans.append(
            [row["detail"] for row in state._reader().execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]
        )
        return []

    monkeypatch.setattr(state, "read", explain)
    query = Query(ACCOUNT, REGION, "training-job", sort_by=sort_by, descending=descending)
    position = after and Position(tuple("x" for _ in query.order), after)
    Resources(state).page(query, position, 51)
    [[step]] = plans
    assert step.startswith("SEARCH resource USING INDEX resource_by_")
