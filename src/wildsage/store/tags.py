"""Tags of resources, kept by ARN."""

from collections.abc import Iterable

from wildsage.store.database import Database, Transaction

Tag = dict[str, str]
"""``{"Key": …, "Value": …}``"""


class Tags:
    """Access to the tag table."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def of(self, arn: str) -> list[Tag]:
        """Return the tags of a resource, ordered by key."""
        rows = self.database.read("SELECT key, value FROM tag WHERE arn = ? ORDER BY key", (arn,))
        return [{"Key": row["key"], "Value": row["value"]} for row in rows]

    @staticmethod
    def fetch(transaction: Transaction, arn: str) -> dict[str, str]:
        """Return the tags of a resource as the transaction sees them."""
        rows = transaction.execute("SELECT key, value FROM tag WHERE arn = ? ORDER BY key", (arn,))
        return {row["key"]: row["value"] for row in rows}

    @staticmethod
    def count_after(transaction: Transaction, arn: str, added: Iterable[Tag]) -> int:
        """Return how many tags the resource would have with those of `added`."""
        rows = transaction.execute("SELECT key FROM tag WHERE arn = ?", (arn,)).fetchall()
        return len({row["key"] for row in rows} | {tag["Key"] for tag in added})

    @staticmethod
    def put(transaction: Transaction, arn: str, tags: Iterable[Tag]) -> None:
        """Add tags; one whose key exists gets the new value."""
        transaction.executemany(
            "INSERT INTO tag (arn, key, value) VALUES (?, ?, ?)"
            " ON CONFLICT (arn, key) DO UPDATE SET value = excluded.value",
            [(arn, tag["Key"], tag["Value"]) for tag in tags],
        )

    @staticmethod
    def remove(transaction: Transaction, arn: str, keys: Iterable[str]) -> None:
        """Remove tags by key; absent ones are no error."""
        transaction.executemany("DELETE FROM tag WHERE arn = ? AND key = ?", [(arn, key) for key in keys])

    @staticmethod
    def remove_all(transaction: Transaction, arn: str) -> None:
        """Remove every tag of a resource that goes away."""
        transaction.execute("DELETE FROM tag WHERE arn = ?", (arn,))
