// HTTP/2 (RFC 9113) with nghttp2 as the protocol engine, and gRPC's framing of messages and status
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md) on top.
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>

#include "net/http_connection.h"
#include "net/session_memory.h"
#include "wire/hash.h"

namespace naru::net {
namespace {

class Http2Connection;

constexpr size_t kDiscard = 256 << 10;
// A head of so many times max_header_bytes ends the connection; a smaller one that is too large is answered.
constexpr size_t kHeaderBomb = 4;

nghttp2_nv Nv(std::string_view name, std::string_view value) {
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}
// For names and values that live as long as the program.
nghttp2_nv StaticNv(std::string_view name, std::string_view value) {
  nghttp2_nv nv = Nv(name, value);
  nv.flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;
  return nv;
}

// One request on its HTTP/2 stream. Owned by the connection; freed when nghttp2 closes the stream.
class Call final : public ServerCall {
 public:
  Call(Http2Connection& c, int32_t id) : connection(c), id(id) {}
  using ServerCall::Respond;
  Loop& loop() override;
  void Respond(int status, std::span<const Header> headers, Slice body) override;
  void RespondGrpc(const GrpcStatus& status, Slice message, std::span<const Header> extra) override;
  bool SendGrpc(Slice message) override;

  /// Takes body bytes; false when the call was refused (and answered).
  bool Body(const uint8_t* data, size_t n);
  void End();

