"""The operator's list of what was taken back, for the filter to fetch."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pki import ADDRESS


class RevocationList:
    """Served over plain HTTP on the loopback interface. It begins empty."""

    def __init__(self):
        # Replaced as a whole, never changed: requests are answered in threads of their own.
        self._document = _document([])
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                document = served._document
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(document)))
                self.end_headers()
                self.wfile.write(document)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer((ADDRESS, 0), Handler)
        self.port = self._server.server_port
        self.uri = f"http://{ADDRESS}:{self.port}/revoked"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def put(self, entries):
        self._document = _document(entries)

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


def _document(entries):
    return json.dumps({"revoked": entries}).encode()
