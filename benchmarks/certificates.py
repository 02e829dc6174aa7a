"""What a proof costs: its size, and the seconds and memory that writing and checking it take, each in a fresh process.

The question is examples/encoder_minimum.toml (12 heads, 29,523 tokens) with up to 4 slots, or the scenario given; a
scenario's largest length is --slots. Run: python benchmarks/certificates.py
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

DEFAULT = Path(__file__).parent.parent / "examples" / "encoder_minimum.toml"


def measured(*arguments: str) -> tuple[int, float, float, float]:
    """Exit code, seconds, seconds of processor time and the largest resident memory in MB of one command."""
    began = time.perf_counter()
    process = os.posix_spawn(sys.executable, [sys.executable, "-m", "tokendemo_formal", *arguments], os.environ)
    _, status, usage = os.wait4(process, 0)
    seconds, processor = time.perf_counter() - began, usage.ru_utime + usage.ru_stime
    return os.waitstatus_to_exitcode(status), seconds, processor, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="?", default=str(DEFAULT))
    parser.add_argument("--slots", default="4")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        proof = str(Path(folder) / "proof.jsonl")
        for name, command in (
            ("solve --certificate", ("solve", arguments.scenario, "--slots", arguments.slots, "--certificate", proof)),
            ("check", ("check", proof)),
        ):
            code, seconds, processor, memory = measured(*command)
            print(f"{name + ':':22}exit code {code}, {seconds:.1f} s ({processor:.1f} s of processor), {memory:.0f} MB")
        print(f"{'certificate:':22}{Path(proof).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
