// Sending requests over HTTP/1.1, HTTP/2 and gRPC. One client serves one origin (scheme, host, port) on one loop: a
// pool of HTTP/1.1 connections, or a few HTTP/2 sessions that requests share. Bodies are lists of slices, written from
// where they lie.
//
// Threads: everything on the client's loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "net/loop.h"
#include "net/stream.h"

namespace naru::net {

/// Opens a connected stream (through TLS and proxies where they are asked for). `done` is called once, later;
/// destroying the handle cancels. ALPN of the stream decides between HTTP/1.1 and HTTP/2 where both are offered.
using Connector = std::function<std::unique_ptr<Connecting>(Loop&, Duration timeout,
                                                            std::function<void(Result<std::unique_ptr<Stream>>)> done)>;

/// What a client and its connector tell each other to spread connections over all addresses of a name.
struct DialState {
  size_t addresses = 1;                // that the name has; told by the connector
  std::vector<std::string> connected;  // addresses of the connections; told by the client before each attempt
};

struct HttpClientOptions {
  std::string scheme = "http";
  std::string authority;  // ":authority" and Host: "backend:4318"
  std::string user_agent;
  bool http2_prior_knowledge = false;  // h2c; gRPC without TLS
  int connections = 1;                 // HTTP/2 sessions, used in turn
  std::shared_ptr<DialState> dial;     // one HTTP/2 session for each address instead (at most 64); may be null
  std::string target_prefix;           // HTTP/1.1 through a proxy: "http://backend:4318" in front of the path
  std::string proxy_authorization;     // the same: the login at the proxy
  bool wait_for_ready = false;         // requests wait for a connection until their time-out, however often it fails
  bool cookies = false;                // keep the server's cookies and send them back
  size_t max_idle_connections = 100;   // HTTP/1.1; 0: all. Looked at once a second
  size_t max_connections = 0;          // HTTP/1.1, 0: no limit
  bool keep_alives = true;
  Duration idle_timeout = std::chrono::seconds(90);
  Duration connect_timeout = std::chrono::seconds(20);
  // HTTP/2 keepalive; time 0: none.
  Duration keepalive_time{0};
  Duration keepalive_timeout = std::chrono::seconds(10);
  bool keepalive_without_streams = false;
  size_t max_response_bytes = 4 << 20;
  size_t max_response_head_bytes = 256 << 10;  // names and values, trailers included
  size_t max_pending = 4096;                   // requests that wait for a connection
};

struct ClientRequest {
  std::string method = "POST";
  std::string path = "/";
  /// Lower-case names. content-length, host and user-agent are set by the client unless given.
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<Slice> body;
  /// gRPC: the message is framed here; `compressed` sets its flag.
  bool grpc = false;
  bool compressed = false;
  /// From Send until the whole answer is there; 0: none.
  Duration timeout{0};
};

struct ClientResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // lower-case names; trailers too
  std::string body;  // gRPC: the message without its prefix, as it came (grpc-encoding)
  /// Not gRPC: the body was larger than max_response_bytes, and nothing of it is kept. The status counts all the same:
  /// a request that was taken is not sent again because of a long answer.
  bool cut_off = false;
  bool grpc_compressed = false;
  // gRPC
  Code grpc_code = Code::kOk;
  std::string grpc_message;
  std::string grpc_details;  // google.rpc.Status, decoded from grpc-status-details-bin
  const std::string* Header(std::string_view lower_case_name) const;
};

/// The answer, or why there is none. Errors are retryable exactly when the request may not have been processed in full
/// and may be sent again: no connection, a connection lost, refused streams, time-outs.
using ResponseCallback = std::function<void(Result<ClientResponse>)>;

class HttpClient {
 public:
  HttpClient(Loop& loop, HttpClientOptions options, Connector connector);
  /// Drops what is under way; callbacks of requests without an answer are called with kCancelled.
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;

  /// Sends `request`; `done` is called once, never inside Send. The body's slices are kept until the stream is done
  /// with them.
  void Send(ClientRequest request, ResponseCallback done);
  /// Requests without an answer.
  size_t in_flight() const;

  struct Shared;

 private:
  std::shared_ptr<Shared> shared_;
};

/// Delay of a Retry-After header (seconds, or an HTTP date against `unix_now` seconds); zero when there is none or it
/// cannot be read.
Duration ParseRetryAfter(std::string_view value, uint64_t unix_now);

/// Splits "https://host:port/path?query". The port is that of the scheme when none is given.
struct Url {
  std::string scheme, host, path;  // path with its query; at least "/"
  uint16_t port = 0;
  std::string userinfo;
  /// "host:port" as sockets want it, "[v6]:port".
  std::string HostPort() const;
  /// As a Host header: without the port when it is the scheme's own.
  std::string Authority() const;
  static Result<Url> Parse(std::string_view text);
  /// The place that a reference such as a Location header means, seen from this one (RFC 3986, section 5.2).
  Result<Url> Resolve(std::string_view reference) const;
};

}  // namespace naru::net