  Http2Connection& connection;
  const int32_t id;
  std::shared_ptr<RequestHandler> handler;
  bool grpc = false, answered = false, head_method = false, ended = false;
  // gRPC prefix: one byte flag, four bytes length.
  uint8_t prefix[5];
  uint8_t prefix_seen = 0;
  uint32_t message_left = 0;
  // The answer's body.
  Slice body;
  size_t body_at = 0;
  bool trailers = false;   // gRPC: grpc-status 0 follows the message
  bool streaming = false;  // several messages: what follows the last one stands in `extra` when the call is answered
  std::vector<std::pair<std::string, std::string>> extra;
  MonoTime since{};
  size_t discarded = 0;  // body bytes that came after the answer
};

class Http2Connection final : public Connection {
 public:
  Http2Connection(HttpServer::Shared& server, LoopState& state, std::unique_ptr<Stream> stream)
      : Connection(server, state, std::move(stream)), session_charge_(server.budget, 8192) {
    nghttp2_session_server_new3(&session_, Callbacks(), this, Options(), memory_.get());
    auto& o = server_.options;
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, o.max_concurrent_streams},
                                         {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, o.stream_window},
                                         {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, o.max_header_bytes}};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, static_cast<int32_t>(o.connection_window));
    age_limit_ = o.max_connection_age;
    if (age_limit_ > Duration(0)) {
      // +-10 % so that many connections made together do not all come back together.
      age_limit_ = Duration(
          static_cast<int64_t>(static_cast<double>(age_limit_.count()) * (0.9 + 0.2 * state.loop->random().Unit())));
    }
  }
  ~Http2Connection() override {
    for (auto& [id, c] : calls_) Abort(*c);
    closing_ = true;
    nghttp2_session_del(session_);
  }

  void OnReadable() override {
    Guard guard(*this);
    if (!state_.read_buffer) state_.read_buffer = std::make_unique<uint8_t[]>(kReadBuffer);
    IoResult r = stream_->Read({state_.read_buffer.get(), kReadBuffer});
    if (r.kind == IoResult::kWouldBlock) return;
    if (r.kind != IoResult::kBytes) return Close();
    Receive(state_.read_buffer.get(), r.n);
    if (!guard.gone()) Send();
  }
  void OnWritable() override { Send(); }
  void Feed(std::string_view bytes) {
    Guard guard(*this);
    Receive(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    if (!guard.gone()) Send();
  }

  bool Check(MonoTime now) override {
    auto& o = server_.options;
    auto over = [&](Duration limit, MonoTime since) { return limit > Duration(0) && now - since > limit; };
    auto late = [&] {
      server_.stats.timeouts.fetch_add(1, std::memory_order_relaxed);
      return false;
    };
    if (!saw_preface_ && over(o.read_header_timeout, opened_)) return late();
    if (writing_ && over(o.write_timeout, wrote_)) return late();
    if (ping_sent_ && over(o.keepalive_timeout, ping_at_) && active_ < ping_at_) return late();
    if (o.read_timeout > Duration(0)) {
      for (auto& [id, c] : calls_) {
        if (!c->ended && over(o.read_timeout, c->since)) {
          server_.stats.timeouts.fetch_add(1, std::memory_order_relaxed);
          nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
        }
      }
    }
    Guard guard(*this);  // draining and sending may remove the connection
    if (calls_.empty()) {
      if (over(o.max_connection_idle, active_) || over(o.idle_timeout, active_)) Drain();
      if (guard.gone()) return true;
    }
    if (!aged_ && age_limit_ > Duration(0) && now - opened_ > age_limit_) {
      aged_ = true;
      aged_at_ = now;
      Drain();
      if (guard.gone()) return true;
    }
    if (aged_ && over(o.max_connection_age_grace, aged_at_)) return false;
    // Who does not answer the ping of the end has gone.
    if (draining_ && calls_.empty() && now - drain_at_ > kDrainTime) return false;
    if (!ping_sent_ && o.keepalive_time > Duration(0) && now - active_ > o.keepalive_time) {
      nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
      ping_sent_ = true;
      ping_at_ = now;
    }
    Resume();
    Send();
    if (!guard.gone() && !trimmed_ && calls_.empty() && out_empty() && now - active_ > kIdle &&
        !nghttp2_session_want_write(session_)) {
      trimmed_ = true;
      memory_.Trim();
      std::string().swap(out_);
      out_at_ = 0;
      std::string().swap(header_text_);
      std::vector<Span>().swap(header_spans_);
    }
    return true;
  }

  bool Drain() override {
    if (draining_) return !calls_.empty();
    draining_ = true;
    drain_at_ = state_.loop->Now();
    // Two GOAWAYs: requests that are on their way when the first one goes out are still served. The answer to the ping
    // behind it says that the client has seen it, and will send no more.
    nghttp2_submit_shutdown_notice(session_);
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, kDrainPing);
    Send();
    return true;
  }

  // Sends what nghttp2 has to say. May remove the connection: touch nothing afterwards without a Guard.
  void Send() {
    if (in_session_) return;
    for (;;) {
      in_session_ = true;
      while (out_.size() - out_at_ < (256u << 10)) {
        const uint8_t* data = nullptr;
        ssize_t n = nghttp2_session_mem_send(session_, &data);
        if (n < 0) {
          in_session_ = false;
          return Close();
        }
        if (n == 0) break;
        out_.append(reinterpret_cast<const char*>(data), static_cast<size_t>(n));
      }
      in_session_ = false;
      if (out_empty()) break;
      if (!FlushOut()) return Close();
      if (!out_empty()) return;  // the peer reads slowly: OnWritable goes on
    }
    if (!nghttp2_session_want_read(session_) && !nghttp2_session_want_write(session_)) Close();
  }

  // A call was answered outside of OnReadable: send it now.
  void Kick() {
    if (!in_session_) Send();
  }

  nghttp2_session* session() { return session_; }
  HttpServer::Shared& server() { return server_; }
  Loop& loop() { return *state_.loop; }
  bool draining() const { return draining_; }

 private:
  void Receive(const uint8_t* data, size_t n) {
    active_ = state_.loop->Now();
    trimmed_ = false;
    in_session_ = true;
    ssize_t used = nghttp2_session_mem_recv(session_, data, n);
    in_session_ = false;
    if (used < 0) {
      server_.stats.protocol_errors.fetch_add(1, std::memory_order_relaxed);
      // nghttp2 has queued a GOAWAY for what it names; bad prefaces and floods end here.
      const uint8_t* out = nullptr;
      ssize_t k = nghttp2_session_mem_send(session_, &out);
      if (k > 0) out_.append(reinterpret_cast<const char*>(out), static_cast<size_t>(k));
      FlushOut();
      return Close();
    }
  }

  void FinalGoaway() {
    if (final_goaway_) return;
    final_goaway_ = true;
    nghttp2_session_terminate_session2(session_, nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR);
  }

  void Abort(Call& c) {
    if (c.handler && !c.answered) {
      server_.stats.aborted.fetch_add(1, std::memory_order_relaxed);
      auto h = std::move(c.handler);
      c.answered = true;
      h->OnAbort();
    }
  }

  // Gives back flow-control credit that was withheld while memory was short.
  void Resume() {
    if (withheld_.empty() || server_.budget.OverHard()) return;
    for (auto& [id, n] : withheld_) nghttp2_session_consume(session_, id, n);
    withheld_.clear();
    resume_.Cancel();
  }

  void Consumed(int32_t id, size_t n) {
    if (!server_.budget.OverHard()) {
      nghttp2_session_consume(session_, id, n);
      return;
    }
    // End-to-end backpressure: the peer stops when its window is used up.
    if (!withheld_.empty() && withheld_.back().first == id) {
      withheld_.back().second += n;
    } else {
      withheld_.emplace_back(id, n);
    }
    if (!resume_.pending()) Retry();
  }
  void Retry() {
    resume_ = state_.loop->AddTimer(std::chrono::milliseconds(20), [this] {
      Resume();
      if (!withheld_.empty()) return Retry();
      Send();
    });
  }

  // ---- nghttp2's callbacks; each runs inside mem_recv or mem_send: nothing is removed here.

  static Http2Connection& Of(void* user) { return *static_cast<Http2Connection*>(user); }

  static int OnBeginHeaders(nghttp2_session*, const nghttp2_frame* f, void* user) {
    auto& c = Of(user);
    c.saw_preface_ = true;
    if (f->hd.type == NGHTTP2_HEADERS && f->headers.cat == NGHTTP2_HCAT_REQUEST) {
      c.header_text_.clear();
      c.header_spans_.clear();
      c.header_overflow_ = false;
      c.header_seen_ = 0;
    }
    return 0;
  }

  static int OnHeader(nghttp2_session* session, const nghttp2_frame* f, const uint8_t* name, size_t nlen,
                      const uint8_t* value, size_t vlen, uint8_t, void* user) {
    auto& c = Of(user);
    if (f->hd.type != NGHTTP2_HEADERS || f->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    auto& o = c.server_.options;
    // One byte of HPACK can stand for thousands: a head far beyond what SETTINGS allows is no mistake but an attack on
    // the time of this loop, and is not even read to its end.
    c.header_seen_ += nlen + vlen;
    if (c.header_seen_ / kHeaderBomb > o.max_header_bytes) {
      nghttp2_session_terminate_session(session, NGHTTP2_ENHANCE_YOUR_CALM);
      return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (c.header_overflow_ || c.header_text_.size() + nlen + vlen > o.max_header_bytes ||
        c.header_spans_.size() >= o.max_headers) {
      c.header_overflow_ = true;
      return 0;
    }
    auto at = static_cast<uint32_t>(c.header_text_.size());
    c.header_text_.append(reinterpret_cast<const char*>(name), nlen);
    c.header_text_.append(reinterpret_cast<const char*>(value), vlen);
    c.header_spans_.push_back({at, static_cast<uint32_t>(nlen), static_cast<uint32_t>(vlen)});
    return 0;
  }

  void StartRequest(int32_t id) {
    auto call = std::make_unique<Call>(*this, id);
    Call& c = *call;
    c.since = active_;
    calls_.emplace_back(id, std::move(call));
    nghttp2_session_set_stream_user_data(session_, id, &c);
    server_.stats.requests.fetch_add(1, std::memory_order_relaxed);
    RequestHead head;
    head.http2 = true;
    head.headers.all().reserve(header_spans_.size());
    for (auto& s : header_spans_) {
      std::string_view name(header_text_.data() + s.at, s.name), value(header_text_.data() + s.at + s.name, s.value);
      if (name == ":method")
        head.method = value;
      else if (name == ":path")
        head.path = value;
      else if (name == ":authority")
        head.authority = value;
      else if (!name.empty() && name[0] != ':')
        head.headers.all().push_back({name, value});
    }
    size_t q = head.path.find('?');
    if (q != std::string_view::npos) {
      head.query = head.path.substr(q + 1);
      head.path = head.path.substr(0, q);
    }
    std::string_view type = head.headers.Get("content-type");
    head.grpc = c.grpc =
        type.rfind("application/grpc", 0) == 0 && (type.size() == 16 || type[16] == '+' || type[16] == ';');
    c.head_method = head.method == "HEAD";
    std::string_view length = head.headers.Get("content-length");
    if (!length.empty()) head.content_length = std::atoll(std::string(length).c_str());
    head.peer = &stream_->peer();
    head.tls = stream_->tls();
    if (header_overflow_) {
      server_.stats.headers_too_large.fetch_add(1, std::memory_order_relaxed);
      if (c.grpc) {
        c.RespondGrpc({Code::kResourceExhausted, "received header list exceeds the limit", {}}, Slice(), {});
      } else {
        static_cast<ServerCall&>(c).Respond(431, {}, Slice());
      }
      return;
    }
    auto handler = server_.service.OnRequest(head, c);
    if (!c.answered) c.handler = std::move(handler);
  }

  static int OnFrameRecv(nghttp2_session* session, const nghttp2_frame* f, void* user) {
    auto& c = Of(user);
    c.saw_preface_ = true;
    switch (f->hd.type) {
      case NGHTTP2_HEADERS:
        if (f->headers.cat == NGHTTP2_HCAT_REQUEST) c.StartRequest(f->hd.stream_id);
        [[fallthrough]];
      case NGHTTP2_DATA:
        if (f->hd.flags & NGHTTP2_FLAG_END_STREAM) {
          if (auto* call = static_cast<Call*>(nghttp2_session_get_stream_user_data(session, f->hd.stream_id)))
            call->End();
        }
        break;
      case NGHTTP2_PING:
        if (f->hd.flags & NGHTTP2_FLAG_ACK) {
          c.ping_sent_ = false;
          if (c.draining_ && std::memcmp(f->ping.opaque_data, kDrainPing, sizeof kDrainPing) == 0) {
            c.drain_seen_ = true;
            if (c.calls_.empty()) c.FinalGoaway();
          }
        } else {
          c.JudgePing();
        }
        break;
      default:
        break;
    }
    return 0;
  }

  static int OnFrameSend(nghttp2_session*, const nghttp2_frame* f, void* user) {
    if (f->hd.type == NGHTTP2_HEADERS || f->hd.type == NGHTTP2_DATA) Of(user).answered_since_ping_ = true;
    return 0;
  }

  // Pings that come too often are abuse (gRPC's enforcement policy): two are forgiven, then the connection ends. A ping
  // that follows an answer is none: clients measure the bandwidth with it.
  void JudgePing() {
    auto& o = server_.options;
    MonoTime now = active_;
    if (std::exchange(answered_since_ping_, false)) {
      ping_strikes_ = 0;
      last_ping_ = now;
      return;
    }
    Duration least =
        calls_.empty() && !o.permit_pings_without_stream ? Duration(std::chrono::hours(2)) : o.min_ping_interval;
    bool early = last_ping_ != MonoTime() && now - last_ping_ < least;
    last_ping_ = now;
    if (!early) return;
    if (++ping_strikes_ <= 2) return;
    server_.stats.too_many_pings.fetch_add(1, std::memory_order_relaxed);
    static constexpr std::string_view kDebug = "too_many_pings";
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                          NGHTTP2_ENHANCE_YOUR_CALM, reinterpret_cast<const uint8_t*>(kDebug.data()), kDebug.size());
    nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
  }

  static int OnData(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data, size_t n, void* user) {
    auto& c = Of(user);
    c.ping_strikes_ = 0;
    if (auto* call = static_cast<Call*>(nghttp2_session_get_stream_user_data(session, id))) {
      call->Body(data, n);
      // A body that nobody reads is thrown away; a client that goes on and on is told to stop.
      if (call->answered && call->discarded <= kDiscard && (call->discarded += n) > kDiscard) {
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
      }
    }
    c.Consumed(id, n);
    return 0;
  }

  static int OnStreamClose(nghttp2_session*, int32_t id, uint32_t, void* user) {
    auto& c = Of(user);
    if (c.closing_) return 0;
    auto it = std::find_if(c.calls_.begin(), c.calls_.end(), [&](auto& e) { return e.first == id; });
    if (it == c.calls_.end()) return 0;
    auto call = std::move(it->second);
    *it = std::move(c.calls_.back());
    c.calls_.pop_back();
    c.Abort(*call);
    if (c.drain_seen_ && c.calls_.empty()) c.FinalGoaway();
    return 0;
  }

  static const nghttp2_session_callbacks* Callbacks() {
    static const auto* callbacks = [] {
      nghttp2_session_callbacks* c = nullptr;
      nghttp2_session_callbacks_new(&c);
      nghttp2_session_callbacks_set_on_begin_headers_callback(c, OnBeginHeaders);
      nghttp2_session_callbacks_set_on_header_callback(c, OnHeader);
      nghttp2_session_callbacks_set_on_frame_recv_callback(c, OnFrameRecv);
      nghttp2_session_callbacks_set_on_frame_send_callback(c, OnFrameSend);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, OnData);
      nghttp2_session_callbacks_set_on_stream_close_callback(c, OnStreamClose);
      return c;
    }();
    return callbacks;
  }

  static const nghttp2_option* Options() {
    static const auto* options = [] {
      nghttp2_option* o = nullptr;
      nghttp2_option_new(&o);
      nghttp2_option_set_no_auto_window_update(o, 1);
      nghttp2_option_set_stream_reset_rate_limit(o, 1000, 100);  // rapid reset
      nghttp2_option_set_max_continuations(o, 8);
      nghttp2_option_set_max_outbound_ack(o, 1000);  // SETTINGS and PING floods
      nghttp2_option_set_max_settings(o, 32);
      nghttp2_option_set_no_closed_streams(o, 1);
      // Answers have few headers and hardly differ: a larger table costs every connection a kilobyte.
      nghttp2_option_set_max_deflate_dynamic_table_size(o, 1024);
      return o;
    }();
    return options;
  }

  struct Span {
    uint32_t at, name, value;
  };
  SessionMemory memory_;
  nghttp2_session* session_ = nullptr;
  std::vector<std::pair<int32_t, std::unique_ptr<Call>>> calls_;
  std::string header_text_;
  std::vector<Span> header_spans_;
  size_t header_seen_ = 0;  // bytes of the head that is coming in, kept or not
  std::vector<std::pair<int32_t, size_t>> withheld_;
  Timer resume_;
  bool header_overflow_ = false, in_session_ = false, draining_ = false, final_goaway_ = false, closing_ = false,
       saw_preface_ = false, aged_ = false, ping_sent_ = false;
  Duration age_limit_{0};
  bool drain_seen_ = false;  // the client has seen the first GOAWAY
  MonoTime aged_at_{}, ping_at_{}, last_ping_{}, drain_at_{};
  static constexpr uint8_t kDrainPing[8] = {'n', 'a', 'r', 'u', ' ', 'e', 'n', 'd'};
  static constexpr Duration kDrainTime = std::chrono::seconds(1);
  static constexpr Duration kIdle = std::chrono::seconds(2);
  bool trimmed_ = false;  // an idle connection has given back what it can do without
  int ping_strikes_ = 0;
  bool answered_since_ping_ = false;
  Charge session_charge_;
};

