"""Extensions as their users see them: health_check, zpages, pprof (opened with the real tool), and own telemetry pushed over OTLP."""
import json
import re
import resource
import subprocess
from pathlib import Path

import canon
import collectors
import differential
import otlp
from process import Scratch, free_port, wait_until
from registry import Skip, beyond_the_reference, test
from sink import Sink

BUILD = Path(__file__).resolve().parent.parent / "peers" / "build"


def running(s, extensions, telemetry=None, exporters=None, signals=("traces",), processors=("batch",), arguments=()):
    """A collector with these extensions; returns (child, otlp port)."""
    port = free_port()
    c = collectors.start(s, "collector", collectors.NARU, {
        "receivers": {"otlp": collectors.otlp_receiver(http=port)}, "processors": {"batch": {"timeout": "10ms"}},
        "exporters": exporters or {"nop": {}}, "extensions": extensions,
        "service": {"extensions": list(extensions), "telemetry": telemetry or collectors.plain(),
                    "pipelines": collectors.pipelines(["otlp"], list(exporters or {"nop": {}}), processors, signals)}}, (port,), arguments=arguments)
    return c, port


@test("extensions/health-check", seconds=30)
def health():
    with Scratch() as s:
        port = free_port()
        running(s, {"health_check": {"endpoint": f"127.0.0.1:{port}"}})
        wait_until(lambda: otlp.http_request(port, "GET", "/").status == 200, 10, why="healthy")
        a = otlp.http_request(port, "GET", "/")
        assert a.headers.get("content-type") == "application/json", a
        body = json.loads(a.body)
        assert body["status"] == "Server available" and "upSince" in body and "uptime" in body, body


@test("extensions/health-check-keys", seconds=30)
def health_keys():
    with Scratch() as s:
        port = free_port()
        running(s, {"health_check": {"endpoint": f"127.0.0.1:{port}", "path": "/alive",
                                     "response_body": {"healthy": "I am well", "unhealthy": "not yet"}}})
        a = otlp.http_request(port, "GET", "/alive")
        assert a.status == 200 and a.body == b"I am well", a
        assert otlp.http_request(port, "GET", "/").status == 404


@test("extensions/health-check-v2", needs=("otelcol-ref",), seconds=60)
def health_v2():
    """The second form: the same states in the same layout as in the reference, by pipeline and by component, over HTTP and gRPC."""
    def shape(value):
        return {k: shape(v) for k, v in value.items()} if isinstance(value, dict) else "time" if isinstance(value, str) and value[:2] == "20" else value

    seen = {}
    for name, command, flags in (("naru", collectors.NARU, ()), ("reference", collectors.REFERENCE, ("--feature-gates=+extension.healthcheck.useComponentStatus",))):
        with Scratch() as s:
            into, http, grpc = free_port(), free_port(), free_port()
            collectors.start(s, name, command, {
                "receivers": {"otlp": collectors.otlp_receiver(http=into)}, "processors": {"batch": {}}, "exporters": {"nop": {}},
                "extensions": {"health_check": {"use_v2": True, "http": {"endpoint": f"127.0.0.1:{http}"}, "grpc": {"endpoint": f"127.0.0.1:{grpc}"}}},
                "service": {"extensions": ["health_check"], "telemetry": collectors.plain(),
                            "pipelines": collectors.pipelines(["otlp"], ["nop"], ["batch"], ("traces", "logs"))}}, (into, http, grpc), arguments=flags)
            wait_until(lambda: otlp.http_request(http, "GET", "/status").status == 200, 10, why="healthy")
            seen[name] = {}
            for query in ("", "?pipeline=traces", "?verbose", "?pipeline=logs&verbose=true", "?pipeline=none"):
                a = otlp.http_request(http, "GET", "/status" + query)
                seen[name][query] = (a.status, shape(json.loads(a.body)) if a.body else None)
            seen[name]["grpc"] = [grpc_health(grpc, service) for service in (b"", b"traces", b"metrics")]
            watched = [grpc_watch(grpc, service) for service in (b"", b"traces", b"metrics")]
            seen[name]["watch"] = [next(messages) for messages in watched]
    assert seen["naru"] == seen["reference"], seen


