// The TLS blocks of clients and servers (configtls).
#pragma once

#include <string>
#include <vector>

#include "conf/schema.h"
#include "net/tls.h"

namespace naru::pipeline {

struct TlsConfig {
  std::string ca_file, cert_file, key_file;
  conf::Secret ca_pem, cert_pem, key_pem;
  bool include_system_ca_certs_pool = false;
  std::string min_version, max_version;  // "1.2" when empty; no limit
  std::vector<std::string> cipher_suites;
  bool include_insecure_cipher_suites = false;
  std::vector<std::string> curve_preferences;
  Duration reload_interval{0};
  static void Describe(conf::Struct<TlsConfig>& s);
  void Validate(conf::Issues& issues) const;
};

struct TlsClientConfig {
  TlsConfig tls;
  bool insecure = false;
  bool insecure_skip_verify = false;
  std::string server_name_override;
  static void Describe(conf::Struct<TlsClientConfig>& s);
};

struct TlsServerConfig {
  TlsConfig tls;
  std::string client_ca_file;
  bool client_ca_file_reload = false;
  static void Describe(conf::Struct<TlsServerConfig>& s);
  void Validate(conf::Issues& issues) const;
};

/// What the TLS layer needs of these blocks.
net::TlsSettings Settings(const TlsClientConfig& config, const std::string& server_name, std::vector<std::string> alpn);
net::TlsSettings Settings(const TlsServerConfig& config, std::vector<std::string> alpn);

}  // namespace naru::pipeline
