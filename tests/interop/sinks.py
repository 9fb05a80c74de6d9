"""What others read of the filter: its records, by rsyslog, an OpenTelemetry collector and a server of Envoy's access log
service, and its statistics, by Prometheus, with the dashboard and the alerting rules that are shipped."""

import json
import math
import shutil
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

import parts
from pki import ADDRESS
from py_ocsf_models.events.findings.detection_finding import DetectionFinding
from pydantic import ValidationError
from sinks_world import AWAY, CANARY, RULES, World

# A record that is longer than rsyslog takes unless told.
LONG = 8192
ENTRIES = 100
WITHIN = 60
# What dashboards put in its place depends on their width.
INTERVAL = "30s"
DASHBOARD = parts.ROOT / "envoy/grafana/fhir-guard.json"


def compare(say, tally):
    folder = Path(tempfile.mkdtemp(prefix="fhir-guard-sinks-"))
    running = []
    try:
        world = World(folder, running)
        sent = _traffic(world, tally)
        _alerts(world, tally, say)
        _records(world, tally, say, sent)
        # What is written while nobody reads is read afterwards, and nothing twice.
        world.rsyslog.stop()
        sent += _traffic(world, tally)
        world.rsyslog.start()
        _records(world, tally, say, sent)
        _statistics(world, tally, say)
        tally.check("Envoy has not died", world.guard.lives(), world.guard.log())
    finally:
        for part in reversed(running):
            part.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _traffic(world, tally):
    """Exchanges of every outcome; how many."""
    ask, guest, thief = world.caller("robot"), world.caller("guest"), world.thief()
    stranger = world.caller("robot", AWAY)
    read = {"path": "/r4/Patient/p1"}
    rows = [
        *[(ask, read, {200})] * 10,
        # A repository is told of them before.
        *[(world.announced(), read, {200})] * 3,
        (world.unannounced(), read, {503}),
        # Its answer takes longer than a tick, and is held so long.
        (ask, {"path": "/r4/Patient/slow"}, {200}),
        (ask, {"path": f"/r4/Patient?name={CANARY}"}, {200}),
        (ask, {"path": "/r4", "method": "POST", "body": _batch()}, {200}),
        # No scope for it; nothing of this name; texts that would break out of a line.
        (ask, {"path": "/r4/Observation/o1"}, {403}),
        (ask, {"path": f"/r4/{CANARY}"}, {404}),
        (ask, {"path": f"/r4/Patient/%22%7D%0A%E2%80%A8?{CANARY}=%22"}, {400, 404}),
        (ask, {"path": "/r4/Patient/p1", "fields": {"x-request-id": '"},{"v":1,"time":"'}}, {200}),
        (ask, {"path": "/r4/Patient/p1", "fields": {"authorization": ""}}, {401}),
        (ask, {"path": "/r4/Patient/p1", "fields": {"authorization": f"Bearer {CANARY}"}}, {401}),
        *[(guest, read, {200, 429})] * 6,
        # Who he is cannot be known.
        *[(stranger, read, {503})] * 3,
        # Tokens of somebody else.
        *[(thief, read, {401})] * 4,
    ]
    for number, (caller, request, expected) in enumerate(rows):
        status = caller(**request)
        tally.check(f"exchange {number}: {request['path']}", status in expected, f"{status}, expected {expected}")
    # The head cannot be read: nothing is ever decided.
    world.garbage()
    return len(rows) + 1


def _batch():
    request = {"method": "GET", "url": "Patient/p1"}
    return {"resourceType": "Bundle", "type": "batch", "entry": [{"request": request}] * ENTRIES}


def _records(world, tally, say, sent):
    """Every reader has every record, as it is in the file."""
    _until(lambda: len(world.lines()) >= sent)
    lines = world.lines()
    tally.check("the file has a record of every exchange", len(lines) == sent, f"{len(lines)} of {sent}")
    records = [json.loads(line) for line in lines]
    outcomes = {record["outcome"] for record in records}
    wanted = {"allowed", "refused", "undecided"}
    tally.check("there are outcomes of all kinds", wanted <= outcomes, outcomes)
    tally.check("one record is long", max(map(len, lines)) > LONG, max(map(len, lines)))
    say(f"    {len(lines)} records, the longest has {max(map(len, lines))} bytes")
    for name, read, expected in [
        ("rsyslog has every line", world.forwarded, lines),
        ("the OpenTelemetry collector has every record", world.collected, lines),
        ("the access log service has every record", world.served, lines),
    ]:
        _until(lambda: len(read()) >= len(expected))
        _same(tally, name, read(), expected)
    found = world.parsed()
    same = sorted(map(_canonical, found)) == sorted(map(_canonical, records))
    tally.check("rsyslog has parsed every record", same, f"{len(found)} of {len(records)}, or they differ")
    tally.check("rsyslog found nothing that is no record", not world.unparsed(), world.unparsed()[:200])
    for name, text in world.everything().items():
        tally.check(f"no health data and no token: {name}", text and CANARY not in text, "empty, or the canary is there")


