// A client's HTTP/1.1 connection (RFC 9112): one request at a time, kept alive between them.
#include <algorithm>
#include <charconv>
#include <cstring>

#include <fmt/core.h>

#include "net/http_client_session.h"
#include "net/http_server.h"

namespace naru::net {
namespace {

class Http1Client final : public ClientConnection {
 public:
  Http1Client(HttpClient::Shared& client, std::unique_ptr<Stream> stream)
      : client_(client), stream_(std::move(stream)) {
    active_ = client_.loop.Now();
    stream_->SetHandler(this);
  }

  bool CanTake() const override { return !exchange_ && !dead_; }
  bool idle() const override { return !exchange_; }

  void Take(ExchangePtr e) override {
    exchange_ = std::move(e);
    active_ = client_.loop.Now();
    ClientRequest& r = exchange_->request;
    head_.clear();
    auto out = std::back_inserter(head_);
    fmt::format_to(out, "{} {}{} HTTP/1.1\r\n", r.method, client_.options.target_prefix, r.path);
    bool host = false, agent = false;
    for (auto& [k, v] : r.headers) {
      host = host || k == "host";
      agent = agent || k == "user-agent";
      fmt::format_to(out, "{}: {}\r\n", k, v);
    }
    if (!host) fmt::format_to(out, "host: {}\r\n", client_.options.authority);
    if (!agent && !client_.options.user_agent.empty())
      fmt::format_to(out, "user-agent: {}\r\n", client_.options.user_agent);
    if (!client_.options.proxy_authorization.empty())
      fmt::format_to(out, "proxy-authorization: {}\r\n", client_.options.proxy_authorization);
    if (!client_.options.keep_alives) head_ += "connection: close\r\n";
    if (r.method != "GET" || exchange_->body_bytes)
      fmt::format_to(out, "content-length: {}\r\n", exchange_->body_bytes);
    head_ += "\r\n";
    part_ = 0;
    offset_ = 0;
    in_.clear();
    state_ = kHead;
    got_any_ = false;
    Write();
  }

  void Forget(Exchange&) override {
    // The answer may still come: the connection cannot be used for another request.
    exchange_.reset();
    Die(Error{Code::kCancelled, true, Duration(0), "given up"});
  }

  bool Check(MonoTime now) override {
    if (dead_) return false;
    return exchange_ || now - active_ < client_.options.idle_timeout || client_.options.idle_timeout == Duration(0);
  }

  void OnWritable() override {
    if (!dead_) Write();
  }

  void OnReadable() override {
    if (dead_) return;
    uint8_t buffer[16384];
    IoResult r = stream_->Read({buffer, sizeof buffer});
    if (r.kind == IoResult::kWouldBlock) return;
    if (r.kind != IoResult::kBytes) {
      if (exchange_ && state_ == kUntilClose && r.kind == IoResult::kEof) return Complete(false);
      return Die(Error{Code::kUnavailable, true, Duration(0),
                       r.kind == IoResult::kEof ? "EOF" : "read: " + FailureText(*stream_, r)});
    }
    if (!exchange_) return Die(Error{Code::kUnavailable, true, Duration(0), "unexpected bytes"});
    got_any_ = true;
    in_.append(reinterpret_cast<char*>(buffer), r.n);
    Parse();
  }

 private:
  enum State { kHead, kLength, kChunkSize, kChunkData, kChunkEnd, kTrailers, kUntilClose };

