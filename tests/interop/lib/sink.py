"""A backend for faults: receives OTLP over gRPC and HTTP, counts, keeps, is slow or refuses, as a test asks."""
import gzip
import http.server
import json
import threading
import time
import zlib
from concurrent import futures

import grpc
import zstandard

from otlp import METHOD, PATH, REQUEST, RESPONSE, items
from process import free_port


class Sink:
    """Listens on two ports of 127.0.0.1 (grpc_port, http_port). Threads of its own; close() ends them.

    delay: seconds before each answer. plan: a function of the request's ordinal that returns None (accept) or what to refuse with:
    for gRPC a grpc.StatusCode or (code, trailers), for HTTP a status or (status, headers).
    received: [(signal, message, metadata)] of what was accepted, in order.
    """

    def __init__(self, delay=0.0, plan=None, grpc_port=None, http_port=None):
        self.delay, self.plan = delay, plan or (lambda n: None)
        self.received, self.arrivals, self.requests = [], [], 0
        self._lock = threading.Lock()
        self.gate = threading.Event()
        self.gate.set()
        self._closing = False
        self._pool = futures.ThreadPoolExecutor(64)
        self._grpc = grpc.server(self._pool, options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)])
        self._grpc.add_generic_rpc_handlers((_Handlers(self),))
        self.grpc_port = grpc_port or free_port()
        if not self._grpc.add_insecure_port(f"127.0.0.1:{self.grpc_port}"):
            raise RuntimeError("the sink's port is taken")
        self._grpc.start()
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                sink._http(self)

            def do_CONNECT(self):
                self.send_error(405)

            def log_message(self, *_):
                pass

        self.http_port = http_port or free_port()
        self._httpd = http.server.ThreadingHTTPServer(("127.0.0.1", self.http_port), Handler)
        self._httpd.daemon_threads = True
        threading.Thread(target=self._httpd.serve_forever, args=(0.05,), daemon=True).start()

    def count(self, signal=None):
        """Accepted spans, points and records."""
        with self._lock:
            return sum(items(s, m) for s, m, _ in self.received if signal in (None, s))

    def messages(self, signal):
        with self._lock:
            return [m for s, m, _ in self.received if s == signal]

    def metadata(self):
        with self._lock:
            return [dict(h) for _, _, h in self.received]

    def hold(self):
        """From now on requests wait until release()."""
        self.gate.clear()

    def release(self):
        self.gate.set()

    def close(self):
        self._closing = True
        self.gate.set()
        self._grpc.stop(0)
        self._httpd.shutdown()
        self._httpd.server_close()
        self._pool.shutdown(wait=False)

    def _arrive(self):
        with self._lock:
            n = self.requests
            self.requests += 1
            self.arrivals.append(time.monotonic())
        while not self.gate.wait(0.1) and not self._closing:
            pass
        delay = self.delay(n) if callable(self.delay) else self.delay
        if delay:
            time.sleep(delay)
        return self.plan(n)

    def _keep(self, signal, message, metadata):
        with self._lock:
            self.received.append((signal, message, metadata))

    def _unary(self, signal, raw, context):
        message = REQUEST[signal]()
        message.ParseFromString(raw)
        refusal = self._arrive()
        if refusal is not None:
            code, trailers = refusal if isinstance(refusal, tuple) else (refusal, ())
            context.set_trailing_metadata(tuple(trailers))
            context.abort(code, "refused by the test")
        if not context.is_active():
            return b""  # the client gave up: it will not hear that this was taken, so it is not
        self._keep(signal, message, tuple((k, v) for k, v in context.invocation_metadata()))
        return RESPONSE[signal]().SerializeToString()

    def _http(self, request):
        if request.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while True:
                size = int(request.rfile.readline().split(b";")[0], 16)
                body += request.rfile.read(size)
                request.rfile.readline()
                if not size:
                    break
        else:
            body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        signal = next((s for s, p in PATH.items() if request.path.endswith(p)), None)
        if signal is None:
            return self._reply(request, 404, {}, b"")
        coding = request.headers.get("Content-Encoding", "")
        body = {"": lambda b: b, "gzip": gzip.decompress, "deflate": zlib.decompress, "zlib": zlib.decompress,
                "zstd": lambda b: zstandard.ZstdDecompressor().decompressobj().decompress(b)}[coding](body)
        if request.headers.get("Content-Type", "").startswith("application/json"):
            from otlp import from_json
            message, answer = from_json(signal, body), json.dumps({"partialSuccess": {}}).encode()
        else:
            message, answer = REQUEST[signal](), b""
            message.ParseFromString(body)
        refusal = self._arrive()
        if refusal is not None:
            status, headers = refusal if isinstance(refusal, tuple) else (refusal, {})
            return self._reply(request, status, headers, b"")
        self._keep(signal, message, tuple((k.lower(), v) for k, v in request.headers.items()))
        self._reply(request, 200, {"Content-Type": request.headers.get("Content-Type", "")}, answer)

    @staticmethod
    def _reply(request, status, headers, body):
        try:
            request.send_response(status)
            for k, v in headers.items():
                request.send_header(k, v)
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body)
        except OSError:
            pass  # the client gave up waiting; what it does then is the test's business


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, sink):
        self._signals = {m: s for s, m in METHOD.items()}
        self._sink = sink

    def service(self, call):
        signal = self._signals.get(call.method)
        if signal is None:
            return None
        return grpc.unary_unary_rpc_method_handler(lambda raw, context: self._sink._unary(signal, raw, context),
                                                   request_deserializer=lambda b: b, response_serializer=lambda b: b)


class StatusOnly:
    """An HTTP server that gives every request the same answer, for what an OTLP backend would never say."""

    def __init__(self, status, headers=None, body=b""):
        self.seen = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                n = int(self.headers.get("Content-Length") or 0)
                outer.seen.append((self.command, self.path, dict(self.headers), self.rfile.read(n)))
                Sink._reply(self, status, headers or {}, body)

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        self.port = free_port()
        self._httpd = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._httpd.daemon_threads = True
        threading.Thread(target=self._httpd.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self._httpd.shutdown()
        self._httpd.server_close()
