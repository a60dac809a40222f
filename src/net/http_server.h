// Serving HTTP/1.1, HTTP/2 and gRPC on accepted streams.
//
// A server is given streams by whoever listens (so that a listener can outlive a server) and asks its Service about
// every request as soon as the head is complete: the service answers at once or returns a handler that takes the body.
// Body bytes are written straight into memory that the handler gives, once: an HTTP/1.1 body is received there by the
// kernel, an HTTP/2 body is copied there from its DATA frames. For gRPC the five-byte prefix is taken off and checked
// here, and a handler sees exactly one message.
//
// Threads: a connection lives on the loop that it was accepted for; its requests, calls and handlers are used on that
// loop only.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/budget.h"
#include "base/buffer.h"
#include "base/result.h"
#include "net/loop.h"
#include "net/stream.h"

namespace naru::net {

/// A header; names are in lower case.
struct Header {
  std::string_view name;
  std::string_view value;
};

/// Headers in the order of the wire.
class Headers {
 public:
  /// The first value of a header by its lower-case name; empty when it is not there.
  std::string_view Get(std::string_view lower_case_name) const;
  bool Has(std::string_view lower_case_name) const;
  const std::vector<Header>& all() const { return list_; }
  std::vector<Header>& all() { return list_; }

 private:
  std::vector<Header> list_;
};

/// The head of a request. Views are valid during Service::OnRequest only.
struct RequestHead {
  std::string_view method;
  std::string_view path;   // without the query
  std::string_view query;  // without '?'
  std::string_view authority;
  Headers headers;
  bool http2 = false;
  bool grpc = false;            // HTTP/2 with content-type application/grpc*
  int64_t content_length = -1;  // -1: not known
  const Address* peer = nullptr;
  const TlsInfo* tls = nullptr;  // null on plain connections
};

/// How a gRPC call ends.
struct GrpcStatus {
  Code code = Code::kOk;
  std::string_view message;
  /// A serialized google.rpc.Status for grpc-status-details-bin; empty for none.
  std::string_view details;
};

/// The answering side of a request. Answer exactly once. The reference that OnRequest gets stays valid until the call
/// is answered, or until the handler's OnAbort.
class ServerCall {
 public:
  virtual Loop& loop() = 0;
  virtual void Respond(int status, std::span<const Header> headers, Slice body) = 0;
  void Respond(int status, std::initializer_list<Header> headers, Slice body) {
    Respond(status, std::span<const Header>(headers.begin(), headers.size()), std::move(body));
  }
  /// Ends a gRPC call: with one message when the code is kOk, else with trailers only. `extra` are further trailers.
  virtual void RespondGrpc(const GrpcStatus& status, Slice message, std::span<const Header> extra = {}) = 0;
  /// Sends one of several messages of a gRPC answer; RespondGrpc ends it then, without a message. False when the client
  /// has yet to read 64 KiB of those before it, and when the call is not a gRPC call: nothing was sent.
  virtual bool SendGrpc(Slice message) {
    (void)message;
    return false;
  }

 protected:
  ~ServerCall() = default;
};

/// Takes the body of one request.
class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  /// gRPC only, before the message's bytes: whether it is compressed, and its length. Answer the call and return false
  /// to refuse.
  virtual bool OnMessage(bool compressed, uint32_t length) {
    (void)compressed;
    (void)length;
    return true;
  }
  /// Memory for the next body bytes: at least one byte. An empty span refuses: answer the call before. `expected` says
  /// how many more are known to come (0: not known); never allocate by it without a cap.
  virtual std::span<uint8_t> Reserve(size_t expected) = 0;
  /// `n` bytes are in the memory that Reserve gave.
  virtual void Commit(size_t n) = 0;
  /// The body is complete.
  virtual void OnEnd() = 0;
  /// The peer is gone or broke the protocol before the call was answered: the call must not be used any more.
  virtual void OnAbort() = 0;
  /// HTTP/1.1: the client has closed its side while the answer is waited for. Most have gone; some read on, so the call
  /// is to be answered all the same.
  virtual void OnHalfClosed() {}
};

/// Decides about requests. Called on every loop, concurrently.
class Service {
 public:
  virtual ~Service() = default;
  /// Returns a handler, or answers the call and returns null (what follows of the body is then discarded).
  virtual std::shared_ptr<RequestHandler> OnRequest(const RequestHead& head, ServerCall& call) = 0;
};

struct HttpServerOptions {
  bool http1 = true;
  bool http2 = true;
  uint32_t max_concurrent_streams = 1024;
  uint32_t stream_window = 4 << 20;
  uint32_t connection_window = 16 << 20;
  uint32_t max_header_bytes = 64 << 10;
  uint32_t max_headers = 256;
  Duration read_header_timeout = std::chrono::minutes(1);  // 0: none
  Duration read_timeout{0};                                // of a whole request
  Duration write_timeout{0};                               // without progress
  Duration idle_timeout{0};                                // HTTP/1.1 between requests
  bool keep_alives = true;
  // HTTP/1.1: a client that ends its side before it has its answer is gone, and the request is aborted. Else that is
  // found when the answer is written, and clients may end their side early. For answers that take long.
  bool half_closed_is_gone = false;
  // gRPC keepalive, server_parameters and enforcement_policy; zero means Go's defaults or never.
  Duration max_connection_idle{0};
  Duration max_connection_age{0};
  Duration max_connection_age_grace{0};
  Duration keepalive_time = std::chrono::hours(2);
  Duration keepalive_timeout = std::chrono::seconds(20);
  Duration min_ping_interval = std::chrono::minutes(5);
  bool permit_pings_without_stream = false;
  size_t max_connections = 100'000;
};

/// Why requests and connections ended badly. Thread-safe counters.
struct HttpServerStats {
  std::atomic<uint64_t> connections{0}, connections_open{0}, connections_refused{0}, protocol_errors{0}, timeouts{0},
      aborted{0}, requests{0}, headers_too_large{0}, too_many_pings{0};
};

class HttpServer {
 public:
  HttpServer(std::vector<Loop*> loops, HttpServerOptions options, Service& service, Budget& budget = Budget::Process());
  /// After Shutdown's `done`, or before anything was accepted.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;

  /// Serves a connection, on its loop's thread.
  void Accept(Loop& loop, std::unique_ptr<Stream> stream);
  /// Lets requests under way finish until `deadline` (HTTP/2: GOAWAY; HTTP/1.1: Connection: close), then closes what is
  /// left. `done` runs on loop 0's thread. Call once, on loop 0's thread; accept nothing afterwards.
  void Shutdown(MonoTime deadline, std::function<void()> done);
  const HttpServerStats& stats() const;

  struct Shared;  // implementation

 private:
  std::shared_ptr<Shared> shared_;
};

/// Percent-decoded copy ('+' is kept).
std::string PercentDecode(std::string_view text);
/// grpc-message encoding: printable ASCII but '%' stays.
std::string GrpcMessageEncode(std::string_view text);
/// The value of `key` in a query string, decoded; empty when it is not there.
std::string QueryValue(std::string_view query, std::string_view key);
std::string_view HttpReason(int status);

}  // namespace naru::net
