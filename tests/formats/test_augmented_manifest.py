import io
import json

import pytest

from wildsage.formats.augmented_manifest import read_manifest, wrap
from wildsage.formats.errors import FormatError
from wildsage.formats.recordio import read_records


def read(text, names):
    return list(read_manifest(io.BytesIO(text), "train.manifest", names))


def test_attributes_come_in_the_order_asked_for():
    box = {"annotations": [{"class_id": 0, "left": 1}]}
    text = json.dumps({"box": box, "source-ref": "s3://b/i.jpg", "class": "1", "n": 3, "more": None}) + "\n"
    (line,) = read(text.encode(), ["source-ref", "class", "box", "n"])
    assert line.number == 1
    assert [one.name for one in line.attributes] == ["source-ref", "class", "box", "n"]
    assert [one.is_reference for one in line.attributes] == [True, False, False, False]
    reference, label, boxes, number = (one.content for one in line.attributes)
    assert (reference, label, number) == (b"s3://b/i.jpg", b"1", b"3")
    assert json.loads(boxes) == box


def test_texts_are_streamed_as_they_are():
    text = '{"source": "gr\\u00fcn \\ud800", "label": [1, 3]}'
    (line,) = read(text.encode(), ["source", "label"])
    assert [one.content for one in line.attributes] == ["grün ?".encode(), b"[1, 3]"]


def test_each_attribute_is_a_record():
    assert [bytes(one) for one in read_records(wrap([b"\xff\xd8image", b"1"]))] == [b"\xff\xd8image", b"1"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"nonsense", "not JSON"),
        (b"[1]", r"'\[1\]' is no JSON object"),
        (b'{"class": 1}', "no attribute 'source-ref' of AttributeNames; it has 'class'"),
        (b"{}", "no attribute 'source-ref' of AttributeNames; it has none"),
        (b'{"source-ref": "i.jpg"}', "'source-ref' is 'i.jpg', not the S3 URI of an object"),
        (b'{"source-ref": "s3://bucket/"}', "'source-ref' is 's3://bucket/', not the S3 URI of an object"),
        (rb'{"source-ref": "s3://bucket/\ud800"}', "'source-ref' is .*, not the S3 URI of an object"),
        (
            b'{"source-ref": "s3://bucket/%s"}' % (b"x" * 1025),
            "'source-ref' is 's3://bucket/x+….*not the S3 URI",
        ),
        (b'{"source-ref": {"a": 1}}', "'source-ref' is .*, not the S3 URI of an object"),
        (b'{"source-ref":' + b"[" * 100_000, "nested too deeply"),
    ],
)
def test_bad_lines_are_named(line, message):
    with pytest.raises(FormatError, match=f"^train.manifest, line 2.*: .*{message}"):
        read(b'{"source-ref": "s3://b/k"}\n' + line, ["source-ref"])
