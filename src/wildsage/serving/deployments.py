"""What an endpoint is to run: one deployment in service, and a second one while an update is under way."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from wildsage.store.database import Database, Transaction
from wildsage.store.resources import Key

ENDPOINT = "endpoint"
"""Kind of the resource, and the topic that is notified when one is to change."""


@dataclass(frozen=True, slots=True)
class VariantPlan:
    """One production variant, with a copy of all that its workers need.

    Attributes
    ----------
    container
        The model's ``ContainerDefinition``.
    role_arn
        As whom the model data is brought in and the container acts.
    count, weight
        Workers wanted, and the variant's share of the traffic.
    startup_timeout, download_timeout
        Seconds from the launch to the first good ping, and for the model data; None: the default.
    """

    name: str
    model_name: str
    container: Mapping[str, Any]
    role_arn: str
    isolated: bool
    instance_type: str
    count: int
    weight: float = 1.0
    startup_timeout: float | None = None
    download_timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    """A generation of an endpoint."""

    endpoint: Key
    generation: int
    config_name: str
    variants: tuple[VariantPlan, ...] = field(default=())

    def with_variants(self, variants: Iterable[VariantPlan]) -> "Deployment":
        """Return the same generation with other variants."""
        return replace(self, variants=tuple(variants))


class Deployments:
    """Access to the deployment table."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def of(self, endpoint: Key) -> list[Deployment]:
        """Return the deployments of an endpoint, oldest first."""
        rows = self.database.read(_SELECT, _where(endpoint))
        return [_deployment(endpoint, row) for row in rows]

    @staticmethod
    def fetch(transaction: Transaction, endpoint: Key) -> list[Deployment]:
        """Like `of`, as the transaction sees it."""
        rows = transaction.execute(_SELECT, _where(endpoint)).fetchall()
        return [_deployment(endpoint, row) for row in rows]

    @staticmethod
    def put(transaction: Transaction, deployment: Deployment) -> None:
        """Store a deployment in the place of the same generation."""
        transaction.execute(
            "INSERT INTO endpoint_deployment (account, region, endpoint, generation, config_name, variants)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (account, region, endpoint, generation)"
            " DO UPDATE SET config_name = excluded.config_name, variants = excluded.variants",
            (
                *_where(deployment.endpoint),
                deployment.generation,
                deployment.config_name,
                json.dumps([asdict(variant) for variant in deployment.variants]),
            ),
        )

    @staticmethod
    def remove(transaction: Transaction, deployment: Deployment) -> None:
        """Forget one generation."""
        transaction.execute(
            "DELETE FROM endpoint_deployment"
            " WHERE account = ? AND region = ? AND endpoint = ? AND generation = ?",
            (*_where(deployment.endpoint), deployment.generation),
        )

    @staticmethod
    def remove_all(transaction: Transaction, endpoint: Key) -> None:
        """Forget every generation of an endpoint that goes away."""
        transaction.execute(
            "DELETE FROM endpoint_deployment WHERE account = ? AND region = ? AND endpoint = ?",
            _where(endpoint),
        )


_SELECT = (
    "SELECT generation, config_name, variants FROM endpoint_deployment"
    " WHERE account = ? AND region = ? AND endpoint = ? ORDER BY generation"
)


def _where(endpoint: Key) -> tuple[str, str, str]:
    return (endpoint.account, endpoint.region, endpoint.name)


def _deployment(endpoint: Key, row: sqlite3.Row) -> Deployment:
    variants = tuple(VariantPlan(**raw) for raw in json.loads(row["variants"]))
    return Deployment(endpoint, row["generation"], row["config_name"], variants)
