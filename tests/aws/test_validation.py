import timeit

import pytest

from wildsage.aws.model import Catalogue
from wildsage.aws.texts import load
from wildsage.aws.validation import Validator, compile_pattern
from wildsage.core.errors import ValidationError

catalogue = Catalogue()

TRAINING_JOB = {
    "TrainingJobName": "job-1",
    "AlgorithmSpecification": {
        "TrainingImage": "174872318107.dkr.ecr.us-west-2.amazonaws.com/kmeans:1",
        "TrainingInputMode": "File",
    },
    "RoleArn": "arn:aws:iam::123456789012:role/service-role/Role",
    "HyperParameters": {"k": "10", "feature_dim": "784"},
    "InputDataConfig": [
        {
            "ChannelName": "train",
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/key"}},
        }
    ],
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.c5.xlarge", "VolumeSizeInGB": 30},
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
    "Tags": [{"Key": "team", "Value": "käse"}],
}


def validate(operation, request, service="sagemaker"):
    model = catalogue.service(service)
    Validator(model).validate(model.operation(operation), request)


def problems(operation, request, service="sagemaker"):
    with pytest.raises(ValidationError) as caught:
        validate(operation, request, service)
    return caught.value


def changed(path, value):
    """Return the training job with one member (dotted path) replaced; None removes it."""
    first, _, rest = path.partition(".")

    def put(container, step, rest):
        copy = list(container) if isinstance(container, list) else dict(container)
        key = int(step) if isinstance(container, list) else step
        if rest:
            step, _, rest = rest.partition(".")
            copy[key] = put(copy[key], step, rest)
        elif value is None:
            del copy[key]
        else:
            copy[key] = value
        return copy

    return put(TRAINING_JOB, first, rest)


def test_a_valid_request_passes():
    validate("CreateTrainingJob", TRAINING_JOB)


NAME_PATTERN = "Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
LONG_KEY = "k" * 257
BROKEN = [
    ("TrainingJobName", "-bad", "'-bad' at 'trainingJobName'", NAME_PATTERN),
    ("TrainingJobName", "job\n", "'job\n' at 'trainingJobName'", NAME_PATTERN),  # a dollar sign would let it pass
    ("TrainingJobName", "a" * 64, f"'{'a' * 64}' at 'trainingJobName'", "Member must have length less than or equal to 63"),
    ("RoleArn", None, "null at 'roleArn'", "Member must not be null"),
    ("AlgorithmSpecification.TrainingInputMode", "Disk", "'Disk' at 'algorithmSpecification.trainingInputMode'", "Member must satisfy enum value set: [Pipe, File, FastFile]"),
    ("ResourceConfig.InstanceCount", -1, "'-1' at 'resourceConfig.instanceCount'", "Member must have value greater than or equal to 0"),
    ("StoppingCondition.MaxRuntimeInSeconds", 0, "'0' at 'stoppingCondition.maxRuntimeInSeconds'", "Member must have value greater than or equal to 1"),
    ("InputDataConfig.0.ChannelName", "a b", "'a b' at 'inputDataConfig.1.member.channelName'", r"Member must satisfy regular expression pattern: [A-Za-z0-9\.\-_]+"),
    ("InputDataConfig.0.DataSource.S3DataSource.S3Uri", None, "null at 'inputDataConfig.1.member.dataSource.s3DataSource.s3Uri'", "Member must not be null"),
    ("VpcConfig.Subnets", [], "'[]' at 'vpcConfig.subnets'", "Member must have length greater than or equal to 1"),
    ("VpcConfig.Subnets", ["a b", "c"], "'[a b, c]' at 'vpcConfig.subnets'", "Member must satisfy constraint: [Member must satisfy regular expression pattern: [-0-9a-zA-Z]+]"),
    ("HyperParameters", {LONG_KEY: "1"}, f"'{{{LONG_KEY}=1}}' at 'hyperParameters'", "Map keys must satisfy constraint: [Member must have length less than or equal to 256]"),
    ("HyperParameters", {"k": "x" * 2501}, "'{k=", "Map value must satisfy constraint: [Member must have length less than or equal to 2500]"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "seen", "rule"), BROKEN)
def test_the_text_of_a_broken_rule_is_aws_own(path, value, seen, rule):
    error = problems("CreateTrainingJob", changed(path, value))

    assert error.message.startswith(f"1 validation error detected: Value {seen}")
    assert error.message.endswith(f"failed to satisfy constraint: {rule}")
    assert (error.code, error.status) == ("ValidationException", 400)


def test_all_broken_rules_are_listed():
    error = problems("CreateTrainingJob", {})

    required = catalogue.service("sagemaker").operation("CreateTrainingJob").input.required
    assert error.message.startswith(f"{len(required)} validation errors detected: Value null at ")
    assert error.message.count("Member must not be null") == len(required) > 1


def test_a_flood_of_broken_rules_stays_readable():
    error = problems(
        "AddTags", {"ResourceArn": "arn:aws:x", "Tags": [{"Key": "", "Value": "x" * 9999}] * 9000}
    )

    assert "validation errors detected" in error.message
    assert len(error.message) < 50_000


