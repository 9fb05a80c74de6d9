"""What may leave of a server that sends everything: each row is a request, whose answer must hold exactly what
is permitted, and nothing of anybody or anything else."""

import base64
import json
import re
import shutil
import tempfile
from pathlib import Path

from hostile_guard import HostileGuard
from hostile_rows import HOSTILITY, ROWS, Row
from hostile_server import DOCTOR, OWN, HostileServer, canary
from pki import Authority

# So many pages at most: a link that leads in a circle ends the row.
PAGES = 20
REFUSED = (400, 403, 404)


def compare(say, tally):
    """Tries every row on the filter before the server, with `tally.check`."""
    folder = Path(tempfile.mkdtemp(prefix="fhir-guard-hostile-"))
    running = []
    try:
        pki = folder / "pki"
        pki.mkdir()
        authority = Authority(pki, "authority")
        say("    starting hfs without its search parameters, and Envoy with the filter")
        server = HostileServer(folder / "hfs")
        running.append(server)
        guard = HostileGuard(folder / "envoy", authority, server)
        running.append(guard)
        say(f"    helios-hfs {server.version()}, {len(server.resources)} resources of three patients")
        for path, all in HOSTILITY:
            answer = server.direct(path)
            found, wanted = _entries(answer), all(server.resources)
            tally.check(
                f"hfs is hostile: {path}",
                found == wanted,
                f"it answers {sorted(found)}, expected {sorted(wanted)}",
            )
            leak = _leak(json.dumps(answer), server.resources, frozenset(), Row("", "", "", path))
            tally.check(f"what it answers would fail a row: {path}", leak, "nothing was noticed")
        for row in ROWS:
            problem = _try(guard, server.resources, row)
            tally.check(f"hostile server: {row.name}", not problem, problem)
    finally:
        for part in reversed(running):
            part.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _try(guard, resources, row):
    """What is wrong with the answers to this request, all its pages; nothing where they are right."""
    permitted = row.out(resources) if row.out else frozenset()
    found, path = set(), row.path
    for _ in range(PAGES):
        status, head, text = guard.ask(row.way, row.scope, row.method, path, row.body)
        if leak := _leak(head + text, resources, permitted, row):
            return f"{leak} comes out"
        if row.out is None:
            return "" if status in REFUSED else f"answered {status}, expected one of {REFUSED}"
        if status != 200:
            return f"answered {status}, expected 200: {text[:300]}"
        answer = json.loads(text)
        found |= _entries(answer)
        path = _next(answer)
        if not path:
            return "" if found == permitted else f"{sorted(found)} come out, expected {sorted(permitted)}"
    return f"more than {PAGES} pages"


def _leak(text, resources, permitted, row):
    """What must not stand in this text, but does."""
    text = _unfolded(text)
    for resource in resources:
        if resource["id"] in permitted:
            continue
        # What the client wrote itself comes back in links.
        echo = resource["id"] in row.path or resource["id"] in (row.body or "")
        if canary(resource) in text or not (row.refers or echo) and _names(resource["id"], text):
            return resource["id"]
    return next((hidden for hidden in row.hidden if hidden in text), None)


def _unfolded(text):
    """The text, and what is written in it in base64: links and cursors have ids in them, twice folded."""
    found = [text]
    for _ in range(3):
        runs = re.findall(r"[A-Za-z0-9_-]{16,}", found[-1])
        found.append(
            "\n".join(
                base64.urlsafe_b64decode(run + "=" * (-len(run) % 4)).decode(errors="replace")
                for run in runs
                if len(run) % 4 != 1
            )
        )
    return "\n".join(found)


def _names(name, text):
    """Whether the text has this id. Who asks may be named: in references of what is permitted, and in links."""
    if name in (OWN, f"enc-{OWN}", DOCTOR):
        return False
    return re.search(rf"(?<![a-z0-9-]){re.escape(name)}(?![a-z0-9-])", text) is not None


def _entries(answer):
    """The ids of the resources in a Bundle, in Bundles within it, or of the one that it is."""
    if answer.get("resourceType") != "Bundle":
        return {answer["id"]} if answer.get("resourceType") != "OperationOutcome" else set()
    return {
        name
        for entry in answer.get("entry", [])
        if "resource" in entry
        for name in _entries(entry["resource"])
    }


def _next(answer):
    links = answer.get("link", [])
    return next((link["url"] for link in links if link["relation"] == "next"), "")
