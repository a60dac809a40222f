#include "net/http_server.h"

#include <algorithm>
#include <cstring>

#include "net/http_connection.h"

namespace naru::net {

std::string_view Headers::Get(std::string_view name) const {
  for (auto& h : list_) {
    if (h.name == name) return h.value;
  }
  return {};
}

bool Headers::Has(std::string_view name) const {
  return std::any_of(list_.begin(), list_.end(), [&](auto& h) { return h.name == name; });
}

bool Connection::FlushOut() {
  while (out_at_ < out_.size()) {
    iovec v{out_.data() + out_at_, out_.size() - out_at_};
    IoResult r = stream_->Writev(&v, 1);
    if (r.kind == IoResult::kWouldBlock || (r.kind == IoResult::kBytes && r.n == 0)) {
      if (!writing_) {
        writing_ = true;
        wrote_ = loop().Now();
        stream_->WantWrite(true);
      }
      return true;
    }
    if (r.kind != IoResult::kBytes) return false;
    out_at_ += r.n;
    if (writing_) wrote_ = loop().Now();
  }
  out_at_ = 0;
  if (out_.capacity() > 16384) {
    std::string().swap(out_);  // an idle connection keeps no large buffer
  } else {
    out_.clear();
  }
  if (writing_) {
    writing_ = false;
    stream_->WantWrite(false);
  }
  return true;
}

namespace {

// Tells HTTP/2 with prior knowledge from HTTP/1.1 by the first bytes.
class SniffingConnection final : public Connection {
 public:
  using Connection::Connection;

