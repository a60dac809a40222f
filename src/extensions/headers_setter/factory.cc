#include "extensions/headers_setter/factory.h"

#include <algorithm>

#include "pipeline/attribute_actions.h"

namespace naru::extensions::headers_setter {
namespace {

struct HeaderRule {
  std::string action = "upsert";
  std::optional<std::string> key, value, from_context, from_attribute;
  std::optional<conf::Secret> default_value;
  static void Describe(conf::Struct<HeaderRule>& s) {
    s.Field("action", &HeaderRule::action, "`insert`, `update`, `upsert` (default) or `delete`");
    s.Field("key", &HeaderRule::key, "the header");
    s.Field("value", &HeaderRule::value, "its value");
    s.Field("from_context", &HeaderRule::from_context, "take the value from the client's metadata of this name");
    s.Field("from_attribute", &HeaderRule::from_attribute, "take the value from what the authenticator learnt");
    s.Field("default_value", &HeaderRule::default_value, "value when the source has none");
  }
};

struct Config {
  std::vector<HeaderRule> headers;
  std::optional<std::string> additional_auth;
  static void Describe(conf::Struct<Config>& s) {
    s.Field("headers", &Config::headers, "rules, in order");
    s.Field("additional_auth", &Config::additional_auth, "authenticator whose headers are set before");
  }
  void Validate(conf::Issues& issues) const {
    if (headers.empty()) issues.Add("headers", "missing header settings");
    for (size_t i = 0; i < headers.size(); ++i) {
      auto& h = headers[i];
      std::string path = fmt::format("headers::{}", i);
      if (!h.key || h.key->empty()) issues.Add(path, "missing header name");
      if (h.action != "insert" && h.action != "update" && h.action != "upsert" && h.action != "delete")
        issues.Add(path + "::action", "must be insert, update, upsert or delete");
      int sources = (h.value ? 1 : 0) + (h.from_context ? 1 : 0) + (h.from_attribute ? 1 : 0);
      if (h.action != "delete" && sources == 0)
        issues.Add(path, "missing header source, must be 'from_context', 'from_attribute' or 'value'");
      if (sources > 1)
        issues.Add(path, "invalid header source, must either 'from_context', 'from_attribute' or 'value'");
    }
  }
};

class HeadersSetter final : public pipeline::Extension, public pipeline::ClientAuth {
 public:
  HeadersSetter(const Config& c, pipeline::ExtensionContext context) : config_(c), context_(std::move(context)) {}

  Status Start(pipeline::Host& host) override {
    for (auto& h : config_.headers) {
      if (h.from_context || h.from_attribute) host.WantClientInfo();
    }
    if (!config_.additional_auth) return {};
    auto* x = host.FindExtension(*config_.additional_auth);
    more_ = x ? x->client_auth() : nullptr;
    if (!more_)
      return Fail(Code::kInvalidArgument, "additional_auth \"{}\" is no client authenticator in service::extensions",
                  *config_.additional_auth);
    return {};
  }
  pipeline::ClientAuth* client_auth() override { return this; }

  std::vector<std::pair<std::string, std::string>> Headers(const pipeline::ClientInfo* client) override {
    std::vector<std::pair<std::string, std::string>> out;
    if (more_) out = more_->Headers(client);
    for (auto& h : config_.headers) {
      std::string name = *h.key;
      for (char& c : name) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
      }
      auto it = std::find_if(out.begin(), out.end(), [&](auto& e) { return e.first == name; });
      if (h.action == "delete") {
        if (it != out.end()) out.erase(it);
        continue;
      }
      std::string value;
      bool found = true;
      if (h.value) {
        value = *h.value;
      } else if (h.from_context) {
        found = pipeline::LookupContext(client, "metadata." + *h.from_context, &value);
      } else {
        found = pipeline::LookupContext(client, "auth." + *h.from_attribute, &value);
      }
      if (!found && h.default_value) {
        value = h.default_value->value();
        found = true;
      }
      if (!found) continue;
      if (it == out.end()) {
        if (h.action != "update") out.emplace_back(name, value);
      } else if (h.action != "insert") {
        it->second = value;
      }
    }
    return out;
  }

 private:
  Config config_;
  pipeline::ExtensionContext context_;
  pipeline::ClientAuth* more_ = nullptr;
};

}  // namespace

std::unique_ptr<pipeline::Factory> NewFactory() {
  auto f = std::make_unique<pipeline::FactoryOf<Config>>();
  f->kind = pipeline::Kind::kExtension;
  f->type = "headers_setter";
  f->module = "github.com/open-telemetry/opentelemetry-collector-contrib/extension/headerssetterextension v0.155.0";
  f->summary = "sets headers of requests that are sent, from what came in";
  f->stability.extension = "alpha";
  f->extension = [](const Config& c, pipeline::ExtensionContext ctx) -> Result<std::unique_ptr<pipeline::Extension>> {
    return std::unique_ptr<pipeline::Extension>(std::make_unique<HeadersSetter>(c, std::move(ctx)));
  };
  return f;
}

}  // namespace naru::extensions::headers_setter
