"""The environment of a client: real credentials and endpoints are gone, what is the user's own stays."""

import configparser
import os
from pathlib import Path

import boto3
import pytest

from wildsage.clients.discovery import find_server
from wildsage.clients.environment import Bringing, applied, original, remembering, restoring

CONFIG = """
[default]
region = ap-southeast-2
output = yaml
credential_process = /bin/false
endpoint_url = https://elsewhere.example
[profile prod]
region = eu-central-1
role_arn = arn:aws:iam::999999999999:role/Admin
source_profile = default
s3 =
    addressing_style = virtual
[profile "with space"]
sso_session = work
[sso-session work]
sso_start_url = https://example.awsapps.com/start
[services local]
s3 =
    endpoint_url = https://elsewhere.example
"""
CREDENTIALS = """
[default]
aws_access_key_id = AKIAREAL
aws_secret_access_key = realsecret
[legacy]
aws_access_key_id = AKIAREAL2
aws_secret_access_key = realsecret2
"""


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    (folder / ".aws").mkdir(parents=True)
    (folder / ".aws" / "config").write_text(CONFIG)
    (folder / ".aws" / "credentials").write_text(CREDENTIALS)
    return folder


@pytest.fixture
def bring(layout, server, authority):
    bringing = Bringing(layout, find_server(layout), "http://127.0.0.1:4", authority.certificate)

    def changed(environ):
        return applied(environ, bringing.changes(environ))

    return changed


def session_in(monkeypatch, environ, **options):
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return boto3.Session(**options)


def test_everything_points_here(bring, tmp_path):
    environ = bring({"HOME": str(tmp_path), "PATH": "/bin", "NO_PROXY": ".amazonaws.com"})
    assert environ["PATH"] == "/bin"
    assert environ["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4"
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        assert environ[name] == "http://127.0.0.1:4"
    # The user's exceptions are the proxy's affair: this one would lead clients to AWS.
    assert environ["NO_PROXY"] == environ["no_proxy"] == "localhost,127.0.0.1,::1"
    bundles = (
        "AWS_CA_BUNDLE",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_FILE",
        "CURL_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
    )
    assert len({environ[name] for name in bundles}) == 1
    assert environ["AWS_ACCESS_KEY_ID"] == "WAKIDEXAMPLE"
    assert environ["AWS_SECRET_ACCESS_KEY"] == "wsecret"
    assert environ["AWS_EC2_METADATA_DISABLED"] == "true"
    assert environ["AWS_REGION"] == environ["AWS_DEFAULT_REGION"] == "eu-west-1"


def test_remote_functions_get_an_image_unless_the_user_names_one(bring, tmp_path):
    home = {"HOME": str(tmp_path)}
    assert bring(home)["SAGEMAKER_INTERNAL_IMAGE_URI"] == "sagemaker-base-python-310:1.0"
    named = bring({**home, "SAGEMAKER_INTERNAL_IMAGE_URI": "mine:2"})
    assert named["SAGEMAKER_INTERNAL_IMAGE_URI"] == "mine:2"


def test_what_leads_to_real_credentials_or_endpoints_is_gone(bring, home):
    leading = {
        "AWS_SESSION_TOKEN": "t",
        "AWS_PROFILE": "prod",
        "AWS_ROLE_ARN": "arn:aws:iam::999999999999:role/Admin",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/token",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "t",
        "AWS_ENDPOINT_URL_S3": "https://elsewhere.example",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        "AWS_USE_FIPS_ENDPOINT": "true",
    }
    environ = bring({"HOME": str(home), "AWS_ACCESS_KEY_ID": "AKIAREAL", **leading})
    assert not leading.keys() & environ.keys()
    files = "".join(
        Path(environ[name]).read_text() for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
    )
    text = files + repr(environ)
    for real in ("AKIAREAL", "realsecret", "elsewhere", "credential_process", "999999999999", "awsapps"):
        assert real not in text


def test_a_profile_has_the_users_region_and_our_credentials(bring, home, monkeypatch):
    environ = bring({"HOME": str(home)})
    for profile, region in {"prod": "eu-central-1", "legacy": None, "with space": None}.items():
        session = session_in(monkeypatch, environ, profile_name=profile)
        assert session.get_credentials().access_key == "WAKIDEXAMPLE"
        assert session.region_name == region
    assert session_in(monkeypatch, environ).region_name == "ap-southeast-2"


def test_the_selected_profile_becomes_the_default(bring, home, monkeypatch):
    environ = bring({"HOME": str(home), "AWS_PROFILE": "prod"})
    session = session_in(monkeypatch, environ)
    assert (session.region_name, session.profile_name) == ("eu-central-1", "default")


def test_the_users_region_stays(bring, home):
    environ = bring({"HOME": str(home), "AWS_DEFAULT_REGION": "sa-east-1"})
    assert environ["AWS_DEFAULT_REGION"] == "sa-east-1"
    assert "AWS_REGION" not in environ


def test_other_places_of_the_files_are_honoured_and_broken_ones_ignored(bring, home, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").write_text("[profile moved]\nregion = us-east-2\n")
    (tmp_path / "broken").write_text("no section\n")
    environ = bring(
        {
            "HOME": str(home),
            "AWS_CONFIG_FILE": str(tmp_path / "elsewhere"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "broken"),
        }
    )
    parser = configparser.RawConfigParser()
    parser.read(environ["AWS_CONFIG_FILE"])
    assert parser.sections() == ["profile moved", "default"]
    assert session_in(monkeypatch, environ, profile_name="moved").region_name == "us-east-2"


def test_secrets_are_readable_by_the_owner_alone(bring, home):
    environ = bring({"HOME": str(home)})
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CA_BUNDLE"):
        assert Path(environ[name]).stat().st_mode & 0o777 == 0o600


def test_the_way_back():
    before = {"A": "1", "B": "2", "PATH": "/bin"}
    after = applied(before, remembering(before, {"A": "9", "B": None, "C": "3"}))
    assert {name: after.get(name) for name in "ABC"} == {"A": "9", "B": None, "C": "3"}
    assert original(after) == before
    assert original(before) == before
    assert restoring(before) == {}


@pytest.mark.parametrize("damaged", ["{", "[]", "3"])
def test_a_damaged_note_is_forgotten(damaged):
    assert original({"WILDSAGE_SAVED_ENVIRONMENT": damaged, "A": "1"}) == {"A": "1"}