  void OnReadable() override {
    uint8_t buffer[24];
    IoResult r = stream_->Read({buffer, sizeof buffer - seen_.size()});
    if (r.kind == IoResult::kWouldBlock) return;
    if (r.kind != IoResult::kBytes) return Close();
    seen_.append(reinterpret_cast<char*>(buffer), r.n);
    static constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    bool h2 = kPreface.substr(0, seen_.size()) == seen_;
    if (h2 && seen_.size() < 3) return;  // "PR" could still be a method
    // The new connection takes the place of this one in the list; feeding it may remove it again.
    HttpServer::Shared& server = server_;
    LoopState& state = state_;
    auto place = self;
    std::string seen = std::move(seen_);
    bool want_h2 = h2 && server.options.http2;
    auto next = want_h2 ? NewHttp2Connection(server, state, std::move(stream_))
                        : NewHttp1Connection(server, state, std::move(stream_));
    next->self = place;
    Connection& connection = *next;
    std::unique_ptr<Connection> me = std::move(*place);
    *place = std::move(next);
    want_h2 ? FeedHttp2(connection, seen) : FeedHttp1(connection, seen);
  }
  void OnWritable() override {}
  bool Check(MonoTime now) override {
    Duration limit = server_.options.read_header_timeout;
    if (limit > Duration(0) && now - opened_ > limit) {
      server_.stats.timeouts.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    return true;
  }
  bool Drain() override { return false; }

 private:
  std::string seen_;
};

}  // namespace

std::unique_ptr<Connection> NewSniffingConnection(HttpServer::Shared& server, LoopState& state,
                                                  std::unique_ptr<Stream> stream) {
  return std::make_unique<SniffingConnection>(server, state, std::move(stream));
}

void HttpServer::Shared::Remove(LoopState& state, Connection* connection) {
  auto it = connection->self;
  if (it == state.connections.end()) return;
  std::unique_ptr<Connection> gone = std::move(*it);
  state.connections.erase(it);
  stats.connections_open.fetch_sub(1, std::memory_order_relaxed);
  gone.reset();
  if (state.draining && state.connections.empty()) FinishLoop(state);
}

void HttpServer::Shared::Sweep(LoopState& state) {
  // Removing the last connection of a server that shuts down lets another loop destroy it.
  auto keep = shared_from_this();
  MonoTime now = state.loop->Now();
  bool late = state.draining && now >= state.deadline;
  for (auto it = state.connections.begin(); it != state.connections.end();) {
    Connection* c = it->get();
    ++it;
    if (late || !c->Check(now)) Remove(state, c);
  }
  if (state.connections.empty()) {
    state.read_buffer.reset();
    return;  // the next connection starts the timer again
  }
  Duration next = std::chrono::seconds(1);
  if (state.draining)
    next = std::clamp(Duration(state.deadline - now), Duration(std::chrono::milliseconds(1)),
                      Duration(std::chrono::milliseconds(50)));
  state.sweep = state.loop->AddTimer(next, [this, &state] { Sweep(state); });
}

void HttpServer::Shared::FinishLoop(LoopState& state) {
  if (!state.draining) return;
  state.draining = false;
  state.sweep.Cancel();
  auto keep = shared_from_this();
  if (open_loops.fetch_sub(1) == 1) {
    loops[0]->Post([keep] {
      auto done = std::move(keep->drained);
      if (done) done();
    });
  }
}

HttpServer::HttpServer(std::vector<Loop*> loops, HttpServerOptions options, Service& service, Budget& budget)
    : shared_(std::make_shared<Shared>(std::move(options), service, budget)) {
  shared_->loops = loops;
  shared_->states.resize(loops.size());
  for (size_t i = 0; i < loops.size(); ++i) shared_->states[i].loop = loops[i];
}

HttpServer::~HttpServer() = default;

const HttpServerStats& HttpServer::stats() const {
  return shared_->stats;
}

void HttpServer::Accept(Loop& loop, std::unique_ptr<Stream> stream) {
  Shared& s = *shared_;
  LoopState& state = s.states[static_cast<size_t>(loop.index())];
  if (s.shut_down || s.stats.connections_open.load(std::memory_order_relaxed) >= s.options.max_connections) {
    s.stats.connections_refused.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  s.stats.connections.fetch_add(1, std::memory_order_relaxed);
  s.stats.connections_open.fetch_add(1, std::memory_order_relaxed);
  const TlsInfo* tls = stream->tls();
  std::unique_ptr<Connection> c;
  if (tls && tls->alpn == "h2" && s.options.http2) {
    c = NewHttp2Connection(s, state, std::move(stream));
  } else if (!s.options.http2) {
    c = NewHttp1Connection(s, state, std::move(stream));
  } else if (!s.options.http1) {
    c = NewHttp2Connection(s, state, std::move(stream));
  } else {
    c = NewSniffingConnection(s, state, std::move(stream));
  }
  state.connections.push_front(std::move(c));
  state.connections.front()->self = state.connections.begin();
  if (!state.sweep.pending()) {
    state.sweep = loop.AddTimer(std::chrono::seconds(1), [&s, &state] { s.Sweep(state); });
  }
}

void HttpServer::Shutdown(MonoTime deadline, std::function<void()> done) {
  auto s = shared_;
  s->shut_down = true;
  s->drained = std::move(done);
  s->open_loops = s->loops.size();
  for (size_t i = 0; i < s->loops.size(); ++i) {
    s->loops[i]->Post([s, i, deadline] {
      LoopState& state = s->states[i];
      state.draining = true;
      state.deadline = deadline;
      for (auto it = state.connections.begin(); it != state.connections.end();) {
        Connection* c = it->get();
        ++it;
        if (!c->Drain() && state.draining) s->Remove(state, c);
      }
      if (state.connections.empty()) return s->FinishLoop(state);
      s->Sweep(state);
    });
  }
}

std::string PercentDecode(std::string_view text) {
  std::string out;
  auto hex = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string GrpcMessageEncode(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (unsigned char c : text) {
    if (c >= 0x20 && c < 0x7f && c != '%') {
      out += static_cast<char>(c);
    } else {
      out += '%';
      out += kHex[c >> 4];
      out += kHex[c & 15];
    }
  }
  return out;
}

std::string QueryValue(std::string_view query, std::string_view key) {
  while (!query.empty()) {
    std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    size_t eq = pair.find('=');
    if (PercentDecode(pair.substr(0, eq)) != key) continue;
    if (eq == std::string_view::npos) return {};
    std::string value(pair.substr(eq + 1));
    std::replace(value.begin(), value.end(), '+', ' ');
    return PercentDecode(value);
  }
  return {};
}

std::string_view HttpReason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 307:
      return "Temporary Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 411:
      return "Length Required";
    case 413:
      return "Request Entity Too Large";
    case 414:
      return "Request URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Status";
  }
}

}  // namespace naru::net
