// Inside of the HTTP client: what a connection is to it. Not for users of net.
#pragma once

#include <deque>
#include <list>

#include "net/cookies.h"
#include "net/http_client.h"

namespace naru::net {

/// A request with everything that belongs to it until it is answered.
struct Exchange {
  ClientRequest request;
  ResponseCallback done;
  ClientResponse response;
  Timer deadline;
  size_t body_bytes = 0;
  size_t head_bytes = 0;  // of the answer, so far
  std::string fault;      // of the answer, for which the stream is reset; HTTP/2
  bool sent = false;      // on a connection's wire, at least in part
  int tries = 0;          // connections that went away before anything of the answer came
  class ClientConnection* connection = nullptr;
  int32_t stream = 0;  // HTTP/2
};
using ExchangePtr = std::shared_ptr<Exchange>;

/// One connection of a client.
class ClientConnection : public StreamHandler {
 public:
  virtual ~ClientConnection() = default;
  /// Called once, when the client has it in its list: from here on it may fail and ask to be removed.
  virtual void Begin() {}
  /// Room for another request now.
  virtual bool CanTake() const = 0;
  virtual bool idle() const = 0;
  virtual void Take(ExchangePtr exchange) = 0;
  /// The caller gave up on it: no callback any more.
  virtual void Forget(Exchange& exchange) = 0;
  /// Time passes: keepalive and idle limits. False: close it.
  virtual bool Check(MonoTime now) = 0;
  bool http2 = false;
  std::string peer;  // its address
};

struct HttpClient::Shared : std::enable_shared_from_this<HttpClient::Shared> {
  Shared(Loop& l, HttpClientOptions o, Connector c) : loop(l), options(std::move(o)), connector(std::move(c)) {}
  Loop& loop;
  HttpClientOptions options;
  Connector connector;
  std::list<std::unique_ptr<ClientConnection>> connections;
  std::list<std::unique_ptr<Connecting>> connecting;
  std::deque<ExchangePtr> waiting;
  std::vector<ExchangePtr> all;  // everything without an answer
  CookieJar cookies;
  Timer sweep, backoff;
  Duration next_backoff{0};
  bool closed = false;
  bool expect_http2 = false;  // what the last connection turned out to speak

  uint64_t UnixNow() { return loop.clock().UnixNano() / 1'000'000'000; }
  void Pump();
  void Connect();
  void Connected(Result<std::unique_ptr<Stream>> stream);
  /// Ends an exchange. `connection` (may be null) stays as it is.
  void Finish(const ExchangePtr& exchange, Result<ClientResponse> result);
  /// The connection broke under an exchange: tried once more on another one when nothing of an answer came, else
  /// failed.
  void Broken(const ExchangePtr& exchange, const Error& error, bool surely_unprocessed);
  void Remove(ClientConnection* connection);
  void Sweep();
};

std::unique_ptr<ClientConnection> NewHttp1Client(HttpClient::Shared& client, std::unique_ptr<Stream> stream);
std::unique_ptr<ClientConnection> NewHttp2Client(HttpClient::Shared& client, std::unique_ptr<Stream> stream);

}  // namespace naru::net
