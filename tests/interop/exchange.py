"""The collector under test and the reference send to each other, over both protocols and every compression, with and without TLS: what leaves the
one is what arrives in the other, and both agree with what was put in."""
import canon
import certificates
import collectors
import differential
import otlp
from process import Scratch, free_port, wait_until
from registry import add, test

SIGNALS = ("traces", "metrics", "logs")
WAYS = [("grpc", c, "proto") for c in ("none", "gzip", "zstd", "snappy")] + \
       [("http", c, "proto") for c in ("none", "gzip", "zstd", "snappy", "deflate", "zlib", "lz4")] + [("http", c, "json") for c in ("none", "gzip")]
INPUT = [{"generate": "traces", "count": 300, "seed": 21, "requests": 3}, {"generate": "logs", "count": 200, "seed": 22}, "traces", "metrics", "logs"]


def exporter(protocol, compression, encoding, port, tls):
    if protocol == "grpc":
        return "otlp_grpc", {"endpoint": f"localhost:{port}", "compression": compression, "tls": tls or {"insecure": True}}
    block = {"endpoint": f"http{'s' if tls else ''}://localhost:{port}", "compression": compression, "encoding": encoding}
    return "otlp_http", {**block, **({"tls": tls} if tls else {})}


def exchange(source, target, protocol, compression, encoding, secure):
    with Scratch() as s:
        server_tls = client_tls = None
        if secure:
            c = certificates.make(s.path / "certs")
            server_tls = {"cert_file": str(c / "server.crt"), "key_file": str(c / "server.key"), "client_ca_file": str(c / "ca.crt")}
            client_tls = {"ca_file": str(c / "ca.crt"), "cert_file": str(c / "client.crt"), "key_file": str(c / "client.key")}
        into, between = free_port(), free_port()
        (s.path / "a").mkdir()
        (s.path / "b").mkdir()
        far_files, far = collectors.file_exporters(s.path / "b")
        block = collectors.otlp_receiver(**{protocol: between}, **({"tls": server_tls} if secure else {}))
        receiver = collectors.start(s, "receiver", target, {
            "receivers": {"otlp": block}, "exporters": far_files,
            "service": {"telemetry": collectors.plain(), "pipelines": collectors.file_pipelines(["otlp"])}}, (between,))
        near_files, near = collectors.file_exporters(s.path / "a")
        name, out = exporter(protocol, compression, encoding, between, client_tls)
        lines = {x: {"receivers": ["otlp"], "exporters": [f"file/{x}", name]} for x in SIGNALS}
        sender = collectors.start(s, "sender", source, {
            "receivers": {"otlp": collectors.otlp_receiver(http=into)}, "exporters": {**near_files, name: out},
            "service": {"telemetry": collectors.plain(), "pipelines": lines}}, (into,))
        sent = differential.inputs_of({"input": INPUT})
        for signal, message in sent:
            answer = otlp.post(into, signal, message)
            assert answer.status == 200, answer
        sender.stop()  # drains its queue
        receiver.stop()
        for signal in SIGNALS:
            want = canon.flat(signal, [m for x, m in sent if x == signal])
            for who, path in (("the sender", near[signal]), ("the receiver", far[signal])):
                d = canon.difference(want, canon.flat(signal, canon.read_lines(path, signal)))
                assert d is None, f"{signal} at {who}: {d}; {sender.tail(300)}"


for _label, _source, _target in (("to-reference", collectors.NARU, collectors.REFERENCE), ("from-reference", collectors.REFERENCE, collectors.NARU)):
    for _protocol, _compression, _encoding in WAYS:
        _name = f"exchange/{_label}/{_protocol}{'-json' if _encoding == 'json' else ''}/{_compression}"
        add(_name, lambda a=_source, b=_target, p=_protocol, c=_compression, e=_encoding: exchange(a, b, p, c, e, False), needs=("otelcol-ref",))
    for _protocol in ("grpc", "http"):
        add(f"exchange/{_label}/{_protocol}/mtls", lambda a=_source, b=_target, p=_protocol: exchange(a, b, p, "gzip", "proto", True),
            needs=("otelcol-ref",))


