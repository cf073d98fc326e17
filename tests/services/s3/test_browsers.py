"""What web pages do: forms that upload, and questions from other origins."""

import urllib.error
import urllib.request

import pytest
from tests.live import client


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


OPENER = urllib.request.build_opener(NoRedirect)


def send(request):
    """Return status, headers and body."""
    try:
        with OPENER.open(request) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def post_form(url, fields, file):
    """Send a form as a browser does."""
    parts = [
        f'--form\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{fields[key]}\r\n' for key in fields
    ]
    head = '--form\r\nContent-Disposition: form-data; name="file"; filename="photo.txt"\r\n\r\n'
    body = "".join([*parts, head]).encode() + file + b"\r\n--form--\r\n"
    return send(urllib.request.Request(url, body, {"Content-Type": "multipart/form-data; boundary=form"}))


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_forms_upload(url, boto, version):
    signer = client("s3", url, config={"signature_version": version})
    fields = {"success_action_status": "201"}
    form = signer.generate_presigned_post(
        "data", "up/${filename}", fields, [["content-length-range", 1, 4 << 20], fields]
    )
    file = b"\r\n--for" * 400_000  # nearly the boundary, over many chunks
    status, _, body = post_form(form["url"], form["fields"], file)
    assert (status, b"<Key>up/photo.txt</Key>" in body) == (201, True), body
    for bad, code in ((b"x" * (4 << 20) + b"x", b"EntityTooLarge"), (b"", b"EntityTooSmall")):
        status, _, body = post_form(form["url"], form["fields"], bad)
        assert (status, code in body) == (400, True)
    assert boto.get_object(Bucket="data", Key="up/photo.txt")["Body"].read() == file
    assert post_form(form["url"], {**form["fields"], "key": "elsewhere"}, b"x")[0] == 403
    forged = {name: value[::-1] if "ignature" in name else value for name, value in form["fields"].items()}
    assert post_form(form["url"], forged, b"x")[0] == 403
    assert post_form(form["url"], {"key": "a"}, b"x")[0] == 403
    assert post_form(form["url"], {}, b"x")[0] == 400


def test_a_form_sends_its_browser_on(boto):
    fields = {"success_action_redirect": "http://example.com/done?a=1", "x-amz-meta-who": "me"}
    form = boto.generate_presigned_post("data", "key", fields, [{name: fields[name]} for name in fields])
    status, headers, _ = post_form(form["url"], form["fields"], b"x")
    assert status == 303
    assert headers["Location"].startswith("http://example.com/done?a=1&bucket=data&key=key&etag=")
    assert boto.head_object(Bucket="data", Key="key")["Metadata"] == {"who": "me"}


RULES = [
    {"AllowedMethods": ["GET"], "AllowedOrigins": ["*suffix"], "ExposeHeaders": ["x-amz-version-id"]},
    {"AllowedMethods": ["PUT"], "AllowedOrigins": ["*"], "AllowedHeaders": ["x-amz-*"], "MaxAgeSeconds": 60},
]


def ask(url, origin, method, headers=""):
    """Send a preflight; return status and headers."""
    names = ("Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers")
    fields = {name: value for name, value in zip(names, (origin, method, headers), strict=True) if value}
    return send(urllib.request.Request(url, None, fields, method="OPTIONS"))[:2]


def test_pages_of_other_origins(url, boto):
    target = f"{url}/data/key"
    assert ask(target, "a.suffix", "GET")[0] == 403
    boto.put_bucket_cors(Bucket="data", CORSConfiguration={"CORSRules": RULES})
    status, headers = ask(target, "a.suffix", "GET")
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, "a.suffix")
    assert headers["Access-Control-Expose-Headers"] == "x-amz-version-id"
    status, headers = ask(target, "a", "PUT", "X-Amz-Meta-A")
    assert (status, headers["Access-Control-Allow-Origin"], headers["Access-Control-Max-Age"]) == (
        200,
        "*",
        "60",
    )
    refused = [("suffix.a", "GET"), ("a", "DELETE"), ("a", "PUT", "content-type")]
    assert [ask(target, *question)[0] for question in refused] == [403] * 3
    assert [ask(target, "", "PUT")[0], ask(target, "a", "")[0]] == [400, 400]
    # Refused for it is not signed, but the page may read why.
    status, headers, _ = send(urllib.request.Request(target, headers={"Origin": "b.suffix"}))
    assert (status, headers["Access-Control-Allow-Origin"]) == (403, "b.suffix")
    boto.delete_bucket_cors(Bucket="data")
