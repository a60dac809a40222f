"""How exporters reach their backends: proxies, cookies, all addresses of a name, waiting for a connection. Each also with the reference."""
import http.client
import http.server
import threading
import time

import collectors
import otlp
from process import Scratch, free_port, wait_until
from proxy import Proxy
from registry import add, test
from sink import Sink

COMMANDS = {"naru": (collectors.NARU, ()), "reference": (collectors.REFERENCE, ("otelcol-ref",))}


def sample(name="x"):
    return otlp.from_json("traces", {"resourceSpans": [{"scopeSpans": [{"spans": [{
        "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": name, "startTimeUnixNano": "1", "endTimeUnixNano": "2"}]}]}]})


def exporting(s, command, exporter, block, env=None, name="collector"):
    """A collector from OTLP/HTTP to one exporter; its port."""
    port = free_port()
    block = {**block, "retry_on_failure": {"initial_interval": "100ms", "max_interval": "200ms"}}
    c = collectors.start(s, name, command, {
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}}}, "exporters": {exporter: block},
        "service": {"telemetry": collectors.plain(), "pipelines": collectors.pipelines(["otlp"], [exporter], signals=("traces",))}}, (port,), env)
    return c, port


def through_proxy(command, exporter, how, login=None):
    with Scratch() as s:
        sink, proxy = s.closing(Sink()), s.closing(Proxy(login))
        user = login.replace("@", "%40") + "@" if login else ""
        address = f"{user}127.0.0.1:{proxy.port}"
        block = {"endpoint": f"backend.test:{sink.grpc_port}", "tls": {"insecure": True}} if exporter == "otlp_grpc" else {
            "endpoint": f"http://backend.test:{sink.http_port}"}
        env = {}
        if how == "environment":
            env = {"HTTP_PROXY": f"http://{address}", "HTTPS_PROXY": f"http://{address}"}
        elif how == "lower-case":
            env = {"http_proxy": address, "https_proxy": address}
        elif how == "proxy_url":
            block["proxy_url"] = f"http://{address}"
        elif how == "socks5":
            block["proxy_url"] = f"socks5://{address}"
        c, port = exporting(s, command, exporter, block, env)
        assert otlp.post(port, "traces", sample()).status == 200
        wait_until(lambda: sink.received, 10, why=f"the sink receives; seen {proxy.seen}, refused {proxy.refused}; {c.tail()}")
        target = f"backend.test:{sink.grpc_port if exporter == 'otlp_grpc' else sink.http_port}"
        want = (("socks5", *target.split(":")) if how == "socks5" else
                f"CONNECT {target} HTTP/1.1" if exporter == "otlp_grpc" else f"POST http://{target}/v1/traces HTTP/1.1")
        seen = [tuple(str(x) for x in line) if isinstance(line, tuple) else line for line in proxy.seen]
        assert want in seen, f"{want} is not among {seen}"


for _who, (_command, _needs) in COMMANDS.items():
    for _exporter, _how in (("otlp_http", "environment"), ("otlp_http", "lower-case"), ("otlp_http", "proxy_url"), ("otlp_http", "socks5"),
                            ("otlp_grpc", "environment"), ("otlp_grpc", "lower-case")):
        for _login in (None, "ada:s@cret"):
            add(f"clients/proxy/{_exporter}/{_how}{'-login' if _login else ''}/{_who}",
                lambda c=_command, e=_exporter, h=_how, l=_login: through_proxy(c, e, h, l), needs=_needs, seconds=30)


def no_proxy(command, words, want):
    """Whether a request to 127.0.0.2 or a name goes past the proxy; loopback always does, so names are looked at by what the proxy sees."""
    with Scratch() as s:
        proxy = s.closing(Proxy())
        env = {"HTTP_PROXY": f"http://127.0.0.1:{proxy.port}", "NO_PROXY": words}
        c, port = exporting(s, command, "otlp_http", {"endpoint": "http://a.backend.test:1"}, env)
        assert otlp.post(port, "traces", sample()).status == 200
        if want:
            wait_until(lambda: proxy.seen, 5, why=f"the proxy is asked; {c.tail()}")
        else:
            wait_until(lambda: "lookup" in c.tail(4000) or "no such host" in c.tail(4000) or "dial" in c.tail(4000), 10, why=f"it is looked up; {c.tail()}")
            assert not proxy.seen, proxy.seen


for _who, (_command, _needs) in COMMANDS.items():
    for _label, (_words, _want) in {"other-name": ("other.test", True), "name": ("a.backend.test", False), "parent": ("backend.test", False),
                                    "dot-parent": (".backend.test", False), "star": ("*", False), "port": ("backend.test:1", False),
                                    "other-port": ("backend.test:2", True), "end-of-a-name": ("ckend.test", True),
                                    "list": ("x.test, backend.test", False)}.items():
        add(f"clients/no-proxy/{_label}/{_who}", lambda c=_command, w=_words, x=_want: no_proxy(c, w, x), needs=_needs, seconds=30)


