"""What 0.2.0 froze beside it: versions and locks, metrics and alarms, logs, events, what became of failures."""

import json
import time
from datetime import UTC, datetime, timedelta

from tests.frozen import release_0_1_0

from wildsage.supervisor.kept import KeptRuns
from wildsage.supervisor.summary import summarize

VERSIONS = "frozen-versions"
METRIC = {"Namespace": "Frozen", "MetricName": "Loss"}
GROUP = "/frozen/group"
BUS = "frozen-bus"
ENDPOINT = "frozen-endpoint"
PROCESSING = "frozen-processing"
SPOT = "frozen-spot"
SCALED = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": f"endpoint/{ENDPOINT}/variant/A",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
QUEUE = "arn:aws:sqs:us-west-2:123456789012:frozen"
_DECADES = datetime(2100, 1, 1, tzinfo=UTC)
_YEARS = {"StartTime": datetime(2026, 1, 1, tzinfo=UTC), "EndTime": datetime(2029, 1, 1, tzinfo=UTC)}


def fill(opened):
    """Make all of it."""
    _fill_versions(opened)
    _fill_metrics(opened)
    _fill_logs(opened)
    _fill_events(opened)
    opened.client("ecr").create_repository(
        repositoryName="frozen/repository",
        imageTagMutability="IMMUTABLE",
        tags=[{"Key": "frozen", "Value": "yes"}],
    )
    assert release_0_1_0.train(opened, "frozen-failure", feature_dim="3")["TrainingJobStatus"] == "Failed"
    _fill_processing(opened)
    _fill_spot(opened)
    _fill_endpoint(opened)


def _fill_processing(opened):
    sagemaker, bucket = opened.client("sagemaker"), release_0_1_0.BUCKET
    place = "/opt/ml/processing"
    given = {"S3Uri": f"s3://{bucket}/data/", "LocalPath": f"{place}/in", "S3DataType": "S3Prefix"}
    made = {"S3Uri": f"s3://{bucket}/processed", "LocalPath": f"{place}/out", "S3UploadMode": "Continuous"}
    sagemaker.create_processing_job(
        ProcessingJobName=PROCESSING,
        AppSpecification={
            "ImageUri": release_0_1_0.IMAGE,
            "ContainerEntrypoint": ["/bin/sh", "-c"],
            "ContainerArguments": [f"cp {place}/in/* {place}/out; echo done > /opt/ml/output/message"],
        },
        RoleArn=release_0_1_0.ROLE,
        ProcessingResources={
            "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
        },
        ProcessingInputs=[{"InputName": "data", "S3Input": given}],
        ProcessingOutputConfig={"Outputs": [{"OutputName": "made", "S3Output": made}]},
    )
    while (job := _processing(opened)["job"])["ProcessingJobStatus"] == "InProgress":
        time.sleep(0.1)
    assert job["ProcessingJobStatus"] == "Completed", job["FailureReason"]


_TWO_HALVES = (
    "cd /opt/ml/checkpoints; me=$(hostname); if [ -f half-$me ]; then cp half-$me /opt/ml/model/$me; exit 0; fi;"
    " echo $me > half-$me; trap 'exit 0' TERM; while :; do sleep 0.1; done"
)


def _fill_spot(opened):
    """Make a job of two hosts that is interrupted once, and goes on from its checkpoints."""
    sagemaker, bucket = opened.client("sagemaker"), release_0_1_0.BUCKET
    sagemaker.create_training_job(
        TrainingJobName=SPOT,
        AlgorithmSpecification={
            "TrainingImage": release_0_1_0.IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["/bin/sh", "-c"],
            "ContainerArguments": [_TWO_HALVES],
        },
        RoleArn=release_0_1_0.ROLE,
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 120},
        EnableManagedSpotTraining=True,
        CheckpointConfig={"S3Uri": f"s3://{bucket}/checkpoints"},
    )
    while len(_spot_job(opened)["checkpoints"]) < 2:
        time.sleep(0.1)
    opened.interrupt(SPOT)
    while (job := _spot_job(opened)["job"])["TrainingJobStatus"] == "InProgress":
        time.sleep(0.1)
    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]


def _spot_job(opened):
    job = opened.client("sagemaker").describe_training_job(TrainingJobName=SPOT)
    found = opened.client("s3").list_objects_v2(Bucket=release_0_1_0.BUCKET, Prefix="checkpoints/")
    return {"job": job, "checkpoints": [item["Key"] for item in found.get("Contents", [])]}


def _spot(opened):
    explained = opened.explain(SPOT)
    return _spot_job(opened) | {name: explained[name] for name in ("transitions", "runs", "log")}


