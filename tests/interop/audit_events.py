"""AuditEvents of real exchanges, by models that others have made of R4: `fhir.resources` knows the structure,
`fhir-types` the codes of required bindings, helios-hfs both, where it was installed."""

import copy
import json
import tempfile
import time
import typing
from dataclasses import dataclass, field
from pathlib import Path

import hostile_server
from fhir.resources.R4B.auditevent import AuditEvent
from fhir_types import FHIR_AuditEvent
from pydantic import ValidationError

WITHIN = 60
ALL = "system/*.cruds"
USER = {"sub": "doctor", "fhirUser": "Practitioner/7"}
PATIENT = {"resourceType": "Patient", "id": "p1", "active": True}
NEW = {"resourceType": "Patient", "active": True}
PATCH = [{"op": "replace", "path": "/active", "value": False}]
MEDIA = "application/fhir+json"


@dataclass(frozen=True)
class Row:
    """One exchange, and what its first event must say."""

    name: str
    path: str
    action: str
    status: int = 200
    outcome: str = "0"
    method: str = "GET"
    body: object = None
    scope: str = ALL
    claims: dict = field(default_factory=dict)
    media: str = MEDIA
    # How many events.
    events: int = 1
    # Whether it goes on to the server.
    forwarded: bool = True


def _bundle(kind, *entries):
    requests = []
    for method, url, *resource in entries:
        # As transactions must.
        name = f"urn:uuid:00000000-0000-4000-8000-{len(requests):012}"
        whole = {"fullUrl": name, "resource": resource[0]} if resource else {}
        requests.append({**whole, "request": {"method": method, "url": url}})
    return {"resourceType": "Bundle", "type": kind, "entry": requests}


ROWS = [
    Row("read", "/Patient/p1", "R"),
    Row("read by a user", "/Patient/p1", "R", scope="user/*.cruds", claims=USER),
    Row("vread", "/Patient/p1/_history/1", "R"),
    Row("search", "/Patient?name=x", "E", events=2),
    Row("search by POST", "/Patient/_search", "E", method="POST", body="name=x", events=2),
    Row("history", "/Patient/p1/_history", "E"),
    Row("operation", "/Patient/p1/$everything", "E", events=2),
    Row("create", "/Patient", "C", 201, method="POST", body=NEW),
    Row("update", "/Patient/p1", "U", method="PUT", body=PATIENT),
    Row("patch", "/Patient/p1", "U", method="PATCH", body=PATCH, media="application/json-patch+json"),
    Row("delete", "/Patient/p1", "D", 204, method="DELETE"),
    Row(
        "transaction",
        "",
        "R",
        method="POST",
        body=_bundle("transaction", ("GET", "Patient/p1"), ("DELETE", "Patient/p2")),
        events=2,
    ),
    Row("batch", "", "R", method="POST", body=_bundle("batch", ("GET", "Patient/p1")), events=1),
    Row(
        "break-glass",
        "/Patient/p1",
        "R",
        scope="user/*.cruds",
        claims={**USER, "purpose": ["http://terminology.hl7.org/CodeSystem/v3-ActReason|BTG"]},
    ),
    Row(
        "roles and a purpose without a system",
        "/Patient/p1",
        "R",
        scope="user/*.cruds",
        claims={**USER, "purpose": "TREAT", "roles": ["ward 3", {"system": "urn:roles", "code": "nurse"}]},
    ),
    Row("refused: no scope", "/Patient/p1", "R", 403, "8", scope="system/Observation.rs", forwarded=False),
    Row("refused: an old token", "/Patient/p1", "R", 401, "4", claims={"exp": 1}, forwarded=False),
    Row("refused: nothing of this name", "/Nonsense/1", "E", 404, "8", forwarded=False),
    Row("not there", "/Patient/gone", "R", 404, "8"),
    Row("the server fails", "/Patient/broken", "R", 502, "12"),
    Row("withheld: another resource", "/Patient/other", "R", 502, "12"),
]


def exchanges(world, way):
    """Every row and an export; name, row or nothing, and the request id of each."""
    done = []
    for row in ROWS:
        body = row.body if isinstance(row.body, str) or row.body is None else json.dumps(row.body)
        fields = {"authorization": f"Bearer {world.token(way, row.scope, **row.claims)}"}
        if body is not None:
            fields["content-type"] = "application/x-www-form-urlencoded" if row.body is body else row.media
        status, head, text = world.ask(way, row.method, row.path, fields, body)
        done.append((row, status, dict(head).get("x-request-id"), text))
    token = {"authorization": f"Bearer {world.token(way, ALL)}"}

    def step(name, path, action, status, events=1, method="GET"):
        found, head, text = world.ask(way, method, path, token)
        done.append((Row(name, path, action, status, events=events), found, dict(head).get("x-request-id"), text))
        return dict(head), text

    head, _ = step("export: start", "/Patient/$export?_type=Patient", "E", 202)
    job = head.get("content-location", "/nowhere")
    _, manifest = step("export: status", job, "E", 200)
    (file,) = json.loads(manifest)["output"]
    step("export: file", file["url"], "R", 200, events=2)
    step("export: cancel", job, "E", 202, method="DELETE")
    return done


def compare(world, say, tally):
    for way in ("events", "strict-events"):
        done = exchanges(world, way)
        wanted = sum(row.events for row, *_ in done)
        _until(lambda: len(_ended(world, way)) >= wanted)
        events = world.repository.events(way)
        for row, status, request, text in done:
            tally.check(f"{way}: {row.name}", status == row.status, f"{status}, expected {row.status}: {text[:200]}")
            _exchange(world, tally, way, row, request)
        intents = [event for event in events if _announced(event)]
        say(f"    {way}: {len(events)} events of {len(done)} exchanges, {len(intents)} of them intents")
        if way == "strict-events":
            tally.check("there are intents", len(intents) > 20, len(intents))
        _judge(tally, say, way, events)
    _by_server(say, tally, [event for way in ("events", "strict-events") for event in world.repository.events(way)])


