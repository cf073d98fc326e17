"""One training job and one endpoint for all tests."""

import pytest
from diagnosis import data, training
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split


@pytest.fixture(scope="session")
def patients():
    """Measurements and labels: to train on, and to test with."""
    measurements, labels = load_breast_cancer(return_X_y=True)
    return train_test_split(measurements, labels, test_size=0.2, random_state=0)


@pytest.fixture(scope="session")
def estimator(wildsage_account, sagemaker_session, patients):
    """A finished training job."""
    bucket = wildsage_account.bucket("patients")
    measurements, _, labels, _ = patients
    train_uri = data.upload(wildsage_account.session(), bucket, "train/patients.csv", labels, measurements)
    return training.train(train_uri, f"s3://{bucket}/models", wildsage_account.role, sagemaker_session)


@pytest.fixture(scope="session")
def endpoint(estimator):
    """A deployed model."""
    return training.deploy(estimator)
