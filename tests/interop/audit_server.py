"""Behind the filter that is to be remembered: a FHIR server that knows every interaction, and a repository."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pki import ADDRESS

FILE = "/files/1.ndjson"
JOB = "/jobs/1"
# What it says of itself, which stays behind the filter.
OWN_FIELDS = ("Server", "Set-Cookie", "Warning", "X-Powered-By")


class FhirServer:
    """Its patients bear the word, and so do fields of its answers. `heard` is all that it was asked."""

    def __init__(self, word, field_word):
        self._word, self._field_word = word, field_word
        self.heard = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def version_string(self):
                return server._field_word

            def _any(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                server.heard.append(f"{self.command} {self.path}\n{self.headers}\n{body.decode()}")
                status, resource, fields = server._answer(self.command, self.path.split("?")[0], body)
                lines = isinstance(resource, str)
                content = resource if lines else json.dumps(resource) if resource else ""
                self.send_response(status)
                if content:
                    self.send_header("Content-Type", "application/fhir+ndjson" if lines else "application/fhir+json")
                if status != 204:
                    self.send_header("Content-Length", str(len(content.encode())))
                for name in OWN_FIELDS[1:]:
                    self.send_header(name, server._field_word)
                for name, value in fields.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content.encode())

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any

            def log_message(self, *_):
                pass

        self._server = _Server((ADDRESS, 0), Handler)
        self.port = self._server.server_port
        self.base = f"http://{ADDRESS}:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, method, path, body):
        """Status, resource or lines, fields."""
        steps = [step for step in path.split("/") if step]
        if path == JOB:
            return (202, None, {}) if method == "DELETE" else (200, self._manifest(), {})
        if path == FILE:
            return 200, "".join(f"{json.dumps(self._patient(name))}\n" for name in ("p1", "p2")), {}
        if steps[-1:] == ["$export"]:
            return 202, None, {"Content-Location": f"{self.base}{JOB}"}
        if steps[-1:] == ["broken"]:
            return 500, self._outcome(), {}
        if steps[-1:] == ["gone"]:
            return 404, self._outcome(), {}
        # Another than was asked for.
        if steps[-1:] == ["other"]:
            return 200, self._patient("p9"), {}
        if steps == [] or "$everything" in steps or "_history" in steps[:-1] and len(steps) < 4:
            return 200, self._bundle(steps, body), {}
        if method == "POST" and steps[-1] != "_search":
            return 201, {**json.loads(body), "id": "new"}, {"Location": f"{self.base}/{steps[0]}/new/_history/1"}
        if method == "DELETE":
            return 204, None, {}
        if len(steps) == 1 or steps[-1] in ("_search", "_history"):
            return 200, self._bundle(steps, body), {}
        return 200, self._patient(steps[1]), {"ETag": 'W/"1"'}

    def _bundle(self, steps, body):
        asked = json.loads(body) if steps == [] and body else None
        if asked:
            answered = {"DELETE": {"response": {"status": "204"}}}
            read = {"resource": self._patient("p1"), "response": {"status": "200"}}
            entries = [answered.get(entry["request"]["method"], read) for entry in asked["entry"]]
            return {"resourceType": "Bundle", "type": f"{asked['type']}-response", "entry": entries}
        if steps[-1] == "_history":
            request = {"method": "PUT", "url": "Patient/p1"}
            entry = {"resource": self._patient("p1"), "request": request, "response": {"status": "200"}}
            return {"resourceType": "Bundle", "type": "history", "entry": [entry]}
        found = [{"resource": self._patient(name), "search": {"mode": "match"}} for name in ("p1", "p2")]
        return {"resourceType": "Bundle", "type": "searchset", "entry": found}

    def _manifest(self):
        return {
            "transactionTime": "2026-01-31T12:00:00Z",
            "request": f"{self.base}/Patient/$export",
            "requiresAccessToken": True,
            "output": [{"type": "Patient", "url": f"{self.base}{FILE}"}],
            "error": [],
        }

    def _patient(self, name):
        return {"resourceType": "Patient", "id": name, "meta": {"versionId": "1"}, "name": [{"family": self._word}]}

    def _outcome(self):
        issue = {"severity": "error", "code": "exception", "diagnostics": self._word}
        return {"resourceType": "OperationOutcome", "issue": [issue]}


class Repository:
    """Acknowledges everything that is posted, while it acknowledges, and keeps that by its path."""

    def __init__(self):
        self.acknowledges = True
        self._kept = []
        repository = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                if repository.acknowledges:
                    repository._kept.append((self.path, str(self.headers), body))
                self.send_response(200 if repository.acknowledges else 500)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = _Server((ADDRESS, 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def records(self, way):
        """The lines of NDJSON that came by this way."""
        return [json.loads(line) for body in self._bodies(way) for line in body.splitlines()]

    def events(self, way):
        """The AuditEvents that came by this way."""
        return [entry["resource"] for body in self._bodies(way) for entry in json.loads(body)["entry"]]

    def text(self, way):
        """All of it, heads too."""
        return "\n".join(f"{head}\n{body}" for path, head, body in list(self._kept) if path == f"/{way}")

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def _bodies(self, way):
        return [body for path, _, body in list(self._kept) if path == f"/{way}"]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Envoy opens many connections at once.
    request_queue_size = 64
