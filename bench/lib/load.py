"""One measurement: a fresh sink, a fresh contestant, a warm-up, the load, and what the kernel says it cost."""
import os, re, signal, subprocess, tempfile, time
from pathlib import Path

from lib.contestants import NARU, launch
from lib.process import cpu_seconds, family, free_port, memory_mb, start, stop, wait_port

GRPC = {"traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"}
DISTINCT = 2000  # requests with other content, where a repeated one would flatter a compressor


def h2load(row, d, port, requests, cpus):
    """Repeats one request that was encoded before: the least work of the load's core, right where nobody compresses."""
    body = Path(d, "body")
    if not body.exists():
        subprocess.run([NARU, "send", row.signal, "--count", str(row.per), "--size", str(row.per), "--seed", "1", "--write", f"{d}/raw.pb"], check=True,
                       stdout=subprocess.DEVNULL)
        raw = Path(d, "raw.pb").read_bytes()
        body.write_bytes(raw if row.http else b"\0" + len(raw).to_bytes(4, "big") + raw)
    cmd = ["taskset", "-c", cpus, "h2load", "-n", str(requests), "-c", "16" if row.http else "8", "-m", "1" if row.http else "32" if row.per == 1 else "4",
           "-w", "30", "-W", "30", "-d", str(body)]
    for h in ["content-type: application/x-protobuf"] if row.http else ["content-type: application/grpc", "te: trailers"]:
        cmd += ["-H", h]
    path = f"/v1/{row.signal}" if row.http else GRPC[row.signal]
    subprocess.run(cmd + (["--h1"] if row.http else []) + [f"{'https' if row.tls else 'http'}://127.0.0.1:{port}{path}"], capture_output=True, timeout=300)


def naru_send(row, port, requests, cpus):
    subprocess.run(["taskset", "-c", cpus, NARU, "send", row.signal, "--endpoint", f"127.0.0.1:{port}", "--protocol", "http/protobuf" if row.http else "grpc",
                    "--count", str(requests * row.per), "--size", str(row.per), "--workers", "16" if row.http else "32", "--connections", "8", "--seed", "1",
                    "--distinct", str(min(requests, DISTINCT)), "--compression", row.compression], capture_output=True, timeout=300)


def measure(row, who):
    """CPU microseconds a record, peak MB, and bytes a record that the sink received."""
    with tempfile.TemporaryDirectory() as d:
        sp, into, other = free_port(), free_port(), free_port()
        others = "0,1" if row.share else "1"
        sink = start([NARU, "sink", "--endpoint", f"127.0.0.1:{sp}", "--report", f"{d}/count"], f"{d}/sink.log", cpus=others)
        wait_port(sp, sink)
        p = launch(who, row, d, into, other, sp)
        wait_port(into, p)
        time.sleep(0.4)

        def count():
            os.kill(sink.pid, signal.SIGUSR1)
            time.sleep(0.05)
            text = Path(d, "count").read_text() if Path(d, "count").exists() else ""
            m = re.findall(r"bytes (\d+) items (\d+)", text)
            return (int(m[-1][1]), int(m[-1][0])) if m else (0, 0)

        def settle(want):
            end, k = time.time() + 20, (0, 0)
            while time.time() < end:
                k = count()
                if k[0] >= want:
                    break
            return k

        def load(k):
            # A disk refuses what comes faster than it writes, and only naru send offers it again.
            if row.compression or row.queue:
                naru_send(row, into, k, others)
            else:
                h2load(row, d, into, k, others)

        n = row.requests(who)
        warm = max(n // 10, 10)
        load(warm)
        k0, b0 = settle(warm * row.per)
        pids = family(p.pid)
        before = cpu_seconds(pids)
        load(n)
        k1, b1 = settle(k0 + n * row.per)
        after = cpu_seconds(pids)
        peak = memory_mb(pids)
        stop(p)
        stop(sink)
        if k1 - k0 < n * row.per:
            raise SystemExit(f"{row.name}: {who} lost {n * row.per - (k1 - k0)} of {n * row.per} records: " + Path(d, "log").read_text(errors="replace")[-400:])
        return (after - before) / (n * row.per) * 1e6, peak, (b1 - b0) / (k1 - k0)