def _fill_versions(opened):
    s3 = opened.client("s3")
    s3.create_bucket(
        Bucket=VERSIONS,
        CreateBucketConfiguration={"LocationConstraint": "us-west-2"},
        ObjectLockEnabledForBucket=True,
    )
    s3.put_bucket_encryption(
        Bucket=VERSIONS,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )
    allow = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::210987654321:root"},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{VERSIONS}/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    s3.put_bucket_policy(Bucket=VERSIONS, Policy=policy)
    s3.put_object(Bucket=VERSIONS, Key="key", Body="first")
    s3.put_object(
        Bucket=VERSIONS,
        Key="key",
        Body="second",
        ObjectLockMode="GOVERNANCE",
        ObjectLockRetainUntilDate=_DECADES,
        ObjectLockLegalHoldStatus="ON",
    )
    s3.delete_object(Bucket=VERSIONS, Key="key")


def _fill_metrics(opened):
    cloudwatch = opened.client("cloudwatch")
    now = datetime.fromtimestamp(opened.clock.now(), UTC)
    data = [
        {
            "MetricName": METRIC["MetricName"],
            "Dimensions": [{"Name": "Model", "Value": "é"}],
            "Timestamp": now - timedelta(minutes=minutes),
            "Values": [1.5, 2.5, minutes],
            "Counts": [1, 2, 1],
            "Unit": "Count",
        }
        for minutes in range(10)
    ]
    cloudwatch.put_metric_data(Namespace=METRIC["Namespace"], MetricData=data)
    cloudwatch.put_metric_alarm(
        **METRIC,
        AlarmName="frozen-alarm",
        Dimensions=data[0]["Dimensions"],
        Statistic="Maximum",
        Unit="Count",
        Period=60,
        EvaluationPeriods=2,
        Threshold=2.0,
        ComparisonOperator="GreaterThanThreshold",
        # A server that opens this later finds no new values.
        TreatMissingData="ignore",
        AlarmActions=["arn:aws:sns:us-west-2:123456789012:frozen"],
        Tags=[{"Key": "frozen", "Value": "yes"}],
    )
    while _alarms(opened)["MetricAlarms"][0]["StateValue"] != "ALARM":
        time.sleep(0.1)


def _fill_logs(opened):
    logs = opened.client("logs")
    logs.create_log_group(logGroupName=GROUP, tags={"frozen": "yes"})
    logs.put_retention_policy(logGroupName=GROUP, retentionInDays=3653)
    counted = {"metricNamespace": "Frozen", "metricName": "Errors", "metricValue": "1"}
    logs.put_metric_filter(
        logGroupName=GROUP,
        filterName="errors",
        filterPattern='{ $.level = "error" }',
        metricTransformations=[counted],
    )
    logs.create_log_stream(logGroupName=GROUP, logStreamName="stream")
    at = round(opened.clock.now() * 1000)
    lines = ({"level": "error", "text": "é"}, {"level": "info"})
    events = [{"timestamp": at, "message": json.dumps(line)} for line in lines]
    logs.put_log_events(logGroupName=GROUP, logStreamName="stream", logEvents=events)


def _fill_events(opened):
    events = opened.client("events")
    events.create_event_bus(Name=BUS)
    pattern = json.dumps({"source": ["frozen"], "detail": {"number": [{"numeric": [">", 1]}]}})
    events.put_rule(Name="frozen-rule", EventBusName=BUS, EventPattern=pattern, State="DISABLED")
    events.put_targets(
        Rule="frozen-rule", EventBusName=BUS, Targets=[{"Id": "1", "Arn": QUEUE, "InputPath": "$.detail"}]
    )
    entry = {
        "EventBusName": BUS,
        "Source": "frozen",
        "DetailType": "Frozen Event",
        "Detail": json.dumps({"number": 2, "text": "é"}),
        "Resources": [QUEUE],
    }
    events.put_events(Entries=[entry])


def _fill_endpoint(opened):
    """Make an endpoint that failed, as its model is no archive: one in service would start its workers again."""
    opened.client("s3").put_object(Bucket=VERSIONS, Key="broken.tar.gz", Body="broken")
    release_0_1_0.deploy_config(opened, "frozen-broken", "frozen-broken", f"s3://{VERSIONS}/broken.tar.gz")
    sagemaker = opened.client("sagemaker")
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName="frozen-broken")
    while _endpoint(opened)["EndpointStatus"] != "Failed":
        time.sleep(0.1)
    scaling = opened.client("application-autoscaling")
    scaling.register_scalable_target(**SCALED, MinCapacity=1, MaxCapacity=3)
    predefined = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
    scaling.put_scaling_policy(
        **SCALED,
        PolicyName="frozen-scaling",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 70.0,
            "PredefinedMetricSpecification": predefined,
        },
    )


def _versions(opened):
    s3 = opened.client("s3")
    listed = s3.list_object_versions(Bucket=VERSIONS, Prefix="key")
    second, first = (
        {"Bucket": VERSIONS, "Key": "key", "VersionId": one["VersionId"]} for one in listed["Versions"]
    )
    return {
        "listed": listed,
        "contents": [s3.get_object(**one)["Body"].read().decode() for one in (first, second)],
        "head": s3.head_object(**second),
        "retention": s3.get_object_retention(**second),
        "hold": s3.get_object_legal_hold(**second),
    }


