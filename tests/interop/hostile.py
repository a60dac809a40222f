"""Hostile clients and backends: while each does its worst, memory stays bounded and a well-behaved client is served."""
import json
import re
import signal
import struct
import sys
import threading
import time
from pathlib import Path

import collectors
import h2
import otlp
from process import Scratch, free_port, wait_until
from registry import Skip, beyond_the_reference, test
from registry import add as register

ATTACKS = Path(__file__).resolve().parent / "lib" / "attacks.py"


def memory(pid, key="VmHWM"):
    """MB of a process: VmHWM is the most that it ever had, VmRSS what it has."""
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(key)) / 1024


class Target:
    """naru with an otlp receiver on both protocols, and its processes around it."""

    def __init__(self, scratch, processors=None, http_keys=None, exporter=None):
        self.scratch, self.grpc, self.http = scratch, free_port(), free_port()
        name, block = exporter or ("nop", {})
        self.child = collectors.start(scratch, "collector", collectors.NARU, {
            "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{self.grpc}"},
                                                 "http": {"endpoint": f"127.0.0.1:{self.http}", **(http_keys or {})}}}},
            "processors": processors or {}, "exporters": {name: block},
            "service": {"telemetry": collectors.plain(), "pipelines": collectors.pipelines(["otlp"], [name], list(processors or {}))}},
            (self.grpc, self.http))

    def witness(self, seconds):
        """A well-behaved client: 200 requests a second, refusals are not forgiven."""
        return self.scratch.start("witness", [collectors.NARU_BINARY, "send", "traces", "--endpoint", f"127.0.0.1:{self.grpc}", "--no-retry", "--count", 0,
                                              "--size", 5, "--rate", 1000, "--workers", 50, "--duration", f"{seconds}s"])

    def attack(self, name, port, seconds):
        return self.scratch.start(name, [sys.executable, "-B", ATTACKS, name, port, seconds])

    def most(self):
        assert self.child.alive(), f"the collector ended: {self.child.tail()}"
        return memory(self.child.pid)


def served(witness, seconds, worst_ms):
    """The witness ended well: everything accepted, and 99 of 100 answers within the bound."""
    status = witness.wait(seconds)
    text = witness.stdout()
    assert status == 0, f"a well-behaved client was not served: {witness.tail()}"
    late = float(re.search(r"p99 ([0-9.]+)", text)[1])
    assert late <= worst_ms, f"a well-behaved client waited: {text}"


def attacked(name, check, protocol="grpc", most_mb=64, worst_ms=250, seconds=6, **target):
    with Scratch() as s:
        t = Target(s, **target)
        witness = t.witness(seconds)
        a = t.attack(name, getattr(t, protocol), seconds - 1)
        served(witness, seconds + 15, worst_ms)
        assert a.wait(20) == 0, a.tail()
        report = json.loads(a.stdout())
        check(report)
        assert t.most() <= most_mb, f"{t.most():.0f} MB, {report}"
        assert t.child.stop() == 0, t.child.tail()


def cut_off(most, codes=("11",)):
    """The attacker was thrown out, each time before it had sent more than `most` pieces, with one of the reasons."""
    def check(report):
        assert report["ends"], f"nobody stopped it: {report}"
        assert report["most"] <= most, report
        assert any(c in report["ends"] for c in codes), f"no reason given: {report}"
    return check


def all_refused(report):
    assert report["asked"] >= 2000 and report["refused"] == report["asked"], report


def all_closed(report):
    assert report["held"] == 0 and report["closed"] == 2000, report


def bounded_streams(report):
    assert report["sent"] > 1000, report


GOING = ("1", "2", "11", "closed", "reset")
for _name, _check, _more in (
        ("rapid_reset", cut_off(200, GOING), {}),
        # What lies in the buffers of the two sockets was sent, too: some megabytes, more when the machine is busy.
        ("continuation", cut_off(10000, GOING), {}),
        ("empty_continuation", cut_off(100000, GOING), {}),
        ("settings", cut_off(20000, GOING + ("stuck",)), {}),
        ("ping", cut_off(20000, GOING), {}),
        ("hpack_bomb", cut_off(640, GOING + ("stuck",)), {}),
        ("empty_data", lambda r: None, {}),
        ("zero_window", bounded_streams, {}),
        ("huge_prefixes", all_refused, {}),
        ("many_messages", lambda r: None, {}),
        ("slowloris", all_closed, {"protocol": "http", "seconds": 10, "http_keys": {"read_header_timeout": "2s", "read_timeout": "3s"}})):
    register(f"hostile/{_name.replace('_', '-')}", lambda n=_name, c=_check, m=_more: (beyond_the_reference("measured on naru"), attacked(n, c, **m)), seconds=60)