Loop& Call::loop() {
  return connection.loop();
}

bool Call::Body(const uint8_t* data, size_t n) {
  while (n > 0 && handler && !answered) {
    if (grpc && prefix_seen < 5) {
      size_t k = std::min<size_t>(n, 5 - prefix_seen);
      std::memcpy(prefix + prefix_seen, data, k);
      prefix_seen = static_cast<uint8_t>(prefix_seen + k);
      data += k;
      n -= k;
      if (prefix_seen < 5) return true;
      message_left = uint32_t{prefix[1]} << 24 | uint32_t{prefix[2]} << 16 | uint32_t{prefix[3]} << 8 | prefix[4];
      if (prefix[0] > 1) {
        RespondGrpc({Code::kInternal, "invalid message flags", {}}, Slice(), {});
        return false;
      }
      if (!handler->OnMessage(prefix[0] == 1, message_left) || answered) return false;
      continue;
    }
    if (grpc && message_left == 0) {
      RespondGrpc({Code::kInternal, "more than one message in a unary call", {}}, Slice(), {});
      return false;
    }
    std::span<uint8_t> into = handler->Reserve(grpc ? message_left : 0);
    if (into.empty() || answered) {
      if (!answered) {
        if (grpc)
          RespondGrpc({Code::kInternal, "message refused", {}}, Slice(), {});
        else
          Respond(500, {}, Slice());
      }
      return false;
    }
    size_t k = std::min(into.size(), n);
    if (grpc) k = std::min<size_t>(k, message_left);
    std::memcpy(into.data(), data, k);
    handler->Commit(k);
    data += k;
    n -= k;
    if (grpc) message_left -= static_cast<uint32_t>(k);
  }
  return true;
}

