"""Uploads the samples to the stand: ``python -m tests.athena.samples [days]``."""

from __future__ import annotations

import os
import sys

import boto3

from engagement.settings import ROOT

BUCKET = "engagement-stand"
FOLDER = ROOT / "data/samples/rudderstack_firehose"


def main(days: int | None = None) -> int:
    """Upload the first days of the samples, or all of them."""
    if "127.0.0.1" not in os.environ.get("AWS_ENDPOINT_URL", ""):
        sys.stderr.write("Start 'python -m tests.athena.stand' and export what it prints first.\n")
        return 1
    client = boto3.client("s3")
    for day in sorted(path for path in FOLDER.iterdir() if path.is_dir())[:days]:
        for file in sorted(day.iterdir()):
            key = f"samples/landing/{day.name}/{file.name}"
            client.put_object(Bucket=BUCKET, Key=key, Body=file.read_bytes())
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else None))
