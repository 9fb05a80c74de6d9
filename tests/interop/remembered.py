"""What is remembered of exchanges: AuditEvents as others read them, and that no word of a token, a query or a body is
in any of it."""

import shutil
import tempfile
from pathlib import Path

import audit_events
import canaries
import spans
from audit_world import AuditWorld


def compare(say, tally):
    folder = Path(tempfile.mkdtemp(prefix="fhir-guard-audit-"))
    running = []
    try:
        word, field_word = (canaries.WORDS[name] for name in ("the body of an answer", "a field of an answer"))
        world = AuditWorld(folder, running, word, field_word)
        audit_events.compare(world, say, tally)
        tally.check("Envoy has not died", world.envoy.lives(), world.envoy.log())
        spans.compare(world, say, tally)
        canaries.compare(world, say, tally)
    finally:
        for part in reversed(running):
            part.stop()
        shutil.rmtree(folder, ignore_errors=True)
