"""What a process costs that does nothing yet: memory, start, size, idle connections. Median of rounds, naru and the reference."""
import os, re, resource, socket, statistics, subprocess, tempfile, time
from pathlib import Path

from lib.contestants import NARU, REFERENCE, available
from lib.process import family, free_port, memory_mb, start, stop, wait_port

CONNECTIONS = 10000
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"


def field(number, body):
    return bytes([number << 3 | 2, len(body)]) + body


def one_span():
    span = field(1, bytes(range(1, 17))) + field(2, bytes(range(1, 9))) + field(5, b"x")
    return field(1, field(2, field(2, span)))


def config(d, grpc, http, everything):
    """The processors and extensions that a deployment has, or the least."""
    extensions = ("extensions: {health_check: {endpoint: '127.0.0.1:%d'}, zpages: {endpoint: '127.0.0.1:%d'}, pprof: {endpoint: '127.0.0.1:%d'}, "
                  "file_storage: {directory: %s/queue, create_directory: true}}" % (free_port(), free_port(), free_port(), d)) if everything else ""
    use = "extensions: [health_check, zpages, pprof, file_storage]," if everything else ""
    queue = ", sending_queue: {storage: file_storage}" if everything else ""
    metrics = "{readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: %d}}}}]}" % free_port() if everything else "{level: none}"
    Path(d, "c.yaml").write_text(f"""
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: 127.0.0.1:{grpc}}}, http: {{endpoint: 127.0.0.1:{http}}}}}}}}}
processors: {{memory_limiter: {{check_interval: 1s, limit_mib: 1024}}, batch: {{}}, resource: {{attributes: [{{key: a, value: b, action: upsert}}]}}}}
exporters: {{otlp_grpc: {{endpoint: '127.0.0.1:1', tls: {{insecure: true}}{queue}}}}}
{extensions}
service: {{{use} telemetry: {{metrics: {metrics}, logs: {{level: error}}}}, pipelines: {{traces: {{receivers: [otlp], processors: [memory_limiter, resource, batch], exporters: [otlp_grpc]}}}}}}
""")
    return f"{d}/c.yaml"


def command(who):
    return [str(REFERENCE)] if who == "ref" else [NARU, "collector"]


def idle_mb(who):
    with tempfile.TemporaryDirectory() as d:
        grpc, http = free_port(), free_port()
        p = start(command(who) + ["--config", config(d, grpc, http, True)], f"{d}/log")
        wait_port(http, p)
        time.sleep(2)
        mb = memory_mb(family(p.pid), "VmRSS")
        stop(p)
        return mb


def first_span_ms(who):
    """From exec to the answer to the first accepted span, asked for again and again."""
    body = one_span()
    request = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with tempfile.TemporaryDirectory() as d:
        grpc, http = free_port(), free_port()
        path = config(d, grpc, http, True)
        began = time.perf_counter()
        p = start(command(who) + ["--config", path], f"{d}/log")
        while time.perf_counter() - began < 20:
            try:
                with socket.create_connection(("127.0.0.1", http), 1) as s:
                    s.sendall(request)
                    if s.recv(4096).startswith(b"HTTP/1.1 200"):
                        break
            except OSError:
                pass
        took = (time.perf_counter() - began) * 1e3
        stop(p)
        return took


def connections_mb(who):
    """What 10,000 idle HTTP/2 connections add. The client is a process of its own."""
    hold = ("import resource,socket,sys,time\n"
            "n,port=int(sys.argv[1]),int(sys.argv[2])\n"
            "hard=resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
            "resource.setrlimit(resource.RLIMIT_NOFILE,(min(hard,n+100),hard))\n"
            "held=[]\n"
            "for i in range(n):\n"
            "    s=socket.socket(); s.bind((f'127.0.{1+i//5000}.1',0)); s.connect(('127.0.0.1',port)); s.sendall(bytes.fromhex(sys.argv[3])); held.append(s)\n"
            "print('held',flush=True)\n"
            "time.sleep(60)\n")
    with tempfile.TemporaryDirectory() as d:
        grpc, http = free_port(), free_port()
        p = start(command(who) + ["--config", config(d, grpc, http, False)], f"{d}/log")
        wait_port(grpc, p)
        time.sleep(1)
        before = memory_mb(family(p.pid), "VmRSS")
        holder = subprocess.Popen(["python3", "-c", hold, str(CONNECTIONS), str(grpc), PREFACE.hex()], stdout=subprocess.PIPE, text=True)
        try:
            if holder.stdout.readline().strip() != "held":
                raise SystemExit(f"{who} does not take {CONNECTIONS} connections")
            time.sleep(3)
            return memory_mb(family(p.pid), "VmRSS") - before
        finally:
            holder.kill()
            holder.wait()
            stop(p)


def binary_mb(who):
    return os.path.getsize(REFERENCE if who == "ref" else NARU) / 1048576


def with_libraries_mb(who):
    """The binary and what it loads besides libc, its parts and the loader."""
    path = str(REFERENCE if who == "ref" else NARU)
    out = subprocess.run(["ldd", path], capture_output=True, text=True).stdout
    libraries = [x for x in re.findall(r"=> (/\S+)", out) if not re.search(r"/(libc|libm|libpthread|libdl|librt|ld-linux\S*)\.so", x)]
    return (os.path.getsize(path) + sum(os.path.getsize(os.path.realpath(x)) for x in libraries)) / 1048576


ROWS = [("idle, everything on", "MB", idle_mb, 5), ("exec to first accepted span", "ms", first_span_ms, 7),
        ("10,000 idle HTTP/2 connections", "MB more", connections_mb, 3), ("stripped binary", "MB", binary_mb, 1),
        ("with its libraries but libc", "MB", with_libraries_mb, 1)]


def table():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # for the children
    lines = ["| what | unit | naru, median [min-max] | reference |", "|---|---|---|---|"]
    for name, unit, ask, rounds in ROWS:
        cells = []
        for who in ("naru", "ref"):
            if who == "ref" and not available("ref"):
                cells.append("not there")
                continue
            got = sorted(ask(who) for _ in range(rounds))
            cells.append(f"{statistics.median(got):.1f}" + (f" [{got[0]:.1f}-{got[-1]:.1f}]" if rounds > 1 else ""))
        lines.append(f"| {name} | {unit} | {cells[0]} | {cells[1]} |")
        print(lines[-1], flush=True)
    return lines
