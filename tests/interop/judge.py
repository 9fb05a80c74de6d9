"""Carries out the rows, compares, and tells."""

import parts
from cases import CERTIFICATE, SIGNATURES, USER
from cases_dpop import DPOP, NONCES
from cases_server import AWAY, DISCOVERY, INTROSPECTION, REVOCATION, ROTATION, SERVER, SILENT
from guard import WAYS
from world import World

PAGE = parts.ROOT / "docs/interop.md"
BEGIN = "<!-- make interop: the table begins -->\n"
END = "<!-- make interop: the table ends -->\n"
HEAD = ["what the client does", "expected", "fhir-guard", "by rule", "mod_oauth2", "remark"]
QUESTION_HEAD = ["what is asked", "answer"]
# Title; the way to verify, in mod_oauth2 and in the filter; the rows.
TABLES = [
    ("Tokens bound to a certificate (RFC 8705)", "certificate", "certificate", CERTIFICATE),
    ("Tokens of a user who signed in (code with PKCE)", "certificate", "certificate", USER),
    ("Signatures of the server", "certificate", "certificate", SIGNATURES),
    ("Tokens bound to a key of the client (DPoP, RFC 9449)", "dpop", "dpop", DPOP),
    ("Proofs with a nonce of the filter (RFC 9449 section 9)", "dpop", "nonce", NONCES),
    ("Tokens that are asked about (introspection, RFC 7662)", "introspection", "introspection", INTROSPECTION),
    ("Credentials that were taken back", "introspection", "revocation", REVOCATION),
    ("Keys that change", "certificate", "keys", ROTATION),
    ("Keys that cannot be fetched", "certificate", "keys", AWAY),
    ("A server that cannot be asked", "introspection", "introspection", SILENT),
]
SERVER_TITLE = "What the authorization server says"
DISCOVERY_TITLE = "What a client finds out that knows only the URL of a Patient (RFC 9728, OpenID Discovery)"


class Tally:
    def __init__(self, say):
        self.passed = self.failed = self.skipped = 0
        self._say = say

    def check(self, name, holds, found):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            self._say(f"FAILED: {name}: {found}")

    @property
    def line(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def compare(say, tally, docs):
    tables = []
    with World(lambda line: say(f"    {line}")) as world:
        say(f"== {SERVER_TITLE}")
        rows = [_asked(world, tally, "glewlwyd", *question) for question in SERVER]
        tables.append(_titled(SERVER_TITLE, QUESTION_HEAD, rows))
        say(f"== {DISCOVERY_TITLE}")
        rows = [_asked(world, tally, "fhir-guard", *question) for question in DISCOVERY]
        tables.append(_titled(DISCOVERY_TITLE, QUESTION_HEAD, rows))
        for title, second, guard, cases in TABLES:
            say(f"== {title}")
            rows = [_try(world, tally, second, guard, case) for case in cases]
            tables.append(_titled(title, HEAD, rows))
    tables = "\n".join(tables)
    say("\n" + tables)
    _page(tally, tables, docs)


def _asked(world, tally, who, name, expected, find):
    found = find(world)
    tally.check(f"{who}: {name}", found == expected, f"{found}, expected {expected}")
    return [name, _shown(found)]


def _try(world, tally, second_way, guard_way, case):
    """Both judges on one row; the row of the table."""
    if case.before:
        case.before(world)
    guard, rule = _guarded(world, tally, guard_way, case) if guard_way in WAYS else _not_yet(tally)
    url = world.second.url(second_way, case.path)
    second = world.caller.send(url, case.request(world, url))
    wanted, reason = case.other or (case.expected, "")
    found = f"{second.verdict} {second.shown}"
    tally.check(f"mod_oauth2: {case.name}", second.verdict == wanted, f"{found}, expected {wanted}")
    remark = f"**differs:** {reason}" if reason else case.remark
    return [case.name, case.expected, guard, rule, found, remark]


def _guarded(world, tally, way, case):
    """Verdict and rule of the filter."""
    url = world.guard.url(way, case.path)
    answer = world.caller.send(url, case.request(world, url))
    rule = world.guard.rule(answer.request_id) if answer.request_id else ""
    right = answer.verdict == case.expected and rule.split(": ")[0] == case.rule
    found = f"{answer.verdict} {answer.shown}"
    expected = f"{case.expected} {case.rule}"
    tally.check(f"fhir-guard: {case.name}", right, f"{found} {rule}, expected {expected}")
    return found, rule and f"`{rule}`"


def _not_yet(tally):
    tally.skipped += 1
    return "not yet", ""


def _shown(found):
    return {None: "none", True: "yes", False: "no"}.get(found, found)


def _titled(title, head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return f"**{title}**\n\n" + "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _page(tally, table, docs):
    """The page has the table as it came out."""
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    renewed = before + BEGIN + "\n" + table + "\n" + END + after
    if docs:
        PAGE.write_text(renewed)
    same = PAGE.read_text() == renewed
    tally.check("docs/interop.md has this table", same, "renew it: make interop DOCS=1")