void Call::End() {
  if (ended) return;
  ended = true;
  if (!handler || answered) return;
  if (grpc && (prefix_seen < 5 || message_left > 0)) {
    RespondGrpc({Code::kInternal, prefix_seen == 0 ? "no message in a unary call" : "the message is cut off", {}},
                Slice(), {});
    return;
  }
  auto h = handler;
  h->OnEnd();
}

ssize_t ReadBody(nghttp2_session* session, int32_t id, uint8_t* buffer, size_t length, uint32_t* flags,
                 nghttp2_data_source* source, void*) {
  auto& c = *static_cast<Call*>(source->ptr);
  size_t n = std::min(length, c.body.size() - c.body_at);
  if (n) std::memcpy(buffer, c.body.data() + c.body_at, n);
  c.body_at += n;
  if (c.body_at == c.body.size()) {
    if (c.streaming && !c.answered) return n ? static_cast<ssize_t>(n) : ssize_t{NGHTTP2_ERR_DEFERRED};
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (c.trailers || c.streaming) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      std::vector<nghttp2_nv> nv;
      if (c.trailers) nv.push_back(StaticNv("grpc-status", "0"));
      for (auto& [k, v] : c.extra) nv.push_back(Nv(k, v));
      nghttp2_submit_trailer(session, id, nv.data(), nv.size());
    }
  }
  return static_cast<ssize_t>(n);
}

