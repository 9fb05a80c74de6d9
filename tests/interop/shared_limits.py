"""A limit that two Envoys share, counted by an engine that none of us wrote (limitador) over a real Redis: how many
it admits while both are asked at once, and what holds while the store or the server is away."""

import copy
import http.client
import json
import shutil
import ssl
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import forgery
import parts
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from guard import LISTENER, OPTIONS, WASM, cluster_of, envoy, objects, replaced, set_address, write_files
from joserfc.jwk import ECKey
from pki import ADDRESS, HOST, Authority
from process import Process, free_ports

BINARY = parts.ROOT / ".tools/ratelimit/debug/fhir-guard-interop-ratelimit"
ISSUER = "https://as.example.org"
CLUSTER = "ratelimit"
DOMAIN = "fhir"
LIMIT = "all"
# Of one client within a window that is longer than the comparison.
MOST = 200
WINDOW = 3600
# Threads for each Envoy: the engine reads and then adds, so as many more may pass as are under way at once.
THREADS = 4
TIMEOUT = 0.25
PAUSE = 1
# What a request may take besides: a busy machine.
SLACK = 5
OPTIONS_OF_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def compare(say, tally):
    folder = Path(tempfile.mkdtemp(prefix="fhir-guard-shared-"))
    running = []
    try:
        world = World(folder, running)
        say(f"    two Envoys, one limit of {MOST}, {THREADS} callers at each")
        _exact(world, tally, say)
        for name, part in (("Redis", world.redis), ("the server", world.server)):
            _outage(world, tally, name, part)
        for guard in world.guards:
            tally.check("no Envoy has died", guard.lives(), guard.log())
    finally:
        for part in reversed(running):
            part.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _exact(world, tally, say):
    """Both are asked at once, for more than the limit."""
    answers = world.load("exact", "local", each=MOST // THREADS)
    admitted = [one for one in answers if one.status == 200]
    refused = [one for one in answers if one.status == 429]
    slack = THREADS * len(world.guards)
    say(f"    of {len(answers)} requests {len(admitted)} are admitted")
    holds = MOST <= len(admitted) <= MOST + slack
    tally.check(f"{MOST} are admitted by both together", holds, f"{len(admitted)}, at most {slack} more")
    tally.check("all others are refused", len(admitted) + len(refused) == len(answers), _statuses(answers))
    waits = all(1 <= one.retry_after <= WINDOW for one in refused)
    tally.check("and told when to come again", waits, {one.retry_after for one in refused})
    _quick(tally, "while both are asked", answers)
    # Of the other client nothing is used.
    other = world.load("other", "local", each=1)
    tally.check("another client has its own", all(one.status == 200 for one in other), _statuses(other))


def _outage(world, tally, name, part):
    """It is killed and started again while requests come."""
    for way, expected in (("local", {200}), ("refuse", {200, 503})):
        client = f"{way}-{name.split()[-1].lower()}"
        before = world.load(client, way, each=2)
        tally.check(f"{way}: before {name} ends", _all(before, {200}), _statuses(before))
        load = world.begin(client, way, seconds=3)
        part.kill()
        during = load()
        tally.check(f"{way}: while {name} is away", _all(during, expected), _statuses(during))
        _quick(tally, f"{way}: while {name} is away", during)
        without = world.load(client, way, each=2)
        tally.check(f"{way}: without {name}", _all(without, {max(expected)}), _statuses(without))
        load = world.begin(client, way, seconds=3)
        part.start()
        back = load()
        _quick(tally, f"{way}: while {name} comes back", back)
        # The store has forgotten what was counted, or has it still: either way the limit holds again.
        counts = _until(lambda: _counts(world, client, way), 30)
        tally.check(f"{way}: it counts again when {name} is back", counts, "nothing is refused any more")


def _counts(world, client, way):
    """Whether the shared limit refuses, given enough requests."""
    answers = world.load(client, way, each=MOST // THREADS)
    return any(one.status == 429 for one in answers)


def _quick(tally, name, answers):
    longest = max(one.took for one in answers)
    tally.check(f"nobody waits longer than the time-out: {name}", longest < TIMEOUT + SLACK, f"{longest:.2f} s")


def _all(answers, statuses):
    return bool(answers) and all(one.status in statuses for one in answers)


def _statuses(answers):
    found = [one.status for one in answers]
    return {status: found.count(status) for status in sorted(set(found))}


def _until(holds, seconds):
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(PAUSE)
    return True


class Answer:
    def __init__(self, status, retry_after, took):
        self.status, self.retry_after, self.took = status, retry_after, took


class Part:
    """A process that is killed and started again on the same port."""

    def __init__(self, name, command, port, log):
        self._new = lambda: Process(name, command, log, parts.environment())
        self._port = port
        self.start()

    def start(self):
        self._process = self._new()
        self._process.wait_for(self._port)

    def kill(self):
        self._process.kill()

    def stop(self):
        self._process.stop()


class World:
    """Redis, the server, a FHIR server that always answers, and two Envoys."""

    def __init__(self, folder, running):
        ports = free_ports(3)
        self.redis = Part(
            "redis-server",
            [parts.find(parts.REDIS), "--bind", ADDRESS, "--port", ports[0], "--save", "", "--dir", folder],
            ports[0],
            folder / "redis.log",
        )
        running.append(self.redis)
        arguments = [ports[1], f"redis://{ADDRESS}:{ports[0]}", DOMAIN, LIMIT, MOST, WINDOW]
        self.server = Part("ratelimit", [BINARY, *arguments], ports[1], folder / "ratelimit.log")
        running.append(self.server)
        upstream = Upstream(ports[2])
        running.append(upstream)
        pki = folder / "pki"
        pki.mkdir()
        authority = Authority(pki, "authority")
        self.guards = []
        for number in range(2):
            guard = Guard(folder / f"envoy-{number}", authority, ports[1], ports[2], self.key())
            self.guards.append(guard)
            running.append(guard)

    def key(self):
        if not hasattr(self, "_key"):
            private = ec.generate_private_key(ec.SECP256R1())
            self._key = ECKey.import_key(private, {"kid": "k1", "alg": "ES256", "use": "sig"})
        return self._key

    def load(self, client, way, each):
        """So many requests of each thread at each Envoy."""
        return self._run(client, way, lambda sent, _: sent < each)()

    def begin(self, client, way, seconds):
        """Requests for so long; the answers once they are there."""
        return self._run(client, way, lambda _, began: time.monotonic() - began < seconds)

    def _run(self, client, way, goes_on):
        answers, threads = [], []

        def send(guard):
            began, sent = time.monotonic(), 0
            ask = guard.caller(client, way)
            while goes_on(sent, began):
                answers.append(ask())
                sent += 1

        for guard in self.guards:
            threads += [threading.Thread(target=send, args=(guard,), daemon=True) for _ in range(THREADS)]
        for thread in threads:
            thread.start()

        def wait():
            for thread in threads:
                thread.join(120)
                if thread.is_alive():
                    raise RuntimeError("a request hangs")
            return answers

        return wait


class Upstream:
    """A FHIR server that knows one patient."""

    def __init__(self, port):
        body = json.dumps({"resourceType": "Patient", "id": "p1"}).encode()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "application/fhir+json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer((ADDRESS, port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()


class Guard:
    """One Envoy with a listener for each way in which an outage can be taken."""

    WAYS = ("local", "refuse")

    def __init__(self, folder, authority, server, upstream, key):
        folder.mkdir()
        self._authority, self._key = authority, key
        self._certificate = authority.client(f"robot-{folder.name}")
        self._ports = dict(zip(self.WAYS, free_ports(len(self.WAYS))))
        write_files(folder, authority, authority.server())
        config = yaml.safe_load((parts.ROOT / "envoy/envoy.yaml").read_text())
        (admin,) = free_ports(1)
        set_address(config["admin"]["address"], ADDRESS, admin)
        (cluster,) = config["static_resources"]["clusters"]
        (endpoints,) = cluster["load_assignment"]["endpoints"]
        set_address(endpoints["lb_endpoints"][0]["endpoint"]["address"], ADDRESS, upstream)
        shared = cluster_of(CLUSTER, server)
        shared["typed_extension_protocol_options"] = {
            OPTIONS_OF_HTTP: {
                "@type": f"type.googleapis.com/{OPTIONS_OF_HTTP}",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        }
        config["static_resources"]["clusters"].append(shared)
        listeners = config["static_resources"]["listeners"]
        (shipped,) = [listener for listener in listeners if listener["name"] == LISTENER]
        listeners[:] = [self._listener(shipped, way, upstream) for way in self.WAYS]
        config = replaced(config, {"/etc/fhir-guard": str(folder), "/dev/stdout": str(folder / "audit.log")})
        file = folder / "envoy.json"
        file.write_text(json.dumps(config))
        self._process = Process("envoy", [envoy(), "--config-path", file, *OPTIONS], folder / "envoy.log")
        for port in self._ports.values():
            self._process.wait_for(port)

    def caller(self, client, way):
        """A function that asks once, on a connection of its own that stays."""
        base = self._base(way)
        context = ssl.create_default_context(cafile=str(self._authority.file))
        context.load_cert_chain(*self._certificate.pair)
        connection = http.client.HTTPSConnection(HOST, self._ports[way], timeout=60, context=context)
        fields = {"Authorization": f"Bearer {self._token(base, client)}"}

        def ask():
            began = time.monotonic()
            connection.request("GET", "/r4/Patient/p1", headers=fields)
            answer = connection.getresponse()
            answer.read()
            took = time.monotonic() - began
            return Answer(answer.status, int(answer.headers.get("retry-after", 0)), took)

        return ask

    def lives(self):
        return self._process.lives()

    def log(self):
        return self._process.log()

    def stop(self):
        self._process.stop()

    def _base(self, way):
        return f"https://{HOST}:{self._ports[way]}/r4"

    def _listener(self, shipped, way, upstream):
        listener = copy.deepcopy(shipped)
        listener["name"] = way
        set_address(listener["address"], ADDRESS, self._ports[way])
        (filter,) = [part for part in objects(listener) if part.get("@type") == WASM]
        policy = filter["config"]["configuration"]["value"]
        base = self._base(way)
        policy["fhir"]["base"] = base
        policy["fhir"]["upstream"]["base"] = f"http://{ADDRESS}:{upstream}"
        (entry,) = policy["issuers"]
        entry |= {"audiences": [base], "keys": {"inline": {"keys": [self._key.as_dict(private=False)]}}}
        policy["redaction"] = []
        policy["limits"] = [
            {"name": LIMIT, "key": ["client"], "rate": "100000/s", "burst": 100000, "global": True}
        ]
        policy["global_limits"] = {
            "cluster": CLUSTER,
            "domain": DOMAIN,
            "timeout": f"{int(TIMEOUT * 1000)}ms",
            "unanswered": way,
            "failures": 3,
            "pause": f"{PAUSE}s",
        }
        return listener

    def _token(self, base, client):
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": base,
            "sub": "somebody",
            "client_id": client,
            "jti": f"{now}-{client}",
            "iat": now,
            "exp": now + 600,
            "scope": "system/Patient.rs",
            "cnf": {"x5t#S256": self._certificate.thumbprint},
        }
        return forgery.signed(claims, self._key)
