"""What real clients are told when they are refused."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError


def refusal(call: Callable[..., Any], /, **request: Any) -> tuple[str, int]:
    """Return code and HTTP status of a call that must fail."""
    response = _failed(call, request)
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def refused(code: str, call: Callable[..., Any], /, *, http_status: int = 400, **request: Any) -> str:
    """Return the text of a call that must fail with this code."""
    response = _failed(call, request)
    assert response["Error"]["Code"] == code
    assert response["ResponseMetadata"]["HTTPStatusCode"] == http_status
    text: str = response["Error"]["Message"]
    return text


def _failed(call: Callable[..., Any], request: dict[str, Any]) -> Any:
    with pytest.raises(ClientError) as caught:
        call(**request)
    return caught.value.response