void Call::Respond(int status, std::span<const Header> headers, Slice answer) {
  if (answered) return;
  answered = true;
  auto keep = handler;
  std::string code = std::to_string(status), length = std::to_string(answer.size());
  std::vector<nghttp2_nv> nv;
  nv.reserve(headers.size() + 2);
  nv.push_back(Nv(":status", code));
  for (auto& h : headers) nv.push_back(Nv(h.name, h.value));
  bool no_body = status == 204 || status == 304 || head_method;
  if (status != 204 && status != 304) nv.push_back(Nv("content-length", length));
  body = std::move(answer);
  nghttp2_data_provider provider{};
  provider.source.ptr = this;
  provider.read_callback = ReadBody;
  nghttp2_submit_response(connection.session(), id, nv.data(), nv.size(),
                          no_body || body.empty() ? nullptr : &provider);
  connection.Kick();
}

namespace {

// `before`, and the message behind its prefix.
Slice WithMessage(std::string_view before, const Slice& message, Budget& budget) {
  if (before.empty() && message.empty()) {
    static constexpr std::string_view kEmpty("\0\0\0\0\0", 5);
    return Slice::Static(kEmpty);
  }
  size_t size = before.size() + 5 + message.size();
  BufferRef b = Buffer::Allocate(size, budget);
  auto n = static_cast<uint32_t>(message.size());
  uint8_t head[5] = {0, static_cast<uint8_t>(n >> 24), static_cast<uint8_t>(n >> 16), static_cast<uint8_t>(n >> 8),
                     static_cast<uint8_t>(n)};
  if (!before.empty()) std::memcpy(b->data(), before.data(), before.size());
  std::memcpy(b->data() + before.size(), head, 5);
  if (!message.empty()) std::memcpy(b->data() + before.size() + 5, message.data(), message.size());
  return Slice(std::move(b), size);
}

}  // namespace

