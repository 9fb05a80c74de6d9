"""A second verifier, written from docs/audit.md alone: it shares nothing with the first but that page.

Reads files, and prints one JSON document: for each of them whether the log is whole and unchanged. It checks no
signatures, for which Python has no library of its own.
"""

import hashlib
import json
import re
import sys

MEMBER = re.compile(rb',"chain":(\{(?:(?!,"chain":\{).)*\})\}$')
MEMBERS = ["v", "id", "seq", "ticket", "intent", "prev", "links", "every", "end", "key", "alg", "sig"]
BEGINNING = b'{"v":1,"time":"'


def verdict(path):
    problems, chains, links = [], {}, []
    for line in open(path, "rb").read().split(b"\n"):
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
            chain = chains.setdefault(member["id"], {"records": [], "tickets": [], "intents": set(), "announced": set(), "ends": []})
            if "ticket" in member and "intent" in member:
                raise ValueError
            if "seq" not in member:
                if "intent" in member:
                    chain["intents"].add(member["intent"])
                else:
                    chain["tickets"].append(member["ticket"])
                continue
            found = (member, hashlib.sha256(record).hexdigest())
            chain["ends" if "end" in member else "records"].append(found)
            if "ticket" in member:
                chain["tickets"].append(member["ticket"])
            if "intent" in member:
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
        if any(other["intents"] for other in chains.values()) and chain["announced"] - chain["intents"]:
            problems.append("intent")
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
