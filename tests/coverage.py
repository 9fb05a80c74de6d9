"""Runs the native tests of the core with coverage, and prints what they reach, room by room.

cargo-llvm-cov needs llvm-cov and llvm-profdata of the compiler's own LLVM: from the environment
(LLVM_COV, LLVM_PROFDATA), from rustup (llvm-tools), or from the system (llvm-cov-22)."""

import json
import os
import re
import shutil
import subprocess
import sys


def tools():
    """Where both tools are, as environment variables for cargo-llvm-cov."""
    if os.environ.get("LLVM_COV") and os.environ.get("LLVM_PROFDATA"):
        return {}
    said = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    host = re.search(r"^host: (.*)$", said, re.MULTILINE)[1]
    major = re.search(r"^LLVM version: (\d+)", said, re.MULTILINE)[1]
    root = subprocess.run(
        ["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if os.path.exists(os.path.join(root, "lib/rustlib", host, "bin/llvm-cov")):
        return {}
    found = {
        "LLVM_COV": shutil.which(f"llvm-cov-{major}"),
        "LLVM_PROFDATA": shutil.which(f"llvm-profdata-{major}"),
    }
    if not all(found.values()):
        print(
            f"llvm-cov and llvm-profdata of LLVM {major} are missing: rustup component add llvm-tools, "
            f"or install the system's package llvm-{major}"
        )
        sys.exit(1)
    return found


def main():
    environment = os.environ | tools()
    target = os.environ.get("CARGO_TARGET_DIR", "target")
    report = os.path.join(target, "coverage.json")
    command = ["cargo", "llvm-cov", "--package", "fhir-guard", "--lib", "--test", "it"]
    command += ["--json", "--summary-only", "--output-path", report]
    print("running the native tests with coverage (the first time builds everything anew)", flush=True)
    if subprocess.run(command, env=environment).returncode != 0:
        print("the tests with coverage failed: see above")
        return 1
    with open(report) as file:
        files = json.load(file)["data"][0]["files"]
    rooms = {}
    for entry in files:
        path = os.path.relpath(entry["filename"])
        inside = re.match(r"src/([^/]+?)(\.rs)?(/.*)?$", path)
        # Tests cover themselves.
        if not inside or "/tests/" in path or path.endswith("/tests.rs"):
            continue
        room = rooms.setdefault(inside[1], {"lines": [0, 0], "regions": [0, 0]})
        for kind, counts in room.items():
            counts[0] += entry["summary"][kind]["covered"]
            counts[1] += entry["summary"][kind]["count"]
    if not rooms:
        print(f"{report} names no source of the core: nothing was measured")
        return 1
    print(f"{'room':<12} {'lines':>16} {'regions':>16}")
    for room in sorted(rooms):
        cells = [
            f"{covered}/{count} {100 * covered / max(count, 1):5.1f} %"
            for covered, count in rooms[room].values()
        ]
        print(f"{room:<12} {cells[0]:>16} {cells[1]:>16}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
