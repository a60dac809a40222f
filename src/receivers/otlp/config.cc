#include "receivers/otlp/config.h"

namespace naru::receivers::otlp {

void HttpProtocol::Describe(conf::Struct<HttpProtocol>& s) {
  s.Squash(&HttpProtocol::server);
  s.Field("traces_url_path", &HttpProtocol::traces_url_path, "path that takes traces");
  s.Field("metrics_url_path", &HttpProtocol::metrics_url_path, "path that takes metrics");
  s.Field("logs_url_path", &HttpProtocol::logs_url_path, "path that takes logs");
  s.Field("profiles_url_path", &HttpProtocol::profiles_url_path, "path that takes profiles");
}

void Protocols::Describe(conf::Struct<Protocols>& s) {
  s.Field("grpc", &Protocols::grpc, "OTLP/gRPC; the key alone turns it on");
  s.Field("http", &Protocols::http, "OTLP/HTTP, protobuf and JSON; the key alone turns it on");
}

void Config::Describe(conf::Struct<Config>& s) {
  s.Field("protocols", &Config::protocols, "what is listened for");
}

void Config::Validate(conf::Issues& issues) const {
  if (!protocols.grpc && !protocols.http)
    issues.Add("protocols", "must specify at least one protocol when using the OTLP receiver");
}

}  // namespace naru::receivers::otlp
