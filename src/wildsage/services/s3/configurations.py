"""What a bucket is told to do with its objects, in lists of rules or as a switch: kept and read back.

CORS rules answer browsers. The others change nothing here yet; the lists in ``members/`` say so.
"""

from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import ValidationError
from wildsage.services.operation import Request, Response, operation
from wildsage.services.s3.common import invalid_argument, invalid_request
from wildsage.services.s3.records import Recorded

_METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD"})
_LONGEST_RULE_ID = 255
_MOST_CORS_RULES = 100


class BucketConfigurations(Recorded):
    """CORS, lifecycle, notification, logging, website, who pays, acceleration."""

    # CORS

    @operation("PutBucketCors")
    async def put_cors(self, context: RequestContext, request: Request) -> Response:
        """Set the rules by which browsers are answered."""
        rules = request["CORSConfiguration"]["CORSRules"]
        _check_cors(rules)
        return await self._put(context, request, "cors", rules)

    @operation("GetBucketCors")
    async def get_cors(self, context: RequestContext, request: Request) -> Response:
        """Return the rules."""
        code = "NoSuchCORSConfiguration"
        return {"CORSRules": self._get(context, request, "cors", code, "CORS configuration")}

    @operation("DeleteBucketCors")
    async def delete_cors(self, context: RequestContext, request: Request) -> Response:
        """Remove the rules."""
        return await self._delete(context, request, "cors")

    # Lifecycle

    @operation("PutBucketLifecycleConfiguration")
    async def put_lifecycle(self, context: RequestContext, request: Request) -> Response:
        """Record the rules."""
        rules = request.get("LifecycleConfiguration", {}).get("Rules", [])
        _check_lifecycle(rules)
        named = [{"ID": f"rule-{number}", **rule} for number, rule in enumerate(rules, start=1)]
        size = request.get("TransitionDefaultMinimumObjectSize", "all_storage_classes_128K")
        await self._put(context, request, "lifecycle", {"Rules": named, "Size": size})
        return {"TransitionDefaultMinimumObjectSize": size}

    @operation("GetBucketLifecycleConfiguration")
    async def get_lifecycle(self, context: RequestContext, request: Request) -> Response:
        """Return the rules."""
        code, what = "NoSuchLifecycleConfiguration", "lifecycle configuration"
        found = self._get(context, request, "lifecycle", code, what)
        return {"Rules": found["Rules"], "TransitionDefaultMinimumObjectSize": found["Size"]}

    @operation("DeleteBucketLifecycle")
    async def delete_lifecycle(self, context: RequestContext, request: Request) -> Response:
        """Remove the rules."""
        return await self._delete(context, request, "lifecycle")

    # Notification and logging

    @operation("PutBucketNotificationConfiguration")
    async def put_notification(self, context: RequestContext, request: Request) -> Response:
        """Record who shall hear of events; an empty configuration removes the record."""
        configuration: dict[str, Any] = request["NotificationConfiguration"]
        named = {
            kind: [{"Id": f"{kind}-{number}", **one} for number, one in enumerate(entries, start=1)]
            if isinstance(entries, list)
            else entries
            for kind, entries in configuration.items()
        }
        return await self._put(context, request, "notification", named or None)

    @operation("GetBucketNotificationConfiguration")
    async def get_notification(self, context: RequestContext, request: Request) -> Response:
        """Return the record; nothing where there is none."""
        return self._find(context, request, "notification") or {}

    @operation("PutBucketLogging")
    async def put_logging(self, context: RequestContext, request: Request) -> Response:
        """Record where access logs shall go; an empty status removes the record."""
        enabled = request["BucketLoggingStatus"].get("LoggingEnabled")
        target = None if enabled is None else self._buckets.bucket(enabled["TargetBucket"])
        if enabled is not None and (target is None or target.account != context.account):
            raise ValidationError(
                f"The target bucket for logging does not exist, or is not yours: {enabled['TargetBucket']!r}",
                code="InvalidTargetBucketForLogging",
                members={"TargetBucket": enabled["TargetBucket"]},
            )
        return await self._put(context, request, "logging", enabled)

    @operation("GetBucketLogging")
    async def get_logging(self, context: RequestContext, request: Request) -> Response:
        """Return the record; nothing where there is none."""
        return {"LoggingEnabled": self._find(context, request, "logging")}

    # Website

    @operation("PutBucketWebsite")
    async def put_website(self, context: RequestContext, request: Request) -> Response:
        """Record how the bucket shall be shown as a website."""
        website = request["WebsiteConfiguration"]
        if "RedirectAllRequestsTo" in website and len(website) > 1:
            raise invalid_request(
                "RedirectAllRequestsTo cannot be provided in conjunction with other elements."
            )
        if "RedirectAllRequestsTo" not in website and "IndexDocument" not in website:
            raise invalid_argument(
                "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty"
            )
        return await self._put(context, request, "website", website)

    @operation("GetBucketWebsite")
    async def get_website(self, context: RequestContext, request: Request) -> Response:
        """Return the record."""
        code = "NoSuchWebsiteConfiguration"
        found: Response = self._get(context, request, "website", code, "website configuration of the bucket")
        return found

    @operation("DeleteBucketWebsite")
    async def delete_website(self, context: RequestContext, request: Request) -> Response:
        """Remove the record."""
        return await self._delete(context, request, "website")

    # Switches

    @operation("PutBucketRequestPayment")
    async def put_payment(self, context: RequestContext, request: Request) -> Response:
        """Record who shall pay."""
        return await self._put(context, request, "payer", request["RequestPaymentConfiguration"]["Payer"])

    @operation("GetBucketRequestPayment")
    async def get_payment(self, context: RequestContext, request: Request) -> Response:
        """Return who shall pay."""
        return {"Payer": self._find(context, request, "payer") or "BucketOwner"}

    @operation("PutBucketAccelerateConfiguration")
    async def put_acceleration(self, context: RequestContext, request: Request) -> Response:
        """Record whether transfers shall be accelerated."""
        if "." in request["Bucket"]:
            raise invalid_request(
                "S3 Transfer Acceleration is not supported for buckets with periods (.) in their names"
            )
        return await self._put(
            context, request, "acceleration", request["AccelerateConfiguration"].get("Status")
        )

    @operation("GetBucketAccelerateConfiguration")
    async def get_acceleration(self, context: RequestContext, request: Request) -> Response:
        """Return the record; nothing where there is none."""
        return {"Status": self._find(context, request, "acceleration")}