@test("hostile/split-grpc-prefixes", seconds=30)
def split_prefixes():
    """A prefix that comes a byte a frame, with empty frames between, is a prefix all the same."""
    with Scratch() as s:
        t = Target(s)
        p = h2.Peer(t.grpc)
        body = otlp.REQUEST["traces"]().SerializeToString()
        text = struct.pack(">BI", 0, len(body)) + body
        p.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 1, h2.request()))
        for i, b in enumerate(text):
            p.send(h2.frame(h2.DATA, 0, 1) + h2.frame(h2.DATA, h2.END_STREAM if i == len(text) - 1 else 0, 1, bytes((b,))))
            time.sleep(0.02)
        got = p.answer(1)
        assert b"\0\0\0\0\0" in got or b"\0\0\0\0\x02\x0a\0" in got, got
        # Cut in the middle of the prefix: refused, and the connection lives.
        p.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 3, h2.request()) + h2.frame(h2.DATA, h2.END_STREAM, 3, b"\0\0\0"))
        assert b"\0\0\0\0\0" not in p.answer(3)
        p.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 5, h2.request()) + h2.frame(h2.DATA, h2.END_STREAM, 5, text))
        assert b"\0\0\0\0\0" in p.answer(5)


@test("hostile/idle-connections", seconds=90)
def idle_connections():
    """10,000 HTTP/2 connections that were served once and wait: at most 100 MB, and others are served."""
    beyond_the_reference("measured on naru")
    import resource
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 10500:
        raise Skip("this machine allows too few open files")
    with Scratch() as s:
        t = Target(s)
        a = t.attack("idle", t.grpc, 25)
        wait_until(lambda: a.stdout() or not a.alive(), 25, 0.1, f"10,000 connections; {a.tail()}")
        assert json.loads(a.stdout().splitlines()[0])["served"] == 10000, a.tail()
        served(t.witness(2), 20, 100)
        # What an idle connection can do without goes back after some seconds.
        wait_until(lambda: memory(t.child.pid, "VmRSS") <= 100, 12, 0.2, "100 MB at most")
        rss = memory(t.child.pid, "VmRSS")
        print(f"        10,000 idle connections: {rss:.1f} MB")


@test("hostile/tiny-requests", seconds=60)
def tiny():
    """100,000 requests of one span on one connection."""
    with Scratch() as s:
        t = Target(s)
        status, text, err = s.run([collectors.NARU_BINARY, "send", "traces", "--endpoint", f"127.0.0.1:{t.grpc}", "--count", 100000, "--size", 1, "--workers",
                                   100, "--no-retry"], seconds=50)
        assert status == 0 and text.startswith("100000 records in 100000 requests accepted"), text + err
        assert t.most() <= 40, f"{t.most():.1f} MB"


@test("hostile/overload", seconds=120)
def overload():
    """8 clients, 64 MiB, a backend that answers late: within the limit and 10 %, refusals can be sent again, and everything acknowledged arrives once."""
    beyond_the_reference("it takes 8.8 times its limit")
    stalled_or_slow("10s", stop=0)


@test("hostile/sink-that-does-not-read", seconds=120)
def stalled():
    """A backend that stops reading for 15 seconds."""
    beyond_the_reference("measured on naru")
    stalled_or_slow("15s", stop=12)