  void Write() {
    if (!exchange_) return;
    auto& body = exchange_->request.body;
    for (;;) {
      iovec v[256];
      int k = 0;
      size_t offset = offset_;
      for (size_t i = part_; i < body.size() + 1 && k < 256; ++i) {
        const void* data = i == 0 ? static_cast<const void*>(head_.data()) : body[i - 1].data();
        size_t size = i == 0 ? head_.size() : body[i - 1].size();
        if (size > offset) v[k++] = {const_cast<char*>(static_cast<const char*>(data)) + offset, size - offset};
        offset = 0;
      }
      if (k == 0) break;
      IoResult r = stream_->Writev(v, k);
      if (r.kind == IoResult::kWouldBlock || (r.kind == IoResult::kBytes && r.n == 0)) return stream_->WantWrite(true);
      if (r.kind != IoResult::kBytes) {
        // An answer may wait although the peer takes no more (an early 413, say): reading finds it, or the end.
        stream_->WantWrite(false);
        part_ = body.size() + 1;
        OnReadable();
        return;
      }
      exchange_->sent = true;
      size_t n = r.n;
      while (n > 0) {
        size_t size = part_ == 0 ? head_.size() : body[part_ - 1].size();
        if (n < size - offset_) {
          offset_ += n;
          break;
        }
        n -= size - offset_;
        offset_ = 0;
        ++part_;
      }
    }
    stream_->WantWrite(false);
  }

  void Parse() {
    for (;;) {
      if (!exchange_ || dead_) return;
      ClientResponse& r = exchange_->response;
      switch (state_) {
        case kHead: {
          size_t end = in_.find("\r\n\r\n");
          if (end == std::string::npos) {
            if (in_.size() > client_.options.max_response_head_bytes) return Bad("response head too large");
            return;
          }
          if ((exchange_->head_bytes += end) > client_.options.max_response_head_bytes)
            return Bad("response head too large");  // of many answers 1xx together, too
          if (!Head(std::string_view(in_).substr(0, end + 2))) return Bad("malformed HTTP response");
          in_.erase(0, end + 4);
          if (r.status >= 100 && r.status < 200) {
            r = ClientResponse();
            state_ = kHead;
            continue;
          }
          if (exchange_->request.method == "HEAD" || r.status == 204 || r.status == 304) return Complete(keep_);
          if (state_ == kLength && left_ > client_.options.max_response_bytes) return CutOff();
          continue;
        }
        case kLength: {
          size_t n = std::min(left_, in_.size());
          r.body.append(in_, 0, n);
          in_.erase(0, n);
          left_ -= n;
          if (left_ == 0) return Complete(keep_);
          return;
        }
        case kUntilClose:
          if (!Room(in_.size())) return;
          r.body += in_;
          in_.clear();
          return;
        case kChunkSize: {
          size_t eol = in_.find("\r\n");
          if (eol == std::string::npos) {
            if (in_.size() > 4096) return Bad("malformed chunk");
            return;
          }
          uint64_t n = 0;
          auto [p, err] = std::from_chars(in_.data(), in_.data() + eol, n, 16);
          if (err != std::errc() || p == in_.data()) return Bad("malformed chunk");
          in_.erase(0, eol + 2);
          if (!Room(n)) return;
          left_ = n;
          state_ = n ? kChunkData : kTrailers;
          continue;
        }
        case kChunkData: {
          size_t n = std::min(left_, in_.size());
          r.body.append(in_, 0, n);
          in_.erase(0, n);
          left_ -= n;
          if (left_) return;
          state_ = kChunkEnd;
          continue;
        }
        case kChunkEnd:
          if (in_.size() < 2) return;
          if (in_.compare(0, 2, "\r\n") != 0) return Bad("malformed chunk");
          in_.erase(0, 2);
          state_ = kChunkSize;
          continue;
        case kTrailers: {
          size_t eol = in_.find("\r\n");
          if (eol == std::string::npos) {
            if (in_.size() > 65536) return Bad("trailers too large");
            return;
          }
          bool last = eol == 0;
          in_.erase(0, eol + 2);
          if (last) return Complete(keep_);
          continue;
        }
      }
    }
  }

