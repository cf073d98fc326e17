"""The reference of an algorithm in Markdown, made of its declaration, and the pages that hold it.

A page is written by hand around a block, which begins with a line ``<!-- generated: … -->`` and ends with
``<!-- end -->``. Only the block is replaced.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence

from wildsage.formats.content_types import (
    CSV,
    JSON,
    JSON_LINES,
    LIBSVM,
    PARQUET,
    RECORDIO_PROTOBUF,
    ContentType,
)
from wildsage.toolkit.hyperparameters import Categorical, Hyperparameter
from wildsage.toolkit.spec import AlgorithmSpec, Channel, Metric

OPENING = "<!-- generated: hyperparameters, channels, metrics, content types -->"
CLOSING = "<!-- end -->"
_BLOCK = re.compile(rf"^<!-- generated: [^\n]*-->\n(?:.*?^{CLOSING}\n)?", re.MULTILINE | re.DOTALL)
_ROW = (1.5, 2.0, 0.5)


def fill(page: str, block: str) -> str:
    """Put a block into a page, in the place of the one that is there; a page without one gets it at its end."""
    if not _BLOCK.search(page):
        page = f"{page.rstrip()}\n\n{OPENING}\n"
    # The line that opens the block says what it holds, and stays.
    return _BLOCK.sub(lambda found: f"{found[0].splitlines()[0]}\n{block}{CLOSING}\n", page, count=1)


def new_page(spec: AlgorithmSpec) -> str:
    """Return the page of an algorithm of which nobody has written yet."""
    return f"# {spec.title}\n\n{OPENING}\n"


def reference(spec: AlgorithmSpec) -> str:
    """Return what a page says of a declaration: sections with tables, each after a blank line."""
    sections = (_images, _hyperparameters, _channels, _requests, _answers, _metrics)
    lines = [line for section in sections for line in ("", *section(spec))]
    return "\n".join(lines) + "\n\n"


def _images(spec: AlgorithmSpec) -> Iterator[str]:
    yield "## Image"
    yield ""
    for image in spec.images:
        tags = ", ".join(f"`:{tag}`" for tag in image.tags) or "`:1` and `:latest`"
        yield f"- `{image.repository}`, under the account and region of any registry; tags {tags}"
    yield f"- as a command: `wildsage algorithms run {spec.name} --base DIR train`"
    for module, install in spec.requires.items():
        yield f"- needs the Python package `{module}`: `{install}`"
    checkpoints = "are written and taken up again" if spec.saves_checkpoints else "are not written"
    yield f"- checkpoints {checkpoints}"
    yield (
        "- instances: every type is a label of cores and memory, no GPU is used; "
        "with several, channels may be sharded ([several instances](../several-instances.md))"
    )


def _hyperparameters(spec: AlgorithmSpec) -> Iterator[str]:
    shown = [item for item in spec.hyperparameters if not item.hidden]
    rows = [
        (_named(item), item.expectation, _default(item), _tuned(item), item.description)
        for item in sorted(shown, key=lambda item: not item.required)
    ]
    yield "## Hyperparameters"
    yield ""
    yield from _table(("name", "what it may be", "default", "tuned", "what it does"), rows)
    hidden = [f"`{item.name}`" for item in spec.hyperparameters if item.hidden]
    if hidden:
        yield ""
        yield f"Also known, because SDKs and tuning jobs send them: {', '.join(hidden)}."


def _named(item: Hyperparameter) -> str:
    return " or ".join(f"`{name}`" for name in (item.name, *item.aliases))


def _default(item: Hyperparameter) -> str:
    if item.required:
        return "required"
    if item.default is not None:
        return f"`{item.default if isinstance(item.default, str) else json.dumps(item.default)}`"
    return item.library_default


def _tuned(item: Hyperparameter) -> str:
    tunable = item.tunable
    if tunable is None:
        return ""
    if tunable.low is None or tunable.high is None:
        return ", ".join(item.choices) if isinstance(item, Categorical) else "yes"
    return f"{tunable.low:g} to {tunable.high:g}, {tunable.scale}"


def _channels(spec: AlgorithmSpec) -> Iterator[str]:
    rows = [
        (
            f"`{channel.name}`" + (" (required)" if channel.required else ""),
            _listed(channel.content_types),
            _labels(channel),
            ", ".join(channel.modes),
            channel.description,
        )
        for channel in spec.channels
    ]
    yield "## Channels"
    yield ""
    yield from _table(("channel", "content types", "labels in CSV", "input modes", "what it holds"), rows)
    yield ""
    yield "The first content type is read where a job gives none. What each may look like: [formats](../formats.md),"
    yield "[content types](../content-types.md)."
    if math.isfinite(spec.largest):
        yield ""
        yield f"Features from {-spec.largest:g} to {spec.largest:g} are taken, in training and in requests."


def _labels(channel: Channel) -> str:
    if not any(ContentType(name).format == CSV for name in channel.content_types):
        return ""
    return " or ".join(f"`label_size={size}`" for size in channel.label_sizes) or "`label_size` as given"


def _requests(spec: AlgorithmSpec) -> Iterator[str]:
    yield "## Requests"
    yield ""
    rows = [(f"`{name}`", _request(ContentType(name).format)) for name in spec.request_types]
    yield from _table(("content type", "a request of one row"), rows)
    if JSON in spec.request_types:
        yield ""
        yield 'A sparse row is `{"data": {"features": {"keys": [0, 2], "shape": [3], "values": [1.5, 0.5]}}}`, in JSON,'
        yield "JSON Lines and likewise in records; what is not given is 0."


def _request(format_name: str) -> str:
    row = list(_ROW)
    return {
        CSV: _code(",".join(map(str, row))),
        JSON: _code(json.dumps({"instances": [{"features": row}]})),
        JSON_LINES: _code(json.dumps({"features": row})),
        LIBSVM: _code("0 " + " ".join(f"{place}:{value}" for place, value in enumerate(row))),
        RECORDIO_PROTOBUF: "a record with the feature `values`: float32",
        PARQUET: "a file with a column for each feature",
    }.get(format_name, "")


def _answers(spec: AlgorithmSpec) -> Iterator[str]:
    rows = [(f"`{name}`", _answer(spec, name)) for name in spec.response_types]
    yield "## Answers"
    yield ""
    yield from _table(("Accept", "the answer to one row"), rows)
    yield ""
    yield f"Without an Accept header: `{spec.response_types[0]}`."


def _answer(spec: AlgorithmSpec, media_type: str) -> str:
    numbers = [number for value in spec.answer.values() for number in _numbers(value)]
    labels = (f"`{name}` ({len(_numbers(value))})" for name, value in spec.answer.items())
    return {
        CSV: _code(",".join(map(str, numbers))),
        JSON: _code(json.dumps({spec.response_root: [spec.answer]})),
        JSON_LINES: _code(json.dumps(spec.answer)),
        RECORDIO_PROTOBUF: f"a record with the labels {', '.join(labels)}: float32",
    }.get(media_type, "")


def _numbers(value: float | Sequence[float]) -> Sequence[float]:
    return value if isinstance(value, Sequence) else [value]


def _metrics(spec: AlgorithmSpec) -> Iterator[str]:
    rows = [
        (f"`{metric.name}`", _goal(metric), metric.predictor_type or "any", _code(metric.pattern))
        for metric in spec.metrics
    ]
    head = ("metric", "as an objective", "of predictor_type", "found by")
    yield "## Metrics"
    yield ""
    if any(metric.predictor_type for metric in spec.metrics):
        yield from _table(head, rows)
    else:
        yield from _table((*head[:2], head[3]), [(*row[:2], row[3]) for row in rows])


def _goal(metric: Metric) -> str:
    return metric.goal or "no"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _code(text: str) -> str:
    return f"`{text}`"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        # A bar would end the cell, also inside of code.
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
