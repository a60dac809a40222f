#include "extensions/basicauth/factory.h"

#include <crypt.h>

#include <cstdio>
#include <map>
#include <mutex>
#include <set>

#include "base/clock.h"
#include "wire/hash.h"

namespace naru::extensions::basicauth {
namespace {

struct Htpasswd {
  std::string file;
  conf::Secret inline_text;
  static void Describe(conf::Struct<Htpasswd>& s) {
    s.Field("file", &Htpasswd::file, "an htpasswd file");
    s.Field("inline", &Htpasswd::inline_text, "its lines here; these win over the file's");
  }
};
struct ClientLogin {
  std::string username;
  conf::Secret password;
  std::string username_file, password_file;
  static void Describe(conf::Struct<ClientLogin>& s) {
    s.Field("username", &ClientLogin::username, "user to log in as");
    s.Field("password", &ClientLogin::password, "its password");
    s.Field("username_file", &ClientLogin::username_file, "file with the user; read again for every request");
    s.Field("password_file", &ClientLogin::password_file, "file with the password; read again for every request");
  }
};
struct Config {
  conf::Optional<Htpasswd> htpasswd;
  conf::Optional<ClientLogin> client_auth;
  static void Describe(conf::Struct<Config>& s) {
    s.Field("htpasswd", &Config::htpasswd, "users that may send (receivers)");
    s.Field("client_auth", &Config::client_auth, "login of requests that are sent (exporters)");
  }
  void Validate(conf::Issues& issues) const {
    if (htpasswd && client_auth) issues.Add("", "only one of htpasswd or client_auth can be specified");
    if (!htpasswd && !client_auth) issues.Add("", "no credential source: htpasswd or client_auth must be specified");
  }
};

Result<std::string> ReadFile(const std::string& path) {
  FILE* f = std::fopen(path.c_str(), "re");
  if (!f) return Fail(Code::kFailedPrecondition, "cannot open {}", path);
  std::string out;
  char buffer[4096];
  size_t n;
  while ((n = std::fread(buffer, 1, sizeof buffer, f)) > 0 && out.size() < (4u << 20)) out.append(buffer, n);
  std::fclose(f);
  while (!out.empty() && (out.back() == '\n' || out.back() == '\r')) out.pop_back();
  return out;
}

// Compares in a time that does not depend on where the texts differ.
bool SameSecret(std::string_view a, std::string_view b) {
  unsigned char diff = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size(); ++i)
    diff = static_cast<unsigned char>(diff | (a[i] ^ (b.empty() ? 0 : b[i % b.size()])));
  return diff == 0;
}

// Apache's form of crypt's MD5 (`htpasswd -m`, `openssl passwd -apr1`), which libcrypt does not know. `stored` is
// "$apr1$salt$hash".
std::string Apr1(const std::string& stored, const std::string& password) {
  static constexpr std::string_view kMagic = "$apr1$";
  std::string salt = stored.substr(kMagic.size(), stored.find('$', kMagic.size()) - kMagic.size()).substr(0, 8);
  auto md5 = [](const std::string& text) { return *wire::HexDecode(wire::Md5Hex(text)); };
  std::string inner = md5(password + salt + password);
  std::string text = password + std::string(kMagic) + salt;
  for (size_t left = password.size(); left > 0; left -= std::min<size_t>(left, 16))
    text += inner.substr(0, std::min<size_t>(left, 16));
  for (size_t bits = password.size(); bits > 0; bits >>= 1) text += bits & 1 ? '\0' : password[0];
  std::string sum = md5(text);
  for (int round = 0; round < 1000; ++round) {
    std::string next = round & 1 ? password : sum;
    if (round % 3) next += salt;
    if (round % 7) next += password;
    next += round & 1 ? sum : password;
    sum = md5(next);
  }
  // Six bits a character, lowest first, the bytes in an order of the format's own.
  static constexpr char kAlphabet[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::string out = std::string(kMagic) + salt + "$";
  auto put = [&](uint32_t bits, int characters) {
    for (; characters > 0; --characters, bits >>= 6) out += kAlphabet[bits & 63];
  };
  auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(sum[i])); };
  for (size_t i = 0; i < 5; ++i) put(byte(i) << 16 | byte(i + 6) << 8 | byte(i == 4 ? 5 : i + 12), 4);
  put(byte(11), 2);
  return out;
}

bool PasswordMatches(const std::string& stored, const std::string& password) {
  if (stored.rfind("{SHA}", 0) == 0) {
    std::string hex = wire::Sha1Hex(password);
    auto raw = wire::HexDecode(hex);
    return raw && SameSecret(wire::Base64Encode(*raw), stored.substr(5));
  }
  if (stored.rfind("{SSHA}", 0) == 0) {
    // SHA-1 of password and salt, with the salt behind it.
    static constexpr size_t kSha1 = 20;
    auto sum = wire::Base64Decode(stored.substr(6));
    if (!sum || sum->size() < kSha1) return false;
    auto raw = wire::HexDecode(wire::Sha1Hex(password + sum->substr(kSha1)));
    return raw && SameSecret(*raw, sum->substr(0, kSha1));
  }
  if (stored.rfind("$2", 0) == 0 || stored.rfind("$5$", 0) == 0 || stored.rfind("$6$", 0) == 0 ||
      stored.rfind("$1$", 0) == 0 || stored.rfind("$y$", 0) == 0) {
    crypt_data data{};
    const char* made = crypt_r(password.c_str(), stored.c_str(), &data);
    return made && made[0] != '*' && SameSecret(made, stored);
  }
  if (stored.rfind("$apr1$", 0) == 0) return SameSecret(Apr1(stored, password), stored);
  return SameSecret(password, stored);
}

