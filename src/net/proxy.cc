#include "net/proxy.h"

#include <arpa/inet.h>

#include <cstdlib>
#include <cstring>

#include "net/loop.h"
#include "wire/hash.h"

namespace naru::net {
namespace {

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return out;
}

std::string PercentDecoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    std::optional<std::string> byte;
    if (text[i] == '%' && i + 2 < text.size()) byte = wire::HexDecode(text.substr(i + 1, 2));
    if (byte) {
      out += *byte;
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// An IP address as 16 bytes (IPv4 mapped into IPv6), or nothing.
std::optional<std::string> IpBytes(const std::string& text) {
  unsigned char ip[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (inet_pton(AF_INET, text.c_str(), ip + 12) == 1 || inet_pton(AF_INET6, text.c_str(), ip) == 1)
    return std::string(reinterpret_cast<char*>(ip), 16);
  return std::nullopt;
}

bool SamePrefix(const std::string& a, const std::string& b, unsigned bits) {
  unsigned bytes = bits / 8;
  if (a.compare(0, bytes, b, 0, bytes) != 0) return false;
  if (bits % 8 == 0) return true;
  auto mask = static_cast<unsigned char>(0xff << (8 - bits % 8));
  return (static_cast<unsigned char>(a[bytes]) & mask) == (static_cast<unsigned char>(b[bytes]) & mask);
}

// One word of NO_PROXY: `*`, an address, a network (CIDR), `name`, `.name` (only what is below it), `*.name`; each with
// `:port` or without.
bool Excluded(std::string word, const std::string& host, const std::optional<std::string>& ip, uint16_t port) {
  if (word == "*") return true;
  if (size_t slash = word.find('/'); slash != std::string::npos) {
    auto network = IpBytes(word.substr(0, slash));
    char* end = nullptr;
    unsigned long bits = std::strtoul(word.c_str() + slash + 1, &end, 10);
    bool v4 = word.find(':') == std::string::npos;
    if (!network || *end || end == word.c_str() + slash + 1 || bits > (v4 ? 32u : 128u) || !ip) return false;
    return SamePrefix(*network, *ip, static_cast<unsigned>(bits) + (v4 ? 96 : 0));
  }
  bool bare_v6 = IpBytes(word).has_value();
  if (size_t colon = word.rfind(':'); !bare_v6 && colon != std::string::npos && word.back() != ']') {
    if (word.substr(colon + 1) != std::to_string(port)) return false;
    word.resize(colon);
  }
  if (word.size() > 1 && word.front() == '[' && word.back() == ']') word = word.substr(1, word.size() - 2);
  if (auto address = IpBytes(word)) return ip && *address == *ip;
  if (word.rfind("*.", 0) == 0) word.erase(0, 1);
  if (word.empty()) return false;
  auto below = [&](const std::string& suffix) {
    return host.size() > suffix.size() && host.compare(host.size() - suffix.size(), suffix.size(), suffix) == 0;
  };
  return word[0] == '.' ? below(word) : host == word || below("." + word);
}

}  // namespace

ProxyEnvironment ProxyEnvironment::From(const std::function<std::string(const char*)>& variable) {
  auto either = [&](const char* upper, const char* lower) {
    std::string v = variable(upper);
    return v.empty() ? variable(lower) : v;
  };
  return ProxyEnvironment{either("HTTP_PROXY", "http_proxy"), either("HTTPS_PROXY", "https_proxy"),
                          either("NO_PROXY", "no_proxy")};
}

const ProxyEnvironment& ProxyEnvironment::Process() {
  static const ProxyEnvironment e = From([](const char* name) {
    const char* v = std::getenv(name);
    return std::string(v ? v : "");
  });
  return e;
}

Result<std::optional<Url>> ProxyEnvironment::For(std::string_view scheme, std::string_view host, uint16_t port) const {
  const std::string& proxy = scheme == "https" ? https : http;
  if (proxy.empty()) return std::nullopt;
  std::string name = Lower(host);
  while (!name.empty() && name.back() == '.') name.pop_back();
  auto ip = IpBytes(name);
  bool loopback = name == "localhost" || (ip && (IpBytes("::1") == ip || SamePrefix(*ip, *IpBytes("127.0.0.0"), 104)));
  if (loopback) return std::nullopt;
  std::string list = Lower(no_proxy);
  for (size_t at = 0; at <= list.size();) {
    size_t comma = std::min(list.find(',', at), list.size());
    std::string word = list.substr(at, comma - at);
    at = comma + 1;
    while (!word.empty() && word.back() == ' ') word.pop_back();
    while (!word.empty() && word.front() == ' ') word.erase(0, 1);
    if (!word.empty() && Excluded(std::move(word), name, ip, port)) return std::nullopt;
  }
  auto url = ParseProxy(proxy);
  if (!url) return tl::unexpected(url.error());
  return *url;
}

Result<Url> ParseProxy(std::string_view text) {
  auto url = Url::Parse(text.find("://") == std::string_view::npos ? "http://" + std::string(text) : std::string(text));
  if (!url) return Fail(Code::kInvalidArgument, "invalid proxy address: {}", url.error().message);
  if (url->scheme == "socks5h") url->scheme = "socks5";
  if (url->scheme != "http" && url->scheme != "https" && url->scheme != "socks5")
    return Fail(Code::kInvalidArgument, "invalid proxy address: scheme \"{}\" (http, https, socks5)", url->scheme);
  if (url->scheme == "socks5" && url->port == 80 && text.rfind(":80") == std::string_view::npos) url->port = 1080;
  return url;
}

std::string ProxyAuthorization(const Url& proxy) {
  return proxy.userinfo.empty() ? "" : "Basic " + wire::Base64Encode(PercentDecoded(proxy.userinfo));
}

namespace {

// A conversation with a proxy before the stream belongs to who asked for it. Reads byte by byte: what comes behind the
// proxy's answer is the server's, and stays in the socket.
class Negotiation : public Connecting, protected StreamHandler {
 public:
  Negotiation(Loop& loop, std::unique_ptr<Stream> stream, Duration timeout,
              std::function<void(Result<std::unique_ptr<Stream>>)> done)
      : loop_(loop), stream_(std::move(stream)), done_(std::move(done)) {
    stream_->SetHandler(this);
    deadline_ = loop_.AddTimer(timeout, [this] { Fail("no answer within the timeout"); });
  }
  ~Negotiation() override = default;
  /// After construction: the first words.
  void Begin(std::string words) { Say(std::move(words)); }

 protected:
  /// A byte came.
  virtual void Hear(char c) = 0;

  void Say(std::string words) {
    out_ += words;
    OnWritable();
  }
  void Succeed() {
    if (over_) return;
    over_ = true;
    deadline_.Cancel();
    stream_->WantRead(true);
    // At the next turn: this runs inside the stream's own callback.
    last_ = loop_.AddTimer(Duration(0), [this] {
      auto done = std::move(done_);
      done(std::move(stream_));
    });
  }
  void Fail(std::string why) {
    if (over_) return;
    over_ = true;
    deadline_.Cancel();
    stream_->WantRead(false);
    stream_->WantWrite(false);
    last_ = loop_.AddTimer(Duration(0), [this, why = std::move(why)] {
      auto done = std::move(done_);
      done(Unavailable("proxy: {}", why));
    });
  }
  bool over() const { return over_; }

 private:
  void OnReadable() override {
    while (!over_) {
      uint8_t c;
      IoResult r = stream_->Read({&c, 1});
      if (r.kind == IoResult::kWouldBlock) return;
      if (r.kind == IoResult::kBytes && r.n == 1) {
        Hear(static_cast<char>(c));
        continue;
      }
      if (r.kind == IoResult::kBytes) return;
      return Fail(r.kind == IoResult::kEof ? "it closed the connection" : std::strerror(r.error));
    }
  }
  void OnWritable() override {
    while (!over_ && !out_.empty()) {
      iovec v{out_.data(), out_.size()};
      IoResult r = stream_->Writev(&v, 1);
      if (r.kind == IoResult::kWouldBlock || (r.kind == IoResult::kBytes && r.n == 0)) return stream_->WantWrite(true);
      if (r.kind != IoResult::kBytes)
        return Fail(r.kind == IoResult::kEof ? "it closed the connection" : std::strerror(r.error));
      out_.erase(0, r.n);
    }
    if (!over_) stream_->WantWrite(false);
  }

  Loop& loop_;
  std::unique_ptr<Stream> stream_;
  std::function<void(Result<std::unique_ptr<Stream>>)> done_;
  Timer deadline_, last_;
  std::string out_;
  bool over_ = false;
};

class HttpTunnel final : public Negotiation {
 public:
  using Negotiation::Negotiation;

 private:
  void Hear(char c) override {
    head_ += c;
    if (head_.size() > (64u << 10)) return Fail("its answer is too long");
    if (head_.size() < 4 || head_.compare(head_.size() - 4, 4, "\r\n\r\n") != 0) return;
    // "HTTP/1.1 200 Connection established"
    size_t space = head_.find(' ');
    std::string line = head_.substr(0, head_.find("\r\n"));
    if (line.rfind("HTTP/1.", 0) == 0 && space != std::string::npos && head_.compare(space + 1, 1, "2") == 0)
      return Succeed();
    Fail("CONNECT is answered with \"" + line.substr(0, 100) + "\"");
  }
  std::string head_;
};

class SocksTunnel final : public Negotiation {
 public:
  SocksTunnel(Loop& loop, std::unique_ptr<Stream> stream, Duration timeout,
              std::function<void(Result<std::unique_ptr<Stream>>)> done, std::string user, std::string password,
              std::string host, uint16_t port)
      : Negotiation(loop, std::move(stream), timeout, std::move(done)),
        user_(std::move(user)),
        password_(std::move(password)),
        host_(std::move(host)),
        port_(port) {}

 private:
  enum class Step { kMethod, kLogin, kReply };
  void Hear(char c) override {
    in_ += c;
    switch (step_) {
      case Step::kMethod:
        if (in_.size() < 2) return;
        if (in_[0] != 5) return Fail("it does not speak SOCKS5");
        if (in_[1] == 0) return Ask();
        if (in_[1] != 2 || user_.empty()) return Fail("it wants another way to log in");
        step_ = Step::kLogin;
        in_.clear();
        return Say(std::string("\x01") + static_cast<char>(user_.size()) + user_ + static_cast<char>(password_.size()) +
                   password_);
      case Step::kLogin:
        if (in_.size() < 2) return;
        if (in_[1] != 0) return Fail("it refuses user and password");
        return Ask();
      case Step::kReply: {
        if (in_.size() >= 2 && in_[1] != 0)
          return Fail(fmt::format("it cannot connect (SOCKS5 reply {})", static_cast<int>(in_[1])));
        if (in_.size() < 5) return;
        size_t address = in_[3] == 1 ? 4 : in_[3] == 4 ? 16 : 1u + static_cast<unsigned char>(in_[4]);
        if (in_.size() == 4 + address + 2) Succeed();
      }
    }
  }
  void Ask() {
    step_ = Step::kReply;
    in_.clear();
    if (host_.size() > 255) return Fail("the name of the server is too long");
    Say(std::string("\x05\x01\x00\x03", 4) + static_cast<char>(host_.size()) + host_ + static_cast<char>(port_ >> 8) +
        static_cast<char>(port_ & 255));
  }
  std::string user_, password_, host_, in_;
  uint16_t port_;
  Step step_ = Step::kMethod;
};

class Chained final : public Connecting {
 public:
  std::unique_ptr<Connecting> step;
  Timer next;
};

}  // namespace

StreamWrapper Tunnel(const Url& proxy, std::string host, uint16_t port, std::string user_agent) {
  if (proxy.scheme == "socks5") {
    std::string login = proxy.userinfo;
    std::string user = PercentDecoded(login.substr(0, login.find(':')));
    std::string password =
        login.find(':') == std::string::npos ? "" : PercentDecoded(login.substr(login.find(':') + 1));
    user.resize(std::min<size_t>(user.size(), 255));
    password.resize(std::min<size_t>(password.size(), 255));
    return [=](Loop& loop, std::unique_ptr<Stream> stream, Duration timeout,
               std::function<void(Result<std::unique_ptr<Stream>>)> done) -> std::unique_ptr<Connecting> {
      auto t =
          std::make_unique<SocksTunnel>(loop, std::move(stream), timeout, std::move(done), user, password, host, port);
      t->Begin(user.empty() ? std::string("\x05\x01\x00", 3) : std::string("\x05\x02\x00\x02", 4));
      return t;
    };
  }
  std::string target =
      host.find(':') != std::string::npos ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
  std::string words = fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\nUser-Agent: {1}\r\n", target, user_agent);
  if (auto login = ProxyAuthorization(proxy); !login.empty()) words += "Proxy-Authorization: " + login + "\r\n";
  words += "\r\n";
  return [words](Loop& loop, std::unique_ptr<Stream> stream, Duration timeout,
                 std::function<void(Result<std::unique_ptr<Stream>>)> done) -> std::unique_ptr<Connecting> {
    auto t = std::make_unique<HttpTunnel>(loop, std::move(stream), timeout, std::move(done));
    t->Begin(words);
    return t;
  };
}

StreamWrapper Chain(StreamWrapper first, StreamWrapper second) {
  if (!first) return second;
  if (!second) return first;
  return [first, second](Loop& loop, std::unique_ptr<Stream> stream, Duration timeout,
                         std::function<void(Result<std::unique_ptr<Stream>>)> done) -> std::unique_ptr<Connecting> {
    auto both = std::make_unique<Chained>();
    Chained* c = both.get();
    c->step =
        first(loop, std::move(stream), timeout, [c, &loop, second, timeout, done](Result<std::unique_ptr<Stream>> s) {
          if (!s) return done(std::move(s));
          auto held = std::make_shared<std::unique_ptr<Stream>>(std::move(*s));
          // The first step's handle is on the stack.
          c->next = loop.AddTimer(Duration(0), [c, &loop, second, timeout, done, held] {
            c->step = second(loop, std::move(*held), timeout, done);
          });
        });
    return both;
  };
}

}  // namespace naru::net
