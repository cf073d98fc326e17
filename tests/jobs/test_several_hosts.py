"""Jobs of several hosts, with real supervisors and containers, without the wire."""

import asyncio
import io
import json
import os
import signal
import socket
import sys
import tarfile
import time

import pytest
from tests.jobs.platform import KEY, play, statuses, supervisor_of

from wildsage.compute.select import choose
from wildsage.jobs.capacity import Capacity
from wildsage.jobs.replays import Replays
from wildsage.jobs.spot import Interruptions
from wildsage.services.sagemaker.explanation import Explanations
from wildsage.services.sagemaker.processing_job import ProcessingJobRules, ProcessingJobs
from wildsage.store.run_records import RunRecords
from wildsage.store.runs import Runs
from wildsage.supervisor.contract import JobFile
from wildsage.supervisor.folder import RunFolder

pytestmark = pytest.mark.skipif(not choose().private, reason="hosts find each other in a sandbox only")

TWO = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
ME = 'me=$(sed \'s/.*"current_host": "\\([^"]*\\)".*/\\1/\' /opt/ml/input/config/resourceconfig.json)\n'
WAIT = "trap 'exit 0' TERM; while :; do sleep 0.05; done"


def run_job(platform, tmp_path, script, **members):
    """Run a job of two hosts to its end."""
    platform.image(tmp_path, "image", ME + script)

    async def story():
        await platform.create("job", "image", **{"ResourceConfig": TWO, **members})
        job = await platform.ended("job")
        await platform.emptied()
        return job

    return play(platform, story)


def files(platform, name="model"):
    content = asyncio.run(platform.buckets.read_bytes("out", f"models/job/output/{name}.tar.gz", 1 << 24))
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {
            member.name: archive.extractfile(member).read().decode() for member in archive if member.isfile()
        }


def logs(platform):
    group = platform.logs.group("123456789012", "us-west-2", "/aws/sagemaker/TrainingJobs")
    return {
        stream.name.split("/")[1].rpartition("-")[0]: [
            frame.message for frame in platform.logs.read_forward(stream, 0, 10_000)
        ]
        for stream in platform.logs.streams(group, "job/")
    }


async def put(platform, *keys):
    await platform.buckets.create_bucket("data", "123456789012", "us-west-2", {})
    for key in keys:
        await platform.buckets.put_bytes("data", key, key.encode())


def vars_of(key):
    return {"account": key.account, "region": key.region}


def test_each_host_runs_and_what_they_leave_is_one(platform, tmp_path):
    job = run_job(
        platform,
        tmp_path,
        "echo loss=${me#algo-}; cp /opt/ml/input/config/resourceconfig.json /opt/ml/model/$me\n"
        "getent hosts algo-1 algo-2 > /opt/ml/output/data/hosts-$me; hostname > /opt/ml/model/both",
        AlgorithmSpecification={"MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*)"}]},
    )
    assert statuses(job) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    model = files(platform)
    assert model.keys() == {"algo-1", "algo-2", "both"}
    assert model["both"] == "algo-1\n", "of several files of one name the first host's stays"
    said = json.loads(model["algo-2"])
    assert said == {
        "current_host": "algo-2",
        "current_instance_type": "ml.m5.large",
        "current_group_name": "homogeneousCluster",
        "hosts": ["algo-1", "algo-2"],
        "instance_groups": [
            {
                "instance_group_name": "homogeneousCluster",
                "instance_type": "ml.m5.large",
                "hosts": ["algo-1", "algo-2"],
            }
        ],
        "network_interface_name": "lo",
    }
    seen = files(platform, "output")
    assert seen["hosts-algo-1"] == seen["hosts-algo-2"]
    one, two = (line.split()[0] for line in seen["hosts-algo-1"].splitlines())
    assert one != two
    assert one.startswith("127.")
    assert logs(platform) == {"algo-1": ["loss=1"], "algo-2": ["loss=2"]}
    points = platform.rooms.logs.database.read("SELECT value FROM job_metric ORDER BY value")
    assert [row["value"] for row in points] == [1.0, 2.0]
    assert job["BillableTimeInSeconds"] < 10
    records = RunRecords(platform.resources.database).of(platform.rooms.runs.of(KEY)[0].job)
    assert [(record["host"], record["attempt"]) for record in records] == [("algo-1", 1), ("algo-2", 1)]


