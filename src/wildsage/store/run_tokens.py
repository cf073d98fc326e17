"""The secret with which a run asks for the temporary credentials of its role."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from wildsage.core.arns import Arn
from wildsage.store.database import Database, Transaction

_SESSION = "SageMaker"


@dataclass(frozen=True, slots=True)
class RunRole:
    """As whom a run acts."""

    account: str
    role_arn: str

    @property
    def session_arn(self) -> str:
        """The principal that its credentials stand for."""
        arn = Arn.parse(self.role_arn)
        return f"arn:{arn.partition}:sts::{self.account}:assumed-role/{arn.resource_name}/{_SESSION}"


class RunTokens:
    """Tokens of the runs that live. One that was revoked gets no credentials any more."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def issue(self, run_id: str, role: RunRole) -> str:
        """Make a new token for a run; an earlier one of the same run is void."""
        token = secrets.token_urlsafe(32)
        await self.database.write(
            lambda t: t.execute(
                "INSERT INTO run_token (run_id, account, role_arn, digest) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (run_id) DO UPDATE SET digest = excluded.digest",
                (run_id, role.account, role.role_arn, _digest(token)),
            )
        )
        return token

    def role_of(self, run_id: str, token: str) -> RunRole | None:
        """Return the role of a run, or None where the token is not its."""
        row = self.database.read_one("SELECT * FROM run_token WHERE run_id = ?", (run_id,))
        if row is None or not hmac.compare_digest(row["digest"], _digest(token)):
            return None
        return RunRole(row["account"], row["role_arn"])

    def run_ids(self, prefix: str) -> list[str]:
        """Return the runs that have a token and whose ids begin with `prefix`."""
        rows = self.database.read("SELECT run_id FROM run_token ORDER BY run_id")
        return [row["run_id"] for row in rows if row["run_id"].startswith(prefix)]

    @staticmethod
    def revoke(transaction: Transaction, run_id: str) -> None:
        """Void the token of a run that is over."""
        transaction.execute("DELETE FROM run_token WHERE run_id = ?", (run_id,))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