@test("extensions/health-check-v2-errors", seconds=60)
def health_v2_errors():
    """An exporter without a backend makes its pipeline unhealthy when errors count, and healthy again when it has one."""
    beyond_the_reference("its exporters report no recoverable errors")
    with Scratch() as s:
        http, back = free_port(), free_port()
        _, into = running(s, {"health_check": {"use_v2": True, "http": {"endpoint": f"127.0.0.1:{http}"},
                                               "component_health": {"include_recoverable_errors": True, "recovery_duration": "100ms"}}},
                          exporters={"otlp_http": {"endpoint": f"http://127.0.0.1:{back}", "retry_on_failure": {"initial_interval": "200ms", "max_interval": "200ms"}}})
        (_, message), = differential.inputs_of({"input": ["traces"]})
        assert otlp.post(into, "traces", message).status == 200
        wait_until(lambda: otlp.http_request(http, "GET", "/status").status == 500, 10, 0.1, "unhealthy")
        body = json.loads(otlp.http_request(http, "GET", "/status?pipeline=traces&verbose").body)
        assert body["components"]["exporter:otlp_http"]["status"] == "StatusRecoverableError" and body["error"], body
        s.closing(Sink(http_port=back))
        wait_until(lambda: otlp.http_request(http, "GET", "/status").status == 200, 10, 0.1, "healthy again")


@test("extensions/health-check-v2-watch", seconds=60)
def health_v2_watch():
    """A watcher hears each change of a pipeline once, and at the end that the server goes."""
    beyond_the_reference("its exporters report no recoverable errors")
    import grpc as grpclib
    with Scratch() as s:
        grpc, back = free_port(), free_port()
        c, into = running(s, {"health_check": {"use_v2": True, "grpc": {"endpoint": f"127.0.0.1:{grpc}"},
                                               "component_health": {"include_recoverable_errors": True, "recovery_duration": "100ms"}}},
                          exporters={"otlp_http": {"endpoint": f"http://127.0.0.1:{back}", "retry_on_failure": {"initial_interval": "200ms", "max_interval": "200ms"}}})
        watch = grpc_watch(grpc, b"traces", timeout=40)
        assert next(watch) == b"\x08\x01"
        (_, message), = differential.inputs_of({"input": ["traces"]})
        assert otlp.post(into, "traces", message).status == 200
        assert next(watch) == b"\x08\x02"
        s.closing(Sink(http_port=back))
        assert next(watch) == b"\x08\x01"
        c.stop()
        try:
            raise AssertionError(f"one more answer: {next(watch)}")
        except grpclib.RpcError as e:
            assert e.code() == grpclib.StatusCode.CANCELLED and "shutting down" in e.details(), e


def grpc_watch(port, service, timeout=10):
    """The answers of grpc.health.v1.Health/Watch, as they come."""
    import grpc
    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    call = channel.unary_stream("/grpc.health.v1.Health/Watch", request_serializer=lambda b: b, response_deserializer=lambda b: b)
    try:
        yield from call(b"\x0a" + bytes([len(service)]) + service if service else b"", timeout=timeout)
    finally:
        channel.close()


def grpc_health(port, service):
    """The code and the answer of grpc.health.v1.Health/Check."""
    import grpc
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary("/grpc.health.v1.Health/Check", request_serializer=lambda b: b, response_deserializer=lambda b: b)
        try:
            return "OK", call(b"\x0a" + bytes([len(service)]) + service if service else b"", timeout=5)
        except grpc.RpcError as e:
            return e.code().name, None


