"""What surrounds a collector in the crash tests: numbered records, a client that notes what was acknowledged, a backend, a collector with
a preloaded library that kills it or spoils its disk, and a reader of segment files. The standard library only."""
import http.client
import http.server
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NARU = os.environ.get("NARU", str(ROOT / "build/release/naru"))
PER = 10  # records a request


def _field(number, payload):
    n, size = len(payload), b""
    while n > 127:
        size += bytes([n & 127 | 128])
        n >>= 7
    return bytes([number << 3 | 2]) + size + bytes([n]) + payload


def request(first, count=PER, padding=0):
    """A logs request whose records carry the numbers from `first` on, as `<n>` in their bodies, and `padding` bytes each."""
    records = b"".join(_field(2, _field(5, _field(1, b"<%d>" % n + b"." * padding))) for n in range(first, first + count))
    return _field(1, _field(2, records))


NUMBER = re.compile(rb"<(\d+)>")


def numbers(body):
    return [int(n) for n in NUMBER.findall(body)]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(what, seconds, why):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise AssertionError(why() if callable(why) else why)
        time.sleep(0.005)


def arrives(world, wanted, what="acknowledged", seconds=20):
    def lost():
        missing = sorted(wanted - world.sink.seen.keys())
        return f"{len(missing)} of {len(wanted)} {what} records do not arrive, such as {missing[:5]}; {world.tail()}"
    wait_until(lambda: world.sink.has(wanted), seconds, lost)


class Sink:
    """Takes logs over HTTP. mode: takes, refuses (503) or down (resets connections); a request for which `stuck` says so is refused anyhow."""

    def __init__(self):
        self.mode, self.stuck = "takes", lambda ids: False
        self.seen = {}  # number: how often it came
        self.lock = threading.Lock()
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                ids = numbers(body)
                if sink.mode == "down":
                    self.close_connection = True
                    return
                if sink.mode == "refuses" or sink.stuck(ids):
                    return self.answer(503)
                with sink.lock:
                    for n in ids:
                        sink.seen[n] = sink.seen.get(n, 0) + 1
                self.answer(200)

            def answer(self, status):
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def handle_one_request(self):
                try:
                    super().handle_one_request()
                except OSError:
                    self.close_connection = True  # the collector was killed

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def has(self, wanted):
        with self.lock:
            return wanted <= self.seen.keys()

    def duplicates(self):
        with self.lock:
            return sum(n - 1 for n in self.seen.values())

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class Client:
    """Sends numbered requests over one connection and keeps the numbers of those that were answered with 200."""

    def __init__(self, port, first):
        self.port, self.next = port, first
        self.acknowledged, self.refusals = set(), []
        self.c = None

    def send(self, count=PER, padding=0, timeout=10):
        """The status; None when there was no answer."""
        first, self.next = self.next, self.next + count
        try:
            if not self.c:
                self.c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
            self.c.request("POST", "/v1/logs", request(first, count, padding), {"Content-Type": "application/x-protobuf"})
            r = self.c.getresponse()
            body = r.read()
        except (OSError, http.client.HTTPException):
            self.close()
            return None
        if r.status == 200:
            self.acknowledged.update(range(first, first + count))
        else:
            self.refusals.append((r.status, body))
        return r.status

    def close(self):
        if self.c:
            self.c.close()
        self.c = None


def compile_faults(folder):
    so = Path(folder, "faults.so")
    subprocess.run(["g++", "-std=c++20", "-O1", "-shared", "-fPIC", "-o", so, HERE / "faults.cc", "-ldl"], check=True)
    return so


class World:
    """A folder with a queue, a sink, and one collector at a time. A context manager."""

    def __init__(self, faults, fsync=False, segment_bytes=4096, consumers=8, more=""):
        self.path = Path(tempfile.mkdtemp(prefix="naru-crash-"))
        self.faults = faults
        self.sink = Sink()
        self.port = free_port()
        self.log = self.path / "log"
        self.report = self.path / "report"
        self.control = self.path / "faults"
        self.process = None
        (self.path / "storage").mkdir()
        self.queue = self.path / "storage/exporter_otlp_http_logs"
        self.config = self.path / "collector.yaml"
        self.config.write_text(f"""
receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{self.port}'}}}}}}}}
extensions: {{file_storage: {{directory: {self.path}/storage, fsync: {str(fsync).lower()}, segment_bytes: {segment_bytes}}}}}
exporters:
  otlp_http:
    endpoint: 'http://127.0.0.1:{self.sink.port}'
    compression: none
    sending_queue: {{storage: file_storage, queue_size: 100000, num_consumers: {consumers}}}
    retry_on_failure: {{initial_interval: 20ms, max_interval: 100ms, max_elapsed_time: 0s}}
{more}
service:
  extensions: [file_storage]
  telemetry: {{metrics: {{level: none}}, logs: {{level: info}}}}
  pipelines: {{logs: {{receivers: [otlp], exporters: [otlp_http]}}}}
""")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.sink.close()
        if os.environ.get("NARU_CRASH_KEEP"):
            print(f"  kept {self.path}")
        else:
            shutil.rmtree(self.path, ignore_errors=True)

    def start(self, kill=None):
        """Starts the collector; `kill` is what CRASH_KILL says. Returns whether it listens (it may be dead by then)."""
        env = {k: v for k, v in os.environ.items() if not k.startswith(("CRASH_", "NARU_", "OTEL_"))}
        env.update(LD_PRELOAD=str(self.faults), CRASH_REPORT=str(self.report), CRASH_FAULTS=str(self.control))
        if kill:
            env["CRASH_KILL"] = kill
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([NARU, "collector", "--config", self.config], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        end = time.monotonic() + 15
        while self.alive():
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return True
            except OSError:
                if time.monotonic() > end:
                    raise AssertionError(f"the collector does not listen; {self.tail()}")
                time.sleep(0.002)
        return False

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        if self.process:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()

    def stop(self, seconds=20):
        """SIGTERM; the exit status must be 0."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the collector did not end; {self.tail()}") from None
        assert status == 0, f"the collector ended with {status}; {self.tail()}"

    def fault(self, text=""):
        """What the disk does from now on (faults.cc)."""
        new = self.path / "faults.new"
        new.write_text(text)
        new.rename(self.control)

    def says(self, since=0):
        return self.log.read_bytes()[since:].decode(errors="replace")

    def tail(self):
        return self.says()[-1500:]

    def segments(self):
        return sorted(self.queue.glob("*.seg"))


def records(segment):
    """[(offset of the header, offset of the end, kind, numbers)] of a whole segment file, as docs/formats/segment-log.md has it."""
    data, at, out = Path(segment).read_bytes(), 40, []
    while at + 40 <= len(data):
        marker, kind, size = struct.unpack_from("<IIQ", data, at)
        assert marker == 0x4352A14E, f"{segment} has no record at {at}"
        out.append((at, at + 40 + size, kind, numbers(data[at + 40:at + 40 + size]) if kind == 1 else []))
        at += 40 + size
    return out
