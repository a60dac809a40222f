// From a host name to a connected stream: resolution off the loop, all addresses in turn.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "net/http_client.h"
#include "net/loop.h"

namespace naru::net {

/// Looks up the addresses of `host` (numeric ones at once) by the system's resolver, on a worker thread. `done` runs on
/// `loop`, later. Destroying the handle cancels.
[[nodiscard]] std::unique_ptr<Connecting> ResolveName(Loop& loop, const std::string& host, uint16_t port,
                                                      std::function<void(Result<std::vector<Address>>)> done);

/// The same on the calling thread, which it may block for seconds: for the start of a process. IPv4 first.
Result<std::vector<Address>> ResolveNow(const std::string& host, uint16_t port);

struct DialTarget {
  std::string host;  // a name, a numeric address, or the path of a unix socket
  uint16_t port = 0;
  bool unix_path = false;
  bool round_robin = true;  // each connection starts with the next address; else always with the first
};

/// Wraps a connected stream (TLS, a proxy's CONNECT). `done` once, later.
using StreamWrapper = std::function<std::unique_ptr<Connecting>(Loop&, std::unique_ptr<Stream>, Duration timeout,
                                                                std::function<void(Result<std::unique_ptr<Stream>>)>)>;

/// A Connector for `target`: every call resolves (answers are kept for ten seconds), then tries the addresses one after
/// another until one connects. The connector belongs to one loop.
/// With a `state` each goes first to the address with the fewest of the client's connections.
Connector MakeConnector(DialTarget target, StreamWrapper wrap = nullptr, std::shared_ptr<DialState> state = nullptr);

}  // namespace naru::net
