"""``wildsage explain NAME``: what became of a job or an endpoint, why, and what to do next."""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wildsage.cli.arguments import add_kind, add_name, add_region
from wildsage.cli.console import table
from wildsage.cli.owner import ask_owner
from wildsage.core.clock import iso8601

_SHOWN_LINES = 10


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("explain")
    add_name(parser, "job or endpoint")
    add_kind(parser)
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    add_region(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Print what the server knows."""
    explanation = ask_owner(arguments, "explain", name=arguments.name, kind=arguments.kind)
    if arguments.json:
        print(json.dumps(explanation, indent=2, ensure_ascii=False))
    else:
        print("\n".join(lines_of(explanation)))
    return 0


def lines_of(explanation: Mapping[str, Any]) -> Iterator[str]:
    """Yield the text for people."""
    yield f"{explanation['kind'].replace('-', ' ')} {explanation['name']}: {explanation['status']}"
    yield ""
    yield table(
        ("STATUS", "SINCE", "SECONDS", ""),
        [
            (step["status"], iso8601(step["at"]), f"{step['seconds']:.1f}", step["message"])
            for step in explanation["transitions"]
        ],
    )
    yield from _instance(explanation)
    yield from _trials(explanation)
    for run in explanation["runs"]:
        yield ""
        yield from _run(run)
    yield from _list("recorded only (stored, without effect):", map(_recorded, explanation["recorded_only"]))
    yield from _list("warnings:", explanation["warnings"])
    yield from _list(
        f"the log's end ({explanation['log']['group']}):", explanation["log"]["tail"][-_SHOWN_LINES:]
    )
    yield from _ending(explanation)


def _recorded(item: Mapping[str, str]) -> str:
    return f"{item['member']}: {item['reason']}"


def _list(title: str, lines: Iterator[str] | Sequence[str]) -> Iterator[str]:
    shown = list(lines)
    if shown:
        yield ""
        yield title
        yield from (f"  {line}" for line in shown)


def _instance(explanation: Mapping[str, Any]) -> Iterator[str]:
    if "config" in explanation:
        yield f"configuration  {explanation['config']}"
    if "image" not in explanation:
        return
    yield ""
    yield f"image     {explanation['image']}"
    for instance in explanation["instances"]:
        gpus = f", {instance['gpus']} GPUs" if instance["gpus"] else ""
        count = f"{instance['count']} of " if instance["count"] > 1 else ""
        yield (
            f"instance  {count}{instance['type']}: {instance['vcpus']} vCPUs,"
            f" {instance['memory_gib']:g} GiB{gpus} on AWS; here {_limits(instance['limits'])}"
        )


def _trials(explanation: Mapping[str, Any]) -> Iterator[str]:
    """Yield what became of the training jobs of a tuning job."""
    if "trials" not in explanation:
        return
    counts = (f"{count} {status}" for status, count in explanation["trials"].items() if count)
    yield ""
    yield f"training jobs  {', '.join(counts) or 'none'}"
    yield from _list("failed:", [f"{one['job']}: {one['reason']}" for one in explanation["failures"]])


def _limits(limits: Mapping[str, float]) -> str:
    words = {"cpus": "{:g} core(s)", "processes": "{:.0f} processes"}
    shown = [text.format(limits[name]) for name, text in words.items() if name in limits]
    memory = limits.get("memory_bytes")
    shown.append("the machine's memory" if memory is None else size(memory))
    return ", ".join(shown)


def _run(run: Mapping[str, Any]) -> Iterator[str]:
    """Yield what one run was: an attempt of a job, a worker of an endpoint."""
    title = f"attempt {run['attempt']}" if "attempt" in run else f"worker of {run.get('variant', '?')}"
    title += f" on {run['host']}" if "host" in run else ""
    yield f"{title} ({run['run_id']})"
    rows = [(name, text) for name, text in _facts(run) if text]
    if rows:
        yield "\n".join(f"  {name.ljust(12)}{text}" for name, text in rows)


def _channel(channel: Mapping[str, Any]) -> str:
    if "folder" in channel:
        return str(channel["folder"])
    mode = channel.get("mode", "File")  # of a run of an earlier version
    return _objects(channel) if mode == "File" else f"{_objects(channel)}, {mode} mode"


def _facts(run: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "ran", _image(run.get("image", {}))
    sandbox = run.get("sandbox")
    if sandbox:
        held = ", ".join(f"{limit} by {holder}" for limit, holder in run.get("held_by", {}).items())
        yield "sandbox", f"{sandbox['name']} (level {sandbox['level']}){'; ' + held if held else ''}"
    for channel in run.get("channels", ()):
        yield "input", f"{channel['name']}: {_channel(channel)}"
    if "model_data" in run:
        yield "model", _objects(run["model_data"])
    usage = run.get("usage", {})
    if "peak_memory_bytes" in usage:
        yield (
            "used",
            f"at most {size(usage['peak_memory_bytes'])} of memory in one process, {usage['cpu_seconds']:g} s of processor",
        )
    if "exit" in run:
        yield "ended", _exit(run["exit"], run)
    elif "events" in run:
        yield "ended", "not yet, or lost"
    if "ending" in run:
        yield "because", ": ".join(filter(None, (run["ending"]["kind"], run["ending"]["detail"])))
    artifacts = run.get("artifacts", {})
    yield from _checkpoints(run.get("checkpoints"))
    yield "wrote", ", ".join(f"{name} ({size(count)})" for name, count in artifacts.items())


def _checkpoints(done: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    if done is None:
        return
    restored = done["restored"]
    words = [f"{restored} object{'s' * (restored != 1)} brought back"]
    if "uploaded" in done:
        words.append(_objects({"objects": done["uploaded"], "bytes": done["uploaded_bytes"]}) + " stored")
        words.append(f"{done['deleted']} deleted")
        if done["unfinished"]:
            words.append(
                f"not stored, for they were being written at the end: {', '.join(done['unfinished'])}"
            )
    yield "checkpoints", ", ".join(words)


def _image(image: Mapping[str, Any]) -> str:
    if not image:
        return ""
    versions = [f"{name} {version}" for name, version in image.get("versions", {}).items()]
    parts = [*([f"Python {image['python']}"] if "python" in image else []), *versions]
    where = f" in {image['environment']}" if "environment" in image else ""
    runs = f"{image['name']} ({image['kind']}){where}"
    return f"{runs}: {', '.join(parts)}" if parts else runs


def _exit(ending: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    words = [str(ending["outcome"])]
    if "exit_code" in ending:
        words.append(f"exit code {ending['exit_code']}")
        words.append(f"after {ending['seconds']:.1f} s")
    if "signal" in ending:
        words.append(ending["signal"])
    if "stop_reason" in ending:
        limit = f" of {run['max_runtime_seconds']:g} s" if ending["stop_reason"] == "max_runtime" else ""
        words.append(f"stopped: {ending['stop_reason']}{limit}, {run['stop_grace_seconds']:g} s of grace")
    if "message" in ending:
        words.append(ending["message"])
    return ", ".join(words)


def _ending(explanation: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    if "model" in explanation:
        yield f"model      {explanation['model']}"
    for uri in explanation.get("outputs", ()):
        yield f"output     {uri}"
    if "kept" in explanation:
        kept = explanation["kept"]
        inputs = "with its inputs" if kept["has_inputs"] else "without its inputs"
        yield (
            f"kept       {kept['path']} ({size(kept['bytes'])}, {inputs}):"
            f" wildsage replay {explanation['name']} --shell"
        )
    if "failure_reason" in explanation:
        yield f"reason     {explanation['failure_reason'].rpartition(' Next step: ')[0]}"
    if "next_step" in explanation:
        yield f"next step  {_elsewhere(explanation['next_step']['step'], explanation['name'])}"


def _elsewhere(step: str, name: str) -> str:
    """Return a step without the advice to do what was just done."""
    here = f"`wildsage explain {name}`"
    return step.removesuffix(f", then {here}").replace(here, "the above")


def _objects(staged: Mapping[str, int]) -> str:
    return f"{staged['objects']} object{'s' * (staged['objects'] != 1)}, {size(staged['bytes'])}"


def size(count: float) -> str:
    """Return a number of bytes in a unit that people read."""
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