def _bucket(opened):
    s3 = opened.client("s3")
    return {
        "versioning": s3.get_bucket_versioning(Bucket=VERSIONS),
        "lock": s3.get_object_lock_configuration(Bucket=VERSIONS),
        "encryption": s3.get_bucket_encryption(Bucket=VERSIONS),
        "policy": s3.get_bucket_policy(Bucket=VERSIONS),
    }


def _metrics(opened):
    cloudwatch = opened.client("cloudwatch")
    metrics = cloudwatch.list_metrics(Namespace="Frozen")["Metrics"]
    statistics = ["SampleCount", "Sum", "Minimum", "Maximum"]
    return [
        {
            **metric,
            "days": cloudwatch.get_metric_statistics(
                **metric, **_YEARS, Period=86_400, Statistics=statistics
            ),
            "medians": cloudwatch.get_metric_statistics(
                **metric, **_YEARS, Period=86_400, ExtendedStatistics=["p50"]
            ),
        }
        for metric in metrics
    ]


def _alarms(opened):
    return opened.client("cloudwatch").describe_alarms(AlarmNames=["frozen-alarm"])


def _alarm(opened):
    cloudwatch = opened.client("cloudwatch")
    found = _alarms(opened)
    return {
        **found,
        "history": cloudwatch.describe_alarm_history(AlarmName="frozen-alarm"),
        "tags": cloudwatch.list_tags_for_resource(ResourceARN=found["MetricAlarms"][0]["AlarmArn"]),
    }


def _logs(opened):
    logs = opened.client("logs")
    return {
        "groups": logs.describe_log_groups(logGroupNamePrefix=GROUP),
        "filters": logs.describe_metric_filters(logGroupName=GROUP),
        "errors": logs.filter_log_events(logGroupName=GROUP, filterPattern='{ $.level = "error" }')["events"],
    }


def _rule(opened):
    events = opened.client("events")
    return {
        "bus": events.describe_event_bus(Name=BUS),
        "rule": events.describe_rule(Name="frozen-rule", EventBusName=BUS),
        "targets": events.list_targets_by_rule(Rule="frozen-rule", EventBusName=BUS),
    }


def _newest_events(opened):
    """Return the newest event of each kind."""
    return {event["detail-type"]: event for event in opened.events()}


def _repository(opened):
    ecr = opened.client("ecr")
    found = ecr.describe_repositories(repositoryNames=["frozen/repository"])
    arn = found["repositories"][0]["repositoryArn"]
    return {**found, "tags": ecr.list_tags_for_resource(resourceArn=arn)}


def _scaling(opened):
    scaling = opened.client("application-autoscaling")
    return {
        "targets": scaling.describe_scalable_targets(ServiceNamespace="sagemaker"),
        "policies": scaling.describe_scaling_policies(ServiceNamespace="sagemaker"),
    }


def _endpoint(opened):
    return opened.client("sagemaker").describe_endpoint(EndpointName=ENDPOINT)


def _processing(opened):
    job = opened.client("sagemaker").describe_processing_job(ProcessingJobName=PROCESSING)
    made = opened.client("s3").list_objects_v2(Bucket=release_0_1_0.BUCKET, Prefix="processed/")
    explained = opened.explain(PROCESSING)
    return {"job": job, "made": [item["Key"] for item in made.get("Contents", [])]} | {
        name: explained[name] for name in ("transitions", "runs", "log", "outputs")
    }


def _failure(opened):
    job = opened.client("sagemaker").describe_training_job(TrainingJobName="frozen-failure")
    # As it was written down: what `explain` makes of it may be said better later.
    explained = opened.explain("frozen-failure")
    return {"job": job} | {name: explained[name] for name in ("transitions", "runs", "log")}


def _kept(opened):
    return [
        {"job": run.job, "kept_at": run.kept_at, "size": run.size, "summary": _summary(run.folder)}
        for run in KeptRuns(opened.layout.kept).list()
    ]


def _summary(folder):
    summary = summarize(folder)
    # Later releases say more of a channel.
    channels = [
        {name: channel[name] for name in ("name", "objects", "bytes")} for channel in summary["channels"]
    ]
    return {**summary, "channels": channels}


KEPT = "kept"
"""Is described of a data directory and not of a backup, which leaves kept runs out."""

DESCRIBERS = {
    "processing": _processing,
    "spot": _spot,
    "versions": _versions,
    "bucket": _bucket,
    "metrics": _metrics,
    "alarm": _alarm,
    "logs": _logs,
    "rule": _rule,
    "events": _newest_events,
    "repository": _repository,
    "scaling": _scaling,
    "endpoint": _endpoint,
    "failure": _failure,
    KEPT: _kept,
}
