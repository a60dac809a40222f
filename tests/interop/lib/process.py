"""Processes, ports and scratch folders of a test: whatever a test starts through a Scratch ends with it, and nothing else is ever signalled."""
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

LOW, HIGH = 15000, 30000  # below the range that the kernel draws outgoing ports from
_next = random.Random(os.getpid()).randrange(LOW, HIGH)


def free_port():
    """A TCP port of 127.0.0.1 that nothing listens on now and that this process has not handed out lately."""
    global _next
    for _ in range(HIGH - LOW):
        _next = _next + 1 if _next + 1 < HIGH else LOW
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", _next))
                return _next
            except OSError:
                continue
    raise RuntimeError("no free port")


def wait_until(what, seconds=10.0, step=0.01, why="condition"):
    """Polls `what` until it answers something true, and returns that; raises AssertionError after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        got = what()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {why}")
        time.sleep(step)


def connects(target):
    """Whether a port of 127.0.0.1, or a unix socket path, takes a connection."""
    try:
        if isinstance(target, int):
            socket.create_connection(("127.0.0.1", target), 0.5).close()
        else:
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(target)
        return True
    except OSError:
        return False


class Child:
    """One started process; its output goes to files in the scratch folder."""

    def __init__(self, name, command, folder, env=None):
        self.name = name
        self.out, self.err = folder / f"{name}.out", folder / f"{name}.err"
        with open(self.out, "ab") as o, open(self.err, "ab") as e:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=o, stderr=e, env=env, cwd=folder, start_new_session=True)

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def stdout(self):
        return self.out.read_text(errors="replace")

    def stderr(self):
        return self.err.read_text(errors="replace")

    def send(self, sig):
        if self.alive():
            self.process.send_signal(sig)

    def wait(self, seconds):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs {seconds:g} s later") from None

    def stop(self, sig=signal.SIGTERM, seconds=20.0):
        """Sends the signal, waits, and returns the exit status; kills and raises if the process does not end."""
        self.send(sig)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {seconds:g} s of {signal.Signals(sig).name}") from None

    def kill(self):
        if self.alive():
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def await_ports(self, targets, seconds=15.0):
        """Until every port (or socket path) takes connections; fails at once if the process ends."""
        for t in targets:
            wait_until(lambda: connects(t) or not self.alive(), seconds, 0.003, f"{self.name} listens on {t}; {self.tail()}")
            if not self.alive():
                raise AssertionError(f"{self.name} ended with {self.process.returncode}: {self.tail()}")

    def tail(self, n=600):
        text = (self.stderr() + self.stdout()).strip()
        return text[-n:].replace("\n", " | ")


class Scratch:
    """A folder and the processes of one test. A context manager: leaving it kills the processes and removes the folder."""

    def __init__(self):
        self.path = Path(tempfile.mkdtemp(prefix="naru-interop-"))
        self.children, self.closers = [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for c in reversed(self.children):
            c.kill()
        for close in reversed(self.closers):
            close()
        if not os.environ.get("NARU_INTEROP_KEEP"):
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            print(f"  kept {self.path}")

    def start(self, name, command, env=None):
        c = Child(name, [str(w) for w in command], self.path, environment(env))
        self.children.append(c)
        return c

    def run(self, command, env=None, seconds=60.0, cwd=None):
        """Runs to the end; returns (exit status, stdout, stderr)."""
        p = subprocess.Popen([str(w) for w in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             env=environment(env), cwd=cwd or self.path, start_new_session=True)
        try:
            out, err = p.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            out, err = p.communicate()
            raise AssertionError(f"{command[0]} ran longer than {seconds:g} s: {err[-300:]!r}") from None
        return p.returncode, out.decode(errors="replace"), err.decode(errors="replace")

    def closing(self, thing):
        """Registers something with close() to be closed when the test ends; returns it."""
        self.closers.append(thing.close)
        return thing


def environment(extra):
    """The environment of a child: ours, without what would steer an SDK or a client behind the test's back."""
    dropped = ("OTEL_", "NARU_")
    drop = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR",
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "NODE_EXTRA_CA_CERTS", "JAVA_TOOL_OPTIONS"}
    env = {k: v for k, v in os.environ.items() if not k.startswith(dropped) and k.upper() not in drop}
    env.update({k: str(v) for k, v in (extra or {}).items()})
    return env