bool Call::SendGrpc(Slice message) {
  constexpr size_t kUnread = 64 << 10;
  if (answered || !grpc || body.size() - body_at > kUnread) return false;
  body = WithMessage(body.view().substr(body_at), message, connection.server().budget);
  body_at = 0;
  if (!streaming) {
    streaming = true;
    static const nghttp2_nv kHead[] = {StaticNv(":status", "200"), StaticNv("content-type", "application/grpc")};
    nghttp2_data_provider provider{};
    provider.source.ptr = this;
    provider.read_callback = ReadBody;
    nghttp2_submit_response(connection.session(), id, kHead, 2, &provider);
  } else {
    nghttp2_session_resume_data(connection.session(), id);
  }
  connection.Kick();
  return true;
}

void Call::RespondGrpc(const GrpcStatus& status, Slice message, std::span<const Header> more) {
  if (answered) return;
  answered = true;
  auto keep = handler;
  auto* session = connection.session();
  if (streaming) {
    extra.emplace_back("grpc-status", std::to_string(static_cast<int>(status.code)));
    if (!status.message.empty()) extra.emplace_back("grpc-message", GrpcMessageEncode(status.message.substr(0, 4096)));
    for (auto& h : more) extra.emplace_back(h.name, h.value);
    nghttp2_session_resume_data(session, id);
  } else if (status.code == Code::kOk) {
    body = WithMessage({}, message, connection.server().budget);
    trailers = true;
    for (auto& h : more) extra.emplace_back(h.name, h.value);
    static const nghttp2_nv kHead[] = {StaticNv(":status", "200"), StaticNv("content-type", "application/grpc")};
    nghttp2_data_provider provider{};
    provider.source.ptr = this;
    provider.read_callback = ReadBody;
    nghttp2_submit_response(session, id, kHead, 2, &provider);
  } else {
    std::string code = std::to_string(static_cast<int>(status.code)),
                text = GrpcMessageEncode(status.message.substr(0, 4096));
    std::string details = wire::Base64Encode(status.details);
    while (!details.empty() && details.back() == '=') details.pop_back();
    std::vector<nghttp2_nv> nv = {StaticNv(":status", "200"), StaticNv("content-type", "application/grpc"),
                                  Nv("grpc-status", code), Nv("grpc-message", text)};
    if (!details.empty()) nv.push_back(Nv("grpc-status-details-bin", details));
    for (auto& h : more) nv.push_back(Nv(h.name, h.value));
    nghttp2_submit_response(session, id, nv.data(), nv.size(), nullptr);
  }
  connection.Kick();
}

}  // namespace

std::unique_ptr<Connection> NewHttp2Connection(HttpServer::Shared& server, LoopState& state,
                                               std::unique_ptr<Stream> stream) {
  return std::make_unique<Http2Connection>(server, state, std::move(stream));
}

void FeedHttp2(Connection& connection, std::string_view bytes) {
  static_cast<Http2Connection&>(connection).Feed(bytes);
}

}  // namespace naru::net