@test("extensions/memory-limiter-middleware", seconds=30)
def middleware():
    """A server that names memory_limiter starts; one that names what is no middleware, or what is not there, does not."""
    limits = {"check_interval": "1s", "limit_mib": 200}
    for extensions, name, why in (({"memory_limiter": limits}, "memory_limiter", None), ({"memory_limiter": limits}, "memory_limiter/2", "it is not in service::extensions"),
                                  ({"zpages": {"endpoint": "127.0.0.1:0"}}, "zpages", "the extension is no middleware")):
        with Scratch() as s:
            port = free_port()
            receiver = collectors.otlp_receiver(http=port)
            receiver["protocols"]["http"]["middlewares"] = [{"id": name}]
            config = {"receivers": {"otlp": receiver}, "exporters": {"nop": {}}, "extensions": extensions,
                      "service": {"extensions": list(extensions), "telemetry": collectors.plain(), "pipelines": collectors.pipelines(["otlp"], ["nop"], (), ("traces",))}}
            if why is None:
                collectors.start(s, "collector", collectors.NARU, config, (port,))
                (_, message), = differential.inputs_of({"input": ["traces"]})
                assert otlp.post(port, "traces", message).status == 200
                continue
            try:
                collectors.start(s, "collector", collectors.NARU, config, (port,))
                raise AssertionError(f"it started with {name}")
            except Exception as e:
                assert why in str(e), e


@test("extensions/zpages", seconds=30)
def zpages():
    with Scratch() as s:
        port = free_port()
        running(s, {"zpages": {"endpoint": f"127.0.0.1:{port}"}})
        for page, word in (("servicez", ""), ("pipelinez", "otlp"), ("pipelinez?pipelinenamez=traces", "traces"), ("extensionz", "zpages"), ("featurez", "service.profilesSupport")):
            a = otlp.http_request(port, "GET", f"/debug/{page}")
            assert a.status == 200 and a.headers.get("content-type", "").startswith("text/html"), f"{page}: {a}"
            assert word in a.body.decode(), f"{page} does not show {word}"


@test("extensions/zpages-tracez", seconds=30)
def tracez():
    """With own traces on, tracez shows the spans of requests that were served."""
    beyond_the_reference("as built here it has no span processor for zpages")
    with Scratch() as s:
        port = free_port()
        _, into = running(s, {"zpages": {"endpoint": f"127.0.0.1:{port}"}})
        (_, message), = differential.inputs_of({"input": ["traces"]})
        assert otlp.post(into, "traces", message).status == 200
        wait_until(lambda: b"receiver/otlp" in otlp.http_request(port, "GET", "/debug/tracez").body, 10, why="tracez shows the receiver's span")


@test("extensions/pprof", seconds=300)
def pprof():
    """The profiles open with the Go tool (which compiles it at its first use): the index, a CPU profile of one second under load, the heap."""
    p = subprocess.run([BUILD, "go"], stdout=subprocess.PIPE, text=True)
    if p.returncode:
        raise Skip("no Go tool here")
    go = p.stdout.strip()
    with Scratch() as s:
        port = free_port()
        _, into = running(s, {"pprof": {"endpoint": f"127.0.0.1:{port}"}})
        assert otlp.http_request(port, "GET", "/debug/pprof/").status == 200
        import threading
        stop = threading.Event()
        body = differential.inputs_of({"input": [{"generate": "traces", "count": 2000}]})[0][1].SerializeToString()

        def load():
            while not stop.is_set():
                otlp.post(into, "traces", body)

        t = threading.Thread(target=load)
        t.start()
        try:
            cpu = otlp.http_request(port, "GET", "/debug/pprof/profile?seconds=1", timeout=30)
        finally:
            stop.set()
            t.join()
        heap = otlp.http_request(port, "GET", "/debug/pprof/heap", timeout=30)
        for name, answer, unit in (("cpu", cpu, "nanoseconds"), ("heap", heap, "bytes")):
            assert answer.status == 200, f"{name}: {answer}"
            (s.path / name).write_bytes(answer.body)
            status, out, err = s.run([go, "tool", "pprof", "-raw", s.path / name], {"PPROF_TMPDIR": str(s.path)}, 200)
            assert status == 0 and unit in out and "Samples:" in out, f"{name}: {out[:300]} {err[:300]}"
            if name == "cpu":
                samples = re.search(r"Samples:\n(.*?)Locations", out, re.S)
                assert samples and len(samples[1].splitlines()) >= 2, f"no samples under load: {out[:400]}"
        for page in ("cmdline", "symbol"):
            assert otlp.http_request(port, "GET", f"/debug/pprof/{page}").status == 200, page


