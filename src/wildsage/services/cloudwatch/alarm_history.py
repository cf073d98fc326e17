"""What happened to alarms."""

import json
import math
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.services.cloudwatch.common import PAGES
from wildsage.services.operation import Request, Response, operation
from wildsage.store.alarms import Alarms, HistoryItem, HistoryQuery

_METRIC = "MetricAlarm"
_LONGEST_DATA = 4_095


class AlarmHistory:
    """Operations on the history of alarms, which goes back a month."""

    def __init__(self, alarms: Alarms) -> None:
        self._alarms = alarms

    @operation("DescribeAlarmHistory")
    async def describe(self, context: RequestContext, request: Request) -> Response:
        """List what happened, the latest first."""
        if _METRIC not in request.get("AlarmTypes", [_METRIC]):
            return {"AlarmHistoryItems": []}
        position = PAGES.position(request, 2)
        limit = PAGES.size(request)
        query = HistoryQuery(
            context.account,
            context.region,
            request.get("AlarmName"),
            request.get("HistoryItemType"),
            request.get("StartDate", 0.0),
            request.get("EndDate", math.inf),
            descending=request.get("ScanBy") != "TimestampAscending",
        )
        after = None if position is None else (position[0], position[1])
        found = self._alarms.history(query, after, limit + 1)
        response: Response = {"AlarmHistoryItems": [_show(item) for item in found[:limit]]}
        if len(found) > limit:
            response["NextToken"] = PAGES.behind(request, [found[limit - 1].at, found[limit - 1].id])
        return response


def _show(item: HistoryItem) -> dict[str, Any]:
    data = item.data
    if len(data) > _LONGEST_DATA:
        data = json.dumps({"version": "1.0", "type": json.loads(data).get("type", "")})
    return {
        "AlarmName": item.alarm,
        "AlarmType": _METRIC,
        "Timestamp": item.at,
        "HistoryItemType": item.kind,
        "HistorySummary": item.summary,
        "HistoryData": data,
    }