def stalled_or_slow(duration, stop):
    with Scratch() as s:
        port = free_port()
        sink = s.start("sink", [collectors.NARU_BINARY, "sink", "--endpoint", f"127.0.0.1:{port}", "--report", s.path / "report",
                                *([] if stop else ["--delay", "200ms"])])
        sink.await_ports((port,))
        t = Target(s, {"memory_limiter": {"check_interval": "1s", "limit_mib": 64}},
                   exporter=("otlp_grpc", {"endpoint": f"127.0.0.1:{port}", "tls": {"insecure": True}, "compression": "none", "timeout": "60s",
                                           "sending_queue": {"queue_size": 1000000, "num_consumers": 4}}))
        if stop:
            sink.send(signal.SIGSTOP)
        clients = [s.start(f"client{i}", [collectors.NARU_BINARY, "send", "traces", "--endpoint", f"127.0.0.1:{t.grpc}", "--count", 0, "--size", 500,
                                          "--workers", 4, "--no-retry", "--duration", duration]) for i in range(8)]
        if stop:
            time.sleep(stop)
            sink.send(signal.SIGCONT)
        for c in clients:
            c.wait(40)
        text = "".join(c.stdout() for c in clients)
        taken = sum(int(n) for n in re.findall(r"^(\d+) records in", text, re.M))
        reasons = set(re.findall(r"^  \d+ x (\w+)", text, re.M))
        assert taken and reasons and reasons <= {"UNAVAILABLE", "Unavailable", "RESOURCE_EXHAUSTED"}, text

        def arrived():
            sink.send(signal.SIGUSR1)
            time.sleep(0.1)
            text = (s.path / "report").read_text() if (s.path / "report").exists() else ""
            found = re.findall(r"items (\d+)", text)
            return int(found[-1]) if found else 0

        wait_until(lambda: arrived() >= taken, 45, 0.3, f"{taken} records were acknowledged and arrive")
        most = t.most()
        assert t.child.stop(seconds=30) == 0, t.child.tail()
        assert arrived() == taken, f"acknowledged {taken}, arrived {arrived()}"
        assert most <= 64 * 1.1, f"{most:.1f} MB with a limit of 64"


@test("hostile/hardened-binary", seconds=20)
def hardened():
    """What the headers of the release binary promise: position independent, all relocations read-only, no stack that is code, guards."""
    beyond_the_reference("it is another binary")
    elf = Path(collectors.NARU_BINARY).read_bytes()
    assert elf[:5] == b"\x7fELF\x02", "no 64 bit binary"
    kind, = struct.unpack_from("<H", elf, 16)
    assert kind == 3, "not position independent (ET_DYN)"
    at, = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    heads = [struct.unpack_from("<IIQQQQQQ", elf, at + i * size) for i in range(count)]  # type, flags, offset, vaddr, paddr, filesz, memsz, align
    stack = [h for h in heads if h[0] == 0x6474E551]
    assert stack and not stack[0][1] & 1, "the stack may be executed"
    assert any(h[0] == 0x6474E552 for h in heads), "no RELRO"
    assert not [h for h in heads if h[0] == 1 and h[1] & 3 == 3], "a segment is writable and executable"
    dynamic = next(h for h in heads if h[0] == 2)
    entries = dict(struct.unpack_from("<QQ", elf, dynamic[2] + i) for i in range(0, dynamic[5], 16))
    assert entries.get(30, 0) & 8 and entries.get(0x6FFFFFFB, 0) & 1, "relocations are not bound at the start (full RELRO)"
    assert entries.get(0x6FFFFFFB, 0) & 0x08000000, "not marked as PIE"
    assert 22 not in entries and 15 not in entries and 29 not in entries, "text relocations, or a path to search libraries in"
    for guard in (b"__stack_chk_fail\0", b"__snprintf_chk\0"):
        assert guard in elf, f"{guard} is not there"
    if struct.unpack_from("<H", elf, 18)[0] == 62:
        # Thousands of functions begin with endbr64; without -fcf-protection those of the start files are all.
        assert elf.count(b"\xf3\x0f\x1e\xfa") > 2000, elf.count(b"\xf3\x0f\x1e\xfa")


SECRETS = {k: f"planted-{k}-4711" for k in ("basic", "bearer", "header", "response", "proxy", "client", "setter")}


