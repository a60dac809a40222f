"""OTLP as bytes and as messages: JSON and protobuf forms, and clients over HTTP and gRPC that show status codes, headers and bodies."""
import base64
import gzip
import http.client
import json
import re
import socket
import ssl
import zlib

import grpc
import zstandard
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

REQUEST = {
    "traces": trace_service_pb2.ExportTraceServiceRequest, "metrics": metrics_service_pb2.ExportMetricsServiceRequest,
    "logs": logs_service_pb2.ExportLogsServiceRequest, "profiles": profiles_service_pb2.ExportProfilesServiceRequest
}
RESPONSE = {
    "traces": trace_service_pb2.ExportTraceServiceResponse, "metrics": metrics_service_pb2.ExportMetricsServiceResponse,
    "logs": logs_service_pb2.ExportLogsServiceResponse, "profiles": profiles_service_pb2.ExportProfilesServiceResponse
}
METHOD = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "profiles": "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"
}
PATH = {"traces": "/v1/traces", "metrics": "/v1/metrics", "logs": "/v1/logs", "profiles": "/v1development/profiles"}
LIST = {"traces": "resource_spans", "metrics": "resource_metrics", "logs": "resource_logs", "profiles": "resource_profiles"}
_IDS = re.compile(r"^(trace|span|parentSpan|profile)(Id|_id)$")


def _ids(value, turn):
    if isinstance(value, dict):
        return {k: turn(v) if _IDS.match(k) and isinstance(v, str) else _ids(v, turn) for k, v in value.items()}
    if isinstance(value, list):
        return [_ids(v, turn) for v in value]
    return value


def from_json(signal, doc):
    """An OTLP/JSON document (text or parsed; ids in hex, as OTLP wants) as a request message. A field that OTLP lacks raises."""
    doc = json.loads(doc) if isinstance(doc, (str, bytes)) else doc
    return json_format.ParseDict(_ids(doc, lambda h: base64.b64encode(bytes.fromhex(h)).decode()), REQUEST[signal]())


def to_json(message):
    """A request message as a parsed OTLP/JSON document: ids in hex, enumerations as numbers."""
    doc = json.loads(json_format.MessageToJson(message, use_integers_for_enums=True))
    return _ids(doc, lambda b: base64.b64decode(b).hex())


def items(signal, message):
    """How many spans, data points, log records or samples a request carries: what the collectors count."""
    n = 0
    for r in getattr(message, LIST[signal]):
        if signal == "traces":
            n += sum(len(s.spans) for s in r.scope_spans)
        elif signal == "logs":
            n += sum(len(s.log_records) for s in r.scope_logs)
        elif signal == "profiles":
            n += sum(len(p.samples) for s in r.scope_profiles for p in s.profiles)
        else:
            for s in r.scope_metrics:
                for m in s.metrics:
                    kind = m.WhichOneof("data")
                    n += len(getattr(m, kind).data_points) if kind else 0
    return n


def deflated(body):
    return zlib.compress(body)


SQUEEZE = {"gzip": gzip.compress, "deflate": deflated, "zlib": deflated, "zstd": lambda b: zstandard.ZstdCompressor().compress(b)}


class Answer:
    """What an HTTP server answered."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __repr__(self):
        return f"{self.status} {self.headers.get('content-type')} {self.body[:200]!r}"


class _Unix(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def http_request(target, method, path, body=None, headers=None, tls=None, timeout=20):
    """One HTTP/1.1 exchange with a port of 127.0.0.1 (or a unix socket path); never raises for a status code."""
    if isinstance(target, str):
        c = _Unix(target, timeout)
    elif tls is not None:
        c = http.client.HTTPSConnection("127.0.0.1", target, context=tls, timeout=timeout)
    else:
        c = http.client.HTTPConnection("127.0.0.1", target, timeout=timeout)
    try:
        c.request(method, path, body=body, headers=headers or {})
        r = c.getresponse()
        return Answer(r.status, {k.lower(): v for k, v in r.getheaders()}, r.read())
    finally:
        c.close()


def post(target, signal, message, encoding="proto", compression=None, headers=None, tls=None, path=None, timeout=20):
    """Exports one request over HTTP; `message` may be bytes to send as they are."""
    if isinstance(message, (bytes, bytearray)):
        body = bytes(message)
    elif encoding == "json":
        body = json.dumps(to_json(message)).encode()
    else:
        body = message.SerializeToString()
    h = {"Content-Type": "application/json" if encoding == "json" else "application/x-protobuf"}
    if compression and compression != "none":
        body = SQUEEZE[compression](body)
        h["Content-Encoding"] = compression
    h.update(headers or {})
    return http_request(target, "POST", path or PATH[signal], body, h, tls, timeout)


class GrpcAnswer:
    """What a gRPC server answered: code, message, trailing metadata and, when it is OK, the response message."""

    def __init__(self, code, details, trailers, response):
        self.code, self.details, self.trailers, self.response = code, details, trailers, response

    def __repr__(self):
        return f"{self.code.name} {self.details!r}"


def channel(target, root=None, key=None, chain=None, options=()):
    """A gRPC channel to a port of 127.0.0.1 (or `unix:PATH`), with TLS if `root` (PEM bytes) is given."""
    address = target if isinstance(target, str) else f"127.0.0.1:{target}"
    options = list(options) + [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    if root is None:
        return grpc.insecure_channel(address, options)
    options.append(("grpc.ssl_target_name_override", "localhost"))
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(root, key, chain), options)


COMPRESSION = {None: grpc.Compression.NoCompression, "none": grpc.Compression.NoCompression, "gzip": grpc.Compression.Gzip,
               "deflate": grpc.Compression.Deflate}


def export(chan, signal, message, compression=None, metadata=(), timeout=20, method=None):
    """One unary export; `message` may be bytes. Returns a GrpcAnswer, whatever the status."""
    raw = message if isinstance(message, (bytes, bytearray)) else message.SerializeToString()
    call = chan.unary_unary(method or METHOD[signal], request_serializer=lambda b: b, response_deserializer=lambda b: b)
    try:
        body, rpc = call.with_call(raw, timeout=timeout, metadata=tuple(metadata), compression=COMPRESSION[compression])
        response = RESPONSE[signal]()
        response.ParseFromString(body)
        return GrpcAnswer(rpc.code(), rpc.details(), rpc.trailing_metadata(), response)
    except grpc.RpcError as e:
        return GrpcAnswer(e.code(), e.details(), e.trailing_metadata() or (), None)


def server_tls(ca_file, cert=None, key=None):
    """A client's TLS context that trusts `ca_file`, with a certificate of its own if given."""
    c = ssl.create_default_context(cafile=str(ca_file))
    if cert:
        c.load_cert_chain(str(cert), str(key))
    return c
