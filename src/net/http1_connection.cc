// HTTP/1.1 and 1.0 (RFC 9112). One request at a time: the next one is read when the answer to this one is written.
// Anything that two parsers could read in two ways (both lengths, folded lines, bare CR, spaces before colons) ends the
// connection. A line of a head may end with LF alone (RFC 9112 2.2), one of chunked framing may not.
#include <algorithm>
#include <charconv>
#include <cstring>

#include <fmt/core.h>

#include "net/http_connection.h"

namespace naru::net {
namespace {

bool TokenChar(unsigned char c) {
  static constexpr std::string_view kSymbols = "!#$%&'*+-.^_`|~";
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         kSymbols.find(static_cast<char>(c)) != std::string_view::npos;
}

bool HasToken(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    std::string_view item = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), item.size() + 1));
    while (!item.empty() && (item.front() == ' ' || item.front() == '\t')) item.remove_prefix(1);
    while (!item.empty() && (item.back() == ' ' || item.back() == '\t')) item.remove_suffix(1);
    if (item.size() == token.size() &&
        std::equal(item.begin(), item.end(), token.begin(), [](char a, char b) { return (a | 0x20) == b; }))
      return true;
  }
  return false;
}

class Http1Connection final : public Connection, public ServerCall {
 public:
  Http1Connection(HttpServer::Shared& server, LoopState& state, std::unique_ptr<Stream> stream)
      : Connection(server, state, std::move(stream)) {}
  ~Http1Connection() override {
    if (handler_ && !answered_) {
      server_.stats.aborted.fetch_add(1, std::memory_order_relaxed);
      handler_->OnAbort();
    }
  }

  void OnReadable() override { Read(); }

  void OnWritable() override {
    if (!FlushOut()) return Close();
    if (out_empty()) AfterWrite();
  }

  void Feed(std::string_view bytes) { Process(bytes); }

  using ServerCall::Respond;
  Loop& loop() override { return *state_.loop; }

  void Respond(int status, std::span<const Header> headers, Slice body) override {
    if (answered_) return;
    answered_ = true;
    std::shared_ptr<RequestHandler> keep = handler_;  // it may be the caller
    // A body that was not read to its end cannot be skipped without reading it: small rests are, others end the
    // connection.
    bool rest = state_machine_ == kBody || state_machine_ == kChunk;
    unread_ = unread_ || rest;
    if (rest) keep_alive_ = keep_alive_ && chunk_state_ == kNone && remaining_ <= kSkip;
    if (expect_continue_) keep_alive_ = false;
    if (state_.draining || !server_.options.keep_alives) keep_alive_ = false;
    bool no_body = status == 204 || status == 304 || (status >= 100 && status < 200);
    auto out = std::back_inserter(out_);
    fmt::format_to(out, "HTTP/1.1 {} {}\r\n", status, HttpReason(status));
    for (auto& h : headers) fmt::format_to(out, "{}: {}\r\n", h.name, h.value);
    if (!no_body) fmt::format_to(out, "content-length: {}\r\n", body.size());
    if (!keep_alive_)
      out_ += "connection: close\r\n";
    else if (http10_)
      out_ += "connection: keep-alive\r\n";
    out_ += "\r\n";
    if (!no_body && !head_request_) out_.append(body.view());
    if (in_process_) return;  // Process goes on when the call stack is back there
    if (!FlushOut()) return Close();
    if (out_empty()) AfterWrite();
  }

  void RespondGrpc(const GrpcStatus& status, Slice, std::span<const Header>) override {
    Respond(415, {{"content-type", "text/plain"}},
            Slice::CopyOf(fmt::format("gRPC needs HTTP/2 ({})", status.message), server_.budget));
  }

  bool Check(MonoTime now) override {
    auto& o = server_.options;
    auto over = [&](Duration limit, MonoTime since) { return limit > Duration(0) && now - since > limit; };
    if (state_machine_ == kLinger) return now - lingers_since_ < kLingerTime;
    bool late = false;
    if (writing_ && over(o.write_timeout, wrote_)) late = true;
    if (state_machine_ == kHead && !head_.empty() && over(o.read_header_timeout, head_since_)) late = true;
    if (state_machine_ == kHead && head_.empty() && !handler_ && out_empty()) {
      if (over(o.idle_timeout, active_)) return false;
      if (requests_ == 0 && over(o.read_header_timeout, opened_)) late = true;
    }
    if ((state_machine_ == kBody || state_machine_ == kChunk) && over(o.read_timeout, request_since_)) late = true;
    if (late) server_.stats.timeouts.fetch_add(1, std::memory_order_relaxed);
    return !late;
  }

