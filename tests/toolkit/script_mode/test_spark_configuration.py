"""Classifications of a Spark job, one or several, and what comes of each."""

import json

from wildsage.toolkit.script_mode.spark_configuration import Configuration, read_configuration


def read(tmp_path, content):
    path = tmp_path / "configuration.json"
    path.write_text(json.dumps(content))
    return read_configuration(path)


def test_nothing_is_configured_where_there_is_no_file(tmp_path):
    assert read_configuration(tmp_path / "none.json") == Configuration()


def test_one_classification_needs_no_list(tmp_path):
    found = read(tmp_path, {"Classification": "spark-defaults", "Properties": {"a": 1, "b": "x"}})
    assert found.properties == {"a": "1", "b": "x"}


def test_hive_has_two_names_and_one_file(tmp_path):
    names = ("hive-site", "spark-hive-site", "spark-log4j", "spark-metrics")
    content = [{"Classification": name, "Properties": {name: "1"}} for name in names]
    found = read(tmp_path, content).files
    assert found.keys() == {"hive-site.xml", "log4j2.properties", "metrics.properties"}
    assert "<name>hive-site</name>" in found["hive-site.xml"]
    assert "<name>spark-hive-site</name>" in found["hive-site.xml"]
    assert found["log4j2.properties"] == "spark-log4j=1\n"


def test_variables_are_exported_only(tmp_path):
    inner = [
        {"Classification": "export", "Properties": {"A": "1"}},
        {"Classification": "other", "Properties": {"B": "2"}},
    ]
    found = read(
        tmp_path, [{"Classification": "spark-env", "Properties": {"C": "3"}, "Configurations": inner}]
    )
    assert found.variables == {"A": "1"}
    assert found.ignored == []


def test_a_log4j_that_spark_does_not_read_any_more_is_named(tmp_path):
    found = read(tmp_path, [{"Classification": "spark-log4j", "Properties": {"log4j.rootLogger": "ERROR"}}])
    assert (found.files, found.ignored) == ({}, ["spark-log4j of log4j 1 (this Spark reads log4j 2)"])
