"""Runs every stage of the tests, whatever the ones before did, says how long each took, and ends with
one line: `N passed, N failed, N skipped`. Exits with 1 when anything failed, a build included."""

import os
import re
import subprocess
import sys
import time

MAKE = os.environ.get("MAKE", "make")
# The whole workspace each time: of one package alone, libraries would be built anew with other features.
CARGO = ["cargo", "test", "--workspace"]
TESTS = CARGO + ["--no-fail-fast"]
# Scenarios wait more than they work: for windows that end, for records, for servers that are late.
AT_ONCE = ["--", f"--test-threads={2 * (os.cpu_count() or 1)}"]
STAGES = [
    ("tools", [MAKE, "tools"]),
    ("the filter as wasm", [MAKE, "wasm"]),
    ("building the tests", CARGO + ["--no-run"]),
    ("native, companion, harness, bench", TESTS + ["--lib", "--bins", "--test", "it"]),
    ("outside oracles", TESTS + ["--test", "oracles"]),
    ("fuzz targets on their seeds", [MAKE, "fuzz-seeds"]),
    ("emulated host", TESTS + ["--test", "wasm"]),
    ("real Envoy", TESTS + ["--test", "envoy"] + AT_ONCE),
]
# What needs a Docker engine and Compose; `make compose-engine` says whether they are there.
IN_CONTAINERS = ("the scenarios and the tour in containers", [MAKE, "compose"])
RESULT = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;")


def run(title, command):
    """The counts of one stage. One that fails without a failed test, because it does not build
    or was killed, counts as one failed."""
    print(f"== {title}: {' '.join(command)}", flush=True)
    passed = failed = skipped = 0
    began = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    for line in process.stdout:
        print(line, end="", flush=True)
        if result := RESULT.match(line):
            counts = [int(count) for count in result.groups()]
            passed, failed, skipped = passed + counts[0], failed + counts[1], skipped + counts[2]
    code = process.wait()
    if code != 0 and failed == 0:
        print(f"== {title}: failed with exit code {code}", flush=True)
        failed = 1
    print(f"== {title}: {time.monotonic() - began:.0f} s", flush=True)
    return passed, failed, skipped


def run_in_containers():
    """As `run`; without an engine a stage that is said to be skipped, and counts as that."""
    found = subprocess.run([MAKE, "compose-engine"], capture_output=True, text=True)
    title, _ = IN_CONTAINERS
    if found.returncode != 0:
        # The sentence of the target itself; anything else is a failure of the target.
        if reason := found.stdout.strip().splitlines():
            print(f"== {title}: SKIPPED: {reason[0]}", flush=True)
            return 0, 0, 1
        print(f"== {title}: failed: {found.stderr.strip()}", flush=True)
        return 0, 1, 0
    return run(*IN_CONTAINERS)


def main():
    results = [run(*stage) for stage in STAGES] + [run_in_containers()]
    totals = [sum(counts) for counts in zip(*results)]
    passed, failed, skipped = totals
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
