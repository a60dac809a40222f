"""The official SDKs of four languages send all three signals to the collector under test, over every protocol that they have,
plain, compressed, with TLS and with client certificates; every record must arrive with every field."""
import json
import subprocess
from pathlib import Path

import canon
import certificates
import collectors
import sdk_expected
from process import Scratch, free_port
from registry import add

PROTOCOLS = {"python": ("grpc", "http/protobuf", "http/json"), "node": ("grpc", "http/protobuf", "http/json"), "java": ("grpc", "http/protobuf"),
             "go": ("grpc", "http/protobuf")}
WAYS = ("plain", "gzip", "tls", "mtls")
BUILD = Path(__file__).resolve().parent.parent / "peers" / "build"


def peer_path(name):
    return Path(subprocess.run([BUILD, "--path", name], check=True, stdout=subprocess.PIPE, text=True).stdout.strip())


def command(language, protocol):
    path = peer_path(f"sdk-{language}")
    if language == "python":
        return [path / ("json" if protocol == "http/json" else "otlp") / "bin/python", path / "send.py", protocol]
    if language == "node":
        node = subprocess.run([BUILD, "node"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        return [node, path / "send.js", protocol]
    if language == "java":
        return ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-cp", f"{path}:{path}/lib/*", "Send", protocol]
    return [path / "send", protocol]


def send(scratch, language, protocol, way, port, certs):
    """Runs an SDK to its end; returns the identifiers that it drew."""
    secure = way in ("tls", "mtls")
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"{'https' if secure else 'http'}://localhost:{port}", "OTEL_EXPORTER_OTLP_TIMEOUT": "10000",
           "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    if language == "python":
        env["OTEL_EXPORTER_OTLP_TIMEOUT"] = "10"
    if way in ("gzip", "mtls"):
        env["OTEL_EXPORTER_OTLP_COMPRESSION"] = "gzip"
    if secure:
        env["OTEL_EXPORTER_OTLP_CERTIFICATE"] = certs / "ca.crt"
    if way == "mtls":
        env["OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"] = certs / "client.crt"
        env["OTEL_EXPORTER_OTLP_CLIENT_KEY"] = certs / "client.key"
    status, out, err = scratch.run(command(language, protocol), env, seconds=60)
    assert status == 0, f"the SDK ended with {status}: {err[-600:]}"
    line = [x for x in out.splitlines() if x.startswith("{")]
    assert line, f"the SDK said nothing: {out[-300:]} {err[-300:]}"
    return json.loads(line[-1]), err


def receiver(way, grpc, http, certs):
    if way not in ("tls", "mtls"):
        return collectors.otlp_receiver(grpc, http)
    tls = {"cert_file": str(certs / "server.crt"), "key_file": str(certs / "server.key")}
    if way == "mtls":
        tls["client_ca_file"] = str(certs / "ca.crt")
    return collectors.otlp_receiver(grpc, http, tls=tls)


def case(language, protocol, way):
    with Scratch() as s:
        certs = certificates.make(s.path / "certs") if way in ("tls", "mtls") else None
        grpc, http = free_port(), free_port()
        exporters, paths = collectors.file_exporters(s.path)
        config = {"receivers": {"otlp": receiver(way, grpc, http, certs)}, "exporters": exporters,
                  "service": {"telemetry": collectors.plain(), "pipelines": collectors.file_pipelines(["otlp"])}}
        c = collectors.start(s, "collector", collectors.NARU, config, (grpc, http))
        drawn, said = send(s, language, protocol, way, grpc if protocol == "grpc" else http, certs)
        assert c.alive(), f"the collector ended: {c.tail()}"
        c.stop()
        arrived = {signal: canon.read_lines(path, signal) for signal, path in paths.items()}
        problems = sdk_expected.check(language, protocol, drawn, arrived)
        assert not problems, "\n".join([f"{len(problems)} differences", *problems, *said.splitlines()[-3:]])


for _language, _protocols in PROTOCOLS.items():
    for _protocol in _protocols:
        for _way in WAYS:
            add(f"sdk/{_language}/{_protocol.replace('/', '-')}/{_way}", lambda a=_language, b=_protocol, c=_way: case(a, b, c),
                needs=(f"sdk-{_language}",), seconds=90)
