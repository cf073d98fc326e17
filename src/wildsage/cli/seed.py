"""``wildsage seed``: fill the public sample buckets that AWS's notebooks read."""

import argparse
import contextlib
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config

from wildsage.cli.client import asking
from wildsage.cli.console import CommandError, running_server, table
from wildsage.cli.owner import ask_owner
from wildsage.core.sample_buckets import sample_buckets, sample_region
from wildsage.samples.datasets import DATASETS, Dataset, DatasetUnavailableError


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "seed",
        description="Fill the public sample buckets that AWS's notebooks read, with files that are made here or"
        " are your own. Nothing is downloaded.",
    )
    parser.add_argument("datasets", nargs="*", metavar="DATASET", help="default: all of --list")
    parser.add_argument("--list", action="store_true", help="show what can be made, and what it is")
    parser.add_argument(
        "--region",
        action="append",
        dest="regions",
        metavar="REGION",
        help="of the buckets (default: the server's; repeatable)",
    )
    parser.add_argument(
        "--from-dir", type=Path, metavar="DIR", help="upload your own files instead: DIR/BUCKET/KEY"
    )
    parser.set_defaults(execute=execute)


@asking
def execute(arguments: Namespace) -> int:
    """Fill the buckets, or show with what.

    Raises
    ------
    CommandError
        If a data set or a bucket is unknown, or cannot be made here.
    """
    if arguments.list:
        print(table(("NAME", "WHAT", "LICENCE", "KEY"), [_row(dataset) for dataset in DATASETS]))
        return 0
    chosen = _chosen(arguments.datasets)
    samples = _Samples(arguments)
    if arguments.from_dir is not None:
        if arguments.datasets:
            raise CommandError("name data sets, or --from-dir; not both")
        samples.upload_folder(arguments.from_dir)
        return 0
    for region in arguments.regions or [running_server(arguments).region]:
        if sample_region(f"sagemaker-sample-data-{region}") is None:
            raise CommandError(f"{region!r} is no region")
        for dataset in chosen:
            samples.upload(dataset, region, told=bool(arguments.datasets))
    return 0


def _row(dataset: Dataset) -> tuple[str, str, str, str]:
    return dataset.name, dataset.origin, dataset.licence, " ".join(dataset.files)


def _chosen(names: Sequence[str]) -> list[Dataset]:
    known = {dataset.name: dataset for dataset in DATASETS}
    for name in names:
        if name not in known:
            raise CommandError(f"there is no data set {name}: it is one of {', '.join(known)}")
    return [known[name] for name in names or known]


class _Samples:
    """The public sample buckets in the hands of their owner."""

    def __init__(self, arguments: Namespace) -> None:
        self._server = running_server(arguments)
        self._keys = ask_owner(arguments, "sample-keys")
        self._made: set[str] = set()

    def upload(self, dataset: Dataset, region: str, *, told: bool) -> None:
        """Put a data set into all its buckets of a region; what cannot be made is an error if it was named."""
        try:
            contents = {key: write() for key, write in dataset.files.items()}
        except DatasetUnavailableError as error:
            if told:
                raise CommandError(f"{dataset.name}: {error}") from None
            print(f"left out {dataset.name}: {error}")
            return
        about = {"origin": dataset.origin, "licence": dataset.licence}
        for bucket in sample_buckets(region):
            if bucket.removesuffix(f"-{region}") in dataset.buckets:
                for key, content in contents.items():
                    self._put(bucket, key, content, about)

    def upload_folder(self, folder: Path) -> None:
        """Put the files of a folder into the buckets that its folders are named after."""
        found = list(_files(folder))
        for bucket, key, path in found:
            with path.open("rb") as content:
                self._put(bucket, key, content, {"origin": "a file of the owner of this server"})
        if not found:
            raise CommandError(f"{folder} has no files: lay them out as {folder}/BUCKET/KEY")

    def _put(self, bucket: str, key: str, content: Any, about: dict[str, str]) -> None:
        region = sample_region(bucket) or ""
        client = botocore.session.Session().create_client(
            "s3",
            region_name=region,
            endpoint_url=self._server.url,
            config=Config(retries={"total_max_attempts": 2}, proxies={}),
            **self._keys,
        )
        if bucket not in self._made:
            place = {"CreateBucketConfiguration": {"LocationConstraint": region}}
            with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
                client.create_bucket(Bucket=bucket, **({} if region == "us-east-1" else place))
            self._made.add(bucket)
        client.put_object(Bucket=bucket, Key=key, Body=content, Metadata=about)
        print(f"s3://{bucket}/{key}")


def _files(folder: Path) -> Iterator[tuple[str, str, Path]]:
    if not folder.is_dir():
        raise CommandError(f"{folder} is no folder")
    for bucket in sorted(folder.iterdir()):
        if bucket.is_dir() and sample_region(bucket.name) is None:
            raise CommandError(
                f"{bucket.name} is none of the public sample buckets ({', '.join(sample_buckets('REGION'))}):"
                " a bucket of your own takes `aws s3 cp` or boto3"
            )
        for path in sorted(bucket.rglob("*")):
            if path.is_file():
                yield bucket.name, path.relative_to(bucket).as_posix(), path
