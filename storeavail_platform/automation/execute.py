"""The process of one country: `python -m storeavail_platform.automation.execute REQUEST`, started by `launch`. Prints an outcome a line."""

from __future__ import annotations

import sys

import orjson

from storeavail_platform.automation.launch import encode, execute_windows
from storeavail_platform.config import load_platform
from storeavail_platform.windows import Window


def main(request: str) -> None:
    work = orjson.loads(request)
    windows = [Window.parse(key) for key in work["windows"]]
    for outcome in execute_windows(load_platform(), work["country"], windows, work["select"]):
        sys.stdout.buffer.write(encode(outcome))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1])
