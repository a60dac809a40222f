#include "exporters/zipkin/config.h"

namespace naru::exporters::zipkin {

Config::Config() {
  client.compression = "none";
  client.timeout = std::chrono::seconds(5);
}

void Config::Describe(conf::Struct<Config>& s) {
  s.Squash(&Config::client);
  s.Field("format", &Config::format, "`json` or `proto`: the form of Zipkin's v2 spans");
  s.Field("default_service_name", &Config::default_service_name, "service of spans whose resource names none");
  s.Field("sending_queue", &Config::queue, "queue before sending");
  s.Field("retry_on_failure", &Config::retry, "retries");
}

void Config::Validate(conf::Issues& issues) const {
  if (client.endpoint.empty())
    issues.Add("endpoint", "must be the full URL that takes spans, such as http://zipkin:9411/api/v2/spans");
  if (format != "json" && format != "proto") issues.Add("format", "must be json or proto");
}

}  // namespace naru::exporters::zipkin
