"""Compares the filter with software that none of us wrote, and ends with one line:
`N passed, N failed, N skipped`. Exits with 1 when anything failed, with 2 when something needed cannot
be had here. `--docs` renews the table in docs/interop.md."""

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
    try:
        parts.install()
        # After the libraries are there.
        from judge import compare

        return compare(say, docs="--docs" in sys.argv[1:])
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
