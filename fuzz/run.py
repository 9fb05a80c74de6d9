"""Runs every fuzz target for a while, and ends with a table. Exits with 1 when anything crashed.

usage: run.py SECONDS JOBS [TARGET] [INPUT]
With an INPUT that one file is tried, and nothing is searched."""

import concurrent.futures
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MANIFEST = os.path.join(HERE, "Cargo.toml")
BUILD = os.environ.get("CARGO_TARGET_DIR") or os.path.join(HERE, "target")
# What the search is guided by: every edge that is taken, and every comparison.
FLAGS = " ".join(
    [
        "-Cpasses=sancov-module",
        "-Ccodegen-units=1",
        "-Cllvm-args=-sanitizer-coverage-level=4",
        "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
        "-Cllvm-args=-sanitizer-coverage-pc-table",
        "-Cllvm-args=-sanitizer-coverage-trace-compares",
    ]
)
STATUS = re.compile(r"^#(\d+)\s+\w+\s+cov: (\d+).*?corp: (\d+).*?exec/s: (\d+)")


def targets():
    names = os.listdir(os.path.join(HERE, "fuzz_targets"))
    return sorted(name.removesuffix(".rs") for name in names)


def fail(text):
    print(text, flush=True)
    sys.exit(1)


def nightly():
    """The target triple of the nightly toolchain."""
    try:
        found = subprocess.run(
            ["rustc", "+nightly", "-vV"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        fail(
            "fuzzing needs a nightly Rust toolchain, and none is installed: "
            "rustup toolchain install nightly --profile minimal (nothing else here needs it)"
        )
    return re.search(r"^host: (.*)$", found.stdout, re.MULTILINE)[1]


def build(host, chosen):
    print("building the fuzz targets with the nightly compiler (the first time takes minutes)", flush=True)
    base = ["cargo", "+nightly", "build", "--quiet", "--locked", "--manifest-path", MANIFEST]
    programs = [f"--bin={name}" for name in chosen]
    environment = os.environ | {"RUSTFLAGS": FLAGS, "CARGO_TARGET_DIR": os.path.join(BUILD, "fuzz")}
    command = base + programs + ["--release", "--features", "libfuzzer", "--target", host]
    if subprocess.run(command, env=environment).returncode != 0:
        fail("the fuzz targets do not build: see the messages of the compiler above")
    return os.path.join(BUILD, "fuzz", host, "release")


def fuzz(programs, name, seconds):
    """One target; gives its figures. libFuzzer's own words go into a file."""
    corpus = os.path.join(HERE, "corpus", name)
    artifacts = os.path.join(HERE, "artifacts", name, "")
    os.makedirs(artifacts, exist_ok=True)
    os.makedirs(corpus, exist_ok=True)
    before = {name for name in os.listdir(corpus) if not name.startswith("seed-")}
    log = os.path.join(HERE, "artifacts", f"{name}.log")
    command = [
        os.path.join(programs, name),
        corpus,
        f"-max_total_time={seconds}",
        f"-artifact_prefix={artifacts}",
        f"-dict={os.path.join(HERE, 'words.dict')}",
        "-max_len=8192",
        "-timeout=20",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
    ]
    figures = {"executions": 0, "coverage": 0, "speed": 0, "crash": None}
    began = told = time.monotonic()
    with open(log, "w") as out:
        process = subprocess.Popen(
            command,
            env=os.environ | {"FHIR_GUARD_SEEDS": corpus},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        for line in process.stdout:
            out.write(line)
            if status := STATUS.match(line):
                figures["executions"] = int(status[1])
                figures["coverage"] = max(figures["coverage"], int(status[2]))
            if total := re.match(r"stat::number_of_executed_units: (\d+)", line):
                figures["executions"] = int(total[1])
            if artifact := re.search(r"Test unit written to (\S+)", line):
                figures["crash"] = artifact[1]
            if time.monotonic() - told > 60:
                told = time.monotonic()
                print(
                    f"   {name}: {told - began:.0f} of {seconds} s, "
                    f"{figures['executions']} executions, coverage {figures['coverage']}",
                    flush=True,
                )
        code = process.wait()
    figures["seconds"] = time.monotonic() - began
    after = {name for name in os.listdir(corpus) if not name.startswith("seed-")}
    figures["new"] = len(after - before)
    if code == 0 and not figures["executions"]:
        figures["crash"] = "nothing was executed"
    if code != 0 and not figures["crash"]:
        figures["crash"] = f"exit code {code}"
    if figures["crash"]:
        print(f"   {name} CRASHED: the end of {log} says", flush=True)
        with open(log) as lines:
            print("".join(lines.readlines()[-60:]), flush=True)
    return figures


def number(name, text):
    if not re.fullmatch(r"[1-9][0-9]*", text):
        fail(f"{name}={text} is no whole number from 1")
    return int(text)


def main():
    seconds, jobs = number("SECONDS", sys.argv[1]), number("JOBS", sys.argv[2])
    wanted, path = (sys.argv[3:] + ["", ""])[:2]
    if wanted and wanted not in targets():
        fail(f"TARGET={wanted} is no fuzz target, expected one of {', '.join(targets())}")
    if path and not wanted:
        fail("INPUT needs a TARGET")
    if path and not os.path.isfile(path):
        fail(f"INPUT={path} is no file")
    chosen = [wanted] if wanted else targets()
    programs = build(nightly(), chosen)
    if path:
        sys.exit(1 if subprocess.run([os.path.join(programs, wanted), path]).returncode else 0)
    print(f"{len(chosen)} targets, {seconds} seconds each, {jobs} at once", flush=True)
    found = {}
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(fuzz, programs, name, seconds): name for name in chosen}
        for done in concurrent.futures.as_completed(running):
            name = running[done]
            found[name] = done.result()
            print(f"{len(found)}/{len(chosen)} {name} done", flush=True)
    print(f"{'target':<14} {'seconds':>8} {'executions':>12} {'exec/s':>8} {'coverage':>9} {'new corpus':>11}  crash")
    for name in chosen:
        one = found[name]
        speed = one["executions"] / max(one["seconds"], 1)
        print(
            f"{name:<14} {one['seconds']:>8.0f} {one['executions']:>12} {speed:>8.0f} "
            f"{one['coverage']:>9} {one['new']:>11}  {one['crash'] or '-'}"
        )
    crashed = {name: one["crash"] for name, one in found.items() if one["crash"]}
    for name, artifact in crashed.items():
        print(f"to see it again: make fuzz TARGET={name} INPUT={artifact}")
    print(f"{len(chosen)} targets, {len(crashed)} crashed", flush=True)
    sys.exit(1 if crashed else 0)


if __name__ == "__main__":
    main()
