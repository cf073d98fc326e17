"""Which runs are workers of which endpoint: what a restarted server finds its workers by."""

import secrets
import socket
import sqlite3
import uuid
from dataclasses import dataclass

from wildsage.serving.deployments import Deployment, VariantPlan
from wildsage.store.database import Database, Transaction
from wildsage.store.resources import Key


@dataclass(frozen=True, slots=True)
class Placement:
    """One worker. `port` is for a container that makes no socket."""

    run_id: str
    endpoint: Key
    generation: int
    variant: str
    instance_id: str
    port: int
    placed_at: float

    @property
    def log_group(self) -> str:
        """The log group of the endpoint."""
        return f"/aws/sagemaker/Endpoints/{self.endpoint.name}"

    @property
    def log_stream(self) -> str:
        """The log stream of this worker."""
        return f"{self.variant}/{self.instance_id}"


def new_placement(deployment: Deployment, variant: VariantPlan, at: float) -> Placement:
    """Think of a place for one more worker of a variant."""
    return Placement(
        run_id=f"serve-{uuid.uuid4().hex}",
        endpoint=deployment.endpoint,
        generation=deployment.generation,
        variant=variant.name,
        instance_id=f"i-0{secrets.token_hex(8)}",
        port=_free_port(),
        placed_at=at,
    )


def _free_port() -> int:
    """Return a port that is free now. Only a container that ignores ``WILDSAGE_BIND_SOCKET`` needs it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Placements:
    """Access to the worker table."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def of(self, endpoint: Key) -> list[Placement]:
        """Return the workers of an endpoint, oldest first."""
        rows = self.database.read(
            "SELECT * FROM endpoint_worker WHERE account = ? AND region = ? AND endpoint = ?"
            " ORDER BY placed_at, run_id",
            (endpoint.account, endpoint.region, endpoint.name),
        )
        return [_placement(endpoint, row) for row in rows]

    def run_ids(self) -> set[str]:
        """Return the runs of all workers."""
        return {row["run_id"] for row in self.database.read("SELECT run_id FROM endpoint_worker")}

    @staticmethod
    def add(transaction: Transaction, placement: Placement) -> None:
        """Store a worker, before it is launched."""
        endpoint = placement.endpoint
        transaction.execute(
            "INSERT INTO endpoint_worker"
            " (run_id, account, region, endpoint, generation, variant, instance_id, port, placed_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                placement.run_id,
                endpoint.account,
                endpoint.region,
                endpoint.name,
                placement.generation,
                placement.variant,
                placement.instance_id,
                placement.port,
                placement.placed_at,
            ),
        )

    @staticmethod
    def remove(transaction: Transaction, run_id: str) -> None:
        """Forget a worker that has ended."""
        transaction.execute("DELETE FROM endpoint_worker WHERE run_id = ?", (run_id,))


def _placement(endpoint: Key, row: sqlite3.Row) -> Placement:
    return Placement(
        run_id=row["run_id"],
        endpoint=endpoint,
        generation=row["generation"],
        variant=row["variant"],
        instance_id=row["instance_id"],
        port=row["port"],
        placed_at=row["placed_at"],
    )
