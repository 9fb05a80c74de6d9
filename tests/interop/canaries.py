"""Words that stand in requests, tokens and answers, and must be in nothing that remembers: neither as they are nor in
base64, base64url, percent-encoding or hexadecimal. And a word for each sink that must be in it."""

import base64
import json
import math
import secrets
import time
import urllib.parse
import urllib.request

from audit_world import OBSERVER, WAYS
from joserfc.jwk import ECKey

WITHIN = 60
# By what they stand in; none is a part of another, nor of anything that is remembered by right.
WORDS = {
    "a member of the token's header": "zaunkoenig0th",
    "a claim of the token": "zilpzalp1tc",
    "a member of the proof's header": "wiedehopf2ph",
    "a claim of the proof": "waldkauz3pc",
    "the value of a query": "uferschnepfe4qv",
    "the value of a search by POST": "turmfalke5sp",
    "the value of a query in a Bundle": "trauerente6bq",
    "a path": "tannenmeise7pa",
    "a body": "sumpfohreule8bo",
    "a body in a Bundle": "steinkauz9bb",
    "a body that is refused": "sperling10br",
    "an element that there is not": "zeisig19el",
    "a field of the request": "seeadler11fr",
    "user-agent": "schleiereule12ua",
    "tracestate": "rotkehlchen13ts",
    "a cookie": "rohrdommel14co",
    "credentials that are no token": "ringeltaube15cr",
    "a head that cannot be read": "regenpfeifer16he",
    "the body of an answer": "pirol17ab",
    "a field of an answer": "nachtigall18fa",
}
READ = "system/*.cruds"
FORM = "application/x-www-form-urlencoded"
JSON = "application/fhir+json"


def compare(world, say, tally):
    planted, ids = {name: [word.encode()] for name, word in WORDS.items()}, {}
    planted["a secret of the configuration"] = [bytes.fromhex(world.secret)]
    sent, heads = [], []
    for way in WAYS:
        ids[way] = _traffic(world, tally, way, planted, sent, heads)
    _planted(world, tally, planted, "\n".join(sent))
    _would_be_found(tally, planted)
    for name, read, wanted in _sinks(world, ids, heads):
        missing = _until(lambda: [word for word in wanted if word not in read()])
        tally.check(f"{name} has what belongs there", wanted and not missing, f"{missing} missing: {read()[-4000:]}")
        text = read()
        lower = text.lower()
        for canary, values in planted.items():
            found = [form for value in values for form in _found(value, text, lower)]
            tally.check(f"{canary} is not in {name}", not found, f"in {', '.join(sorted(set(found)))}")
        say(f"    {name}: {len(text)} characters, {len(wanted)} words that belong there, {len(planted)} that do not")


def _sinks(world, ids, heads):
    """Each sink, how it is read, and what must be in it."""
    every = [one for found in ids.values() for one in found["all"]]
    yield "the file", lambda: "\n".join(world.records()), every
    yield "the access log service", world.served, every
    yield "the OpenTelemetry collector", world.collected, every
    yield "the spans", world.spans.text, every
    for way in WAYS:
        yield f"the repository, {way}", lambda way=way: world.repository.text(way), ids[way]["all"]
    for way in ("strict-records", "strict-events"):
        yield f"the intents of {way}", lambda way=way: _intents(world, way), ids[way]["forwarded"]
    for form in ("ecs", "ocsf"):
        alarming = [one for way, (_, own) in WAYS.items() if own == form for one in ids[way]["alarming"]]
        yield f"alerts, {form}", lambda form=form: "\n".join(world.alerts(form)), alarming
    yield "/stats", lambda: world.admin("/stats"), ["fhir_guard"]
    yield "/stats/prometheus", lambda: world.admin("/stats/prometheus"), ["fhir_guard"]
    yield "/config_dump", lambda: world.admin("/config_dump?include_eds"), [OBSERVER, *WAYS]
    yield "/clusters", lambda: world.admin("/clusters"), ["repository"]
    yield "the heads of answers", lambda: "\n".join(heads), every
    # With the ends of the chains.
    world.envoy.stop()
    yield "Envoy's own log", world.envoy_log, ["fhir-guard", '"end":', "[trace][wasm]", "[trace][connection]"]