  bool Drain() override {
    bool idle = out_empty() && (state_machine_ == kLinger || (state_machine_ == kHead && head_.empty() && !handler_));
    keep_alive_ = false;
    closing_ = true;
    return !idle;
  }

 private:
  // kLinger: answered and closed on this side; what the client still sends is thrown away, for a connection that is
  // closed over unread bytes is reset, and the client may lose the answer.
  enum State { kHead, kBody, kChunk, kWait, kLinger };
  enum ChunkState { kNone, kSize, kData, kDataEnd, kTrailer };
  static constexpr size_t kSkip = 256 << 10;
  static constexpr Duration kLingerTime = std::chrono::milliseconds(500);

  void End() { Close(); }

  // A client that closes its half in the middle of a request still reads: it hears that something is missing.
  void Ended(const IoResult& r) {
    if (r.kind == IoResult::kEof && state_machine_ == kWait && !server_.options.half_closed_is_gone) {
      // Met again when the answer is out.
      stream_->WantRead(false);
      if (auto handler = answered_ ? nullptr : handler_) handler->OnHalfClosed();
      return;
    }
    bool cut = state_machine_ == kBody || state_machine_ == kChunk || (state_machine_ == kHead && !head_.empty());
    if (r.kind != IoResult::kEof || answered_ || !cut) return End();
    Bad(400, "the request ends before its announced length (unexpected EOF)");
  }

  void Read() {
    // What follows an early answer is thrown away below.
    if (state_machine_ == kBody && handler_ && !answered_) {
      // Straight into the handler's memory: no copy in user space.
      Guard guard(*this);
      std::shared_ptr<RequestHandler> handler = handler_;  // it may answer in any of these calls, and that drops ours
      std::span<uint8_t> into = handler->Reserve(remaining_);
      if (guard.gone()) return;
      if (into.empty() || answered_) return Refused();
      IoResult r = stream_->Read(into.first(std::min(into.size(), remaining_)));
      if (r.kind == IoResult::kWouldBlock) return;
      if (r.kind != IoResult::kBytes) return Ended(r);
      remaining_ -= r.n;
      handler->Commit(r.n);
      if (!guard.gone() && remaining_ == 0) BodyDone();
      if (!guard.gone() && remaining_ == 0) Process({});
      return;
    }
    if (!state_.read_buffer) state_.read_buffer = std::make_unique<uint8_t[]>(kReadBuffer);
    // Heads are small; a small read leaves the body in the kernel, to be received where it belongs.
    // While an answer is waited for only the end of the connection is of interest.
    size_t want = state_machine_ == kHead || state_machine_ == kWait ? 8192 : kReadBuffer;
    IoResult r = stream_->Read({state_.read_buffer.get(), want});
    if (r.kind == IoResult::kWouldBlock) return;
    if (r.kind != IoResult::kBytes) return Ended(r);
    if (state_machine_ == kLinger) return;
    Process({reinterpret_cast<char*>(state_.read_buffer.get()), r.n});
  }

  // Works through bytes that were read; what belongs to a request that cannot be looked at yet is kept in pending_.
  void Process(std::string_view bytes) {
    active_ = state_.loop->Now();
    Guard guard(*this);
    for (;;) {
      if (bytes.empty() && !pending_.empty() && state_machine_ != kWait) {
        held_ = std::move(pending_);
        pending_.clear();
        bytes = held_;
      }
      in_process_ = true;
      bool more = Step(bytes);
      if (guard.gone()) return;
      in_process_ = false;
      if (!out_empty() && (answered_ || bytes.empty() || !more)) {
        if (!FlushOut()) return End();
        if (!out_empty()) break;
      }
      if (answered_ && state_machine_ == kWait) {
        if (!NextRequest()) return;
        more = true;
      }
      if (!more) break;
      if (bytes.empty() && pending_.empty()) break;
    }
    if (!bytes.empty()) {
      std::string keep(bytes);
      pending_.swap(keep);
      stream_->WantRead(false);
    }
  }

  // One step of the state machine; false when it must wait (for bytes or for the answer).
  bool Step(std::string_view& bytes) {
    switch (state_machine_) {
      case kHead:
        return Head(bytes);
      case kBody:
        return Body(bytes);
      case kChunk:
        return Chunk(bytes);
      case kWait:
        return false;
      case kLinger:
        bytes = {};
        pending_.clear();
        return true;
    }
    return false;
  }

