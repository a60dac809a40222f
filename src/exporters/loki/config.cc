#include "exporters/loki/config.h"

#include "net/http_client.h"

namespace naru::exporters::loki {

void DefaultLabelsConfig::Describe(conf::Struct<DefaultLabelsConfig>& s) {
  s.Field("exporter", &DefaultLabelsConfig::exporter, "`exporter=\"OTLP\"`");
  s.Field("job", &DefaultLabelsConfig::job, "`job`: `service.namespace/service.name`, or the name alone");
  s.Field("instance", &DefaultLabelsConfig::instance, "`instance`: `service.instance.id`");
  s.Field("level", &DefaultLabelsConfig::level,
          "`level`: the attribute of that name, else `TRACE` to `FATAL4` by the severity number");
}

// A push is compressed by itself.
Config::Config() {
  client.compression = "none";
}

void Config::Describe(conf::Struct<Config>& s) {
  s.Squash(&Config::client);
  s.Field("default_labels_enabled", &Config::default_labels_enabled, "labels that streams get without being asked for");
  s.Field("sending_queue", &Config::queue, "queue before sending");
  s.Field("retry_on_failure", &Config::retry, "retries");
}

void Config::Validate(conf::Issues& issues) const {
  if (client.endpoint.empty())
    issues.Add("endpoint", "must be the full URL of Loki's push API, such as http://loki:3100/loki/api/v1/push");
}

}  // namespace naru::exporters::loki