def test_hosts_share_a_secret_of_this_attempt(platform, tmp_path):
    job = run_job(platform, tmp_path, 'cp "$WILDSAGE_PEERS_FILE" /opt/ml/model/$me')
    assert job["TrainingJobStatus"] == "Completed"
    model = files(platform)
    assert len(model["algo-1"]) > 40
    assert model["algo-1"] == model["algo-2"]


def test_hosts_without_a_network_reach_each_other_and_nobody_else(platform, tmp_path):
    """As on AWS, where calls between peers are excepted from EnableNetworkIsolation."""
    with socket.create_server(("127.0.0.1", 0)) as outside:
        job = run_job(
            platform,
            tmp_path,
            f"exec {sys.executable} - $me {outside.getsockname()[1]} <<'END'\n{PEERS}\nEND",
            EnableNetworkIsolation=True,
        )
    assert job["TrainingJobStatus"] == "Completed", logs(platform)
    assert logs(platform)["algo-2"] == ["peer", "nobody else"]


PEERS = """
import socket, sys, time
if sys.argv[1] == "algo-1":
    with socket.create_server(("algo-1", 7777)) as listener:
        listener.accept()[0].sendall(b"peer")
    sys.exit()
while True:
    try:
        print(socket.create_connection(("algo-1", 7777), 5).recv(10).decode())
        break
    except ConnectionRefusedError:
        time.sleep(0.05)
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[2])), 5)
    print("out")
except OSError:
    print("nobody else")
"""


def test_an_isolated_host_that_fails_before_its_peers_begin_ends_them_too(platform, tmp_path):
    job = run_job(platform, tmp_path, f"[ $me = algo-1 ] && exit 3\n{WAIT}", EnableNetworkIsolation=True)
    assert job["FailureReason"].startswith("AlgorithmError: , exit code: 3 (on algo-1)")


def test_one_that_fails_ends_the_others_and_the_job_names_it(platform, tmp_path):
    job = run_job(
        platform,
        tmp_path,
        "[ $me = algo-2 ] && { echo broken; exit 3; }\n"
        "trap 'echo told; exit 9' TERM; while :; do sleep 0.05; done",
    )
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == (
        "AlgorithmError: broken, exit code: 3 (on algo-2). Next step: run `wildsage explain job`."
    )
    assert logs(platform)["algo-2"] == ["broken"]
    assert "told" in logs(platform)["algo-1"]
    (kept,) = platform.rooms.kept.list()
    assert kept.run_id.endswith(".1-2"), "what failed is kept for a replay"
    begun = asyncio.run(Replays(platform.rooms, Capacity(2)).begin({**vars_of(KEY), "name": "job"}))
    described = JobFile.from_json(begun["job"])
    assert (described.hostname, list(described.hosts)) == ("algo-2", ["algo-1", "algo-2"])
    explanations = Explanations(platform.resources, platform.logs, platform.layout, platform.clock)
    explained = asyncio.run(explanations.explain({**vars_of(KEY), "name": "job"}))
    assert [(run["host"], run["exit"]["outcome"]) for run in explained["runs"]] == [
        ("algo-1", "stopped"), ("algo-2", "failed"),
    ]  # fmt: skip
    (instance,) = explained["instances"]
    assert (instance["type"], instance["count"]) == ("ml.m5.large", 2)


def test_of_several_that_fail_the_first_is_blamed(platform, tmp_path):
    job = run_job(
        platform,
        tmp_path,
        "[ $me = algo-1 ] && { sleep 0.4; echo later; exit 4; }; echo sooner; trap '' TERM; exit 3",
    )
    assert "sooner, exit code: 3 (on algo-2)" in job["FailureReason"]


def test_a_stop_reaches_all(platform, tmp_path):
    platform.image(tmp_path, "image", ME + "echo $me > /opt/ml/model/$me; echo ready\n" + WAIT)

    async def story():
        await platform.create("job", "image", ResourceConfig=TWO)
        await platform.until("job", lambda job: job["SecondaryStatus"] == "Training")
        await platform.until("job", lambda _: logs(platform) == {"algo-1": ["ready"], "algo-2": ["ready"]})
        await platform.jobs.stop(platform.context, {"TrainingJobName": "job"})
        return await platform.ended("job")

    job = play(platform, story)
    assert job["TrainingJobStatus"] == "Stopped"
    assert files(platform) == {"algo-1": "algo-1\n", "algo-2": "algo-2\n"}


