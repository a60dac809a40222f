// A client's HTTP/2 session: many requests at once, bodies written by sendmsg from the slices that hold them.
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <unordered_map>

#include <fmt/core.h>

#include "net/http_client_session.h"
#include "net/http_server.h"
#include "wire/hash.h"

namespace naru::net {
namespace {

nghttp2_nv Nv(std::string_view name, std::string_view value) {
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

// A request's body on its way out. Shared by the stream and by the bytes of it that lie in the output queue: a reset
// stream may be gone while its bytes are not yet taken by the kernel.
struct Outgoing {
  ExchangePtr exchange;
  uint8_t prefix[5] = {};
  bool framed = false;
  size_t left = 0;          // bytes that nghttp2 has not asked for
  size_t part = 0, at = 0;  // where the next byte lies: 0 is the prefix, i is body[i - 1]
};

class Http2Client final : public ClientConnection {
 public:
  Http2Client(HttpClient::Shared& client, std::unique_ptr<Stream> stream)
      : client_(client), stream_(std::move(stream)) {
    active_ = client_.loop.Now();
    nghttp2_session_client_new(&session_, Callbacks(), this);
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                         {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20}};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, 4 << 20);
    stream_->SetHandler(this);
  }
  void Begin() override { Flush(); }
  ~Http2Client() override { nghttp2_session_del(session_); }

  bool CanTake() const override {
    return !dead_ && !leaving_ &&
           streams_.size() <
               std::min<size_t>(nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS),
                                100000);
  }
  bool idle() const override { return streams_.empty(); }

  void Take(ExchangePtr e) override {
    active_ = client_.loop.Now();
    ClientRequest& r = e->request;
    auto out = std::make_unique<Outgoing>();
    out->framed = r.grpc;
    if (r.grpc) {
      auto n = static_cast<uint32_t>(e->body_bytes);
      uint8_t p[5] = {static_cast<uint8_t>(r.compressed), static_cast<uint8_t>(n >> 24), static_cast<uint8_t>(n >> 16),
                      static_cast<uint8_t>(n >> 8), static_cast<uint8_t>(n)};
      std::memcpy(out->prefix, p, 5);
    } else {
      out->part = 1;
    }
    out->left = e->body_bytes + (r.grpc ? 5 : 0);
    std::string length = std::to_string(e->body_bytes);
    std::vector<nghttp2_nv> nv = {Nv(":method", r.method), Nv(":scheme", client_.options.scheme), Nv(":path", r.path)};
    std::string_view authority = client_.options.authority;
    bool agent = false;
    for (auto& [k, v] : r.headers) {
      if (k == "host") authority = v;
      agent = agent || k == "user-agent";
    }
    nv.push_back(Nv(":authority", authority));
    if (r.grpc) {
      nv.push_back(Nv("content-type", "application/grpc"));
      nv.push_back(Nv("te", "trailers"));
    }
    if (!agent && !client_.options.user_agent.empty()) nv.push_back(Nv("user-agent", client_.options.user_agent));
    for (auto& [k, v] : r.headers) {
      if (k != "host") nv.push_back(Nv(k, v));
    }
    if (!r.grpc && (r.method != "GET" || e->body_bytes)) nv.push_back(Nv("content-length", length));
    nghttp2_data_provider provider{};
    provider.source.ptr = out.get();
    provider.read_callback = ReadBody;
    int32_t id =
        nghttp2_submit_request(session_, nullptr, nv.data(), nv.size(), out->left ? &provider : nullptr, nullptr);
    if (id < 0) {
      leaving_ = true;  // stream ids used up
      client_.Broken(e, Error{Code::kUnavailable, true, Duration(0), "cannot open another stream"}, true);
      if (streams_.empty()) Die("no more stream ids");
      return;
    }
    e->stream = id;
    e->sent = true;
    out->exchange = e;
    streams_[id] = std::shared_ptr<Outgoing>(std::move(out));
    Flush();
  }