def _intents(world, way):
    if way == "strict-records":
        return json.dumps([line for line in world.repository.records(way) if line["outcome"] == "announced"])
    return json.dumps([one for one in world.repository.events(way) if one.get("outcomeDesc") == "announced"])


def _traffic(world, tally, way, planted, sent, heads):
    """Exchanges with canaries in all places; the ids of the requests: all, those that went on, those that alarm."""
    own = ECKey.generate_key("P-256", {"kid": "own"})
    words = dict(WORDS)
    header = {"note": words["a member of the token's header"]}
    claim = {"note": words["a claim of the token"]}
    token = world.token(way, READ, header, **claim)
    # Another than the one whose events are judged: an emergency of the same user alerts once a minute.
    emergency = {"sub": "surgeon", "fhirUser": "Practitioner/8", "purpose": ["BTG"]}
    glass = world.token(way, "user/*.cruds", header, **claim, **emergency)
    bound = world.token(way, READ, header, **claim, cnf={"jkt": own.thumbprint()})
    old = world.token(way, READ, header, **claim, exp=1)
    proof_header = {"kid": words["a member of the proof's header"]}
    proof = world.proof(own, way, bound, "/Patient/p1", proof_header, note=words["a claim of the proof"])
    for name, text in [("the token", token), ("the token", glass), ("the token", bound), ("the token", old)]:
        _segments(planted, name, text)
    _segments(planted, "the proof", proof)
    common = {
        "x-note": words["a field of the request"],
        "referer": f"https://app.example.org/{words['a field of the request']}",
        "user-agent": words["user-agent"],
        # With a trace, or its state would be dropped.
        "traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01",
        "tracestate": f"vendor={words['tracestate']}",
        "cookie": f"session={words['a cookie']}",
    }
    bearer, dpop = f"Bearer {token}", {"authorization": f"DPoP {bound}", "dpop": proof}
    value, posted = words["the value of a query"], words["the value of a search by POST"]
    patient = {"resourceType": "Patient", "name": [{"family": words["a body"]}]}
    wrong = {"resourceType": "Patient", "active": words["a body that is refused"]}
    # The record says where a body is wrong, by names that R4 has.
    strange = {"resourceType": "Patient", words["an element that there is not"]: True}
    inner = {"resourceType": "Patient", "name": [{"family": words["a body in a Bundle"]}]}
    entries = [
        {"request": {"method": "GET", "url": f"Patient?name={words['the value of a query in a Bundle']}"}},
        {"request": {"method": "POST", "url": "Patient"}, "resource": inner},
    ]
    batch = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    # Name, method, path, fields, body, the statuses that it may have, whether it goes on, whether it alarms.
    rows = [
        ("read", "GET", "/Patient/p1", {}, None, {200}, True, False),
        ("search", "GET", f"/Patient?name={value}", {}, None, {200}, True, False),
        ("search by POST", "POST", "/Patient/_search", {"content-type": FORM}, f"name={posted}", {200}, True, False),
        ("create", "POST", "/Patient", {"content-type": JSON}, json.dumps(patient), {201}, True, False),
        ("a wrong body", "POST", "/Patient", {"content-type": JSON}, json.dumps(wrong), {400}, False, False),
        ("a strange body", "POST", "/Patient", {"content-type": JSON}, json.dumps(strange), {400}, False, False),
        ("batch", "POST", "", {"content-type": JSON}, json.dumps(batch), {200}, True, False),
        ("the server fails", "GET", "/Patient/broken", {}, None, {500, 502}, True, False),
        ("another resource", "GET", "/Patient/other", {}, None, {502}, True, False),
        ("no such path", "GET", f"/{words['a path']}/1", {}, None, {404}, False, False),
        ("no token", "GET", "/Patient/p1", {"authorization": ""}, None, {401}, False, False),
        (
            "credentials that are no token",
            "GET",
            "/Patient/p1",
            {"authorization": f"Bearer {words['credentials that are no token']}"},
            None,
            {401},
            False,
            False,
        ),
        ("an old token", "GET", "/Patient/p1", {"authorization": f"Bearer {old}"}, None, {401}, False, False),
        ("a proof", "GET", "/Patient/p1", dpop, None, {200}, True, False),
        ("the proof again", "GET", "/Patient/p1", dpop, None, {401}, False, True),
        ("break-glass", "GET", "/Patient/p1", {"authorization": f"Bearer {glass}"}, None, {200}, True, True),
        ("a thief", "GET", "/Patient/p1", {}, None, {401}, False, True),
    ]
    ids = {"all": [], "forwarded": [], "alarming": []}
    for name, method, path, fields, body, statuses, forwarded, alarming in rows:
        fields = {name: value for name, value in ({"authorization": bearer} | common | fields).items() if value}
        certificate = world.thieves[way] if name == "a thief" else None
        status, head, text = world.ask(way, method, path, fields, body, certificate)
        tally.check(f"canaries, {way}: {name}", status in statuses, f"{status}, expected {statuses}: {text[:200]}")
        sent.append(f"{path}\n{fields}\n{body}")
        heads.append("\n".join(f"{name}: {value}" for name, value in head))
        one = dict(head)["x-request-id"]
        ids["all"].append(one)
        ids["forwarded"] += [one] * forwarded
        ids["alarming"] += [one] * alarming
    head = words["a head that cannot be read"]
    message = f"GET /r4/{head} HTTP/1.1\r\nhost: a\r\n{head}\r\n\r\n"
    sent.append(message)
    heads.append(world.raw(way, message.encode()))
    return ids


