import pytest

from wildsage.toolkit.http import Request
from wildsage.toolkit.serving import Invocations, RequestError, execution_parameters, largest_body


class Model:
    def predict(self, body, content_type, accept):
        if body == b"bad":
            raise RequestError(400, "unable to evaluate payload provided: bad")
        if body == b"crash":
            raise ZeroDivisionError("oops")
        return b"" if body == b"nothing" else f"{content_type} -> {accept}".encode(), accept


@pytest.fixture
def application():
    return Invocations(Model(), "text/csv", "application/json", {"MaxPayloadInMB": 6})


def post(application, body=b"", **headers):
    return application(
        Request("POST", "/invocations", {k.replace("_", "-"): v for k, v in headers.items()}, body)
    )


def test_defaults_stand_in_for_headers(application):
    assert post(application).body == b"text/csv -> application/json"
    assert post(application, accept="*/*").content_type == "application/json"
    assert post(application, accept="a/b", content_type="c/d").body == b"c/d -> a/b"


def test_outcomes_become_status_codes(application):
    assert post(application, b"nothing").status == 204
    answer = post(application, b"bad")
    assert (answer.status, answer.body) == (400, b"unable to evaluate payload provided: bad")
    answer = post(application, b"crash")
    assert (answer.status, answer.body) == (500, b"ZeroDivisionError: oops")


def test_other_paths(application):
    assert application(Request("GET", "/ping", {}, b"")).status == 200
    assert application(Request("GET", "/execution-parameters", {}, b"")).body == b'{"MaxPayloadInMB": 6}'
    assert application(Request("GET", "/invocations", {}, b"")).status == 404


def test_limits_come_from_the_environment():
    assert largest_body({}) == 25 << 20
    assert largest_body({"MAX_CONTENT_LENGTH": "1000"}) == 1000
    assert largest_body({"SAGEMAKER_BATCH": "true", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "7"}) == 7 << 20
    found = execution_parameters({"OMP_NUM_THREADS": "3", "MAX_CONTENT_LENGTH": str(20 << 20)})
    assert found == {"MaxConcurrentTransforms": 3, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 20}