@test("extensions/own-metrics-pushed", seconds=60)
def pushed():
    """service::telemetry::metrics with a periodic reader: own metrics arrive over OTLP with the reference's names."""
    with Scratch() as s:
        sink = s.closing(Sink())
        _, into = running(s, {}, telemetry={"metrics": {"level": "normal", "readers": [{"periodic": {"interval": 300, "exporter": {"otlp": {
            "protocol": "http/protobuf", "endpoint": f"http://127.0.0.1:{sink.http_port}"}}}}]}})
        (_, message), = differential.inputs_of({"input": ["traces"]})
        assert otlp.post(into, "traces", message).status == 200

        def found():
            rows = canon.flat("metrics", sink.messages("metrics"))
            return [r for r in rows if r["record"].get("name", "").startswith("otelcol_receiver_accepted_spans")]

        row = wait_until(found, 20, 0.1, "otelcol_receiver_accepted_spans arrives")[-1]
        point = row["record"]["sum"]["data_points"][-1]
        assert point.get("as_int", float(point.get("as_double", 0))) == otlp.items("traces", message), point
        assert row["record"]["sum"].get("is_monotonic"), row
        assert "service.name" in row["resource"]["attributes"], row["resource"]


@test("extensions/own-telemetry-pushed", seconds=60)
def pushed_all():
    """Own logs and spans arrive over OTLP: a span of the receiver that continues the client's trace, one of the exporter below it, log records with their severity."""
    with Scratch() as s:
        sink, back = s.closing(Sink()), s.closing(Sink())
        to = {"exporter": {"otlp": {"protocol": "http/protobuf", "endpoint": f"http://127.0.0.1:{sink.http_port}"}}}
        _, into = running(s, {}, telemetry={"metrics": {"level": "none"}, "logs": {"processors": [{"batch": {"schedule_delay": 100, **to}}]},
                                            "traces": {"propagators": ["tracecontext"], "processors": [{"batch": {"schedule_delay": 100, **to}}]}},
                          exporters={"otlp_http": {"endpoint": f"http://127.0.0.1:{back.http_port}"}}, processors=())
        (_, message), = differential.inputs_of({"input": ["traces"]})
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        assert otlp.post(into, "traces", message, headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}).status == 200

        def spans():
            rows = {r["record"]["name"]: r for r in canon.flat("traces", sink.messages("traces"))}
            return rows if len(rows) >= 2 else None

        found = wait_until(spans, 20, 0.1, "both spans")
        received, sent = found["receiver/otlp/TraceDataReceived"], found["exporter/otlp_http/traces"]
        assert "service.name" in received["resource"]["attributes"], received
        text = json.dumps(received["record"], default=str), json.dumps(sent["record"], default=str)
        assert all(trace in x for x in text) and "00f067aa0ba902b7" in text[0], text
        logs = wait_until(lambda: canon.flat("logs", sink.messages("logs")), 20, 0.1, "log records")
        assert any("Everything is ready" in json.dumps(r["record"], default=str) for r in logs), logs


@test("extensions/own-logs", seconds=30)
def own_logs():
    """service::telemetry::logs: JSON lines in the named file, with the initial fields, at the level asked for."""
    with Scratch() as s:
        path = s.path / "own.log"
        c, _ = running(s, {}, telemetry={"metrics": {"level": "none"}, "logs": {
            "level": "info", "encoding": "json", "output_paths": [str(path)], "initial_fields": {"stage": "test"}}})
        c.stop()
        lines = [json.loads(x) for x in path.read_text().splitlines()]
        assert lines, "nothing logged"
        for x in lines:
            assert {"level", "msg"} <= set(x) and x["level"] in ("info", "warn", "error"), x
            assert x.get("stage") == "test", x