  bool Room(uint64_t more) {
    size_t have = exchange_->response.body.size(), most = client_.options.max_response_bytes;
    if (more <= most && have <= most - more) return true;
    CutOff();
    return false;
  }
  // What the body says is not known, but what became of the request is.
  void CutOff() {
    std::string().swap(exchange_->response.body);
    exchange_->response.cut_off = true;
    Complete(false);
  }

  bool Head(std::string_view text) {
    ClientResponse& r = exchange_->response;
    if (text.size() < 12 || text.substr(0, 7) != "HTTP/1." || text[8] != ' ') return false;
    auto [p, err] = std::from_chars(text.data() + 9, text.data() + 12, r.status);
    if (err != std::errc() || p != text.data() + 12) return false;
    keep_ = text[7] == '1' && client_.options.keep_alives;
    bool chunked = false, length = false;
    size_t at = text.find("\r\n") + 2;
    while (at < text.size()) {
      size_t eol = text.find("\r\n", at);
      std::string_view line = text.substr(at, eol - at);
      at = eol + 2;
      size_t colon = line.find(':');
      if (colon == std::string_view::npos) return false;
      std::string name(line.substr(0, colon));
      for (char& c : name) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
      }
      std::string_view value = line.substr(colon + 1);
      while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
      while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
      if (name == "content-length") {
        uint64_t n = 0;
        auto [q, e] = std::from_chars(value.data(), value.data() + value.size(), n);
        if (e != std::errc() || q != value.data() + value.size()) return false;
        left_ = n;
        length = true;
      } else if (name == "transfer-encoding") {
        chunked = value.find("chunked") != std::string_view::npos;
      } else if (name == "connection") {
        std::string lower(value);
        for (char& c : lower) c = static_cast<char>(c | 0x20);
        if (lower.find("close") != std::string::npos) keep_ = false;
      }
      r.headers.emplace_back(std::move(name), std::string(value));
    }
    if (chunked) {
      state_ = kChunkSize;
    } else if (length) {
      state_ = kLength;
    } else {
      keep_ = false;
      state_ = kUntilClose;
    }
    return true;
  }

  void Complete(bool keep) {
    ExchangePtr e = std::move(exchange_);
    exchange_.reset();
    active_ = client_.loop.Now();
    // An answer before the whole request was taken: what follows would be read as the next request.
    if (part_ < e->request.body.size() + 1) keep = false;
    auto owner = client_.shared_from_this();
    if (!keep) {
      dead_ = true;
      client_.Remove(this);
    }
    ClientResponse r = std::move(e->response);
    owner->Finish(e, std::move(r));
    if (!owner->closed) owner->Pump();
  }

  void Bad(std::string_view why) {
    ExchangePtr e = std::move(exchange_);
    exchange_.reset();
    auto owner = client_.shared_from_this();
    dead_ = true;
    client_.Remove(this);
    owner->Finish(e, Unavailable("{}: {}", client_.options.authority, why));
  }

  void Die(Error error) {
    if (dead_) return;
    dead_ = true;
    ExchangePtr e = std::move(exchange_);
    exchange_.reset();
    auto owner = client_.shared_from_this();
    client_.Remove(this);
    if (!e) return owner->Pump();
    error.message = fmt::format("{} \"{}://{}{}\": {}", e->request.method, client_.options.scheme,
                                client_.options.authority, e->request.path, error.message);
    owner->Broken(e, error, !got_any_);
  }

  HttpClient::Shared& client_;
  std::unique_ptr<Stream> stream_;
  ExchangePtr exchange_;
  std::string head_, in_;
  size_t part_ = 0, offset_ = 0;  // 0: the head; i: body[i - 1]
  size_t left_ = 0;
  State state_ = kHead;
  bool keep_ = true, dead_ = false, got_any_ = false;
  MonoTime active_{};
};

}  // namespace

std::unique_ptr<ClientConnection> NewHttp1Client(HttpClient::Shared& client, std::unique_ptr<Stream> stream) {
  return std::make_unique<Http1Client>(client, std::move(stream));
}

}  // namespace naru::net
