// TLS over any stream, by OpenSSL 3. Nothing of OpenSSL is touched before the first context is made.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/loop.h"
#include "net/stream.h"

namespace naru::net {

/// Certificates, keys and rules. Files are read when a context is made, and again at every reload.
struct TlsSettings {
  std::string ca_file, ca_pem, cert_file, cert_pem, key_file, key_pem;
  bool include_system_cas = false;
  std::string min_version = "1.2", max_version;
  std::vector<std::string> cipher_suites;  // IANA names
  std::vector<std::string> curves;         // X25519, P256, P384, P521
  std::vector<std::string> alpn;           // in order of preference
  // clients
  bool skip_verify = false;
  std::string server_name;  // what the server's certificate must be for
  // servers
  std::string client_ca_file;  // asks clients for certificates and verifies them
};

/// Loaded settings, shared by all connections of a client or server. Thread-safe; Reload swaps what new connections
/// get.
class TlsContext {
 public:
  /// Errors name the file and what is wrong with it.
  static Result<std::shared_ptr<TlsContext>> Make(TlsSettings settings, bool server);
  ~TlsContext();
  /// Reads the files again. On failure the old ones stay in use.
  Status Reload();

  /// Handshakes on a connected stream; `done` once, later, on the loop. Errors say why the peer was not trusted.
  std::unique_ptr<Connecting> Handshake(Loop& loop, std::unique_ptr<Stream> stream, Duration timeout,
                                        std::function<void(Result<std::unique_ptr<Stream>>)> done);
  const TlsSettings& settings() const { return settings_; }

 private:
  explicit TlsContext(TlsSettings settings, bool server) : settings_(std::move(settings)), server_(server) {}
  struct Loaded;
  TlsSettings settings_;
  bool server_;
  std::shared_ptr<Loaded> loaded_;  // swapped atomically
};

}  // namespace naru::net
