"""ListTrainingJobs of 50 with 1,000 and with 100,000 jobs: the first page, one far behind it, and by a part of the name.

The jobs are written by the store itself, as if they had ended, because 100,000 requests would take minutes.
"""

import json
import random
import statistics
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks import cores
from benchmarks.control import request
from benchmarks.load import send_endlessly, send_one
from benchmarks.report import Reading
from benchmarks.server import REGION, Server, training_job
from benchmarks.wire import address_of
from wildsage.store.database import Database, Transaction
from wildsage.store.layout import Layout
from wildsage.store.resources import Key, Resources

FEW, MANY = 1_000, 100_000
PAGE = 50
FAR = 1_000
CALLS = 40
ACCOUNT = "123456789012"
RARE = "needle"
ENDED = ("Completed", "Completed", "Completed", "Failed", "Stopped")
SORTS = ("Name", "CreationTime", "Status")
ORDERS = ("Ascending", "Descending")

Pages = dict[tuple[str, str], list[float]]


def run(rounds: int) -> Iterator[Reading]:
    few: Pages = {}
    many: Pages = {}
    with Server(pinned=True) as small, Server(pinned=True) as large, cores.client_core():
        for server, count, found in ((small, FEW, few), (large, MANY, many)):
            server.stop()
            fill(server.data_dir, count)
            server.start()
            found.update({case: [] for case in cases(server)})
        for _ in range(rounds):
            for server, found in ((small, few), (large, many)):
                for case, members in cases(server).items():
                    found[case].append(p50(server, members))
    for (what, detail), samples in many.items():
        if what == "NameContains":
            yield Reading(
                f"List of {PAGE}, NameContains {detail}, {MANY:,} jobs", tuple(samples), "ms", "≤ 50 ms"
            )
            continue
        peer = few[what, detail]
        yield Reading(
            f"List of {PAGE}, {detail}, {what}, {MANY:,} jobs", tuple(samples), "ms",
            f"≤ 1.5 × with {FEW:,}", tuple(peer),
        )  # fmt: skip


def fill(data_dir: Path, count: int) -> None:
    """Store jobs that have ended."""
    database = Database(Layout(data_dir).state_database, "state")
    chance = random.Random(0)
    names = [f"{chance.getrandbits(40):010x}-{number}" for number in range(count)]
    names[count // 2] += RARE
    for start in range(0, count, 1000):
        share = names[start : start + 1000]

        def work(transaction: Transaction, start: int = start, share: list[str] = share) -> None:
            for number, name in enumerate(share, start):
                store(transaction, name, chance.choice(ENDED), 1.7e9 + number / 10)

        database.write_blocking(work)
    database.close()


def store(transaction: Transaction, name: str, status: str, at: float) -> None:
    body = training_job(name, "image", f"arn:aws:iam::{ACCOUNT}:role/role")
    del body["TrainingJobName"]
    steps = [{"Status": step, "StartTime": at, "EndTime": at} for step in ("Starting", "Training", status)]
    body |= {"SecondaryStatus": status, "SecondaryStatusTransitions": steps, "TrainingEndTime": at}
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{name}"
    Resources.insert(
        transaction, Key(ACCOUNT, REGION, "training-job", name), arn=arn, status=status, at=at, body=body
    )


_known: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}


def cases(server: Server) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the requests; those of a far page carry the token of the page before it."""
    if server.url not in _known:
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for sort in SORTS:
            for order in ORDERS:
                members = {"SortBy": sort, "SortOrder": order, "MaxResults": PAGE}
                found[f"by {sort} {order.lower()}", "first page"] = members
                far = far_token(server, members)
                found[f"by {sort} {order.lower()}", "page 1,000 (the last of 1,000 jobs)"] = {
                    **members,
                    **far,
                }
        found["NameContains", "one job"] = {"NameContains": RARE, "MaxResults": PAGE}
        found["NameContains", "nothing"] = {"NameContains": "haystack", "MaxResults": PAGE}
        found["NameContains", "everything"] = {"NameContains": "-", "MaxResults": PAGE}
        _known[server.url] = found
    return _known[server.url]


def far_token(server: Server, members: dict[str, Any]) -> dict[str, str]:
    """Go to page 1,000, or to the last one that there is."""
    token: dict[str, str] = {}
    for _ in range(FAR * PAGE // 100 - 1):
        page = ask(server, {**members, "MaxResults": 100, **token})
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    return token


def ask(server: Server, members: dict[str, Any]) -> dict[str, Any]:
    signed = request(server.url, server.keys, "ListTrainingJobs", members)
    answer: dict[str, Any] = json.loads(send_one(address_of(server.url), signed))
    return answer


def p50(server: Server, members: dict[str, Any]) -> float:
    """Return the median latency in milliseconds."""
    signed = request(server.url, server.keys, "ListTrainingJobs", members)
    return 1000 * statistics.median(islice(send_endlessly(address_of(server.url), signed), CALLS))
