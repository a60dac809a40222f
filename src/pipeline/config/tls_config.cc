#include "pipeline/config/tls_config.h"

#include <algorithm>

namespace naru::pipeline {

void TlsConfig::Describe(conf::Struct<TlsConfig>& s) {
  s.Field("ca_file", &TlsConfig::ca_file, "file with the CA certificates that the other side's must come from");
  s.Field("ca_pem", &TlsConfig::ca_pem, "the same, inline");
  s.Field("cert_file", &TlsConfig::cert_file, "file with the own certificate");
  s.Field("cert_pem", &TlsConfig::cert_pem, "the same, inline");
  s.Field("key_file", &TlsConfig::key_file, "file with its private key");
  s.Field("key_pem", &TlsConfig::key_pem, "the same, inline");
  s.Field("include_system_ca_certs_pool", &TlsConfig::include_system_ca_certs_pool, "trust the system's CAs too");
  s.Field("min_version", &TlsConfig::min_version, "least TLS version: `1.0`, `1.1`, `1.2` (default), `1.3`");
  s.Field("max_version", &TlsConfig::max_version, "greatest TLS version");
  s.Field("cipher_suites", &TlsConfig::cipher_suites, "cipher suites of TLS up to 1.2, by their IANA names");
  s.Field("include_insecure_cipher_suites", &TlsConfig::include_insecure_cipher_suites,
          "allow the suites that Go calls insecure in cipher_suites");
  s.Field("curve_preferences", &TlsConfig::curve_preferences,
          "key exchange groups: `X25519`, `P256`, `P384`, `P521`, and `X25519MLKEM768` where OpenSSL knows it");
  s.Field("reload_interval", &TlsConfig::reload_interval,
          "read certificate, key and CA files again after this time; 0 never");
}

void TlsConfig::Validate(conf::Issues& issues) const {
  auto both = [&](const std::string& file, const conf::Secret& pem, std::string_view name) {
    if (!file.empty() && !pem.empty())
      issues.Add(fmt::format("{}_file", name), fmt::format("give either {}_file or {}_pem, not both", name, name));
  };
  both(ca_file, ca_pem, "ca");
  both(cert_file, cert_pem, "cert");
  both(key_file, key_pem, "key");
  bool cert = !cert_file.empty() || !cert_pem.empty(), key = !key_file.empty() || !key_pem.empty();
  if (cert != key) issues.Add("", "for auth via TLS, provide both certificate and key, or neither");
  static const std::vector<std::string> kVersions = {"", "1.0", "1.1", "1.2", "1.3"};
  for (auto& [name, v] : {std::pair("min_version", min_version), std::pair("max_version", max_version)}) {
    if (std::find(kVersions.begin(), kVersions.end(), v) == kVersions.end())
      issues.Add(name, fmt::format("unsupported TLS version: \"{}\"", v));
  }
  if (!min_version.empty() && !max_version.empty() && min_version > max_version) {
    issues.Add("min_version", "min_version cannot be greater than max_version");
  }
  // What Go 1.26 calls insecure: no forward secrecy, or CBC with SHA-256.
  auto insecure = [](std::string_view name) {
    return name.starts_with("TLS_RSA_") || name.ends_with("_CBC_SHA256") || name.find("RC4") != name.npos ||
           name.find("3DES") != name.npos;
  };
  for (auto& name : cipher_suites) {
    if (insecure(name) && !include_insecure_cipher_suites) {
      issues.Add(
          "cipher_suites",
          fmt::format("invalid TLS cipher suite: \"{}\" is insecure; include_insecure_cipher_suites allows it", name));
    }
  }
  static const std::vector<std::string> kCurves = {"X25519", "P256", "P384", "P521", "X25519MLKEM768"};
  for (auto& c : curve_preferences) {
    if (std::find(kCurves.begin(), kCurves.end(), c) == kCurves.end())
      issues.Add("curve_preferences",
                 fmt::format("invalid curve type: {} (X25519, P256, P384, P521, X25519MLKEM768)", c));
  }
}

void TlsClientConfig::Describe(conf::Struct<TlsClientConfig>& s) {
  s.Squash(&TlsClientConfig::tls);
  s.Field("insecure", &TlsClientConfig::insecure, "no TLS (gRPC); HTTP goes by the scheme of the endpoint");
  s.Field("insecure_skip_verify", &TlsClientConfig::insecure_skip_verify,
          "TLS without looking at the server's certificate");
  s.Field("server_name_override", &TlsClientConfig::server_name_override,
          "name that the server's certificate must have");
}

void TlsServerConfig::Describe(conf::Struct<TlsServerConfig>& s) {
  s.Squash(&TlsServerConfig::tls);
  s.Field("client_ca_file", &TlsServerConfig::client_ca_file,
          "CA that client certificates must come from; asks clients for one (mTLS)");
  s.Field("client_ca_file_reload", &TlsServerConfig::client_ca_file_reload,
          "read client_ca_file again when it changes");
}

void TlsServerConfig::Validate(conf::Issues& issues) const {
  if (tls.cert_file.empty() && tls.cert_pem.empty())
    issues.Add("cert_file", "a TLS server needs a certificate and its key (cert_file, key_file)");
}

namespace {

net::TlsSettings Shared(const TlsConfig& c, std::vector<std::string> alpn) {
  net::TlsSettings s;
  s.ca_file = c.ca_file;
  s.ca_pem = c.ca_pem.value();
  s.cert_file = c.cert_file;
  s.cert_pem = c.cert_pem.value();
  s.key_file = c.key_file;
  s.key_pem = c.key_pem.value();
  s.include_system_cas = c.include_system_ca_certs_pool;
  s.min_version = c.min_version;
  s.max_version = c.max_version;
  s.cipher_suites = c.cipher_suites;
  s.curves = c.curve_preferences;
  s.alpn = std::move(alpn);
  return s;
}

}  // namespace

net::TlsSettings Settings(const TlsClientConfig& c, const std::string& server_name, std::vector<std::string> alpn) {
  net::TlsSettings s = Shared(c.tls, std::move(alpn));
  s.skip_verify = c.insecure_skip_verify;
  s.server_name = c.server_name_override.empty() ? server_name : c.server_name_override;
  return s;
}

net::TlsSettings Settings(const TlsServerConfig& c, std::vector<std::string> alpn) {
  net::TlsSettings s = Shared(c.tls, std::move(alpn));
  s.client_ca_file = c.client_ca_file;
  return s;
}

}  // namespace naru::pipeline