class BasicAuth final : public pipeline::Extension, public pipeline::ServerAuth, public pipeline::ClientAuth {
 public:
  explicit BasicAuth(const Config& c) : config_(c) {}

  Status Start(pipeline::Host&) override {
    if (!config_.htpasswd) return {};
    if (config_.htpasswd->file.empty() && config_.htpasswd->inline_text.empty())
      return Fail(Code::kInvalidArgument, "no credential source: htpasswd needs file or inline");
    std::string text;
    if (!config_.htpasswd->file.empty()) {
      auto file = ReadFile(config_.htpasswd->file);
      if (!file) return Fail(Code::kFailedPrecondition, "read htpasswd file: {}", file.error().message);
      text = *file;
    }
    text += "\n" + config_.htpasswd->inline_text.value();
    for (size_t at = 0; at < text.size();) {
      size_t eol = std::min(text.find('\n', at), text.size());
      std::string line = text.substr(at, eol - at);
      at = eol + 1;
      while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
      while (!line.empty() && line.front() == ' ') line.erase(0, 1);
      size_t colon = line.find(':');
      if (line.empty() || line[0] == '#' || colon == std::string::npos) continue;
      users_[line.substr(0, colon)] = line.substr(colon + 1);
    }
    return {};
  }

  pipeline::ServerAuth* server_auth() override { return config_.htpasswd ? this : nullptr; }
  pipeline::ClientAuth* client_auth() override { return config_.client_auth ? this : nullptr; }

  Result<std::map<std::string, std::string, std::less<>>> Authenticate(const Header& header) override {
    std::string_view value = header("authorization");
    if (value.empty()) return Fail(Code::kUnauthenticated, "no basic auth provided");
    static constexpr std::string_view kScheme = "basic ";
    bool basic = value.size() > kScheme.size();
    for (size_t i = 0; basic && i < kScheme.size(); ++i) basic = (value[i] | 0x20) == kScheme[i];
    if (!basic) return Fail(Code::kUnauthenticated, "invalid authorization scheme prefix");
    std::string raw(value.substr(kScheme.size()));
    auto text = wire::Base64Decode(raw);
    size_t colon = text ? text->find(':') : std::string::npos;
    if (colon == std::string::npos) return Fail(Code::kUnauthenticated, "invalid authorization format");
    std::string user = text->substr(0, colon), password = text->substr(colon + 1);
    if (!Known(raw)) {
      auto it = users_.find(user);
      if (it == users_.end() || !PasswordMatches(it->second, password))
        return Fail(Code::kUnauthenticated, "invalid credentials");
      Remember(raw);
    }
    return std::map<std::string, std::string, std::less<>>{{"username", user}, {"raw", raw}};
  }

  std::vector<std::pair<std::string, std::string>> Headers(const pipeline::ClientInfo*) override {
    auto& c = *config_.client_auth;
    std::string user = c.username, password = c.password.value();
    if (!c.username_file.empty()) user = ReadFile(c.username_file).value_or(user);
    if (!c.password_file.empty()) password = ReadFile(c.password_file).value_or(password);
    return {{"authorization", "Basic " + wire::Base64Encode(user + ":" + password)}};
  }

 private:
  // Password hashes are slow on purpose, requests are many: logins that were right once are known by a digest with a
  // key of this process.
  static constexpr size_t kKnown = 1024;
  std::string Digest(const std::string& raw) const { return wire::Sha256Hex(key_ + raw); }
  bool Known(const std::string& raw) {
    std::string digest = Digest(raw);
    std::lock_guard lock(mutex_);
    return known_.count(digest) != 0;
  }
  void Remember(const std::string& raw) {
    std::string digest = Digest(raw);
    std::lock_guard lock(mutex_);
    if (known_.size() >= kKnown) known_.clear();
    known_.insert(std::move(digest));
  }

  Config config_;
  std::map<std::string, std::string> users_;  // read-only after Start
  std::string key_ = std::to_string(Random::System().Next()) + std::to_string(Random::System().Next());
  std::mutex mutex_;  // guards known_
  std::set<std::string> known_;
};

}  // namespace

std::unique_ptr<pipeline::Factory> NewFactory() {
  auto f = std::make_unique<pipeline::FactoryOf<Config>>();
  f->kind = pipeline::Kind::kExtension;
  f->type = "basicauth";
  f->old_names = {"basic_auth"};
  f->module = "github.com/open-telemetry/opentelemetry-collector-contrib/extension/basicauthextension v0.155.0";
  f->summary = "user and password, for receivers and exporters";
  f->stability.extension = "beta";
  f->extension = [](const Config& c, pipeline::ExtensionContext) -> Result<std::unique_ptr<pipeline::Extension>> {
    return std::unique_ptr<pipeline::Extension>(std::make_unique<BasicAuth>(c));
  };
  return f;
}

}  // namespace naru::extensions::basicauth
