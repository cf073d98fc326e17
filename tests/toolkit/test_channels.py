import os
import re
import threading

import numpy as np
import pytest

from wildsage.formats.content_types import ContentType
from wildsage.formats.recordio_protobuf import write_dense
from wildsage.toolkit import channels
from wildsage.toolkit.channels import ChannelReader, Pipe
from wildsage.toolkit.errors import PlatformError, UserError, failure_text


def reader(folder, content_type="text/csv", **files):
    for name, content in files.items():
        path = folder / "train" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return ChannelReader("train", folder / "train", ContentType.parse(content_type))


def features(channel):
    return np.concatenate([rows.features for rows in channel.rows()]).tolist()


def test_all_files_are_read_in_order_but_hidden_ones(tmp_path):
    channel = reader(
        tmp_path, "text/csv;label_size=0", b=b"3\n", a=b"1\n2", _SUCCESS=b"", sub__c=b"4", _temporary__d=b"9"
    )
    (tmp_path / "train" / ".cache").write_bytes(b"9")
    assert features(channel) == [[1], [2], [3], [4]]


def test_labels_are_split_off(tmp_path):
    channel = reader(tmp_path, a=b"7,1,2\n8,3,4\n")
    (rows,) = channel.rows()
    assert rows.labels.tolist() == [[7], [8]]
    assert rows.features.tolist() == [[1, 2], [3, 4]]
    assert features(reader(tmp_path, "text/csv;label_size=2")) == [[2], [4]]


def test_records_are_read(tmp_path):
    matrix = np.float32([[1, 2], [3, 4]])
    assert features(reader(tmp_path, "application/x-recordio-protobuf", a=write_dense(matrix), b=b"")) == [
        [1, 2],
        [3, 4],
    ]


@pytest.mark.parametrize(
    ("content_type", "content", "texts"),
    [
        ("text/csv", b"1,2\n3", ["Requested content-type is 'text/csv'", "train/a, line 2: 1 columns"]),
        ("text/csv", b"1,nan\n", ["Found missing (NaN) values. Please remove any missing (NaN) values"]),
        ("text/csv", b"1,2\n1,-inf\n", ["Found infinite values. Please remove any infinite values"]),
        ("text/csv", b"1,inf\n1,-inf\n", ["Found infinite values"]),
        ("text/csv;label_size=5", b"1,2\n", ["2 columns, but label_size is 5"]),
        ("text/csv;label_size=x", b"1,2\n", ["label_size='x' is not a whole number"]),
        ("application/x-recordio-protobuf", b"1,2\n3,4\n", ["train/a, byte 0: 0x0A322C31 stands where"]),
        ("image/png", b"1,2\n", ["'image/png' is not supported"]),
    ],
)
def test_bad_data_is_a_user_error_in_the_words_of_aws(tmp_path, content_type, content, texts):
    channel = reader(tmp_path, content_type, a=content)
    with pytest.raises(UserError) as caught:
        list(channel.rows())
    text = failure_text(caught.value)
    assert text.startswith("Unable to read data channel 'train'")
    for expected in texts:
        assert expected in text


def test_a_channel_without_files_is_refused(tmp_path):
    channel = reader(tmp_path, _SUCCESS=b"")
    with pytest.raises(UserError, match="There is no data file"):
        list(channel.rows())


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/nowhere")], ids=["pipe", "link"])
def test_what_is_no_file_is_refused_before_anybody_waits_for_it(tmp_path, make):
    """A folder of this machine may hold anything."""
    channel = reader(tmp_path, a=b"1,2\n")
    make(tmp_path / "train" / "b")
    with pytest.raises(
        UserError, match=r"^Unable to read data channel 'train'\. train/b is not a file that is here\."
    ):
        list(channel.rows())


@pytest.mark.parametrize("closed", ["sub", "sub/b"])
def test_what_may_not_be_read_is_refused_and_not_left_out(ordinary, closed):
    channel = reader(ordinary, a=b"1,2\n", sub__b=b"3,4\n")
    (ordinary / "train" / closed).chmod(0)
    said = f"Unable to read data channel 'train'. train/{closed} cannot be read: Permission denied."
    with pytest.raises(UserError, match=f"^{re.escape(said)}$"):
        list(channel.rows())
    (ordinary / "train" / closed).chmod(0o700)


def test_missing_values_pass_where_the_algorithm_takes_them(tmp_path):
    channel = reader(tmp_path, a=b"1,,2\n")
    lenient = ChannelReader("train", channel.folder, channel.content_type, missing=True)
    assert np.isnan(next(lenient.rows()).features[0, 0])


# Pipe mode


@pytest.fixture
def piped(tmp_path):
    """A channel in Pipe mode, and a thread that writes its epochs into the FIFOs."""
    threads = []

    def made(content_type, *epochs):
        os.mkfifo(tmp_path / "train_0")

        def write():
            for number, content in enumerate(epochs):
                with (tmp_path / f"train_{number}").open("wb") as fifo:
                    os.mkfifo(tmp_path / f"train_{number + 1}")
                    fifo.write(content)

        threads.append(threading.Thread(target=write))
        threads[-1].start()
        place = tmp_path / "train"
        return ChannelReader("train", place, ContentType.parse(content_type), pipe=Pipe(place))

    yield made
    for thread in threads:
        thread.join(10)


def test_each_pass_reads_the_next_fifo(piped):
    channel = piped("text/csv;label_size=0", b"1\n2\n", b"2\n1\n")
    assert channel.is_streamed
    assert features(channel) == [[1], [2]]
    assert features(channel) == [[2], [1]]
    assert channel.pipe.epochs == 2


def test_records_are_read_from_a_fifo(piped):
    matrix = np.arange(3_000_000, dtype=np.float32).reshape(-1, 3)
    channel = piped("application/x-recordio-protobuf", write_dense(matrix))
    assert np.array_equal(np.concatenate([rows.features for rows in channel.rows()]), matrix)


def test_bad_data_in_a_fifo_is_named_by_epoch_and_byte(piped):
    good = write_dense(np.ones((4, 2), np.float32))
    channel = piped("application/x-recordio-protobuf", good + b"1,2\n3,4\n")
    with pytest.raises(UserError) as caught:
        list(channel.rows())
    assert f"train_0, byte {len(good)}: 0x0A322C31 stands where" in failure_text(caught.value)


def test_a_fifo_that_never_comes_is_the_platforms_fault(tmp_path, monkeypatch):
    monkeypatch.setattr(channels, "_FIFO_PATIENCE_SECONDS", 0.05)
    place = tmp_path / "train"
    channel = ChannelReader("train", place, ContentType.parse("text/csv"), pipe=Pipe(place))
    with pytest.raises(PlatformError, match=r"there is no FIFO .*/train_0"):
        list(channel.rows())
