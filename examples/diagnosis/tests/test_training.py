import pytest
from botocore.exceptions import ClientError
from diagnosis import training


def test_the_job_says_how_good_its_model_is(estimator, wildsage_session):
    job = wildsage_session.client("sagemaker").describe_training_job(
        TrainingJobName=estimator.latest_training_job.name
    )
    metrics = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
    assert metrics["train:accuracy"] > 0.97
    assert job["HyperParameters"]["regularization"] == "1.0"


def test_a_job_without_data_is_refused(wildsage_bucket, wildsage_role, sagemaker_session):
    with pytest.raises(ClientError, match="No S3 objects found"):
        training.train(
            f"s3://{wildsage_bucket}/nothing", f"s3://{wildsage_bucket}/out", wildsage_role, sagemaker_session
        )


def test_a_job_that_fails_says_why(wildsage_session, wildsage_bucket, wildsage_role, sagemaker_session):
    wildsage_session.client("s3").put_object(
        Bucket=wildsage_bucket, Key="bad/patients.csv", Body=b"1,benign\n"
    )
    with pytest.raises(Exception, match="could not convert string"):
        training.train(
            f"s3://{wildsage_bucket}/bad", f"s3://{wildsage_bucket}/out", wildsage_role, sagemaker_session
        )
