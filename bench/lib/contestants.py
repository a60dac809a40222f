"""Who runs in a row, and how each is configured for it: naru, nginx moving the same bytes, the reference collector, rotel."""
import os, shutil, subprocess, sys
from pathlib import Path

from lib.process import start

ROOT = Path(__file__).resolve().parent.parent.parent
NARU = os.environ.get("NARU", str(ROOT / "build/release/naru"))
PEERS = Path(os.environ.get("PEERS") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "naru" / "peers")
REFERENCE = PEERS / "otelcol-ref"
ROTEL_VERSION = "0.0.1a15"
ROTEL = PEERS / f"rotel-{ROTEL_VERSION}" / "rotel" / "rotel-agent"
EDITS = ("attributes: {actions: [{key: cluster, value: prod-eu-1, action: insert}, {key: user.id, value: REDACTED, action: upsert}, "
         "{key: url.path, action: delete}]}")


def fetch_rotel():
    """The fast peer that a registry has; a row without it says so."""
    if not ROTEL.exists():
        where = ROTEL.parent.parent
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--target", str(where), f"rotel=={ROTEL_VERSION}"],
                       capture_output=True)
    return ROTEL.exists()


def available(who):
    if who == "nginx":
        return shutil.which("nginx") is not None
    if who == "ref":
        return os.access(REFERENCE, os.X_OK)
    if who == "rotel":
        return fetch_rotel()
    return True


def certificate(d):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", f"{d}/key.pem", "-out", f"{d}/cert.pem"], check=True, capture_output=True)


def collector_yaml(row, into, other, sink, d, queue):
    """One text for naru and the reference."""
    grpc, http = (other, into) if row.http else (into, other)
    out_http = row.http if row.out is None else row.out == "http"
    tls = f", tls: {{cert_file: {d}/cert.pem, key_file: {d}/key.pem}}" if row.tls else ""
    if out_http:
        exporter = f"otlp_http: {{endpoint: 'http://127.0.0.1:{sink}'"
    else:
        exporter = f"otlp_grpc: {{endpoint: '127.0.0.1:{sink}', tls: {{insecure: true}}"
    if queue == "persistent":
        exporter += ", sending_queue: {storage: file_storage}"
    exporter += f", compression: {row.compression or 'none'}}}"
    name = "otlp_http" if out_http else "otlp_grpc"
    storage = f"extensions: {{file_storage: {{directory: {d}/queue, create_directory: true}}}}" if queue == "persistent" else ""
    use = "extensions: [file_storage]," if queue == "persistent" else ""
    pipelines = ", ".join(f"{s}: {{receivers: [otlp], processors: [{row.processors}], exporters: [{name}]}}" for s in ("traces", "metrics", "logs"))
    return f"""
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: 127.0.0.1:{grpc}{tls}}}, http: {{endpoint: 127.0.0.1:{http}{tls}}}}}}}}}
processors:
  memory_limiter: {{check_interval: 1s, limit_mib: 1024}}
  batch: {{}}
  {EDITS}
exporters: {{{exporter}}}
{storage}
service: {{{use} telemetry: {{metrics: {{level: none}}, logs: {{level: error}}}}, pipelines: {{{pipelines}}}}}
"""


def nginx_conf(row, d, listen, sink):
    """Tuned for this: large receive windows and buffers, kept-alive upstream connections."""
    h2 = ("" if row.http else " http2") + (" ssl" if row.tls else "")
    tls = f"ssl_certificate {d}/cert.pem; ssl_certificate_key {d}/key.pem; ssl_protocols TLSv1.2 TLSv1.3;" if row.tls else ""
    loc = ("proxy_pass http://s; proxy_http_version 1.1; proxy_set_header Connection '';" if row.http
           else "grpc_pass grpc://s; grpc_buffer_size 64k;")
    return f"""user root; worker_processes 1; daemon off; pid {d}/pid; error_log {d}/err.log;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 100000000; http2_max_requests 100000000; client_max_body_size 64m; client_body_buffer_size 4m;
 http2_recv_buffer_size 256k; http2_body_preread_size 1m; http2_max_concurrent_streams 1024; client_body_temp_path {d}/b; proxy_temp_path {d}/p;
 fastcgi_temp_path {d}/f; uwsgi_temp_path {d}/u; scgi_temp_path {d}/s; {tls}
 upstream s {{ server 127.0.0.1:{sink}; keepalive 64; keepalive_requests 100000000; }}
 server {{ listen 127.0.0.1:{listen}{h2}; location / {{ {loc} }} }} }}
"""


def launch(who, row, d, into, other, sink):
    """Starts a contestant that takes a row's requests on the port `into` and sends them on to `sink`."""
    if row.tls:
        certificate(d)
    if who == "nginx":
        Path(d, "nginx.conf").write_text(nginx_conf(row, d, into, sink))
        return start(["nginx", "-p", d, "-c", f"{d}/nginx.conf"], f"{d}/log", cpus="0")
    if who == "rotel":
        # Its gRPC exporter always compresses; the row says so.
        grpc, http = (other, into) if row.http else (into, other)
        return start([str(ROTEL), "start", "--otlp-grpc-endpoint", f"127.0.0.1:{grpc}", "--otlp-http-endpoint", f"127.0.0.1:{http}", "--exporter", "otlp",
                      "--otlp-exporter-endpoint", f"http://127.0.0.1:{sink}", "--otlp-exporter-protocol", "http" if row.http else "grpc",
                      "--otlp-exporter-compression", row.compression or "none"], f"{d}/log", cpus="0")
    queue = row.queue if who in ("naru", "ref") else ""
    Path(d, "c.yaml").write_text(collector_yaml(row, into, other, sink, d, queue))
    cmd = [str(REFERENCE)] if who == "ref" else [NARU, "collector"]
    return start(cmd + ["--config", f"{d}/c.yaml"], f"{d}/log", cpus="0,1" if who == "naru" and row.share else "0")