@test("hostile/secrets-are-not-printed", seconds=60)
def secrets():
    """Secrets planted in every place: no log, page or printed configuration has one, not at level debug, not when a backend is away."""
    beyond_the_reference("its pages are others")
    with Scratch() as s:
        ports = {k: free_port() for k in ("grpc", "http", "health", "zpages", "pprof", "metrics", "away")}
        at = {k: f"127.0.0.1:{p}" for k, p in ports.items()}
        config = {
            "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": at["grpc"], "auth": {"authenticator": "basicauth"}},
                                                 "http": {"endpoint": at["http"], "auth": {"authenticator": "basicauth"},
                                                          "response_headers": {"X-Own": SECRETS["response"]}}}}},
            "extensions": {"basicauth": {"htpasswd": {"inline": f"ada:{SECRETS['basic']}\n"}},
                           "basicauth/client": {"client_auth": {"username": "ada", "password": SECRETS["client"]}},
                           "bearertokenauth": {"token": SECRETS["bearer"]},
                           "headers_setter": {"headers": [{"key": "X-Set", "from_context": "x-absent", "default_value": SECRETS["setter"]}]},
                           "health_check": {"use_v2": True, "http": {"endpoint": at["health"], "config": {"enabled": True, "path": "/config"}}},
                           "zpages": {"endpoint": at["zpages"], "expvar": {"enabled": True}}, "pprof": {"endpoint": at["pprof"]}},
            "exporters": {"otlp_http": {"endpoint": f"http://{at['away']}", "headers": {"X-Key": SECRETS["header"]}, "auth": {"authenticator": "bearertokenauth"}},
                          "otlp_http/basic": {"endpoint": f"http://{at['away']}", "auth": {"authenticator": "basicauth/client"}},
                          "otlp_http/setter": {"endpoint": f"http://{at['away']}", "auth": {"authenticator": "headers_setter"}},
                          "otlp_http/proxy": {"endpoint": "http://backend.invalid:4318", "proxy_url": f"http://ada:{SECRETS['proxy']}@{at['away']}"},
                          "debug": {"verbosity": "detailed"}},
            "service": {"telemetry": {"logs": {"level": "debug"}, "metrics": {"level": "detailed", "readers": [
                {"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": ports["metrics"]}}}}]}},
                "extensions": ["basicauth", "basicauth/client", "bearertokenauth", "headers_setter", "health_check", "zpages", "pprof"],
                "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["otlp_http", "otlp_http/basic", "otlp_http/setter", "otlp_http/proxy", "debug"]}}}}
        c = collectors.start(s, "collector", collectors.NARU, config, [p for k, p in ports.items() if k != "away"])
        from edges import basic
        from loss import numbered
        auth = basic(f"ada:{SECRETS['basic']}")
        assert otlp.post(ports["http"], "traces", numbered(0, 3), headers={"Authorization": auth}).status == 200
        assert otlp.post(ports["http"], "traces", numbered(0, 3), headers={"Authorization": auth + "x"}).status == 401
        time.sleep(2)
        seen = {}
        for name, paths in (("health", ("/status?verbose", "/config")), ("metrics", ("/metrics",)), ("pprof", ("/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=1")),
                            ("zpages", tuple(f"/debug/{p}" for p in ("servicez", "pipelinez", "extensionz", "featurez", "tracez", "expvarz")))):
            for path in paths:
                a = otlp.http_request(ports[name], "GET", path)
                assert a.status == 200 or name == "health", f"{path}: {a}"
                seen[path] = a.body.decode(errors="replace")
        c.send(signal.SIGHUP)
        time.sleep(0.5)
        for mode in ("redacted",):
            status, out, err = s.run([*collectors.NARU, "print-config", "--mode", mode, "--config", s.path / "collector.yaml"])
            assert status == 0 and "REDACTED" in out, out + err
            seen["print-config"] = out + err
        status, out, err = s.run([*collectors.NARU, "validate", "--config", s.path / "collector.yaml"])
        seen["validate"] = out + err
        # That it is found where it is shown: this mode is for that.
        status, out, err = s.run([*collectors.NARU, "print-config", "--mode", "unredacted", "--config", s.path / "collector.yaml"])
        assert all(v in out for v in SECRETS.values()), "the search would not find one"
        c.stop(seconds=40)
        seen["the log"] = c.stdout() + c.stderr()
        assert "debug" in seen["the log"].lower() and len(seen["the log"]) > 500
        import base64
        for where, text in seen.items():
            for k, v in SECRETS.items():
                for form in (v, base64.b64encode(f"ada:{v}".encode()).decode()):
                    i = text.find(form)
                    assert i < 0, f"{where} shows the secret {k}: {text[max(0, i - 200):i + 60]!r}"


