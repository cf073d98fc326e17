"""SageMaker Python SDK v2: every tabular built-in algorithm trains, deploys and predicts.

python v2_algorithms.py RESULTS
"""

import json
import sys
from pathlib import Path

import boto3
import numpy as np
import sagemaker
from sagemaker import image_uris
from sagemaker.deserializers import CSVDeserializer, JSONDeserializer, JSONLinesDeserializer
from sagemaker.inputs import TrainingInput
from sagemaker.serializers import CSVSerializer, JSONLinesSerializer, JSONSerializer

role = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
session = sagemaker.Session(boto3.Session(region_name="us-west-2"))
bucket = session.default_bucket()
common = {
    "role": role,
    "instance_count": 1,
    "instance_type": "ml.m5.xlarge",
    "output_path": f"s3://{bucket}/algorithms/output",
    "data_location": f"s3://{bucket}/algorithms/data",
    "sagemaker_session": session,
}

# Three groups of rows; what belongs to the third is the positive class.
rng = np.random.default_rng(3)
group = rng.integers(0, 3, 900)
features = rng.normal(group[:, np.newaxis] * 5, 1, (900, 4)).round(3).astype("float32")
labels = (group == 2).astype("float32")
asked = features[:30]

ESTIMATORS = {
    "kmeans": (sagemaker.KMeans(k=3, **common), None),
    "pca": (sagemaker.PCA(num_components=2, **common), None),
    "linear-learner": (sagemaker.LinearLearner(predictor_type="binary_classifier", **common), labels),
    "knn": (sagemaker.KNN(k=5, sample_size=900, predictor_type="classifier", **common), labels),
    "factorization-machines": (
        sagemaker.FactorizationMachines(
            num_factors=4, predictor_type="binary_classifier", epochs=20, **common
        ),
        labels,
    ),
    "randomcutforest": (sagemaker.RandomCutForest(num_trees=50, num_samples_per_tree=64, **common), None),
}


def records(predictor):
    """The answers to records: what each label holds."""
    return [
        {name: list(tensor.float32_tensor.values) for name, tensor in record.label.items()}
        for record in predictor.predict(asked)
    ]


def texts(predictor, has_csv):
    """The answers to the other formats."""
    found = {}
    predictor.serializer, predictor.deserializer = JSONSerializer(), JSONDeserializer()
    found["json"] = predictor.predict({"instances": [{"features": row} for row in asked.tolist()]})
    predictor.serializer, predictor.deserializer = JSONLinesSerializer(), JSONLinesDeserializer()
    found["jsonlines"] = predictor.predict([{"features": row} for row in asked.tolist()])
    if has_csv:
        predictor.serializer, predictor.deserializer = CSVSerializer(), JSONDeserializer()
        found["csv"] = predictor.predict(asked)
    return found


results = {}
for name, (estimator, target) in ESTIMATORS.items():
    batch = {} if name in ("randomcutforest", "linear-learner") else {"mini_batch_size": 100}
    estimator.fit(estimator.record_set(features, target), **batch)
    predictor = estimator.deploy(initial_instance_count=1, instance_type="ml.m5.xlarge")
    try:
        results[name] = {"recordio": records(predictor)}
        results[name] |= texts(predictor, has_csv=name != "factorization-machines")
    finally:
        predictor.delete_model()
        predictor.delete_endpoint()

np.savetxt("train.csv", np.column_stack([labels, features]), delimiter=",", fmt="%.3f")
image = image_uris.retrieve("xgboost", "us-west-2", version="1.7-1")
boosted = sagemaker.estimator.Estimator(
    image, role, 1, "ml.m5.xlarge", output_path=common["output_path"], sagemaker_session=session
)
boosted.set_hyperparameters(objective="binary:logistic", num_round=20)
uploaded = session.upload_data("train.csv", bucket, "algorithms/xgboost")
boosted.fit({"train": TrainingInput(uploaded, content_type="text/csv")})
predictor = boosted.deploy(1, "ml.m5.xlarge", serializer=CSVSerializer(), deserializer=CSVDeserializer())
try:
    results["xgboost"] = {"csv": predictor.predict(asked)}
finally:
    predictor.delete_model()
    predictor.delete_endpoint()

everywhere = {
    (name, tag, region): image_uris.retrieve(name, region, version=tag)
    for name in ESTIMATORS
    for tag in ("1", "latest")
    for region in ("us-west-2", "eu-central-1", "cn-north-1", "us-gov-west-1")
}
Path(f"{sys.argv[1]}.json").write_text(
    json.dumps({"asked": asked.tolist(), "answers": results, "images": sorted(everywhere.values())})
)