MISSING = """
import json, socket, sys, time
me = json.load(open("/opt/ml/input/config/resourceconfig.json"))["current_host"]
if me == "algo-1":
    with socket.create_server((me, 7777)) as listener:
        peer = listener.accept()[0]
else:
    while True:
        try:
            peer = socket.create_connection(("algo-1", 7777))
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
print("joined", flush=True)
sys.exit(peer.recv(1) == b"")
"""
"""A host that fails as soon as its peer is gone, as libraries for collective communication do."""


@pytest.mark.parametrize("spot", [False, True])
def test_who_fails_because_its_peer_was_told_to_end_does_not_fail_the_job(
    platform, tmp_path, monkeypatch, spot
):
    platform.image(tmp_path, "image", f"exec {sys.executable} - <<'END'\n{MISSING}\nEND")
    write = RunFolder.request_stop

    def slowly(folder, reason="requested"):
        """A disk that takes so long for a stop that the other host has gone by the next one."""
        write(folder, reason)
        time.sleep(0.7)

    monkeypatch.setattr(RunFolder, "request_stop", slowly)
    interruptions = Interruptions(platform.resources, platform.rooms.runs, platform.layout)

    def joined():
        found = logs(platform)
        return [lines.count("joined") for lines in found.values()] if len(found) == 2 else []

    async def story():
        waits = {"EnableManagedSpotTraining": True} if spot else {}
        limits = {"MaxRuntimeInSeconds": 60, **({"MaxWaitTimeInSeconds": 60} if spot else {})}
        await platform.create("job", "image", ResourceConfig=TWO, StoppingCondition=limits, **waits)
        await platform.until("job", lambda job: job["SecondaryStatus"] == "Training")
        await platform.until("job", lambda _: joined() == [1, 1])
        if spot:
            await interruptions.interrupt({**vars_of(KEY), "name": "job"})
            await platform.until("job", lambda _: joined() == [2, 2])
        await platform.jobs.stop(platform.context, {"TrainingJobName": "job"})
        return await platform.ended("job")

    job = play(platform, story)
    assert (job["TrainingJobStatus"], job.get("FailureReason")) == ("Stopped", None)
    assert statuses(job).count("Interrupted") == spot


