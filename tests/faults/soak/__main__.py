"""``python -m tests.faults.soak``: half an hour of clients and kills; fails where a promise was broken."""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.faults.platform import Platform
from tests.faults.soak.soak import soak


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the kills (default: %(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as folder:
        platform = Platform(Path(folder))
        try:
            platform.start()
            platform.client("s3").create_bucket(
                Bucket="out", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
            )
            report = soak(platform, arguments.minutes * 60, arguments.seed)
        finally:
            platform.end()
    print(json.dumps(report, indent=2))
    sys.exit(1 if report["broken"] else 0)


if __name__ == "__main__":
    main()
