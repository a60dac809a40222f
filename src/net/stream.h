// Streams of bytes, listeners and addresses: what the loop hands out. A plain socket, TLS over one, and a simulated
// connection all look like a Stream; HTTP is written against it alone.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace naru::net {

/// A numeric IP address with port, or the path of a unix socket.
struct Address {
  enum class Kind : uint8_t { kIpv4, kIpv6, kUnix } kind = Kind::kIpv4;
  std::string host;  // "127.0.0.1", "::1" (no brackets), or the path of a unix socket ('@' first: abstract)
  uint16_t port = 0;
  bool operator==(const Address&) const = default;
  /// "127.0.0.1:4317", "[::1]:4317", "unix:///path".
  std::string ToString() const;
  bool IsLoopback() const;
  bool IsUnspecified() const;
  /// Parses a numeric "host:port", "[v6]:port", ":port" (all interfaces, as in Go) or "unix:..." address; a host name
  /// is an error (the resolver turns names into addresses).
  static Result<Address> Parse(std::string_view text);
};

/// What TLS told about the other side; absent on plain streams.
struct TlsInfo {
  std::string alpn;          // "h2", "http/1.1" or empty
  std::string version;       // "TLSv1.3"
  std::string peer_subject;  // RFC 2253 form of the verified client certificate; empty without one
};

/// Events of a stream, on its loop's thread. Level-triggered: OnReadable comes again while bytes wait.
class StreamHandler {
 public:
  virtual ~StreamHandler() = default;
  virtual void OnReadable() = 0;
  virtual void OnWritable() = 0;
};

/// Result of a read or write: a byte count, or one of these.
struct IoResult {
  enum Kind : uint8_t { kBytes, kWouldBlock, kEof, kError };
  Kind kind = kBytes;
  size_t n = 0;
  int error = 0;  // errno when kError
};

class Stream;
/// Why a read or write of `stream` failed, for a message. Only for kError.
std::string FailureText(const Stream& stream, const IoResult& result);

/// A connected, non-blocking byte stream, owned by one loop. Destroying it closes it. All calls on the loop's thread.
/// A stream may be destroyed inside its own handler's callbacks.
class Stream {
 public:
  virtual ~Stream() = default;
  /// Whom to tell; must be set before the next turn of the loop. Reading interest starts on, writing interest off.
  virtual void SetHandler(StreamHandler* handler) = 0;
  virtual IoResult Read(std::span<uint8_t> into) = 0;
  /// Writes a prefix of the vectors (at most 1,024 are looked at).
  virtual IoResult Writev(const iovec* vectors, int count) = 0;
  /// Backpressure: without interest the kernel's buffer fills and the peer stops.
  virtual void WantRead(bool on) = 0;
  virtual void WantWrite(bool on) = 0;
  /// Sends what was written and then end-of-stream; reading goes on.
  virtual void ShutdownWrite() = 0;
  virtual const Address& peer() const = 0;
  virtual const Address& local() const = 0;
  /// What the last kError means, where that is more than its errno says (a TLS alert); else empty.
  virtual std::string Reason() const { return {}; }
  /// Null on a plain stream.
  virtual const TlsInfo* tls() const { return nullptr; }
};

struct ListenOptions {
  int backlog = 1024;
  bool reuse_port = false;
};

/// A listening socket; destroying it closes it. On the loop that made it.
class Listener {
 public:
  virtual ~Listener() = default;
  /// The bound address (with the real port when 0 was asked for).
  virtual const Address& local() const = 0;
  /// Stops and starts accepting (connections wait in the backlog).
  virtual void Pause(bool on) = 0;
};

/// A connection attempt under way; destroying it cancels it.
class Connecting {
 public:
  virtual ~Connecting() = default;
};

}  // namespace naru::net
