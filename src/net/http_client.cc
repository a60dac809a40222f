#include "net/http_client.h"

#include <algorithm>
#include <charconv>
#include <ctime>

#include <fmt/core.h>

#include "net/http_client_session.h"

namespace naru::net {

const std::string* ClientResponse::Header(std::string_view name) const {
  for (auto& [k, v] : headers) {
    if (k == name) return &v;
  }
  return nullptr;
}

HttpClient::HttpClient(Loop& loop, HttpClientOptions options, Connector connector)
    : shared_(std::make_shared<Shared>(loop, std::move(options), std::move(connector))) {
  shared_->expect_http2 = shared_->options.http2_prior_knowledge;
}

HttpClient::~HttpClient() {
  Shared& s = *shared_;
  s.closed = true;
  s.sweep.Cancel();
  s.backoff.Cancel();
  s.connecting.clear();
  auto all = std::move(s.all);
  s.all.clear();
  s.waiting.clear();
  for (auto& e : all) {
    e->deadline.Cancel();
    if (auto done = std::move(e->done))
      done(Unexpected(Error{Code::kCancelled, true, Duration(0), "the client was closed"}));
  }
  s.connections.clear();
}

size_t HttpClient::in_flight() const {
  return shared_->all.size();
}

void HttpClient::Send(ClientRequest request, ResponseCallback done) {
  auto& s = *shared_;
  auto e = std::make_shared<Exchange>();
  e->request = std::move(request);
  e->done = std::move(done);
  if (s.options.cookies && !s.cookies.empty()) {
    std::string jar = s.cookies.For(e->request.path, s.options.scheme == "https", s.UnixNow());
    if (!jar.empty()) e->request.headers.emplace_back("cookie", std::move(jar));
  }
  for (auto& b : e->request.body) e->body_bytes += b.size();
  std::weak_ptr<Shared> weak = shared_;
  s.all.push_back(e);
  if (s.waiting.size() >= s.options.max_pending) {
    e->deadline = s.loop.AddTimer(Duration(0), [weak, e] {
      if (auto s = weak.lock())
        s->Finish(e, Unavailable("too many requests wait for a connection to {}", s->options.authority));
    });
    return;
  }
  if (e->request.timeout > Duration(0)) {
    e->deadline = s.loop.AddTimer(e->request.timeout, [weak, e] {
      auto s = weak.lock();
      if (!s) return;
      if (e->connection) e->connection->Forget(*e);
      s->Finish(e, Unexpected(Error{Code::kDeadlineExceeded, true, Duration(0),
                                    fmt::format("no answer from {} within the timeout", s->options.authority)}));
    });
  }
  s.waiting.push_back(std::move(e));
  s.Pump();
}

void HttpClient::Shared::Pump() {
  while (!waiting.empty() && !closed) {
    ClientConnection* free = nullptr;
    size_t sessions = 0;
    for (auto& c : connections) {
      sessions += c->http2;
      if (!free && c->CanTake()) free = c.get();
    }
    // HTTP/2: requests go round the sessions, so that each gets its share.
    size_t wanted = options.dial ? std::clamp<size_t>(options.dial->addresses, 1, 64)
                                 : static_cast<size_t>(std::max(1, options.connections));
    bool more = expect_http2 ? sessions + connecting.size() < wanted && (!options.dial || connecting.empty())
                             : !free && connecting.size() < waiting.size() &&
                                   (options.max_connections == 0 ||
                                    connections.size() + connecting.size() < options.max_connections);
    if (more && !backoff.pending()) Connect();
    if (!free) return;
    ExchangePtr e = std::move(waiting.front());
    waiting.pop_front();
    e->connection = free;
    if (connections.front().get() == free && connections.size() > 1)
      connections.splice(connections.end(), connections, connections.begin());
    free->Take(std::move(e));
  }
}

void HttpClient::Shared::Connect() {
  if (options.dial) {
    options.dial->connected.clear();
    for (auto& c : connections) options.dial->connected.push_back(c->peer);
  }
  connecting.emplace_back();
  auto place = std::prev(connecting.end());
  std::weak_ptr<Shared> weak = weak_from_this();
  *place = connector(loop, options.connect_timeout, [weak, place](Result<std::unique_ptr<Stream>> stream) {
    auto s = weak.lock();
    if (!s || s->closed) return;
    // The attempt's handle is destroyed after this callback: it is still on the stack.
    auto handle = std::make_shared<std::unique_ptr<Connecting>>(std::move(*place));
    s->connecting.erase(place);
    s->loop.Post([handle] { handle->reset(); });
    s->Connected(std::move(stream));
  });
}

void HttpClient::Shared::Connected(Result<std::unique_ptr<Stream>> stream) {
  if (!stream) {
    next_backoff = next_backoff == Duration(0) ? Duration(std::chrono::milliseconds(100))
                                               : std::min(next_backoff * 2, Duration(std::chrono::seconds(5)));
    // Everything that waits would wait for the same: it is told now, and whoever retries does so with its own patience.
    if (connections.empty() && connecting.empty() && !options.wait_for_ready) {
      auto failed = std::move(waiting);
      waiting.clear();
      for (auto& e : failed) Finish(e, Unexpected(stream.error()));
    }
    std::weak_ptr<Shared> weak = weak_from_this();
    backoff = loop.AddTimer(next_backoff, [weak] {
      if (auto s = weak.lock()) s->Pump();
    });
    return;
  }
  next_backoff = Duration(0);
  const TlsInfo* tls = (*stream)->tls();
  bool http2 = options.http2_prior_knowledge || (tls && tls->alpn == "h2");
  expect_http2 = http2;
  std::string peer = (*stream)->peer().ToString();
  connections.push_back(http2 ? NewHttp2Client(*this, std::move(*stream)) : NewHttp1Client(*this, std::move(*stream)));
  connections.back()->http2 = http2;
  connections.back()->peer = std::move(peer);
  connections.back()->Begin();
  if (!sweep.pending()) Sweep();
  Pump();
}

void HttpClient::Shared::Finish(const ExchangePtr& e, Result<ClientResponse> result) {
  auto done = std::move(e->done);
  e->done = nullptr;
  e->deadline.Cancel();
  if (options.cookies && result) {
    for (auto& [name, value] : result->headers) {
      if (name == "set-cookie") cookies.Take(value, options.scheme == "https", UnixNow());
    }
  }
  e->connection = nullptr;
  auto it = std::find(all.begin(), all.end(), e);
  if (it != all.end()) {
    *it = std::move(all.back());
    all.pop_back();
  }
  auto w = std::find(waiting.begin(), waiting.end(), e);
  if (w != waiting.end()) waiting.erase(w);
  if (done) done(std::move(result));
}

void HttpClient::Shared::Broken(const ExchangePtr& e, const Error& error, bool surely_unprocessed) {
  e->connection = nullptr;
  if (closed || !e->done) return;
  // A kept-alive connection that the peer closed while the request was under way says nothing about the request: one
  // more try.
  if (e->tries == 0 && (surely_unprocessed || !e->sent)) {
    ++e->tries;
    e->sent = false;
    e->response = ClientResponse();
    e->head_bytes = 0;
    e->fault.clear();
    waiting.push_front(e);
    std::weak_ptr<Shared> weak = weak_from_this();
    loop.Post([weak] {
      if (auto s = weak.lock()) s->Pump();
    });
    return;
  }
  Finish(e, Unexpected(error));
}

void HttpClient::Shared::Remove(ClientConnection* connection) {
  for (auto it = connections.begin(); it != connections.end(); ++it) {
    if (it->get() != connection) continue;
    // Destroyed at the next turn: it may be on the call stack.
    auto gone = std::make_shared<std::unique_ptr<ClientConnection>>(std::move(*it));
    connections.erase(it);
    loop.Post([gone] { gone->reset(); });
    return;
  }
}

void HttpClient::Shared::Sweep() {
  MonoTime now = loop.Now();
  // The longest used ones stand first: those behind the limit are closed from there.
  auto spare = [](auto& c) { return !c->http2 && c->idle(); };
  auto idle = static_cast<size_t>(std::count_if(connections.begin(), connections.end(), spare));
  for (auto it = connections.begin(); it != connections.end();) {
    ClientConnection* c = it->get();
    ++it;
    bool excess = options.max_idle_connections && idle > options.max_idle_connections && !c->http2 && c->idle();
    if (excess) --idle;
    if (excess || !c->Check(now)) Remove(c);
  }
  if (connections.empty()) return;
  std::weak_ptr<Shared> weak = weak_from_this();
  sweep = loop.AddTimer(std::chrono::seconds(1), [weak] {
    if (auto s = weak.lock()) s->Sweep();
  });
}

Duration ParseRetryAfter(std::string_view value, uint64_t unix_now) {
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  uint64_t seconds = 0;
  auto [end, err] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (err == std::errc() && end == value.data() + value.size()) {
    return std::chrono::seconds(std::min<uint64_t>(seconds, 86400));
  }
  // "Wed, 21 Oct 2015 07:28:00 GMT"
  std::tm t{};
  std::string text(value);
  const char* rest = strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S", &t);
  if (!rest) return Duration(0);
  time_t when = timegm(&t);
  if (when <= static_cast<time_t>(unix_now)) return Duration(0);
  return std::chrono::seconds(std::min<int64_t>(when - static_cast<time_t>(unix_now), 86400));
}

std::string Url::HostPort() const {
  return host.find(':') != std::string::npos ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

std::string Url::Authority() const {
  bool own = (scheme == "http" && port == 80) || (scheme == "https" && port == 443);
  std::string h = host.find(':') != std::string::npos ? "[" + host + "]" : host;
  return own ? h : fmt::format("{}:{}", h, port);
}

Result<Url> Url::Parse(std::string_view text) {
  Url u;
  size_t scheme = text.find("://");
  if (scheme == std::string_view::npos || scheme == 0)
    return Fail(Code::kInvalidArgument, "\"{}\" is no URL: it lacks http:// or https://", text);
  for (char c : text.substr(0, scheme)) u.scheme += c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  std::string_view rest = text.substr(scheme + 3);
  size_t slash = rest.find_first_of("/?#");
  std::string_view authority = rest.substr(0, slash);
  if (slash != std::string_view::npos) {
    std::string_view path = rest.substr(slash);
    path = path.substr(0, path.find('#'));
    u.path = path.empty() || path[0] != '/' ? "/" + std::string(path) : std::string(path);
  } else {
    u.path = "/";
  }
  size_t at = authority.rfind('@');
  if (at != std::string_view::npos) {
    u.userinfo = authority.substr(0, at);
    authority.remove_prefix(at + 1);
  }
  std::string_view port;
  if (!authority.empty() && authority[0] == '[') {
    size_t close = authority.find(']');
    if (close == std::string_view::npos) return Fail(Code::kInvalidArgument, "\"{}\": missing ']' in the host", text);
    u.host = authority.substr(1, close - 1);
    std::string_view behind = authority.substr(close + 1);
    if (!behind.empty() && behind[0] != ':')
      return Fail(Code::kInvalidArgument, "\"{}\": invalid character in the host", text);
    if (!behind.empty()) port = behind.substr(1);
  } else {
    size_t colon = authority.rfind(':');
    u.host = authority.substr(0, colon);
    if (colon != std::string_view::npos) port = authority.substr(colon + 1);
  }
  if (u.host.empty()) return Fail(Code::kInvalidArgument, "\"{}\": no host", text);
  // What goes into a request's head must not end it.
  auto breaks = [](char c) { return static_cast<uint8_t>(c) <= ' ' || c == 0x7f; };
  bool bracketed = authority[0] == '[';
  bool bad_host = std::any_of(u.host.begin(), u.host.end(), [&](char c) {
    return breaks(c) || c == '[' || c == ']' || c == '\\' || c == '"' || (c == ':' && !bracketed);
  });
  if (bad_host) return Fail(Code::kInvalidArgument, "\"{}\": invalid character in the host", text);
  if (std::any_of(u.path.begin(), u.path.end(), breaks) || std::any_of(u.scheme.begin(), u.scheme.end(), breaks))
    return Fail(Code::kInvalidArgument, "\"{}\": invalid character", text);
  u.port = u.scheme == "https" ? 443 : 80;
  if (!port.empty()) {
    unsigned n = 0;
    auto [end, err] = std::from_chars(port.data(), port.data() + port.size(), n);
    if (err != std::errc() || end != port.data() + port.size() || n == 0 || n > 65535)
      return Fail(Code::kInvalidArgument, "\"{}\": bad port", text);
    u.port = static_cast<uint16_t>(n);
  }
  return u;
}

namespace {

// Without the segments `.` and `..` (RFC 3986, section 5.2.4).
std::string WithoutDots(std::string_view path) {
  std::vector<std::string_view> kept;
  bool folder = false;  // the path ends with a slash
  for (size_t at = 0; at < path.size();) {
    size_t end = std::min(path.find('/', at + 1), path.size());
    std::string_view segment = path.substr(at + 1, end - at - 1);
    folder = segment == "." || segment == "..";
    if (segment == "..") {
      if (!kept.empty()) kept.pop_back();
    } else if (segment != ".") {
      kept.push_back(segment);
    }
    at = end;
  }
  std::string out;
  for (auto segment : kept) out.append("/").append(segment);
  return folder || out.empty() ? out + "/" : out;
}

}  // namespace

Result<Url> Url::Resolve(std::string_view reference) const {
  reference = reference.substr(0, reference.find('#'));
  size_t colon = reference.find_first_of(":/?");
  if (colon != std::string_view::npos && reference[colon] == ':') return Parse(reference);
  if (reference.starts_with("//")) return Parse(scheme + ":" + std::string(reference));
  Url out = *this;
  out.userinfo.clear();
  size_t own_query = std::min(path.find('?'), path.size());
  std::string own(path, 0, own_query);
  if (reference.empty()) return out;
  size_t query = std::min(reference.find('?'), reference.size());
  std::string_view named = reference.substr(0, query);
  if (named.starts_with('/')) {
    own = WithoutDots(named);
  } else if (!named.empty()) {
    own = WithoutDots(own.substr(0, own.rfind('/') + 1) + std::string(named));
  }
  out.path = own + std::string(reference.substr(query));
  // What goes into a request's head must not end it.
  if (std::any_of(out.path.begin(), out.path.end(), [](char c) { return static_cast<uint8_t>(c) <= ' ' || c == 0x7f; }))
    return Fail(Code::kInvalidArgument, "\"{}\": invalid character", reference);
  return out;
}

}  // namespace naru::net
