"""What CreateTrainingJob asks of ``ResourceConfig``: one kind of instances, or groups of them, and who gets what."""

from collections.abc import Mapping, Sequence
from typing import Any

from wildsage.core.errors import ValidationError
from wildsage.jobs.training import TRAINING, groups_of
from wildsage.services.operation import Request
from wildsage.services.sagemaker.cluster_size import check_size


def check_instances(request: Request, *, has_sandbox: bool, engine: str = "") -> None:
    """Refuse what cannot be a cluster, or none of this machine.

    Parameters
    ----------
    has_sandbox
        Whether containers have an ``/etc/hosts`` of their own: without it hosts do not find each other.

    Raises
    ------
    ValidationError
        Naming the member, the value and the rule.
    ResourceLimitExceededError
        If there would be too many instances.
    """
    config = request.get("ResourceConfig", {})
    if config.get("InstanceGroups"):
        _check_groups(config)
    elif not config.get("InstanceType"):
        raise ValidationError(
            "ResourceConfig needs InstanceType and InstanceCount, e.g. ml.m5.xlarge and 1, or InstanceGroups"
            " (serverless jobs are not implemented yet)"
        )
    _check_channels(request.get("InputDataConfig", []), config.get("InstanceGroups", []))
    is_isolated = request.get("EnableNetworkIsolation", False)
    check_size(TRAINING, request, has_sandbox=has_sandbox, is_isolated=is_isolated, engine=engine)


def _check_groups(config: Mapping[str, Any]) -> None:
    if "InstanceType" in config or "InstanceCount" in config:
        raise ValidationError("InstanceType or InstanceCount cannot be specified with InstanceGroups")
    names = [group["InstanceGroupName"] for group in config["InstanceGroups"]]
    for group in config["InstanceGroups"]:
        name = group["InstanceGroupName"]
        if names.count(name) > 1:
            raise ValidationError(
                f"Duplicate instance group name: {name!r}. Give each group of ResourceConfig its own name"
            )
        if group["InstanceCount"] < 1:
            raise ValidationError(f"InstanceCount of instance group {name!r} is 0: it must be at least 1")


def _check_channels(channels: Sequence[Mapping[str, Any]], groups: Sequence[Mapping[str, Any]]) -> None:
    assigned = [channel["ChannelName"] for channel in channels if groups_of(channel)]
    others = [channel["ChannelName"] for channel in channels if not groups_of(channel)]
    if assigned and others:
        raise ValidationError(
            f"Some channels have assigned instance groups: [{', '.join(assigned)}]"
            f" while others not: [{', '.join(others)}]"
        )
    known = {group["InstanceGroupName"] for group in groups}
    for channel in channels:
        for name in groups_of(channel):
            if name not in known:
                there = ", ".join(sorted(known)) or "none"
                raise ValidationError(
                    f"Channel '{channel['ChannelName']}' is for the instance group {name!r}, which is not in"
                    f" ResourceConfig.InstanceGroups: there is {there}"
                )