  bool Head(std::string_view& bytes) {
    if (bytes.empty()) return false;
    if (head_.empty()) {
      // Empty lines before a request line are skipped (RFC 9112 2.2).
      while (!bytes.empty() && (bytes.front() == '\r' || bytes.front() == '\n')) bytes.remove_prefix(1);
      if (bytes.empty()) return true;
      head_since_ = active_;
    }
    size_t before = head_.size();
    head_.append(bytes);
    auto [end, behind] = HeadEnd(before >= 3 ? before - 3 : 0);
    if (end == std::string::npos) {
      bytes = {};
      if (head_.size() > server_.options.max_header_bytes) {
        server_.stats.headers_too_large.fetch_add(1, std::memory_order_relaxed);
        return Bad(431, "request header too large");
      }
      return true;
    }
    bytes.remove_prefix(behind - before);
    head_.resize(end);
    if (head_.size() > server_.options.max_header_bytes) {
      server_.stats.headers_too_large.fetch_add(1, std::memory_order_relaxed);
      return Bad(431, "request header too large");
    }
    return Parse();
  }

  // Where the last line of the head ends, and where the empty line behind it does.
  std::pair<size_t, size_t> HeadEnd(size_t from) const {
    for (size_t i = head_.find('\n', from); i != std::string::npos; i = head_.find('\n', i + 1)) {
      if (head_.compare(i + 1, 1, "\n") == 0) return {i + 1, i + 2};
      if (head_.compare(i + 1, 2, "\r\n") == 0) return {i + 1, i + 3};
    }
    return {std::string::npos, 0};
  }

  bool Bad(int status, std::string_view why) {
    server_.stats.protocol_errors.fetch_add(1, std::memory_order_relaxed);
    keep_alive_ = false;
    answered_ = false;
    unread_ = true;
    state_machine_ = kWait;
    if (handler_) {
      handler_->OnAbort();
      handler_.reset();
    }
    Respond(status, {{"content-type", "text/plain; charset=utf-8"}}, Slice::CopyOf(why, server_.budget));
    return false;
  }