@test("extensions/file-exporter-forms", seconds=60)
def file_forms():
    """The file exporter's other forms: protobuf with length prefixes, zstd, rotation. What is read back is what was sent."""
    import struct
    import zstandard
    message = differential.inputs_of({"input": ["traces"]})[0][1]
    with Scratch() as s:
        forms = {"file/proto": {"path": str(s.path / "p"), "format": "proto"}, "file/zstd": {"path": str(s.path / "z"), "format": "json", "compression": "zstd"},
                 "file/both": {"path": str(s.path / "b"), "format": "proto", "compression": "zstd"},
                 "file/rotated": {"path": str(s.path / "r.json"), "rotation": {"max_megabytes": 1, "max_backups": 50}}}
        c, port = running(s, {}, exporters=forms, processors=())
        for _ in range(3):
            assert otlp.post(port, "traces", message).status == 200
        big = differential.inputs_of({"input": [{"generate": "traces", "count": 1000}]})[0][1]
        for _ in range(9):
            assert otlp.post(port, "traces", big).status == 200
        c.stop()
        total = 3 * otlp.items("traces", message) + 9000

        def blocks(path):
            data = path.read_bytes()
            while data:
                size, = struct.unpack(">I", data[:4])
                yield data[4:4 + size]
                data = data[4 + size:]

        def parse(raw):
            m = otlp.REQUEST["traces"]()
            m.ParseFromString(raw)
            return m

        unzip = lambda b: zstandard.ZstdDecompressor().decompressobj().decompress(b)  # noqa: E731
        assert canon.count("traces", [parse(b) for b in blocks(s.path / "p")]) == total, "proto"
        assert canon.count("traces", [otlp.from_json("traces", unzip(b)) for b in blocks(s.path / "z")]) == total, "zstd"
        assert canon.count("traces", [parse(unzip(b)) for b in blocks(s.path / "b")]) == total, "proto and zstd"
        parts = sorted(s.path.glob("r*.json"))
        assert len(parts) > 1, "it did not rotate"
        assert canon.count("traces", [m for p in parts for m in canon.read_lines(p, "traces")]) == total, "rotated"


@test("extensions/file-exporter-native-compression", seconds=30)
def file_native():
    """With the gate, what the file exporter compresses is a zstd file as a whole."""
    import io
    import struct
    import zstandard
    message = differential.inputs_of({"input": ["traces"]})[0][1]
    with Scratch() as s:
        forms = {"file/json": {"path": str(s.path / "j"), "compression": "zstd"}, "file/proto": {"path": str(s.path / "p"), "format": "proto", "compression": "zstd"}}
        c, port = running(s, {}, exporters=forms, processors=(), arguments=("--feature-gates=exporter.file.nativeCompression",))
        for _ in range(3):
            assert otlp.post(port, "traces", message).status == 200
        c.stop()
        read = lambda name: zstandard.ZstdDecompressor().stream_reader(io.BytesIO((s.path / name).read_bytes()), read_across_frames=True).read()  # noqa: E731
        lines = read("j").decode().splitlines()
        assert len(lines) == 3 and all(canon.count("traces", [otlp.from_json("traces", x)]) == otlp.items("traces", message) for x in lines), lines
        data, sizes = read("p"), []
        while data:
            size, = struct.unpack(">I", data[:4])
            m = otlp.REQUEST["traces"]()
            m.ParseFromString(data[4:4 + size])
            sizes.append(canon.count("traces", [m]))
            data = data[4 + size:]
        assert sizes == [otlp.items("traces", message)] * 3, sizes