def _segments(planted, name, text):
    """The three parts of a JWS, and the bytes of its signature."""
    parts = dict(zip(["header", "payload", "signature"], text.split(".")))
    for part, own in parts.items():
        planted.setdefault(f"the {part} of {name}", []).append(own.encode())
    signature = base64.urlsafe_b64decode(parts["signature"] + "==")
    planted["the signature of " + name].append(signature)


def _planted(world, tally, planted, sent):
    """Each was where it is said to have been."""
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{world.fhir.base}/Patient/p1") as answer:
        answered = f"{answer.headers}\n{answer.read().decode()}"
    for name, values in planted.items():
        # Members of tokens are sent in base64, and the secret stands in the environment.
        text = f"{sent}\n{answered}\n{world.secret}"
        found = all(_found(value, text, text.lower()) for value in values[:1])
        tally.check(f"planted: {name}", found, "it was sent by nobody")
    heard = "\n".join(world.fhir.heard)
    for name in ("the value of a query", "a body", "user-agent"):
        tally.check(f"came to the server: {name}", WORDS[name] in heard, "it did not")


def _would_be_found(tally, planted):
    """A sink that had it, in any form and at any place, would fail."""
    for name, values in planted.items():
        value = values[0]
        forms = [
            base64.b64encode(b"x" * before + value + b"y" * behind)
            for before in range(3)
            for behind in range(3)
        ]
        forms += [base64.urlsafe_b64encode(b"x" + value + b"y"), value.hex().encode(), value.hex().upper().encode()]
        forms.append("".join(f"%{byte:02x}" for byte in value).encode())
        forms.append(urllib.parse.quote_from_bytes(value).encode())
        for form in forms:
            text = f"- {form.decode()} -"
            tally.check(f"would be found: {name}", _found(value, text, text.lower()), text)


def _found(value, text, lower):
    """In which forms this stands in a text."""
    found = []
    if value.isascii() and value.decode() in text:
        found.append("plain")
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + value).decode()
        # Without the characters that have bits of what stands before or behind.
        known = coded[math.ceil(before * 8 / 6) : (before + len(value)) * 8 // 6]
        if known in text:
            found.append("base64")
        if known.translate(str.maketrans("+/", "-_")) in text:
            found.append("base64url")
    if value.hex() in lower:
        found.append("hexadecimal")
    every = "".join(f"%{byte:02x}" for byte in value)
    if every in lower or urllib.parse.quote_from_bytes(value).lower() in lower:
        found.append("percent-encoding")
    return found


def _until(missing):
    until = time.monotonic() + WITHIN
    while (found := missing()) and time.monotonic() < until:
        time.sleep(0.2)
    return found
