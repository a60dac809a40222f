"""Finds and runs the tests one after another, each bounded in time, and prints a line for each."""
import fnmatch
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "lib"), str(HERE)]

import collectors  # noqa: E402
import registry  # noqa: E402

MODULES = ("doors", "edges", "clients", "extensions", "loss", "hostile", "hostile_input", "hostile_backends", "sdk_matrix", "exchange", "loki",
           "prometheus", "zipkin", "differential")
# Built before the first test that needs them; the longest build last, so that a deadline costs as few tests as possible.
BUILD = Path(HERE.parent / "peers" / "build")


class OutOfTime(BaseException):
    """Raised in a test that has used up its time; no test catches it."""


def out_of_time(*_):
    raise OutOfTime


def peer(name, known):
    """Builds a peer once; returns None, or why it is not there."""
    if name not in known:
        p = subprocess.run([BUILD, name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if p.returncode == 75:
            known[name] = f"{name} is not built and the time for builds is over"
        elif p.returncode:
            raise RuntimeError(f"{name} does not build: {p.stdout[-800:]}")
        else:
            known[name] = None
    return known[name]


def chosen(tests, wanted):
    if not wanted:
        return tests
    return [t for t in tests if any(t.name.startswith(w) or fnmatch.fnmatch(t.name, w) for w in wanted)]


def still_open():
    """What naru does not pass yet, by pattern, with the reason: tests/interop/open.txt. These are named and counted as skipped."""
    out = {}
    for line in (HERE / "open.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, reason = line.split(":", 1)
            out[name.strip()] = reason.strip()
    return out


def main():
    arguments = sys.argv[1:]
    mutate = "--mutate" in arguments
    listing = "--list" in arguments
    wanted = [a for a in arguments if not a.startswith("--")]
    unknown = [a for a in arguments if a.startswith("--") and a not in ("--mutate", "--list")]
    if unknown:
        print(f"unknown flag {unknown[0]} (--mutate --list)")
        return 2
    for name in MODULES:
        __import__(name)
    tests = chosen([t for t in registry.TESTS if t.mutation == mutate], wanted)
    if listing:
        print("\n".join(t.name for t in tests))
        return 0
    if wanted and not tests:
        print(f"no test is called {' or '.join(wanted)}")
        return 2
    if not collectors.SELF_TEST and not os.access(collectors.NARU_BINARY, os.X_OK):
        print(f"{collectors.NARU_BINARY} is not there: make release, or NARU=path")
        print(f"0 passed, {len(tests)} failed, 0 skipped")
        return 1
    registry.SELECTED = {t.name for t in tests}
    signal.signal(signal.SIGALRM, out_of_time)
    passed = failed = skipped = 0
    peers = {}
    opens = {} if wanted else still_open()
    for t in tests:
        begin = time.monotonic()
        try:
            reason = next((r for p, r in opens.items() if fnmatch.fnmatch(t.name, p)), None)
            if reason:
                raise registry.Skip(f"open: {reason}")
            missing = [m for m in (peer(n, peers) for n in t.needs) if m]
            if missing:
                raise registry.Skip(missing[0])
            signal.setitimer(signal.ITIMER_REAL, t.seconds)
            t.body()
            signal.setitimer(signal.ITIMER_REAL, 0)
            passed += 1
            print(f"ok      {t.name} ({time.monotonic() - begin:.1f} s)", flush=True)
        except registry.Skip as e:
            signal.setitimer(signal.ITIMER_REAL, 0)
            skipped += 1
            print(f"NOT RUN {t.name}: {e}", flush=True)
        except OutOfTime:
            failed += 1
            print(f"FAILED  {t.name}: not done within {t.seconds:g} s", flush=True)
        except (AssertionError, Exception) as e:  # a failing test must not end the run
            signal.setitimer(signal.ITIMER_REAL, 0)
            failed += 1
            first, *rest = (str(e) or type(e).__name__).splitlines() or [type(e).__name__]
            kind = "" if isinstance(e, AssertionError) else f"{type(e).__name__}: "
            print(f"FAILED  {t.name}: {kind}{first}", flush=True)
            for line in rest[:40]:
                print(f"        {line}")
            if not isinstance(e, AssertionError) or not str(e):
                print("        " + traceback.format_exc(limit=-3).replace("\n", "\n        "))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
