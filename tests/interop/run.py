"""Compares the filter with software that none of us wrote, and ends with one line:
`N passed, N failed, N skipped`. Exits with 1 when anything failed, with 2 when something needed cannot
be had here. `--docs` renews the table in docs/interop.md, `--hostile` tries the hostile server alone, `--limits`
the limits that are shared, `--sinks` what reads records and statistics, `--audit` what is remembered.

The hostile server is a rule of its own: where `make hostile-server` was never run, that part is inapplicable.
This is said aloud, and it counts as nothing: neither as passed nor as skipped."""

import signal
import sys
import traceback

import parts


def say(text):
    print(text, flush=True)


def main():
    # So that what was started is stopped then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    say("== what is compared")
    alone = "--hostile" in sys.argv[1:]
    limits = "--limits" in sys.argv[1:]
    sinks = "--sinks" in sys.argv[1:]
    audit = "--audit" in sys.argv[1:]
    whole = not (alone or limits or sinks or audit)
    try:
        parts.install(parts.NEEDED if whole else parts.OF_LIMITS * limits + parts.OF_SINKS * sinks)
        # After the libraries are there.
        import hostile
        import hostile_server
        import judge
        import remembered
        import shared_limits
        import sinks as readers

        tally = judge.Tally(say)
        if whole:
            judge.compare(say, tally, docs="--docs" in sys.argv[1:])
        if whole or limits:
            say("== a limit that two Envoys share")
            shared_limits.compare(say, tally)
        if whole or sinks:
            say("== what reads records and statistics")
            readers.compare(say, tally)
        if whole or audit:
            say("== what is remembered")
            remembered.compare(say, tally)
        if not (whole or alone):
            say(tally.line)
            return 1 if tally.failed else 0
        say("== a server that ignores what it is asked")
        if hostile_server.there():
            hostile.compare(say, tally)
        elif alone:
            raise parts.Missing(f"{hostile_server.BINARY} is not there: {hostile_server.TARGET}")
        else:
            say(f"INAPPLICABLE: it is not installed here; {hostile_server.TARGET} builds it, which takes long")
        say(tally.line)
        return 1 if tally.failed else 0
    except parts.Missing as missing:
        say(f"the comparison cannot be made here: {missing}")
        say("0 passed, 1 failed, 0 skipped")
        return 2
    except Exception:
        traceback.print_exc(file=sys.stdout)
        say("0 passed, 1 failed, 0 skipped")
        return 1


if __name__ == "__main__":
    sys.exit(main())
