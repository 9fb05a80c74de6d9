"""Processes that are started here, on ports that are free, and stopped here."""

import ctypes
import signal
import socket
import subprocess
import time
from contextlib import closing

READY_WITHIN = 60.0
STOPPED_WITHIN = 10.0
# The last of a log that says why a process is not there.
LOG_TAIL = 4000
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


class Process:
    """One process with its log. It is ended by its own id, whatever happens."""

    def __init__(self, name, command, log, env=None):
        self.name = name
        self._log = log
        with open(log, "ab") as output:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                preexec_fn=_end_with_parent,
            )

    def wait_for(self, port):
        """Returns when something listens on this port of the loopback interface."""
        self.wait_until(lambda: listens(port), f"listen on port {port}")

    def wait_until(self, holds, what):
        until = time.monotonic() + READY_WITHIN
        while not holds():
            if self._process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self._process.returncode}:\n{self.log()}")
            if time.monotonic() > until:
                raise RuntimeError(f"{self.name} did not {what} within {READY_WITHIN:.0f} s:\n{self.log()}")
            time.sleep(0.05)

    def log(self):
        text = self._log.read_text(errors="replace")
        return text[-LOG_TAIL:]

    def lives(self):
        return self._process.poll() is None

    def kill(self):
        """Ends it at once, as a crash would."""
        self._process.kill()
        self._process.wait()

    def stop(self):
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOPPED_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _end_with_parent():
    """In the new process: the kernel ends it when this program ends without having stopped it."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def listens(port):
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_ports(count):
    """Ports of the loopback interface that nobody listens on: all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