def test_exactly_one_member_of_a_union_must_be_set():
    vector = {"VectorConfig": {"Dimension": 1}}
    definition = {"FeatureName": "f", "FeatureType": "Fractional", "CollectionType": "Vector"}
    request = {"FeatureGroupName": "g", "FeatureAdditions": [{**definition, "CollectionConfig": vector}]}
    validate("UpdateFeatureGroup", request)
    request["FeatureAdditions"][0]["CollectionConfig"] = {}

    error = problems("UpdateFeatureGroup", request)

    assert "at 'featureAdditions.1.member.collectionConfig'" in error.message
    assert "Exactly one member of the union must be set: [VectorConfig]" in error.message


@pytest.mark.parametrize(
    ("service", "operation", "request_", "code", "said"),
    [
        ("sts", "AssumeRole", {"RoleArn": "arn:aws:iam::1:role/x", "RoleSessionName": "a b"}, "ValidationError", "at 'roleSessionName'"),
        ("iam", "GetRole", {"RoleName": "a b"}, "ValidationError", "The specified value for roleName is invalid. It must contain only"),
        ("logs", "CreateLogGroup", {"logGroupName": "a b"}, "InvalidParameterException", "at 'logGroupName'"),
        ("sagemaker-runtime", "InvokeEndpoint", {"EndpointName": "a_b"}, "ValidationError", "at 'endpointName'"),
    ],
)  # fmt: skip
def test_each_service_has_its_own_code(service, operation, request_, code, said):
    error = problems(operation, request_, service)

    assert error.code == code
    assert said in error.message


@pytest.mark.parametrize("operation", ["InvokeEndpoint", "InvokeEndpointWithResponseStream"])
def test_a_payload_may_be_larger_than_the_model_says(operation):
    limit = 25 * 1024 * 1024
    modelled = catalogue.service("sagemaker-runtime").operation(operation).input.members["Body"].traits["max"]
    assert modelled < limit, "the model has the limit itself: the deviation can go"
    validate(operation, {"EndpointName": "e", "Body": b"x" * limit}, "sagemaker-runtime")

    error = problems(operation, {"EndpointName": "e", "Body": b"x" * (limit + 1)}, "sagemaker-runtime")

    assert error.code == "ValidationError"
    assert error.message.endswith(f"Member must have length less than or equal to {limit}")


def test_every_deviation_is_of_a_shape_that_exists_and_changes_it():
    deviations = {
        (service, shape): changes
        for service, table in load("services.toml").items()
        for shape, changes in table.get("validation", {}).get("shapes", {}).items()
    }
    assert ("sagemaker-runtime", "BodyBlob") in deviations
    for (service, shape), changes in deviations.items():
        modelled = catalogue.service(service)._shapes[shape]
        assert any(modelled.get(trait) != value for trait, value in changes.items()), (service, shape)


def test_s3_leaves_all_rules_but_required_members_to_its_handlers():
    validate("PutObject", {"Bucket": "_", "Key": "", "ACL": "none"}, "s3")


@pytest.mark.parametrize(
    ("operation", "request_", "code"),
    [
        ("CompleteMultipartUpload", {"Bucket": "b", "Key": "k"}, "InvalidRequest"),
        ("GetObjectAttributes", {"Bucket": "b", "Key": "k"}, "InvalidRequest"),
        ("DeleteObjects", {"Bucket": "b"}, "MalformedXML"),
        ("DeleteObjects", {"Bucket": "b", "Delete": {}}, "MalformedXML"),
        ("DeleteObjects", {"Bucket": "b", "Delete": {"Objects": [{}]}}, "MalformedXML"),
    ],
)
def test_what_s3_requires_is_there_when_its_handler_runs(operation, request_, code):
    assert problems(operation, request_, "s3").code == code


def test_every_pattern_of_the_services_that_exist_compiles():
    for name in ("sagemaker", "s3", "iam", "sts", "logs", "sagemaker-runtime"):
        for shape in catalogue.service(name)._shapes.values():
            if "pattern" in shape:
                compile_pattern(shape["pattern"])


@pytest.mark.parametrize(
    ("pattern", "matches", "fails"),
    [
        (r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)", "Größe 日本 1", "<"),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", "a 😀", "\x01"),
        (r"\d+", "12", "١٢"),  # Java's \d knows ASCII alone
        (r"^a$", "a", "a\n"),
        (r"[\w-_]+", "a-_", " "),
    ],
)
def test_patterns_mean_what_java_means(pattern, matches, fails):
    compiled = compile_pattern(pattern)

    assert compiled.fullmatch(matches)
    assert not compiled.fullmatch(fails)


def test_the_cost_of_a_typical_request_is_shown(capsys):
    model = catalogue.service("sagemaker")
    validator, operation = Validator(model), model.operation("CreateTrainingJob")
    validator.validate(operation, TRAINING_JOB)

    seconds = (
        min(timeit.repeat(lambda: validator.validate(operation, TRAINING_JOB), number=200, repeat=3)) / 200
    )

    with capsys.disabled():
        print(f" [validation of a CreateTrainingJob: {seconds * 1e6:.0f} µs]", end="")
