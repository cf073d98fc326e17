"""Answers in the eyes of SDK v3: its resource classes validate every one."""

import json
import shlex
import sys
from pathlib import Path

import pytest
from tests.acceptance.live import FOLDER, Live

pytestmark = pytest.mark.acceptance

CONTAINER = shlex.join([sys.executable, str(FOLDER.parent / "faults" / "container.py")])


def test_resources(server: Live, sdk3: str, tmp_path: Path):
    server.wildsage("images", "add", "steps:1", CONTAINER)
    results = tmp_path / "results.json"
    finished = server.run(sdk3, str(FOLDER / "checks" / "v3_resources.py"), str(results), cwd=tmp_path)
    said = json.loads(results.read_text())
    assert "AlgorithmError" in said["failure"]
    assert "exit code: 1" in said["failure"]
    assert 'Could not find endpoint "' in said["gone"]
    assert finished.outside == []


def test_sdk_v2_execution_role(server: Live, sdk2: str, tmp_path: Path):
    script = "import boto3, sagemaker; print(sagemaker.get_execution_role(sagemaker.Session(boto3.Session(region_name='eu-west-1'))))"
    role = server.run(sdk2, "-c", script, cwd=tmp_path).stdout.splitlines()[-1]
    assert role == "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"