@test("exchange/forward-connector")
def forward():
    """A connector joins pipelines: what two receivers take leaves by one exporter, what one takes leaves by two."""
    with Scratch() as s:
        one, two = free_port(), free_port()
        files = {f"file/{n}": {"path": str(s.path / f"{n}.json")} for n in ("joined", "copy")}
        c = collectors.start(s, "collector", collectors.NARU, {
            "receivers": {"otlp/1": collectors.otlp_receiver(http=one), "otlp/2": collectors.otlp_receiver(http=two)},
            "processors": {"attributes/1": {"actions": [{"key": "from", "action": "insert", "value": "one"}]}},
            "connectors": {"forward": {}}, "exporters": files,
            "service": {"telemetry": collectors.plain(), "pipelines": {
                "traces/1": {"receivers": ["otlp/1"], "processors": ["attributes/1"], "exporters": ["forward"]},
                "traces/2": {"receivers": ["otlp/2"], "exporters": ["forward", "file/copy"]},
                "traces/out": {"receivers": ["forward"], "exporters": ["file/joined"]}}}}, (one, two))
        (_, first), (_, second) = differential.inputs_of({"input": ["traces", {"generate": "traces", "count": 5}]})
        assert otlp.post(one, "traces", first).status == 200
        assert otlp.post(two, "traces", second).status == 200
        c.stop()
        joined, copy = canon.read_lines(s.path / "joined.json", "traces"), canon.read_lines(s.path / "copy.json", "traces")
        assert canon.count("traces", joined) == otlp.items("traces", first) + 5, canon.count("traces", joined)
        assert canon.flat("traces", copy) == canon.flat("traces", [second]), "the copy differs"
        marked = [r for r in canon.flat("traces", joined) if "from" in r["record"]["attributes"]]
        assert len(marked) == otlp.items("traces", first), "the processor of the first pipeline did not run, or ran for the second too"


@test("exchange/exporter-survives-a-restart-of-its-server", needs=("otelcol-ref",))
def restart():
    """The backend goes away and comes back: everything that was acknowledged meanwhile arrives, once."""
    with Scratch() as s:
        into, between = free_port(), free_port()

        def backend(n):
            return collectors.start(s, f"backend{n}", collectors.REFERENCE, {
                "receivers": {"otlp": collectors.otlp_receiver(grpc=between)}, "exporters": {"file": {"path": str(s.path / f"out{n}.json")}},
                "service": {"telemetry": collectors.plain(), "pipelines": collectors.pipelines(["otlp"], ["file"], signals=("traces",))}}, (between,))

        first = backend(1)
        c = collectors.start(s, "collector", collectors.NARU, {
            "receivers": {"otlp": collectors.otlp_receiver(http=into)},
            "exporters": {"otlp_grpc": {"endpoint": f"127.0.0.1:{between}", "tls": {"insecure": True}, "timeout": "2s",
                                        "retry_on_failure": {"initial_interval": "100ms", "max_interval": "300ms"}}},
            "service": {"telemetry": collectors.plain(), "pipelines": collectors.pipelines(["otlp"], ["otlp_grpc"], signals=("traces",))}}, (into,))
        sent = differential.inputs_of({"input": [{"generate": "traces", "count": 120, "requests": 12}]})
        for _, m in sent[:4]:
            assert otlp.post(into, "traces", m).status == 200
        wait_until(lambda: (s.path / "out1.json").exists(), 5, why="the first backend receives")
        first.stop()
        for _, m in sent[4:8]:
            assert otlp.post(into, "traces", m).status == 200
        second = backend(2)
        for _, m in sent[8:]:
            assert otlp.post(into, "traces", m).status == 200
        wait_until(lambda: sum(canon.count("traces", canon.read_lines(s.path / f"out{n}.json", "traces", growing=True)) for n in (1, 2)) >= 120, 20, 0.2,
                   "everything arrives")
        c.stop()
        second.stop()
        got = [m for n in (1, 2) for m in canon.read_lines(s.path / f"out{n}.json", "traces")]
        d = canon.difference(canon.flat("traces", [m for _, m in sent]), canon.flat("traces", got))
        assert d is None, d
