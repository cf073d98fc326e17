"""What is known of an access key."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A key pair, whom it stands for and until when.

    Attributes
    ----------
    secret_access_key
        Never logged, never part of a `repr`.
    session_token
        Required with every request where the key is temporary; None for long-term keys.
    expires_at
        Epoch seconds; None for long-term keys.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(repr=False)
    account: str
    principal_arn: str
    expires_at: float | None = None
