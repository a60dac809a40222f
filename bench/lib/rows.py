"""The rows of the table: what is sent, how, through which processors, and against whom."""
from dataclasses import dataclass


@dataclass
class Row:
    name: str
    signal: str = "traces"
    per: int = 512            # records a request
    http: bool = False        # HTTP in; and out, unless `out` says otherwise
    out: str | None = None    # "http", "grpc"
    compression: str = ""     # in and out
    tls: bool = False         # in
    processors: str = "memory_limiter, batch"
    queue: str = ""           # "persistent"
    share: bool = False       # naru on both cores, with load and sink; its peer is itself on one of them
    n: int = 2000             # requests
    peers: tuple = ("nginx", "ref")

    def requests(self, who):
        """The slow ones get fewer: what counts is CPU a record."""
        return max(10, self.n // 4) if who in ("ref", "rotel") else self.n


ROWS = [
    Row("grpc-512", peers=("nginx", "ref", "rotel")),
    Row("grpc-1", per=1, n=60000, peers=("nginx", "ref", "rotel")),
    Row("grpc-8192", per=8192, n=160),
    Row("grpc-logs-512", "logs"),
    Row("grpc-metrics-512", "metrics"),
    Row("http-512", http=True, peers=("nginx", "ref", "rotel")),
    Row("http-grpc-512", http=True, out="grpc", peers=("ref",)),
    Row("grpc-gzip-512", compression="gzip", peers=("nginx", "ref", "rotel")),
    Row("http-gzip-512", http=True, compression="gzip"),
    Row("grpc-zstd-512", compression="zstd"),
    Row("grpc-tls-512", tls=True),
    Row("grpc-edits-512", processors="memory_limiter, attributes, batch"),
    Row("grpc-512-no-batch", processors="memory_limiter"),
    Row("grpc-512-persistent", queue="persistent", peers=("memory", "ref")),
    Row("grpc-512-two-loops", share=True, peers=("one-loop",)),
]