def _alerts(world, tally, say):
    """The thief alerts, by a class that others have made of the schema."""
    _until(world.alerts)
    alerts = [json.loads(line) for line in world.alerts()]
    kinds = [alert["metadata"]["event_code"] for alert in alerts]
    tally.check("the thief alerts", "token-binding" in kinds, kinds)
    for alert in alerts:
        tally.check(f"a Detection Finding: {alert['message']}", not (mistake := _mistake(alert)), mistake)
        # That it would find one.
        tally.check("no Detection Finding without its product", _mistake(_without_product(alert)), "it is taken")
    say(f"    {len(alerts)} alerts: {', '.join(kinds)}")


def _mistake(alert):
    try:
        DetectionFinding.model_validate(alert, strict=False)
    except ValidationError as error:
        return str(error)
    return None


def _without_product(alert):
    metadata = {name: value for name, value in alert["metadata"].items() if name != "product"}
    return {**alert, "metadata": metadata}


def _same(tally, name, found, expected):
    missing, more = len(set(expected) - set(found)), len(set(found) - set(expected))
    problem = f"{len(found)} of {len(expected)}, {missing} missing, {more} others"
    tally.check(name, sorted(found) == sorted(expected), problem)


def _canonical(value):
    return json.dumps(value, sort_keys=True)


def _statistics(world, tally, say):
    """Prometheus reads them, and every expression that is shipped finds what it is about."""
    done = world.promtool("check", "rules", RULES)
    tally.check("promtool takes the rules", done.returncode == 0, done.stdout + done.stderr)
    up = _until(lambda: _value(world, "up"))
    tally.check("Prometheus reads the proxy", up, world.prometheus.log())
    expressions = list(_panels(json.loads(DASHBOARD.read_text())))
    rules = [rule for group in _asked(world, "rules")["groups"] for rule in group["rules"]]
    # Of rules only that side which is compared: that it holds is the alarm.
    expressions += [(rule["name"], rule["query"].rsplit(" > ", 1)[0]) for rule in rules]
    for title, expression in expressions:
        text = expression.replace("$__rate_interval", INTERVAL)
        found = _until(lambda: _value(world, text) or _goes_on(world))
        tally.check(f"{title} has data", found, f"{text}: {_answer(world, text)}")
    healthy = _until(lambda: all(rule["health"] == "ok" for rule in _rules(world)))
    tally.check("every rule is evaluated", healthy and len(rules) == len(_rules(world)) > 0, _rules(world))
    # The thief of the traffic.
    firing = _until(lambda: "FhirGuardStolenTokens" in _firing(world))
    tally.check("the alarm of stolen tokens is raised", firing, _firing(world))
    say(f"    {len(expressions)} expressions, {len(rules)} rules; raised: {', '.join(sorted(_firing(world)))}")


def _goes_on(world):
    """What is over is in no rate: something is announced, and nothing is found yet."""
    world.announced()(path="/r4/Patient/p1")
    return False


def _panels(node):
    for target in node.get("targets", []):
        yield node["title"], target["expr"]
    for panel in node.get("panels", []):
        yield from _panels(panel)


def _rules(world):
    return [rule for group in _asked(world, "rules")["groups"] for rule in group["rules"]]


def _firing(world):
    return {alert["labels"]["alertname"] for alert in _asked(world, "alerts")["alerts"]}


def _value(world, expression):
    """Whether it has a value, a number."""
    result = _answer(world, expression)
    return isinstance(result, list) and any(math.isfinite(float(one["value"][1])) for one in result)


def _answer(world, expression):
    try:
        return _asked(world, "query", query=expression)["result"]
    except urllib.error.HTTPError as error:
        return error.read().decode(errors="replace")


def _asked(world, what, **query):
    url = f"http://{ADDRESS}:{world.prometheus_port}/api/v1/{what}?{urllib.parse.urlencode(query)}"
    # On the loopback interface, whatever the environment says of proxies.
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        return json.load(answer)["data"]


def _until(holds):
    until = time.monotonic() + WITHIN
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True