def _check_cors(rules: list[dict[str, Any]]) -> None:
    if not 0 < len(rules) <= _MOST_CORS_RULES:
        raise _malformed(f"{len(rules)} CORS rules; 1 to {_MOST_CORS_RULES} are allowed")
    for rule in rules:
        for method in rule["AllowedMethods"]:
            if method not in _METHODS:
                raise invalid_request(
                    f"Found unsupported HTTP method in CORS config. Unsupported method is {method}"
                )
        for origin in (*rule["AllowedOrigins"], *rule.get("AllowedHeaders", ())):
            if origin.count("*") > 1:
                raise invalid_request(f'"{origin}" can not have more than one wildcard.')
        for header in rule.get("ExposeHeaders", ()):
            if "*" in header:
                raise invalid_request(
                    f'ExposeHeader "{header}" contains wildcard. We currently do not support wildcard'
                )


def _check_lifecycle(rules: list[dict[str, Any]]) -> None:
    names = [rule["ID"] for rule in rules if rule.get("ID")]
    if len(set(names)) != len(names):
        raise invalid_argument("Rule ID must be unique. Found same ID for more than one rule")
    for rule in rules:
        if len(rule.get("ID", "")) > _LONGEST_RULE_ID:
            raise invalid_argument(f"ID length should not exceed allowed limit of {_LONGEST_RULE_ID}")
        if ("Prefix" in rule) == ("Filter" in rule):
            raise _malformed("a rule needs either Filter or Prefix")
        expiration = rule.get("Expiration", {})
        if len(expiration) > 1:
            raise _malformed("Expiration needs one of Days, Date and ExpiredObjectDeleteMarker")
        _check_days(expiration.get("Days"), "Expiration")
        _check_midnight(expiration.get("Date"))
        for transition in rule.get("Transitions", ()):
            if ("Days" in transition) == ("Date" in transition):
                raise _malformed("a Transition needs either Days or Date")
            _check_midnight(transition.get("Date"))
        _check_days(
            rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation"), "DaysAfterInitiation"
        )
        _check_days(
            rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays"), "NoncurrentVersionExpiration"
        )


def _check_days(days: int | None, where: str) -> None:
    if days is not None and days <= 0:
        raise invalid_argument(f"'Days' for {where} action must be a positive integer: {days}")


def _check_midnight(date: float | None) -> None:
    if date is not None and date % 86_400:
        raise invalid_argument("'Date' must be at midnight GMT")


def _malformed(reason: str) -> ValidationError:
    return ValidationError(
        f"The XML you provided was not well-formed or did not validate against our published schema: {reason}",
        code="MalformedXML",
    )