  bool Parse() {
    // head_ is "METHOD target HTTP/1.x\r\n(name: value\r\n)*"; lower-cased names are written in place.
    std::string_view all = head_;
    size_t eol = all.find('\n');
    std::string_view line = all.substr(0, eol > 0 && all[eol - 1] == '\r' ? eol - 1 : eol);
    size_t a = line.find(' '), b = line.rfind(' ');
    if (a == std::string_view::npos || a == b || a == 0) return Bad(400, "malformed request line");
    RequestHead head;
    head.method = line.substr(0, a);
    std::string_view target = line.substr(a + 1, b - a - 1), version = line.substr(b + 1);
    for (unsigned char c : head.method) {
      if (!TokenChar(c)) return Bad(400, "malformed method");
    }
    if (version != "HTTP/1.1" && version != "HTTP/1.0")
      return Bad(505, "only HTTP/1.1, HTTP/1.0 and HTTP/2 are spoken here");
    http10_ = version == "HTTP/1.0";
    if (target.find_first_of(" \t\r\n") != std::string_view::npos || target.empty())
      return Bad(400, "malformed request target");
    if (target[0] != '/') {
      // absolute-form, as sent to proxies
      size_t scheme = target.find("://");
      size_t slash = scheme == std::string_view::npos ? scheme : target.find('/', scheme + 3);
      if (target != "*") target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
    }
    size_t q = target.find('?');
    head.path = target.substr(0, q);
    if (q != std::string_view::npos) head.query = target.substr(q + 1);
    size_t at = eol + 1;
    bool have_length = false, chunked = false, connection_close = false, connection_keep = false;
    uint64_t length = 0;
    expect_continue_ = false;
    while (at < head_.size()) {
      size_t stop = head_.find('\n', at);
      if (head.headers.all().size() >= server_.options.max_headers) return Bad(431, "too many headers");
      size_t colon = head_.find(':', at);
      if (colon == std::string::npos || colon >= stop || colon == at) return Bad(400, "malformed header");
      for (size_t i = at; i < colon; ++i) {
        auto c = static_cast<unsigned char>(head_[i]);
        if (!TokenChar(c)) return Bad(400, "malformed header name");
        if (c >= 'A' && c <= 'Z') head_[i] = static_cast<char>(c | 0x20);
      }
      size_t from = colon + 1, to = head_[stop - 1] == '\r' ? stop - 1 : stop;
      while (from < to && (head_[from] == ' ' || head_[from] == '\t')) ++from;
      while (to > from && (head_[to - 1] == ' ' || head_[to - 1] == '\t')) --to;
      std::string_view name(head_.data() + at, colon - at), value(head_.data() + from, to - from);
      for (unsigned char c : value) {
        if ((c < 0x20 && c != '\t') || c == 0x7f) return Bad(400, "malformed header value");
      }
      if (name == "content-length") {
        uint64_t n = 0;
        auto [end, err] = std::from_chars(value.data(), value.data() + value.size(), n);
        if (err != std::errc() || end != value.data() + value.size() || value.empty() || n > INT64_MAX ||
            (have_length && n != length)) {
          return Bad(400, "bad Content-Length");
        }
        have_length = true;
        length = n;
      } else if (name == "transfer-encoding") {
        if (chunked || !HasToken(value, "chunked") || value.find(',') != std::string_view::npos)
          return Bad(501, "unsupported transfer encoding");
        chunked = true;
      } else if (name == "connection") {
        connection_close = connection_close || HasToken(value, "close");
        connection_keep = connection_keep || HasToken(value, "keep-alive");
      } else if (name == "host") {
        if (head.headers.Has("host")) return Bad(400, "too many Host headers");
        head.authority = value;
      } else if (name == "expect") {
        if (!HasToken(value, "100-continue")) return Bad(417, "only 100-continue can be expected");
        expect_continue_ = !http10_;
      }
      head.headers.all().push_back({name, value});
      at = stop + 1;
    }
    if (chunked && (have_length || http10_)) return Bad(400, "both Transfer-Encoding and Content-Length");
    if (!http10_ && !head.headers.Has("host")) return Bad(400, "missing required Host header");
    keep_alive_ = !closing_ && (http10_ ? connection_keep : !connection_close);
    head_request_ = head.method == "HEAD";
    head.content_length = chunked ? -1 : static_cast<int64_t>(have_length ? length : 0);
    head.peer = &stream_->peer();
    head.tls = stream_->tls();
    answered_ = false;
    remaining_ = chunked ? 0 : static_cast<size_t>(length);
    state_machine_ = chunked ? kChunk : kBody;
    chunk_state_ = chunked ? kSize : kNone;
    ++requests_;
    request_since_ = active_;
    server_.stats.requests.fetch_add(1, std::memory_order_relaxed);
    handler_ = server_.service.OnRequest(head, *this);
    std::string().swap(head_);
    if (expect_continue_ && handler_) {
      expect_continue_ = false;
      if (remaining_ > 0 || chunked) out_ += "HTTP/1.1 100 Continue\r\n\r\n";
    }
    if (expect_continue_ && !handler_) {
      // The client has been told no before it sent the body: nothing of it will come.
      state_machine_ = kWait;
      return true;
    }
    if (state_machine_ == kBody && remaining_ == 0) BodyDone();
    return true;
  }

  void BodyDone() {
    state_machine_ = kWait;
    chunk_state_ = kNone;
    remaining_ = 0;
    if (handler_ && !answered_) {
      auto h = handler_;  // answering drops ours
      h->OnEnd();
    }
  }

  void Refused() {
    // Reserve refused: the handler has answered.
    Guard guard(*this);
    if (!answered_) Respond(500, {}, Slice());
    if (!guard.gone()) Process({});
  }

  bool Body(std::string_view& bytes) {
    if (answered_ && !keep_alive_) {
      state_machine_ = kWait;  // the connection ends with the answer
      bytes = {};
      return true;
    }
    if (bytes.empty()) return false;
    size_t n = std::min(bytes.size(), remaining_);
    if (!Deliver(bytes.substr(0, n), remaining_)) return true;
    bytes.remove_prefix(n);
    remaining_ -= n;
    if (remaining_ == 0) BodyDone();
    return true;
  }

  // Copies into the handler's memory. False when the handler refused (and so answered).
  bool Deliver(std::string_view bytes, size_t expected) {
    while (!bytes.empty() && handler_ && !answered_) {
      std::span<uint8_t> into = handler_->Reserve(expected);
      if (answered_ || into.empty()) {
        if (!answered_) Respond(500, {}, Slice());
        return false;
      }
      size_t n = std::min(into.size(), bytes.size());
      std::memcpy(into.data(), bytes.data(), n);
      handler_->Commit(n);
      bytes.remove_prefix(n);
      expected -= std::min(expected, n);
    }
    return true;
  }