@test("extensions/file-exporter-groups", seconds=30)
def file_groups():
    """group_by makes the folders that a group's path needs; a group that cannot have its file costs the others nothing."""
    with Scratch() as s:
        (s.path / "out").mkdir()
        (s.path / "out/taken").write_text("no folder")
        c, port = running(s, {}, exporters={"file": {"path": str(s.path / "out/*/t.json"), "group_by": {"enabled": True, "resource_attribute": "g"}}}, processors=())
        names = ["a", "b/c", "taken"]
        answer = otlp.post(port, "traces", otlp.from_json("traces", {"resourceSpans": [
            {"resource": {"attributes": [{"key": "g", "value": {"stringValue": g}}]}, "scopeSpans": [{"spans": [
                {"traceId": f"{1:032x}", "spanId": f"{1:016x}", "name": g}]}]} for g in names]}))
        c.stop()
        for g in names[:2]:
            got = canon.read_lines(s.path / "out" / g / "t.json", "traces")
            assert [x.name for m in got for r in m.resource_spans for sc in r.scope_spans for x in sc.spans] == [g], g
        if not collectors.SELF_TEST:
            assert answer.status == 200, answer


@test("extensions/file-exporter-on-a-full-disk", seconds=30)
def file_full():
    """What a full disk cuts short is refused and taken back: when there is room again, all that was acknowledged is in whole lines."""
    beyond_the_reference("it writes nothing more until it is started again, and leaves half a line")
    with Scratch() as s:
        c, port = running(s, {}, exporters={"file": {"path": str(s.path / "t.json")}}, processors=())
        resource.prlimit(c.pid, resource.RLIMIT_FSIZE, (20000, resource.RLIM_INFINITY))
        acknowledged, refused = [], 0
        for n in range(120):
            if n == 100:
                resource.prlimit(c.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            a = otlp.post(port, "traces", otlp.from_json("traces", {"resourceSpans": [{"scopeSpans": [{"spans": [
                {"traceId": f"{1:032x}", "spanId": f"{1:016x}", "name": f"span-{n}-" + "x" * 300}]}]}]}))
            acknowledged += [n] if a.status == 200 else []
            refused += a.status == 503
        c.stop()
        assert refused > 20, refused
        lines = [json.loads(line) for line in (s.path / "t.json").read_text().splitlines()]
        assert [int(x["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"].split("-")[1]) for x in lines] == acknowledged


@test("extensions/file-exporter-json-text", needs=("otelcol-ref",), seconds=30)
def json_text():
    """The JSON itself is written as the reference writes it: names, numbers as texts, ids in hex, enumerations as numbers."""
    texts = {}
    for name, command in (("naru", collectors.NARU), ("reference", collectors.REFERENCE)):
        with Scratch() as s:
            port = free_port()
            files, paths = collectors.file_exporters(s.path)
            c = collectors.start(s, name, command, {
                "receivers": {"otlp": collectors.otlp_receiver(http=port)}, "exporters": files,
                "service": {"telemetry": collectors.plain(), "pipelines": collectors.file_pipelines(["otlp"])}}, (port,))
            for signal, message in differential.inputs_of({"input": ["traces", "metrics", "logs"]}):
                assert otlp.post(port, signal, message).status == 200
            c.stop()
            texts[name] = {x: [shown(json.loads(line)) for line in p.read_text().splitlines()] for x, p in paths.items()}
    d = canon.difference(texts["reference"], texts["naru"])
    assert d is None, d


def shown(value):
    """A JSON value without its empty members: one writer shows an empty status or parent id, another leaves it out."""
    if isinstance(value, dict):
        # What a value holds is a choice even when it is empty.
        chosen = ("stringValue", "arrayValue", "kvlistValue", "bytesValue")
        out = {k: shown(v) for k, v in value.items()}
        return {k: v for k, v in out.items() if v not in ("", {}, [], 0, False) or k in chosen or k in ("intValue", "boolValue", "doubleValue", "asInt", "asDouble")}
    if isinstance(value, list):
        return [shown(v) for v in value]
    return value
