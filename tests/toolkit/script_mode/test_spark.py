"""``smspark-submit`` before a Spark that only says how it was started."""

import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SUBMIT = r"""#!/bin/sh
echo "argument: $*" | tr '\n' ' '; echo
echo "master: $(grep spark.master $SPARK_CONF_DIR/spark-defaults.conf)"
echo "word: $WORD"
events=$(sed -n 's#spark.eventLog.dir file://##p' $SPARK_CONF_DIR/spark-defaults.conf)
[ -z "$events" ] || echo event > $events/local-1.inprogress
printf "$PRINTED"
[ -z "$SAID" ] || printf "$SAID" >&2
exit ${CODE:-0}
"""


@pytest.fixture
def spark(container, tmp_path):
    """Run ``smspark-submit`` with these words."""
    package = tmp_path / "packages/pyspark"
    (package / "bin").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "bin/spark-submit").write_text(SUBMIT)
    (package / "bin/spark-submit").chmod(0o755)
    container.code({"app.py": ""}, "processing/input/code")

    def run(*words, **variables):
        paths = {"PYTHONPATH": str(package.parent), "OMP_NUM_THREADS": "3"}
        return container.run("spark", *words, **paths, **variables)

    return run


APP = "/opt/ml/processing/input/code/app.py"


def configure(container, content):
    path = container.base / "processing/input/conf/configuration.json"
    path.parent.mkdir(parents=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return container.base / ".wildsage-spark/conf"


def test_an_application_gets_its_own_words_and_the_jobs_processors(container, spark):
    done = spark(APP, "--class", "mine", "-v", "x y")
    assert done.returncode == 0, done.stderr
    assert f"argument: {container.base}/processing/input/code/app.py --class mine -v x y" in done.stdout
    assert "master: spark.master local[3]" in done.stdout


def test_folders_become_lists_of_files(container, spark):
    container.code({"b.py": "", "a.zip": "", "deep/c.py": ""}, "processing/input/py-files")
    files = container.base / "processing/input/py-files"
    folder = "/opt/ml/processing/input/py-files"
    done = spark("--py-files", folder, "--files", f"{folder}/b.py,{folder}/deep/c.py", "--class", "Main", APP)
    assert (
        f"--class Main --py-files {files}/a.zip,{files}/b.py --files {files}/b.py,{files}/deep/c.py"
        in done.stdout
    )


def test_event_logs_come_where_they_are_wanted_under_their_last_name(container, spark):
    done = spark("--local-spark-event-logs-dir", "/opt/ml/processing/spark-events/", APP)
    assert done.returncode == 0, done.stderr
    folder = container.base / "processing/spark-events"
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [("local-1", "event\n")]


def test_the_exit_code_is_that_of_spark(spark):
    assert spark(APP, CODE="7").returncode == 7


ENDING = "26/11/29 22:01:02 INFO ShutdownHookManager: Deleting directory /tmp/spark-1\n" * 30


@pytest.mark.parametrize(
    ("printed", "said", "error"),
    [
        (
            'Traceback (most recent call last):\n  File "app.py", line 3\nValueError: bad rows\n', "",
            "ValueError: bad rows",
        ),
        (
            "",
            'Exception in thread "main" java.lang.IllegalStateException: no rows\n\tat Main.main(Main.java:3)\n',
            'Exception in thread "main" java.lang.IllegalStateException: no rows\n\tat Main.main(Main.java:3)',
        ),
        ("3 rows\n", "Error: Failed to load class Main.\n", "Error: Failed to load class Main."),
    ],
)  # fmt: skip
def test_the_last_words_are_the_error_and_not_what_spark_says_as_it_ends(spark, printed, said, error):
    begin = "26/11/29 22:01:00 INFO SparkContext: Running\n"
    done = spark(APP, CODE="1", PRINTED=printed, SAID=f"{begin}{said}{ENDING}")
    assert said in done.stderr
    assert printed in done.stdout
    assert done.stderr.endswith(f"smspark-submit: the application failed: {error}\n")


def test_a_configuration_reaches_spark(container, spark):
    conf = configure(
        container,
        [
            {
                "Classification": "spark-defaults",
                "Properties": {"spark.master": "local[1]", "spark.x": "1 2"},
            },
            {
                "Classification": "spark-env",
                "Properties": {},
                "Configurations": [{"Classification": "export", "Properties": {"WORD": "given"}}],
            },
            {"Classification": "core-site", "Properties": {"fs.name": "<a&b>"}},
            {"Classification": "yarn-site", "Properties": {"yarn.x": "1"}},
        ],
    )
    done = spark(APP)
    assert "master: spark.master local[1]" in done.stdout
    assert "word: given" in done.stdout
    assert "the configuration yarn-site has no meaning here" in done.stderr
    assert "spark.x 1 2\n" in (conf / "spark-defaults.conf").read_text()
    assert "<name>fs.name</name><value>&lt;a&amp;b&gt;</value>" in (conf / "core-site.xml").read_text()


@pytest.mark.parametrize(
    "content", ["{", '"x"', '[{"Properties": {}}]', '[["a"]]'], ids=["torn", "text", "unnamed", "list"]
)
def test_what_is_no_configuration_is_said(container, spark, content):
    configure(container, content)
    done = spark(APP)
    assert done.returncode == 2
    assert "smspark-submit: configuration.json is not a list of objects" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "usage: "),
        (["--py-files"], "expected one argument"),
        (["--nonexistent", "x", APP], "nonexistent"),
        (["/opt/ml/nothing.py"], "/opt/ml/nothing.py is neither a file nor a folder"),
        (["--jars", "/opt/ml/none", APP], "/opt/ml/none is neither a file nor a folder"),
        (["--spark-event-logs-s3-uri", "s3://b/x", APP], "give --local-spark-event-logs-dir"),
    ],
    ids=["nothing", "no value", "unknown", "no application", "no jar", "events in S3"],
)
def test_what_is_wrong_is_said(spark, words, said):
    done = spark(*words)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.fixture
def store(tmp_path):
    """Serve a folder as if it were S3; yield the folder and what a container is told."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "store"))
    (tmp_path / "store").mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        yield (
            tmp_path / "store",
            {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"},
        )
        server.shutdown()
        thread.join()


def test_files_come_from_s3(container, spark, store):
    folder, variables = store
    (folder / "bucket/deps").mkdir(parents=True)
    (folder / "bucket/deps/x.py").write_text("x = 1")
    done = spark("--py-files", "s3://bucket/deps/x.py", APP, **variables)
    assert done.returncode == 0, done.stderr
    (found,) = (container.base / ".wildsage-spark/downloads").rglob("x.py")
    assert found.read_text() == "x = 1"
    assert f"--py-files {found}" in done.stdout


def test_an_environment_with_spark_has_the_command(container, tmp_path):
    package = tmp_path / "packages/pyspark"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    command = ["exec", "/bin/sh", "-c", "smspark-submit || echo $?"]
    done = container.run(*command, PYTHONPATH=str(package.parent))
    assert done.stdout == "2\n"
    assert Path(container.base / ".wildsage-python/bin/smspark-submit").exists()