def loopback(command):
    """A proxy is never asked for loopback addresses."""
    with Scratch() as s:
        sink, proxy = s.closing(Sink()), s.closing(Proxy())
        env = {"HTTP_PROXY": f"http://127.0.0.1:{proxy.port}"}
        c, port = exporting(s, command, "otlp_http", {"endpoint": f"http://127.0.0.1:{sink.http_port}"}, env)
        assert otlp.post(port, "traces", sample()).status == 200
        wait_until(lambda: sink.received, 10, why=f"the sink receives; {c.tail()}")
        assert not proxy.seen, proxy.seen


def cookies(command):
    """A cookie that the backend gives comes back; one that it takes away does not."""
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            seen.append(self.headers.get("cookie"))
            self.send_response(200)
            if len(seen) == 1:
                self.send_header("Set-Cookie", "node=a1; Path=/; HttpOnly")
                self.send_header("Set-Cookie", "elsewhere=b; Path=/other")
            if len(seen) == 2:
                self.send_header("Set-Cookie", "node=; Max-Age=0; Path=/")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with Scratch() as s:
        backend = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        backend.daemon_threads = True
        threading.Thread(target=backend.serve_forever, args=(0.05,), daemon=True).start()
        try:
            block = {"endpoint": f"http://127.0.0.1:{backend.server_address[1]}", "cookies": {"enabled": True}, "sending_queue": {"enabled": False}}
            c, port = exporting(s, [*command], "otlp_http", block)
            conn = http.client.HTTPConnection("127.0.0.1", port)
            for _ in range(3):
                conn.request("POST", "/v1/traces", sample().SerializeToString(), {"Content-Type": "application/x-protobuf"})
                r = conn.getresponse()
                assert r.status == 200, (r.status, r.read())
                r.read()
            assert seen == [None, "node=a1", None], seen
        finally:
            backend.shutdown()
            backend.server_close()


def not_ready(command, wait):
    """Without a queue: with wait_for_ready the request waits for the backend that comes later, without it fails at once."""
    with Scratch() as s:
        gone = free_port()
        block = {"endpoint": f"127.0.0.1:{gone}", "tls": {"insecure": True}, "wait_for_ready": wait, "timeout": "8s",
                 "sending_queue": {"enabled": False}}
        port = free_port()
        c = collectors.start(s, "collector", command, {
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}}},
            "exporters": {"otlp_grpc": {**block, "retry_on_failure": {"enabled": False}}},
            "service": {"telemetry": collectors.plain(), "pipelines": collectors.pipelines(["otlp"], ["otlp_grpc"], signals=("traces",))}}, (port,))
        begin = time.monotonic()
        if not wait:
            assert otlp.post(port, "traces", sample()).status == 503
            assert time.monotonic() - begin < 4
            return
        timer = threading.Timer(1.0, lambda: s.closing(Sink(grpc_port=gone)))
        timer.start()
        assert otlp.post(port, "traces", sample()).status == 200, c.tail()
        timer.join()
        assert time.monotonic() - begin > 0.9


for _who, (_command, _needs) in COMMANDS.items():
    add(f"clients/no-proxy/loopback/{_who}", lambda c=_command: loopback(c), needs=_needs, seconds=30)
    add(f"clients/cookies/{_who}", lambda c=_command: cookies(c), needs=_needs, seconds=30)
    for _wait in (True, False):
        add(f"clients/wait-for-ready-{str(_wait).lower()}/{_who}", lambda c=_command, w=_wait: not_ready(c, w), needs=_needs, seconds=30)


@test("clients/middleware-that-is-not-there", seconds=20)
def middleware():
    with Scratch() as s:
        for block in ({"exporters": {"otlp_http": {"endpoint": "http://127.0.0.1:1", "middlewares": [{"id": "absent"}]}}},
                      {"receivers": {"otlp": {"protocols": {"http": {"endpoint": "127.0.0.1:0", "middlewares": [{"id": "absent"}]}}}}}):
            config = {"receivers": {"otlp": {"protocols": {"http": {"endpoint": "127.0.0.1:0"}}}}, "exporters": {"otlp_http": {"endpoint": "http://127.0.0.1:1"}},
                      "service": {"telemetry": collectors.plain(), "pipelines": collectors.pipelines(["otlp"], ["otlp_http"], signals=("traces",))}, **block}
            import yaml
            (s.path / "c.yaml").write_text(yaml.safe_dump(config))
            status, out, err = s.run([*collectors.NARU, "--config", s.path / "c.yaml"], seconds=10)
            assert status == 1 and "absent" in out + err, (status, out, err)
