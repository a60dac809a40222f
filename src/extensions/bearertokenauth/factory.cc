#include "extensions/bearertokenauth/factory.h"

#include <sys/stat.h>

#include <cstdio>
#include <mutex>

namespace naru::extensions::bearertokenauth {
namespace {

struct Config {
  std::string scheme = "Bearer";
  std::string header = "Authorization";
  conf::Secret token;
  std::vector<conf::Secret> tokens;
  std::string filename;
  static void Describe(conf::Struct<Config>& s) {
    s.Field("scheme", &Config::scheme, "word before the token; empty for none");
    s.Field("header", &Config::header, "header that carries it");
    s.Field("token", &Config::token, "the token");
    s.Field("tokens", &Config::tokens, "several tokens that are good (receivers); the first is sent (exporters)");
    s.Field("filename", &Config::filename, "file with a token a line; wins over token; read again when it changes");
  }
  void Validate(conf::Issues& issues) const {
    if (token.empty() && tokens.empty() && filename.empty())
      issues.Add("", "no bearer token provided: give token, tokens or filename");
    if (!token.empty() && !tokens.empty()) issues.Add("", "either tokens or token should be provided, not both");
  }
};

bool SameSecret(std::string_view a, std::string_view b) {
  unsigned char diff = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size(); ++i)
    diff = static_cast<unsigned char>(diff | (a[i] ^ (b.empty() ? 0 : b[i % b.size()])));
  return diff == 0;
}

class BearerTokenAuth final : public pipeline::Extension, public pipeline::ServerAuth, public pipeline::ClientAuth {
 public:
  explicit BearerTokenAuth(const Config& c) : config_(c), header_(c.header) {
    for (char& ch : header_) {
      if (ch >= 'A' && ch <= 'Z') ch = static_cast<char>(ch | 0x20);
    }
    if (!c.token.empty()) tokens_.push_back(c.token.value());
    for (auto& t : c.tokens) tokens_.push_back(t.value());
  }

  Status Start(pipeline::Host&) override {
    if (config_.filename.empty()) return {};
    std::lock_guard lock(mutex_);
    if (!Refresh()) return Fail(Code::kFailedPrecondition, "cannot read the token file {}", config_.filename);
    return {};
  }
  pipeline::ServerAuth* server_auth() override { return this; }
  pipeline::ClientAuth* client_auth() override { return this; }

  Result<std::map<std::string, std::string, std::less<>>> Authenticate(const Header& header) override {
    std::string_view value = header(header_);
    if (value.empty()) return Fail(Code::kUnauthenticated, "missing or empty authorization header: {}", config_.header);
    std::lock_guard lock(mutex_);
    Refresh();
    for (auto& t : tokens_) {
      if (SameSecret(value, Value(t)))
        return std::map<std::string, std::string, std::less<>>{{"raw", std::string(value)}};
    }
    return Fail(Code::kUnauthenticated, "provided authorization does not match expected scheme or token");
  }

  std::vector<std::pair<std::string, std::string>> Headers(const pipeline::ClientInfo*) override {
    std::lock_guard lock(mutex_);
    Refresh();
    if (tokens_.empty()) return {};
    return {{header_, Value(tokens_[0])}};
  }

 private:
  std::string Value(const std::string& token) const {
    return config_.scheme.empty() ? token : config_.scheme + " " + token;
  }

  // Reads the file when its time or size has changed. With the mutex held. On failure the old tokens stay.
  bool Refresh() {
    if (config_.filename.empty()) return true;
    struct stat st {};
    if (stat(config_.filename.c_str(), &st) != 0) return !tokens_.empty();
    if (st.st_mtim.tv_sec == seen_.st_mtim.tv_sec && st.st_mtim.tv_nsec == seen_.st_mtim.tv_nsec &&
        st.st_size == seen_.st_size && st.st_ino == seen_.st_ino)
      return true;
    FILE* f = std::fopen(config_.filename.c_str(), "re");
    if (!f) return !tokens_.empty();
    std::string text;
    char buffer[4096];
    size_t n;
    while ((n = std::fread(buffer, 1, sizeof buffer, f)) > 0 && text.size() < (1u << 20)) text.append(buffer, n);
    std::fclose(f);
    std::vector<std::string> fresh;
    for (size_t at = 0; at < text.size();) {
      size_t eol = std::min(text.find('\n', at), text.size());
      std::string line = text.substr(at, eol - at);
      at = eol + 1;
      while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
      if (!line.empty()) fresh.push_back(std::move(line));
    }
    if (fresh.empty()) return !tokens_.empty();
    seen_ = st;
    tokens_ = std::move(fresh);
    return true;
  }

  Config config_;
  std::string header_;
  std::mutex mutex_;  // guards what follows
  std::vector<std::string> tokens_;
  struct stat seen_ {};
};

}  // namespace

std::unique_ptr<pipeline::Factory> NewFactory() {
  auto f = std::make_unique<pipeline::FactoryOf<Config>>();
  f->kind = pipeline::Kind::kExtension;
  f->type = "bearertokenauth";
  f->old_names = {"bearer_token_auth"};
  f->module = "github.com/open-telemetry/opentelemetry-collector-contrib/extension/bearertokenauthextension v0.155.0";
  f->summary = "a fixed token, for receivers and exporters";
  f->stability.extension = "beta";
  f->extension = [](const Config& c, pipeline::ExtensionContext) -> Result<std::unique_ptr<pipeline::Extension>> {
    return std::unique_ptr<pipeline::Extension>(std::make_unique<BearerTokenAuth>(c));
  };
  return f;
}

}  // namespace naru::extensions::bearertokenauth