def _exchange(world, tally, way, row, request):
    """The exchange has the events that it must have, and its intent where it was announced."""
    own = [event for event in world.repository.events(way) if _request(event) == request]
    ended = [event for event in own if not _announced(event)]
    found = [(event["action"], event["outcome"]) for event in ended]
    right = len(ended) == row.events and found[:1] == [(row.action, row.outcome)]
    tally.check(f"{way}: the events of: {row.name}", right, f"{found}, expected {row.events} of {row}")
    announced = [event for event in own if _announced(event)]
    should = way == "strict-events" and row.forwarded
    tally.check(f"{way}: the intent of: {row.name}", bool(announced) == should, f"{len(announced)} of them")
    bare = all("outcome" not in event and "meta" not in event for event in announced)
    tally.check(f"{way}: an intent claims nothing: {row.name}", bare, announced)


def _judge(tally, say, way, events):
    refused = 0
    for event in events:
        name = f"{way}: {event['subtype'][0]['code'] if 'subtype' in event else 'an event'} {event['id']}"
        tally.check(f"{name} has the structure of R4", not (fault := structure(event)), f"{fault} in {event}")
        tally.check(f"{name} has codes of R4", not (fault := codes(event)), f"{fault} in {event}")
        for what, oracle, mutant in mutants(event):
            tally.check(f"{name}, {what}, is refused", oracle(mutant), "it is taken")
            refused += 1
    say(f"    {way}: {len(events)} events taken, {refused} mutants refused")


def structure(event):
    """What `fhir.resources` has against it."""
    try:
        AuditEvent.model_validate(event)
    except ValidationError as error:
        return str(error)
    return None


def codes(event):
    """What stands where `fhir-types` has other elements, or a closed list of codes."""
    return list(_strange(event, FHIR_AuditEvent, "AuditEvent"))


def _strange(value, kind, place):
    origin = typing.get_origin(kind)
    if origin is typing.Literal:
        if value not in typing.get_args(kind):
            yield f"{place}: {value}"
    elif origin is list:
        if not isinstance(value, list) or not value:
            yield f"{place}: no list, or an empty one"
            return
        for one in value:
            yield from _strange(one, *typing.get_args(kind), place)
    elif typing.is_typeddict(kind):
        if not isinstance(value, dict):
            yield f"{place}: no object"
            return
        for name, part in value.items():
            known = kind.__annotations__.get(name)
            if known is None:
                yield f"{place}.{name}: no such element"
            else:
                yield from _strange(part, known, f"{place}.{name}")


def mutants(event):
    """The event with a mistake, which of the two must find it, and what mistake."""

    def edited(edit):
        mutant = copy.deepcopy(event)
        edit(mutant)
        return mutant

    for name in ("type", "recorded", "agent", "source"):
        yield f"without {name}", structure, edited(lambda e: e.pop(name))
    yield "with an agent of which nothing says who asks", structure, edited(lambda e: e["agent"][0].pop("requestor"))
    yield "without its observer", structure, edited(lambda e: e["source"].pop("observer"))
    yield "with a text as its type", structure, edited(lambda e: e.update(type="rest"))
    yield "with several types", structure, edited(lambda e: e.update(type=[e["type"]]))
    yield "with a number as a code", structure, edited(lambda e: e["type"].update(code=7))
    yield "with a text as its subtype", structure, edited(lambda e: e.update(subtype="read"))
    yield "of another day", structure, edited(lambda e: e.update(recorded="yesterday"))
    yield "with an element of R5", structure, edited(lambda e: e.update(occurredDateTime="2026-01-31"))
    yield "as of R5", structure, edited(lambda e: e.update(outcome={"code": {"code": "success"}}))
    yield "of another resource", structure, edited(lambda e: e.update(resourceType="Provenance"))
    yield "without agents", codes, edited(lambda e: e.update(agent=[]))
    yield "with an unknown action", codes, edited(lambda e: e.update(action="X"))
    yield "with an unknown outcome", codes, edited(lambda e: e.update(outcome="5"))
    network = {"address": "192.0.2.7", "type": "9"}
    yield "with an unknown network", codes, edited(lambda e: e["agent"][0].update(network=network))


def _by_server(say, tally, events):
    """helios-hfs, where it was installed."""
    if not hostile_server.there():
        say(f"INAPPLICABLE: helios-hfs has not judged the events: {hostile_server.TARGET} installs it")
        return
    with tempfile.TemporaryDirectory(prefix="fhir-guard-hfs-") as folder:
        server = hostile_server.Server(Path(folder) / "hfs")
        try:
            for event in events:
                fault = server.faults(event)
                tally.check(f"hfs takes the event {event['id']}", not fault, f"{fault} in {event}")
            refused = [(what, mutant) for what, _, mutant in mutants(events[0])]
            for what, mutant in refused:
                tally.check(f"hfs refuses an event {what}", server.faults(mutant), "it is taken")
        finally:
            server.stop()
    say(f"    helios-hfs: {len(events)} events taken, {len(refused)} mutants refused")


def _ended(world, way):
    return [event for event in world.repository.events(way) if not _announced(event)]


def _announced(event):
    return event.get("outcomeDesc") == "announced"


def _request(event):
    """The id of its request."""
    for entity in event["entity"]:
        if entity.get("type", {}).get("code") == "XrequestId":
            return entity["what"]["identifier"]["value"]
    return None


def _until(holds):
    until = time.monotonic() + WITHIN
    while not holds() and time.monotonic() < until:
        time.sleep(0.1)
