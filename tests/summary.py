"""Runs every stage of the tests, whatever the ones before did, and ends with one line:
`N passed, N failed, N skipped`. Exits with 1 when anything failed, a build included."""

import os
import re
import subprocess
import sys

MAKE = os.environ.get("MAKE", "make")
CARGO = ["cargo", "test", "--no-fail-fast", "--package"]
STAGES = [
    ("tools", [MAKE, "tools"]),
    ("the filter as wasm", [MAKE, "wasm"]),
    ("native", CARGO + ["fhir-guard", "--lib", "--test", "it"]),
    ("outside oracles", CARGO + ["fhir-guard", "--test", "oracles"]),
    ("harness", CARGO + ["fhir-guard-harness"]),
    ("bench", CARGO + ["fhir-guard-bench"]),
    ("emulated host", CARGO + ["fhir-guard", "--test", "wasm"]),
    ("real Envoy", CARGO + ["fhir-guard", "--test", "envoy"]),
]
RESULT = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;")


def run(title, command):
    """The counts of one stage. One that fails without a failed test, because it does not build
    or was killed, counts as one failed."""
    print(f"== {title}: {' '.join(command)}", flush=True)
    passed = failed = skipped = 0
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
    return passed, failed, skipped


def main():
    totals = [sum(counts) for counts in zip(*(run(*stage) for stage in STAGES))]
    passed, failed, skipped = totals
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
