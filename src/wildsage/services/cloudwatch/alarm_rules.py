"""What PutMetricAlarm accepts."""

from wildsage.core.context import RequestContext
from wildsage.services.cloudwatch.common import dimension_pairs, invalid, invalid_combination
from wildsage.services.operation import Request
from wildsage.telemetry.alarms import COMPARISONS, TREATMENTS
from wildsage.telemetry.evaluator import Watch, watch_of
from wildsage.telemetry.queries import QueryError
from wildsage.telemetry.statistics import UnknownStatisticError, statistic

_DAY = 86_400
_HOUR = 3_600
_SHORT_PERIODS = (10, 20, 30)
_OF_ONE_METRIC = ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Period", "Unit")


def check_alarm(context: RequestContext, request: Request) -> None:
    """Check what the service model does not say.

    Raises
    ------
    wildsage.core.errors.ServiceError
        Naming the rule that is broken.
    """
    if "Metrics" in request:
        given = [member for member in _OF_ONE_METRIC if member in request]
        if given:
            raise invalid_combination(
                f"{given[0]} and Metrics are mutually exclusive: an alarm watches one metric or the Metrics."
            )
    else:
        _check_metric(request)
    _check_comparison(request)
    try:
        watch = watch_of(context.account, context.region, request)
    except QueryError as error:
        raise invalid(str(error)) from None
    _check_periods(request, watch)


def _check_metric(request: Request) -> None:
    for member in ("MetricName", "Namespace", "Period"):
        if member not in request:
            raise invalid(f"The parameter {member} is required: an alarm watches one metric or the Metrics.")
    dimension_pairs(request.get("Dimensions", []))
    if ("Statistic" in request) == ("ExtendedStatistic" in request):
        raise invalid_combination(
            "Exactly one of the parameters Statistic and ExtendedStatistic must be given."
        )
    extended = request.get("ExtendedStatistic")
    if extended is None:
        return
    try:
        known = statistic(extended).needs_values
    except UnknownStatisticError:
        known = False
    if not known:
        raise invalid(
            f"The value {extended} for parameter ExtendedStatistic is not supported: use p99 and the like."
        )


def _check_comparison(request: Request) -> None:
    for member in ("ComparisonOperator", "EvaluationPeriods", "Threshold"):
        if member not in request:
            raise invalid(f"The parameter {member} is required.")
    if request["ComparisonOperator"] not in COMPARISONS:
        raise invalid(
            f"ComparisonOperator {request['ComparisonOperator']} needs an anomaly detection band, which is not"
            f" supported by Wildsage: use one of {', '.join(COMPARISONS)}."
        )
    needed, periods = request.get("DatapointsToAlarm", 1), request["EvaluationPeriods"]
    if needed > periods:
        raise invalid(f"DatapointsToAlarm ({needed}) must not be greater than EvaluationPeriods ({periods}).")
    treatment = request.get("TreatMissingData", TREATMENTS[0])
    if treatment not in TREATMENTS:
        raise invalid(
            f"The value {treatment} for parameter TreatMissingData is not one of {', '.join(TREATMENTS)}."
        )


def _check_periods(request: Request, watch: Watch) -> None:
    if watch.period not in _SHORT_PERIODS and watch.period % 60:
        raise invalid(f"The period of an alarm must be 10, 20, 30 or a multiple of 60, not {watch.period}.")
    days = 1 if watch.period < _HOUR else 7
    seconds = request["EvaluationPeriods"] * watch.period
    if seconds > days * _DAY:
        raise invalid(
            f"Metrics cannot be checked across more than {'a day' if days == 1 else f'{days} days'}"
            f" (EvaluationPeriods * Period must be <= {days * _DAY}), not {seconds} s."
        )