  bool Chunk(std::string_view& bytes) {
    if (answered_ && !keep_alive_) {
      state_machine_ = kWait;
      bytes = {};
      return true;
    }
    if (bytes.empty()) return false;
    if (chunk_state_ == kData) {
      size_t n = std::min(bytes.size(), remaining_);
      if (!Deliver(bytes.substr(0, n), remaining_)) return true;
      bytes.remove_prefix(n);
      remaining_ -= n;
      if (remaining_ == 0) chunk_state_ = kDataEnd;
      return true;
    }
    // A line: chunk size, the end of a chunk, or a trailer.
    size_t eol = bytes.find('\n');
    head_.append(bytes.substr(0, eol == std::string_view::npos ? eol : eol + 1));
    bytes.remove_prefix(eol == std::string_view::npos ? bytes.size() : eol + 1);
    if (head_.size() > 4096) return Bad(400, "chunk line too long");
    if (eol == std::string_view::npos) return true;
    if (head_.size() < 2 || head_[head_.size() - 2] != '\r') return Bad(400, "malformed chunk");
    std::string_view line(head_.data(), head_.size() - 2);
    if (chunk_state_ == kDataEnd) {
      if (!line.empty()) return Bad(400, "malformed chunk");
      chunk_state_ = kSize;
    } else if (chunk_state_ == kSize) {
      std::string_view digits = line.substr(0, line.find(';'));
      while (!digits.empty() && (digits.back() == ' ' || digits.back() == '\t')) digits.remove_suffix(1);
      uint64_t n = 0;
      auto [end, err] = std::from_chars(digits.data(), digits.data() + digits.size(), n, 16);
      if (digits.empty() || err != std::errc() || end != digits.data() + digits.size() || n > INT64_MAX)
        return Bad(400, "malformed chunk size");
      remaining_ = n;
      chunk_state_ = n ? kData : kTrailer;
    } else if (line.empty()) {
      head_.clear();
      BodyDone();
      return true;
    } else if (++trailers_ > 64) {
      return Bad(431, "too many trailers");
    }
    head_.clear();
    return true;
  }

  // The answer is on its way: on to the next request, or the end. False when the connection is gone.
  bool NextRequest() {
    if (!keep_alive_) {
      if (out_empty()) {
        stream_->ShutdownWrite();
        if (unread_ && !state_.draining) {
          Linger();
          return true;
        }
        End();
        return false;
      }
      return true;
    }
    state_machine_ = kHead;
    answered_ = false;
    trailers_ = 0;
    head_.clear();
    handler_.reset();
    stream_->WantRead(true);
    return true;
  }

  void Linger() {
    state_machine_ = kLinger;
    lingers_since_ = state_.loop->Now();
    handler_.reset();
    pending_.clear();
    head_.clear();
    stream_->WantRead(true);
  }

  void AfterWrite() {
    if (!answered_ || state_machine_ == kHead || state_machine_ == kLinger) return;
    if (state_machine_ != kWait && keep_alive_) {
      // The rest of a refused body is read and thrown away.
      stream_->WantRead(true);
    } else {
      state_machine_ = kWait;
      if (NextRequest()) Process({});
    }
  }

  State state_machine_ = kHead;
  ChunkState chunk_state_ = kNone;
  std::string head_;     // the head, or a line of chunked framing, as far as it has come
  std::string pending_;  // bytes of requests behind the current one
  std::string held_;
  std::shared_ptr<RequestHandler> handler_;
  size_t remaining_ = 0;
  uint64_t requests_ = 0;
  int trailers_ = 0;
  bool keep_alive_ = true, http10_ = false, head_request_ = false, answered_ = false, expect_continue_ = false,
       closing_ = false;
  bool in_process_ = false;
  bool unread_ = false;  // the client may go on sending what will not be read
  MonoTime head_since_{}, request_since_{}, lingers_since_{};
};

}  // namespace

std::unique_ptr<Connection> NewHttp1Connection(HttpServer::Shared& server, LoopState& state,
                                               std::unique_ptr<Stream> stream) {
  return std::make_unique<Http1Connection>(server, state, std::move(stream));
}

void FeedHttp1(Connection& connection, std::string_view bytes) {
  static_cast<Http1Connection&>(connection).Feed(bytes);
}

}  // namespace naru::net