  void Forget(Exchange& e) override {
    if (dead_) return;
    auto it = streams_.find(e.stream);
    if (it == streams_.end()) return;
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, e.stream, NGHTTP2_CANCEL);
    forgotten_.push_back(e.stream);
    Flush();
  }

  bool Check(MonoTime now) override {
    if (dead_) return false;
    auto& o = client_.options;
    if (streams_.empty() && o.idle_timeout > Duration(0) && now - active_ > o.idle_timeout) {
      dead_ = true;
      return false;
    }
    if (ping_sent_ && now - ping_at_ > o.keepalive_timeout) {
      Die("keepalive ping timed out");
      return true;
    }
    if (!ping_sent_ && o.keepalive_time > Duration(0) && now - active_ > o.keepalive_time &&
        (!streams_.empty() || o.keepalive_without_streams)) {
      nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
      ping_sent_ = true;
      ping_at_ = now;
      Flush();
    }
    return true;
  }

  void OnReadable() override {
    if (dead_) return;
    uint8_t buffer[32768];
    IoResult r = stream_->Read(buffer);
    if (r.kind == IoResult::kWouldBlock) return;
    if (r.kind != IoResult::kBytes) {
      return Die(r.kind == IoResult::kEof ? "connection closed by the peer" : "read: " + FailureText(*stream_, r));
    }
    active_ = client_.loop.Now();
    ping_sent_ = false;
    in_session_ = true;
    ssize_t n = nghttp2_session_mem_recv(session_, buffer, r.n);
    in_session_ = false;
    if (n < 0) return Die(fmt::format("HTTP/2: {}", nghttp2_strerror(static_cast<int>(n))));
    Deliver();
    if (dead_) return;
    Flush();

    if (!dead_) client_.Pump();
  }
  void OnWritable() override {
    if (!dead_) Flush();
  }

 private:
  struct Segment {
    std::string small;  // frame headers and control frames
    const uint8_t* data = nullptr;
    size_t size = 0;
    std::shared_ptr<Outgoing> owner;  // keeps the slices of data alive
  };

  void Small(const uint8_t* data, size_t n) {
    if (!queue_.empty() && !queue_.back().owner && queue_.size() > 1 && queue_.back().small.size() < 4096) {
      queue_.back().small.append(reinterpret_cast<const char*>(data), n);
    } else {
      queue_.emplace_back();
      queue_.back().small.assign(reinterpret_cast<const char*>(data), n);
    }
    queued_ += n;
  }

  void Flush() {
    if (in_session_ || flushing_) return;
    flushing_ = true;
    for (;;) {
      in_session_ = true;
      while (queued_ < (1u << 20)) {
        size_t before = queued_;
        const uint8_t* data = nullptr;
        ssize_t n = nghttp2_session_mem_send(session_, &data);
        if (n < 0) {
          in_session_ = flushing_ = false;
          return Die(fmt::format("HTTP/2: {}", nghttp2_strerror(static_cast<int>(n))));
        }
        if (n > 0) Small(data, static_cast<size_t>(n));
        if (queued_ == before) break;
      }
      in_session_ = false;
      if (queue_.empty()) break;
      iovec v[512];
      int k = 0;
      size_t offset = head_offset_;
      for (auto& s : queue_) {
        if (k == 512) break;
        v[k++] = s.owner ? iovec{const_cast<uint8_t*>(s.data) + offset, s.size - offset}
                         : iovec{s.small.data() + offset, s.small.size() - offset};
        offset = 0;
      }
      IoResult r = stream_->Writev(v, k);
      if (r.kind == IoResult::kWouldBlock || (r.kind == IoResult::kBytes && r.n == 0)) break;
      if (r.kind != IoResult::kBytes) {
        flushing_ = false;
        return Die("write: " + FailureText(*stream_, r));
      }
      size_t n = r.n;
      queued_ -= n;
      while (n > 0) {
        auto& s = queue_.front();
        size_t left = (s.owner ? s.size : s.small.size()) - head_offset_;
        if (n < left) {
          head_offset_ += n;
          break;
        }
        n -= left;
        head_offset_ = 0;
        queue_.pop_front();
      }
    }
    flushing_ = false;
    bool want = !queue_.empty();
    if (want != writing_) {
      writing_ = want;
      stream_->WantWrite(want);
    }
    if (!nghttp2_session_want_read(session_) && !nghttp2_session_want_write(session_) && queue_.empty())
      Die("connection closed");
  }

  // Streams that ended inside mem_recv are told now, when nghttp2 is not on the stack.
  void Deliver() {
    auto owner = client_.shared_from_this();
    while (!ended_.empty()) {
      auto [e, error] = std::move(ended_.back());
      ended_.pop_back();
      if (!e->done) continue;
      if (error == NGHTTP2_NO_ERROR && e->response.status) {
        FinishGrpc(*e);
        ClientResponse r = std::move(e->response);
        owner->Finish(e, std::move(r));
      } else {
        bool unprocessed = error == NGHTTP2_REFUSED_STREAM;
        owner->Broken(
            e,
            Error{Code::kUnavailable, true, Duration(0),
                  fmt::format(
                      "{}: {}", client_.options.authority,
                      e->fault.empty() ? fmt::format("stream reset ({})", nghttp2_http2_strerror(error)) : e->fault)},
            unprocessed);
      }
      if (owner->closed) return;
    }
  }

  // Status and message of a gRPC call from trailers (or headers, when there were only those).
  static void FinishGrpc(Exchange& e) {
    ClientResponse& r = e.response;
    if (!e.request.grpc) return;
    const std::string* status = r.Header("grpc-status");
    if (const std::string* m = r.Header("grpc-message")) r.grpc_message = PercentDecode(*m);
    if (const std::string* d = r.Header("grpc-status-details-bin")) {
      std::string text = *d;
      while (text.size() % 4) text += '=';
      if (auto bytes = wire::Base64Decode(text)) r.grpc_details = std::move(*bytes);
    }
    if (status) {
      // What is no number is no OK.
      unsigned code = 0;
      auto [end, error] = std::from_chars(status->data(), status->data() + status->size(), code);
      bool number = error == std::errc() && end == status->data() + status->size();
      r.grpc_code = number && code <= 16 ? static_cast<Code>(code) : Code::kUnknown;
      if (!number) r.grpc_message = fmt::format("malformed grpc-status: \"{}\"", status->substr(0, 100));
    } else {
      // Not a gRPC server, or something between answered for it (gRPC's http-grpc-status-mapping).
      switch (r.status) {
        case 400:
          r.grpc_code = Code::kInternal;
          break;
        case 401:
          r.grpc_code = Code::kUnauthenticated;
          break;
        case 403:
          r.grpc_code = Code::kPermissionDenied;
          break;
        case 404:
          r.grpc_code = Code::kUnimplemented;
          break;
        case 429:
        case 502:
        case 503:
        case 504:
          r.grpc_code = Code::kUnavailable;
          break;
        default:
          r.grpc_code = Code::kUnknown;
      }
      r.grpc_message = fmt::format("unexpected HTTP status code received from server: {}", r.status);
    }
    if (r.body.size() >= 5) {
      r.grpc_compressed = r.body[0] == 1;
      r.body.erase(0, 5);
    } else {
      r.body.clear();
    }
  }

  void Die(const std::string& why) {
    if (dead_) return;
    dead_ = true;
    auto owner = client_.shared_from_this();
    client_.Remove(this);
    auto streams = std::move(streams_);
    streams_.clear();
    Deliver();
    for (auto& [id, out] : streams) {
      ExchangePtr e = out->exchange;
      if (!e || !e->done || owner->closed) continue;
      bool unprocessed = last_processed_ >= 0 && id > last_processed_;
      owner->Broken(e,
                    Error{Code::kUnavailable, true, Duration(0),
                          fmt::format("connection to {}: {}", owner->options.authority, why)},
                    unprocessed);
    }
    if (!owner->closed) owner->Pump();
  }

  // ---- nghttp2's callbacks

  static Http2Client& Of(void* user) { return *static_cast<Http2Client*>(user); }

  static ssize_t ReadBody(nghttp2_session*, int32_t, uint8_t*, size_t length, uint32_t* flags,
                          nghttp2_data_source* source, void*) {
    auto& out = *static_cast<Outgoing*>(source->ptr);
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    size_t n = std::min(length, out.left);
    out.left -= n;
    if (out.left == 0) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(n);
  }

  static int SendData(nghttp2_session*, nghttp2_frame* frame, const uint8_t* head, size_t length,
                      nghttp2_data_source* source, void* user) {
    auto& c = Of(user);
    auto it = c.streams_.find(frame->hd.stream_id);
    if (it == c.streams_.end() || it->second.get() != source->ptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    std::shared_ptr<Outgoing> out = it->second;
    c.Small(head, 9);
    auto& body = out->exchange->request.body;
    while (length > 0) {
      const uint8_t* data = out->part == 0 ? out->prefix : body[out->part - 1].data();
      size_t size = out->part == 0 ? 5 : body[out->part - 1].size();
      size_t n = std::min(length, size - out->at);
      if (n > 0) {
        c.queue_.push_back(Segment{{}, data + out->at, n, out});
        c.queued_ += n;
      }
      length -= n;
      out->at += n;
      if (out->at == size) {
        ++out->part;
        out->at = 0;
      }
    }
    return 0;
  }

  Exchange* Find(int32_t id) {
    auto it = streams_.find(id);
    return it == streams_.end() ? nullptr : it->second->exchange.get();
  }

  static int OnHeader(nghttp2_session*, const nghttp2_frame* f, const uint8_t* name, size_t nlen, const uint8_t* value,
                      size_t vlen, uint8_t, void* user) {
    auto& c = Of(user);
    Exchange* e = c.Find(f->hd.stream_id);
    if (!e) return 0;
    if ((e->head_bytes += nlen + vlen + 32) > c.client_.options.max_response_head_bytes) {
      e->fault = "the head of the answer is too large";
      return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;  // nghttp2 resets the stream
    }
    std::string_view n(reinterpret_cast<const char*>(name), nlen), v(reinterpret_cast<const char*>(value), vlen);
    if (n == ":status") {
      int status = std::atoi(std::string(v).c_str());
      e->response.status = status;
    } else if (e->response.headers.size() < 200) {
      e->response.headers.emplace_back(std::string(n), std::string(v));
    }
    return 0;
  }

  static int OnData(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data, size_t n, void* user) {
    auto& c = Of(user);
    Exchange* e = c.Find(id);
    if (!e) return 0;
    if (e->response.cut_off || !e->fault.empty()) return 0;  // already reset
    if (e->response.body.size() + n > c.client_.options.max_response_bytes) {
      if (e->request.grpc) {
        e->fault = "the answer is too large";
      } else {
        e->response.cut_off = true;
      }
      std::string().swap(e->response.body);
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
      return 0;
    }
    e->response.body.append(reinterpret_cast<const char*>(data), n);
    return 0;
  }

  static int OnFrameRecv(nghttp2_session* session, const nghttp2_frame* f, void* user) {
    auto& c = Of(user);
    if (f->hd.type == NGHTTP2_GOAWAY) {
      c.leaving_ = true;
      c.last_processed_ = f->goaway.last_stream_id;
    } else if ((f->hd.type == NGHTTP2_DATA || f->hd.type == NGHTTP2_HEADERS) &&
               (f->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
      // The answer is complete; what of the request is still to be sent is of no use to anybody.
      auto it = c.streams_.find(f->hd.stream_id);
      if (it != c.streams_.end() && it->second->left > 0) {
        c.answered_early_.push_back(f->hd.stream_id);
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, f->hd.stream_id, NGHTTP2_NO_ERROR);
      }
    }
    return 0;
  }

  static int OnStreamClose(nghttp2_session*, int32_t id, uint32_t error, void* user) {
    auto& c = Of(user);
    auto it = c.streams_.find(id);
    if (it == c.streams_.end()) return 0;
    auto early = std::find(c.answered_early_.begin(), c.answered_early_.end(), id);
    if (early != c.answered_early_.end()) {
      c.answered_early_.erase(early);
      error = NGHTTP2_NO_ERROR;
    }
    // A gRPC server may end a call by trailers and then reset the rest of the request.
    ExchangePtr e = it->second->exchange;
    if ((e->response.Header("grpc-status") && e->fault.empty()) || e->response.cut_off) error = NGHTTP2_NO_ERROR;
    c.streams_.erase(it);
    auto forgotten = std::find(c.forgotten_.begin(), c.forgotten_.end(), id);
    if (forgotten != c.forgotten_.end()) {
      c.forgotten_.erase(forgotten);
      return 0;
    }
    c.ended_.emplace_back(std::move(e), error);
    if (!c.receiving()) c.Later();
    return 0;
  }

  // Ends found while sending (a reset that went out) are told at the next turn.
  bool receiving() const { return in_session_ && !flushing_; }
  void Later() {
    later_ = client_.loop.AddTimer(Duration(0), [this] {
      if (!dead_) Deliver();
    });
  }

  static const nghttp2_session_callbacks* Callbacks() {
    static const auto* callbacks = [] {
      nghttp2_session_callbacks* c = nullptr;
      nghttp2_session_callbacks_new(&c);
      nghttp2_session_callbacks_set_send_data_callback(c, SendData);
      nghttp2_session_callbacks_set_on_header_callback(c, OnHeader);
      nghttp2_session_callbacks_set_on_frame_recv_callback(c, OnFrameRecv);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, OnData);
      nghttp2_session_callbacks_set_on_stream_close_callback(c, OnStreamClose);
      return c;
    }();
    return callbacks;
  }

  HttpClient::Shared& client_;
  std::unique_ptr<Stream> stream_;
  nghttp2_session* session_ = nullptr;
  std::unordered_map<int32_t, std::shared_ptr<Outgoing>> streams_;
  std::vector<std::pair<ExchangePtr, uint32_t>> ended_;
  std::vector<int32_t> forgotten_, answered_early_;
  std::deque<Segment> queue_;
  size_t queued_ = 0, head_offset_ = 0;
  Timer later_;
  bool writing_ = false, dead_ = false, leaving_ = false, in_session_ = false, flushing_ = false, ping_sent_ = false;
  int32_t last_processed_ = -1;
  MonoTime active_{}, ping_at_{};
};

}  // namespace

std::unique_ptr<ClientConnection> NewHttp2Client(HttpClient::Shared& client, std::unique_ptr<Stream> stream) {
  return std::make_unique<Http2Client>(client, std::move(stream));
}

}  // namespace naru::net
