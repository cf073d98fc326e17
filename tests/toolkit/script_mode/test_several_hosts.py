"""Scripts on several hosts, which are processes with addresses of their own here."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from wildsage.toolkit.local import loopback_addresses
from wildsage.toolkit.script_mode.distribution import meeting_point

HOSTS = list(loopback_addresses(2))

# As AWS's example of distributed XGBoost in script mode has it.
BOOST = """
import json, os
import numpy as np, xgboost
from sagemaker_xgboost_container import distributed

hosts, current = json.loads(os.environ["SM_HOSTS"]), os.environ["SM_CURRENT_HOST"]
rng = np.random.default_rng(0)
x = rng.normal(size=(400, 4))
y = (x[:, 0] * x[:, 1] > 0).astype(float)
mine = slice(hosts.index(current), None, len(hosts))
train = xgboost.DMatrix(x[mine], label=y[mine], nthread=1)

def boost(params, dtrain, num_boost_round, is_master):
    model = xgboost.train(params, dtrain, num_boost_round)
    if is_master:
        model.save_model(os.path.join(os.environ["SM_MODEL_DIR"], "model.ubj"))
    found = model.predict(xgboost.DMatrix(x, nthread=1))
    print("ACCURACY", is_master, ((found > 0.5) == y).mean(), found.sum())

has_data = HAS_DATA
distributed.rabit_run(
    boost,
    {"params": {"objective": "binary:logistic", "tree_method": "hist", "nthread": 1}, "dtrain": train, "num_boost_round": 10},
    include_in_training=has_data, hosts=hosts, current_host=current, update_rabit_args=True, first_port=9099,
)
"""


def configure(container, rank, script):
    """Make a container one of the hosts."""
    container.code({"train.py": script})
    container.configure({"sagemaker_program": "train.py"})
    resources = {"current_host": HOSTS[rank], "hosts": HOSTS, "network_interface_name": "lo"}
    (container.base / "input/config/resourceconfig.json").write_text(json.dumps(resources))


@pytest.fixture
def run_both(container):
    def run(script):
        containers = [type(container)(container.base / str(rank)) for rank in range(len(HOSTS))]
        for rank, one in enumerate(containers):
            configure(one, rank, script)
        with ThreadPoolExecutor() as pool:
            return containers, list(pool.map(lambda one: one.run("train"), containers))

    return run


def said(done):
    return [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("ACCURACY")]


def test_xgboost_boosts_on_both(run_both):
    containers, done = run_both(BOOST.replace("HAS_DATA", "True"))
    assert [each.returncode for each in done] == [0, 0], done[0].stderr + done[1].stderr
    (first,), (second,) = map(said, done)
    assert (first[0], second[0]) == ("True", "False")
    assert first[1:] == second[1:], "both have one model"
    assert float(first[1]) > 0.95
    assert [(one.base / "model/model.ubj").exists() for one in containers] == [True, False]


def test_a_host_without_data_ends_and_the_other_saves_the_model(run_both):
    containers, done = run_both(BOOST.replace("HAS_DATA", "current == hosts[1]"))
    assert [each.returncode for each in done] == [0, 0], done[0].stderr + done[1].stderr
    assert [len(said(each)) for each in done] == [0, 1]
    assert [(one.base / "model/model.ubj").exists() for one in containers] == [False, True]


def test_each_script_is_told_the_same_meeting_point(run_both):
    _, done = run_both("import os; print(os.environ['MASTER_ADDR'], os.environ['MASTER_PORT'])")
    assert done[0].stdout == done[1].stdout
    assert done[0].stdout.startswith(f"{HOSTS[0]} ")


def test_torchrun_of_a_driver_gets_a_port_of_the_job(container, tmp_path):
    """As SDK v3's driver calls it, through the overlay's ``torchrun``."""
    package = tmp_path / "torch" / "distributed"
    package.mkdir(parents=True)
    for place in (package.parent, package):
        (place / "__init__.py").touch()
    (package / "run.py").write_text("import sys; print(sys.argv[1:])")
    words = ["--nnodes=2", f"--master_addr={HOSTS[0]}", "--master_port=7777", "train.py"]
    done = container.run("torchrun", *words, PYTHONPATH=str(tmp_path))
    port = meeting_point(HOSTS)["MASTER_PORT"]
    assert done.stdout.strip() == str(
        ["--nnodes=2", "--master_addr", HOSTS[0], "--master_port", port, "train.py"]
    )


def test_a_launcher_may_be_for_one_group_of_hosts(container):
    """As SDK v2 sends ``distribution={…, "instance_groups": [group]}``."""
    names = ("DISTRIBUTION_HOSTS", "DISTRIBUTION_INSTANCE_GROUPS", "CURRENT_INSTANCE_GROUP", "IS_HETERO")
    container.code(
        {"train.py": f"import os; print(*(os.environ['SM_' + name] for name in {names}), sep=';')"}
    )
    container.configure(
        {"sagemaker_program": "train.py", "sagemaker_distribution_instance_groups": '["net"]'}
    )
    groups = [
        {"instance_group_name": "data", "instance_type": "ml.m5.large", "hosts": [HOSTS[0]]},
        {"instance_group_name": "net", "instance_type": "ml.m5.xlarge", "hosts": [HOSTS[1]]},
    ]
    resources = {
        "current_host": HOSTS[0],
        "hosts": HOSTS,
        "instance_groups": groups,
        "current_group_name": "data",
    }
    (container.base / "input/config/resourceconfig.json").write_text(json.dumps(resources))
    done = container.run("train")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f'["{HOSTS[1]}"];["net"];data;true'