def test_the_time_of_the_job_is_up_for_all(platform, tmp_path):
    job = run_job(platform, tmp_path, WAIT, StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_a_lost_host_repeats_the_whole_attempt(platform, tmp_path):
    platform.image(tmp_path, "image", ME + "echo begin\n" + WAIT)

    async def story():
        await platform.create("job", "image", ResourceConfig=TWO)
        for attempt in (1, 2):
            await platform.until("job", lambda job: job["SecondaryStatus"] == "Training")
            await platform.until(
                "job",
                lambda _, seen=attempt: all(
                    lines.count("begin") == seen for lines in logs(platform).values()
                ),
            )
            (second,) = [
                one for one in platform.run_folders() if one.path.name.endswith("-2") and one.is_alive()
            ]
            os.kill(supervisor_of(second), signal.SIGKILL)
            await platform.until("job", lambda job: job["SecondaryStatus"] != "Training")
        return await platform.ended("job")

    job = play(platform, story)
    assert job["FailureReason"].startswith("InternalServerError: the process that carried the job is gone")
    assert statuses(job).count("Restarting") == 1
    assert [(run.attempt, run.host) for run in Runs(platform.resources.database).of(KEY)] == [
        (1, 1), (1, 2), (2, 1), (2, 2),
    ]  # fmt: skip


def test_a_server_that_comes_back_goes_on_with_all_hosts(platform, tmp_path):
    platform.image(tmp_path, "image", ME + "echo begin; sleep 1; echo end; echo $me > /opt/ml/model/$me")

    async def first():
        await platform.create("job", "image", ResourceConfig=TWO)
        await platform.until("job", lambda job: job["SecondaryStatus"] == "Training")

    async def second():
        return await platform.ended("job")

    play(platform, first)
    job = play(platform, second)
    assert statuses(job) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert logs(platform) == {"algo-1": ["begin", "end"], "algo-2": ["begin", "end"]}
    assert files(platform).keys() == {"algo-1", "algo-2"}


def test_more_hosts_than_cores_share_the_machine(platform, tmp_path):
    job = run_job(
        platform, tmp_path, "echo $me > /opt/ml/model/$me", ResourceConfig={**TWO, "InstanceCount": 5}
    )
    assert job["TrainingJobStatus"] == "Completed"
    assert len(files(platform)) == 5


def channel(name, uri, **source):
    s3 = {"S3DataType": "S3Prefix", "S3Uri": uri, **source}
    return {"ChannelName": name, "DataSource": {"S3DataSource": s3}}


GROUPS = [
    {"InstanceGroupName": "data", "InstanceType": "ml.m5.large", "InstanceCount": 2},
    {"InstanceGroupName": "net", "InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
]


def test_groups_and_shards_get_their_own(platform, tmp_path):
    platform.image(
        tmp_path,
        "image",
        ME
        + "cd /opt/ml/input; find data -type f | sort > /opt/ml/model/$me; cp -r config /opt/ml/model/config-$me",
    )

    async def story():
        await put(platform, "a/1", "a/2", "a/3", "b/1")
        await platform.create(
            "job",
            "image",
            ResourceConfig={"InstanceGroups": GROUPS, "VolumeSizeInGB": 1},
            InputDataConfig=[
                channel(
                    "sharded",
                    "s3://data/a/",
                    InstanceGroupNames=["data"],
                    S3DataDistributionType="ShardedByS3Key",
                ),
                channel("all", "s3://data/b/", InstanceGroupNames=["data", "net"]),
            ],
        )
        return await platform.ended("job")

    job = play(platform, story)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    model = files(platform)
    assert model["algo-1"].split() == ["data/all/1", "data/sharded/1", "data/sharded/3"]
    assert model["algo-2"].split() == ["data/all/1", "data/sharded/2"]
    assert model["algo-3"].split() == ["data/all/1"]
    resources = json.loads(model["config-algo-3/resourceconfig.json"])
    assert resources["current_group_name"] == "net"
    assert resources["current_instance_type"] == "ml.m5.xlarge"
    assert [group["hosts"] for group in resources["instance_groups"]] == [["algo-1", "algo-2"], ["algo-3"]]
    assert json.loads(model["config-algo-3/inputdataconfig.json"]).keys() == {"all"}


def test_a_processing_job_of_two_hosts_uploads_what_both_made(platform, tmp_path):
    platform.image(tmp_path, "image", "exit 0")
    rules = ProcessingJobRules(
        platform.rooms.images, platform.accept_role, can_isolate=True, ahead=lambda _types: None
    )
    jobs = ProcessingJobs(platform.resources, rules)
    script = "me=$(hostname); ls /opt/ml/processing/in > /opt/ml/processing/out/$me; echo $me > /opt/ml/processing/out/both"

    async def story():
        await put(platform, "a/1", "a/2", "a/3")
        source = {
            "S3Uri": "s3://data/a/", "LocalPath": "/opt/ml/processing/in", "S3DataType": "S3Prefix",
            "S3InputMode": "File", "S3DataDistributionType": "ShardedByS3Key",
        }  # fmt: skip
        place = {"S3Uri": "s3://data/out", "LocalPath": "/opt/ml/processing/out", "S3UploadMode": "EndOfJob"}
        await jobs.create(
            platform.context,
            {
                "ProcessingJobName": "job",
                "AppSpecification": {"ImageUri": "image", "ContainerEntrypoint": ["/bin/sh", "-c", script]},
                "RoleArn": "arn:aws:iam::123456789012:role/Role",
                "ProcessingResources": {"ClusterConfig": {**TWO, "VolumeSizeInGB": 1}},
                "ProcessingInputs": [{"InputName": "in", "S3Input": source}],
                "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": place}]},
            },
        )
        while True:
            job = await jobs.describe(platform.context, {"ProcessingJobName": "job"})
            if job["ProcessingJobStatus"] != "InProgress":
                return job
            await asyncio.sleep(0.02)

    job = play(platform, story)
    assert job["ProcessingJobStatus"] == "Completed", job

    async def read(key):
        return (await platform.buckets.read_bytes("data", f"out/{key}", 100)).split()

    assert asyncio.run(read("algo-1")) == [b"1", b"3"]
    assert asyncio.run(read("algo-2")) == [b"2"]
    assert asyncio.run(read("both")) == [b"algo-1"]