@test("hostile/system-calls", seconds=90)
def system_calls():
    """A pipeline with TLS, a queue on disk, files, pages, a reload and a shutdown makes no system call that docs/system-calls.md does not name."""
    beyond_the_reference("it makes others")
    import platform
    if platform.machine() != "x86_64":
        raise Skip("the filter is written for x86-64")
    import certificates
    page = collectors.ROOT / "docs" / "system-calls.md"
    launcher = [sys.executable, "-B", ATTACKS.parent / "confined.py"]
    with Scratch() as s:
        # That it can fail: without `socket` nothing listens.
        (s.path / "short.md").write_text(page.read_text().replace("\nsocket ", "\n"))
        status, _, _ = s.run([*launcher, s.path / "short.md", collectors.NARU_BINARY, "send", "--duration", "1s", "--endpoint", f"127.0.0.1:{free_port()}"])
        assert status == -signal.SIGSYS, f"a process that may not call socket ended with {status}"
        certs = certificates.make(s.path / "certs")
        (s.path / "storage").mkdir()
        g, h, zpages, health, pprof, metrics, sink = (free_port() for _ in range(7))
        backend = s.start("sink", [*launcher, page, collectors.NARU_BINARY, "sink", "--endpoint", f"127.0.0.1:{sink}"])
        backend.await_ports((sink,))
        tls = {"cert_file": str(certs / "server.crt"), "key_file": str(certs / "server.key"), "reload_interval": "500ms"}
        config = {"receivers": {"otlp": collectors.otlp_receiver(g, h, tls=tls)},
                  "processors": {"batch": {"timeout": "100ms"}, "memory_limiter": {"check_interval": "1s", "limit_percentage": 50}},
                  "extensions": {"file_storage": {"directory": str(s.path / "storage"), "fsync": True}, "zpages": {"endpoint": f"127.0.0.1:{zpages}"},
                                 "health_check": {"endpoint": f"127.0.0.1:{health}"}, "pprof": {"endpoint": f"127.0.0.1:{pprof}"}},
                  "exporters": {"otlp_grpc": {"endpoint": f"localhost:{sink}", "tls": {"insecure": True}, "sending_queue": {"storage": "file_storage"}},
                                "file": {"path": str(s.path / "out.json"), "rotation": {"max_megabytes": 1}}, "debug": {}},
                  "service": {"extensions": ["file_storage", "zpages", "health_check", "pprof"],
                              "telemetry": {"metrics": {"readers": [{"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": metrics}}}}]}},
                              "pipelines": collectors.pipelines(["otlp"], ["otlp_grpc", "file", "debug"], ["memory_limiter", "batch"])}}
        c = collectors.start(s, "collector", [*launcher, page, *collectors.NARU], config, (g, h, zpages, health, pprof, metrics))

        def load(count):
            for more in (["--endpoint", f"127.0.0.1:{g}"], ["--endpoint", f"127.0.0.1:{h}", "--protocol", "http/json", "--compression", "zstd"]):
                status, out, err = s.run([*launcher, page, collectors.NARU_BINARY, "send", "--tls", "--insecure-skip-verify", "--count", count, *more])
                assert status == 0, out + err + c.tail()

        load(5000)
        for port, path in ((zpages, "/debug/tracez"), (health, "/"), (pprof, "/debug/pprof/profile?seconds=1"), (pprof, "/debug/pprof/heap"),
                           (pprof, "/debug/pprof/goroutine?debug=1"), (metrics, "/metrics")):
            assert otlp.http_request(port, "GET", path).status == 200, path
        backend.stop()
        load(200)
        config["processors"]["batch"]["timeout"] = "50ms"
        import yaml
        (s.path / "collector.yaml").write_text(yaml.safe_dump(config))
        c.send(signal.SIGHUP)
        time.sleep(7)  # longer than a loop waits until it gives its caches back
        load(200)
        assert c.stop(seconds=40) == 0, c.tail()
