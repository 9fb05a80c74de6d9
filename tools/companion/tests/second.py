"""A second verifier, written from docs/audit.md alone: it shares nothing with the first but that page.

Reads files, and prints one JSON document: for each of them whether the log is whole and unchanged. It checks no
signatures, for which Python has no library of its own.
"""

import hashlib
import json
import re
import sys
from datetime import datetime

MEMBER = re.compile(rb',"chain":(\{(?:(?!,"chain":\{).)*\})\}$')
MEMBERS = ["v", "id", "seq", "ticket", "intent", "prev", "links", "every", "end", "key", "alg", "sig"]
BEGINNING = b'{"v":1,"time":"'


def once(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members


def event(line):
    """An AuditEvent, or nothing where the line is something else."""
    if not line.startswith(b"{") or line.startswith(BEGINNING):
        return None
    try:
        found = json.loads(line, object_pairs_hook=once)
    except ValueError:
        return None
    return found if found.get("resourceType") == "AuditEvent" else None


def ticket(event):
    """Chain and ticket; nothing where it is in none."""
    details = [
        (detail["type"], detail["valueString"])
        for entity in event.get("entity", ())
        if entity.get("name") == "exchange"
        for detail in entity.get("detail", ())
        if detail.get("type") in ("chain", "ticket")
    ]
    names = sorted(name for name, _ in details)
    if "chain" not in names:
        return None
    told = dict(details)
    if names != ["chain", "ticket"] or not re.fullmatch("[0-9a-f]{32}", told["chain"]):
        raise ValueError
    if not re.fullmatch("0|[1-9][0-9]*", told["ticket"]):
        raise ValueError
    return told["chain"], int(told["ticket"])


def instant(text):
    return datetime.fromisoformat(text)


def verdict(path):
    problems, chains, links, latest = [], {}, [], None

    def chain_of(name):
        new = {"records": [], "tickets": [], "closed": set(), "intents": {}, "events": set(), "announced": set(), "ends": []}
        return chains.setdefault(name, new)

    def announced(chain, number, time):
        known = chain["intents"].get(number, time)
        chain["intents"][number] = min(known, time)

    for line in open(path, "rb").read().split(b"\n"):
        try:
            found = event(line)
            own = found and ticket(found)
            if found is not None and own is None:
                continue
            if own:
                chain, time = chain_of(own[0]), instant(found["period"]["start"])
                latest = max(latest or time, time)
                if "outcome" not in found and found["outcomeDesc"] == "announced":
                    announced(chain, own[1], time)
                elif found["outcome"] in ("0", "4", "8", "12"):
                    chain["events"].add(own[1])
                else:
                    raise ValueError
                continue
        except (AttributeError, KeyError, TypeError, ValueError):
            problems.append("malformed")
            continue
        start = line.rfind(BEGINNING)
        record = line[start:] if start >= 0 else line
        if b',"chain":{' not in record:
            continue
        try:
            member = json.loads(MEMBER.search(record).group(1))
            good = list(member) == [name for name in MEMBERS if name in member] and member["v"] == 1
            together = [{"seq", "prev"}, {"links", "every"}]
            if not good or any(len(names & set(member)) == 1 for names in together):
                raise ValueError
            if "end" in member and "links" not in member:
                raise ValueError
            chain, time = chain_of(member["id"]), instant(record[15:39].decode())
            if "ticket" in member and "intent" in member:
                raise ValueError
            if "seq" not in member:
                if "intent" in member:
                    announced(chain, member["intent"], time)
                    latest = max(latest or time, time)
                else:
                    chain["tickets"].append(member["ticket"])
                continue
            latest = max(latest or time, time)
            found = (member, hashlib.sha256(record).hexdigest())
            chain["ends" if "end" in member else "records"].append(found)
            if "ticket" in member:
                chain["tickets"].append(member["ticket"])
                chain["closed"].add(member["ticket"])
            if "intent" in member:
                chain["closed"].add(member["intent"])
                chain["tickets"].append(member["intent"])
                chain["announced"].add(member["intent"])
            links += member.get("links", [])
        except (AttributeError, KeyError, TypeError, ValueError):
            problems.append("malformed")
    for chain in chains.values():
        # The end may be in another file, and read before what it ends.
        chain["records"] += chain["ends"]
        before, number, checkpoint, every = "0" * 64, 0, 1, None
        for member, digest in chain["records"]:
            if member["seq"] != number + 1:
                problems.append("number")
            if member["prev"] != before:
                problems.append("hash")
            if every is not None and member["seq"] - checkpoint > every:
                problems.append("checkpoint")
            if "every" in member:
                checkpoint, every = member["seq"], member["every"]
            number, before = member["seq"], digest
        tickets = chain["tickets"]
        if len(set(tickets)) != len(tickets):
            problems.append("ticket twice")
        if (chain["intents"] or chain["events"]) and chain["announced"] - set(chain["intents"]):
            problems.append("intent")
        for number in set(chain["intents"]) - chain["closed"] - chain["events"]:
            if chain["ends"] or (latest - chain["intents"][number]).total_seconds() >= 600:
                problems.append("unfinished")
        for member, _ in chain["ends"]:
            if set(range(1, member["end"] + 1)) - set(tickets):
                problems.append("ticket lost")
    for link in links:
        chain = chains.get(link["id"])
        if chain is None:
            problems.append("chain")
        elif link["seq"] > 0:
            hashes = {member["seq"]: digest for member, digest in chain["records"]}
            if hashes.get(link["seq"]) != link["hash"]:
                problems.append("link")
    return not problems


print(json.dumps({path: verdict(path) for path in sys.argv[1:]}))
