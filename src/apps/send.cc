// `naru send`: a load generator and a first client.
#include <signal.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <unordered_map>

#include "apps/cli.h"
#include "apps/flags.h"
#include "apps/payload.h"
#include "base/version.h"
#include "net/dialer.h"
#include "net/epoll_loop.h"
#include "net/http_client.h"
#include "net/tls.h"
#include "otlp/json.h"
#include "otlp/scan.h"
#include "wire/compress.h"

namespace naru::apps {
namespace {

struct SendOptions {
  std::vector<otlp::Signal> signals;
  std::string endpoint, protocol = "grpc", compression = "none", write, file;
  int64_t count = -1, size = 10, rate = 0, workers = 1, seed = 0, connections = 1, distinct = 16;
  Duration duration{0}, timeout = std::chrono::seconds(10);
  bool insecure_tls = false, tls = false, no_retry = false;
  std::string ca, cert, key;
  std::vector<std::pair<std::string, std::string>> headers;
};

struct Encoded {
  otlp::Signal signal;
  std::vector<Slice> body;
  uint64_t items = 0;
  bool compressed = false;
};

// Sends on one loop until the count or the time is reached, then reports.
class Generator {
 public:
  Generator(SendOptions o, std::vector<Encoded> payloads, net::EpollWorld& world)
      : o_(std::move(o)), payloads_(std::move(payloads)), world_(world), loop_(*world.loops()[0]) {}

  Status Open() {
    bool grpc = o_.protocol == "grpc";
    std::string text = o_.endpoint.empty() ? (grpc ? "127.0.0.1:4317" : "127.0.0.1:4318") : o_.endpoint;
    // unix:///path and unix:path, as the exporters take it.
    std::string socket;
    if (text.rfind("unix:", 0) == 0) {
      socket = text.substr(text.rfind("unix://", 0) == 0 ? 7 : 5);
      if (socket.empty()) return Fail(Code::kInvalidArgument, "--endpoint {}: no path", text);
      text = "localhost";
    }
    if (text.find("://") == std::string::npos) text = (o_.tls ? "https://" : "http://") + text;
    auto url = net::Url::Parse(text);
    if (!url) return Unexpected(url.error());
    bool tls = url->scheme == "https";
    base_path_ = grpc ? "" : url->path;
    while (!base_path_.empty() && base_path_.back() == '/') base_path_.pop_back();
    net::HttpClientOptions c;
    c.scheme = url->scheme;
    c.authority = url->Authority();
    c.user_agent = "naru-send/" NARU_VERSION;
    c.http2_prior_knowledge = grpc;
    c.connections = static_cast<int>(o_.connections);
    net::StreamWrapper wrap;
    if (tls) {
      net::TlsSettings s;
      s.ca_file = o_.ca;
      s.cert_file = o_.cert;
      s.key_file = o_.key;
      s.skip_verify = o_.insecure_tls;
      s.server_name = url->host;
      s.alpn = grpc ? std::vector<std::string>{"h2"} : std::vector<std::string>{"http/1.1"};
      auto context = net::TlsContext::Make(std::move(s), false);
      if (!context) return Unexpected(context.error());
      wrap = [ctx = *context](net::Loop& loop, std::unique_ptr<net::Stream> stream, Duration timeout, auto done) {
        return ctx->Handshake(loop, std::move(stream), timeout, std::move(done));
      };
    }
    net::DialTarget target{url->host, url->port, false, true};
    if (!socket.empty()) target = {socket, 0, true, false};
    client_ = std::make_unique<net::HttpClient>(loop_, c, net::MakeConnector(std::move(target), std::move(wrap)));
    return {};
  }

  void Begin() {
    started_ = loop_.Now();
    if (o_.duration > Duration(0))
      end_ = loop_.AddTimer(o_.duration, [this] {
        over_ = true;
        CheckEnd();
      });
    Fill();
  }
  void Interrupt() {
    over_ = true;
    CheckEnd();
  }

  int Report() const {
    double seconds = std::max(1e-9, std::chrono::duration<double>(ended_ - started_).count());
    std::printf("%llu records in %llu requests accepted in %.2f s: %.0f records/s, %.2f MB/s\n",
                static_cast<unsigned long long>(accepted_), static_cast<unsigned long long>(requests_ok_), seconds,
                static_cast<double>(accepted_) / seconds, static_cast<double>(bytes_) / seconds / 1e6);
    if (rejected_)
      std::printf("%llu records rejected by partial success\n", static_cast<unsigned long long>(rejected_));
    if (refused_) std::printf("%llu records refused for good\n", static_cast<unsigned long long>(refused_));
    if (undelivered_)
      std::printf("%llu records not delivered: no answer came\n", static_cast<unsigned long long>(undelivered_));
    if (retried_)
      std::printf("%llu requests sent again after a retryable answer\n", static_cast<unsigned long long>(retried_));
    for (auto& [why, n] : reasons_) std::printf("  %llu x %s\n", static_cast<unsigned long long>(n), why.c_str());
    auto sorted = latencies_;
    std::sort(sorted.begin(), sorted.end());
    auto at = [&](double p) {
      return sorted.empty()
                 ? 0.0
                 : sorted[std::min(sorted.size() - 1, static_cast<size_t>(p * static_cast<double>(sorted.size())))];
    };
    std::printf("latency ms: p50 %.2f  p90 %.2f  p99 %.2f  max %.2f\n", at(0.5), at(0.9), at(0.99),
                sorted.empty() ? 0 : sorted.back());
    return accepted_ > 0 && refused_ == 0 && rejected_ == 0 && undelivered_ == 0 ? 0 : 1;
  }

 private:
  void Fill() {
    while (!over_ && in_flight_ < o_.workers) {
      if (o_.count > 0 && sent_ >= static_cast<uint64_t>(o_.count)) {
        over_ = true;
        break;
      }
      if (o_.rate > 0) {
        // Open loop: records are due at their time, whatever the answers do.
        double due = static_cast<double>(sent_) / static_cast<double>(o_.rate);
        double now = std::chrono::duration<double>(loop_.Now() - started_).count();
        if (now < due) {
          pace_ = loop_.AddTimer(Duration(static_cast<int64_t>((due - now) * 1e9)), [this] { Fill(); });
          break;
        }
      }
      const Encoded& p = payloads_[next_++ % payloads_.size()];
      sent_ += p.items;
      ++in_flight_;
      Post(p, 0);
    }
    CheckEnd();
  }

  void Post(const Encoded& p, int tries) {
    net::ClientRequest r;
    bool grpc = o_.protocol == "grpc";
    r.grpc = grpc;
    r.path =
        grpc ? std::string(otlp::Names(p.signal).grpc_path) : base_path_ + std::string(otlp::Names(p.signal).http_path);
    r.body = p.body;
    r.timeout = o_.timeout;
    r.headers = o_.headers;
    if (!grpc)
      r.headers.emplace_back("content-type",
                             o_.protocol == "http/json" ? "application/json" : "application/x-protobuf");
    if (p.compressed) {
      r.headers.emplace_back(grpc ? "grpc-encoding" : "content-encoding", o_.compression);
      r.compressed = grpc;
    }
    MonoTime begun = loop_.Now();
    client_->Send(std::move(r), [this, &p, tries, begun](Result<net::ClientResponse> got) {
      Answer(p, tries, begun, std::move(got));
    });
  }

  void Answer(const Encoded& p, int tries, MonoTime begun, Result<net::ClientResponse> got) {
    bool grpc = o_.protocol == "grpc";
    bool ok = got && (grpc ? got->grpc_code == Code::kOk : got->status >= 200 && got->status < 300);
    if (ok) {
      ++requests_ok_;
      answered_ = true;
      if (latencies_.size() < 1'000'000)
        latencies_.push_back(std::chrono::duration<double, std::milli>(loop_.Now() - begun).count());
      for (auto& s : p.body) bytes_ += s.size();
      Result<otlp::ExportOutcome> partial = o_.protocol == "http/json"
                                                ? otlp::ExportResponseFromJson(p.signal, got->body)
                                                : otlp::DecodeExportResponse(got->body);
      uint64_t lost =
          partial && partial->rejected > 0 ? std::min<uint64_t>(p.items, static_cast<uint64_t>(partial->rejected)) : 0;
      rejected_ += lost;
      accepted_ += p.items - lost;
      if (lost) Note(partial->message);
      return Done();
    }
    Duration wait = std::chrono::milliseconds(std::min(5000, 100 << std::min(tries, 6)));
    bool retryable;
    std::string why;
    if (!got) {
      retryable = got.error().retryable;
      why = got.error().message;
      if (!answered_) Unreachable(why);
    } else if (grpc) {
      Code c = got->grpc_code;
      retryable = c == Code::kUnavailable || c == Code::kResourceExhausted || c == Code::kAborted ||
                  c == Code::kDeadlineExceeded || c == Code::kCancelled;
      why = fmt::format("{}: {}", CodeName(c), got->grpc_message);
      if (auto s = otlp::DecodeRpcStatus(got->grpc_details); s && s->retry_after) wait = *s->retry_after;
    } else {
      retryable = got->status == 429 || got->status == 502 || got->status == 503 || got->status == 504;
      why = fmt::format("HTTP {}", got->status);
      if (auto* after = got->Header("retry-after"))
        wait = net::ParseRetryAfter(*after, loop_.clock().UnixNano() / 1'000'000'000);
    }
    answered_ = answered_ || got.has_value();
    Note(why);
    if (retryable && !o_.no_retry && !over_ && tries < 1000) {
      ++retried_;
      auto timer = std::make_shared<net::Timer>();
      *timer = loop_.AddTimer(wait, [this, &p, tries, timer] { Post(p, tries + 1); });
      return;
    }
    (got ? refused_ : undelivered_) += p.items;
    Done();
  }

  // Nobody has answered yet: says so at once, and ends after a while, for the address is probably wrong.
  void Unreachable(const std::string& why) {
    if (reasons_.empty())
      std::fprintf(stderr, "naru send: %s%s\n", why.c_str(), o_.no_retry ? "" : "; trying again for 10 seconds");
    if (loop_.Now() - started_ > std::chrono::seconds(10)) over_ = true;
  }

  void Note(const std::string& why) {
    if (reasons_.size() < 20 || reasons_.count(why)) ++reasons_[why];
  }

  void Done() {
    --in_flight_;
    Fill();
  }
  void CheckEnd() {
    if (!over_ || in_flight_ > 0 || finished_) return;
    finished_ = true;
    ended_ = loop_.Now();
    pace_.Cancel();
    end_.Cancel();
    loop_.Post([this] {
      client_.reset();
      world_.Stop();
    });
  }

  SendOptions o_;
  std::vector<Encoded> payloads_;
  net::EpollWorld& world_;
  net::Loop& loop_;
  std::unique_ptr<net::HttpClient> client_;
  std::string base_path_;
  MonoTime started_{}, ended_{};
  net::Timer end_, pace_;
  bool over_ = false, finished_ = false;
  bool answered_ = false;  // by anybody, in any way
  int64_t in_flight_ = 0;
  size_t next_ = 0;
  uint64_t sent_ = 0, accepted_ = 0, rejected_ = 0, refused_ = 0, undelivered_ = 0, retried_ = 0, requests_ok_ = 0,
           bytes_ = 0;
  std::unordered_map<std::string, uint64_t> reasons_;
  std::vector<double> latencies_;
};

Result<std::string> ReadAll(const std::string& path) {
  FILE* f = std::fopen(path.c_str(), "re");
  if (!f) return Fail(Code::kNotFound, "cannot open {}", path);
  std::string out;
  char buffer[65536];
  size_t n;
  while ((n = std::fread(buffer, 1, sizeof buffer, f)) > 0) out.append(buffer, n);
  std::fclose(f);
  return out;
}

int Error(const std::string& message) {
  std::fprintf(stderr, "naru send: %s\n", message.c_str());
  return 2;
}

}  // namespace

int SendMain(const std::vector<std::string>& args) {
  SendOptions o;
  Flags flags;
  flags.Text(
      "endpoint", "HOST:PORT",
      "where to send: HOST:PORT, unix:///PATH, or a URL for OTLP/HTTP behind a path (default 127.0.0.1:4317 or :4318)",
      &o.endpoint);
  flags.Text("protocol", "NAME", "grpc (default), http/protobuf or http/json", &o.protocol);
  flags.Number("count", "records of each signal to send; 0 for no end (default 10, with --duration no end)", &o.count,
               0, INT64_MAX / 2);
  flags.Number("size", "records of a request (default 10)", &o.size, 1, 1'000'000);
  flags.Number("rate", "records a second; 0 as fast as answers come (default 0)", &o.rate, 0, 1'000'000'000);
  flags.Number("workers", "requests in flight at most (default 1)", &o.workers, 1, 100'000);
  flags.Number("connections", "gRPC connections (default 1)", &o.connections, 1, 1000);
  flags.Time("duration", "stop after this time", &o.duration);
  flags.Time("timeout", "time for an answer (default 10s)", &o.timeout);
  flags.Number("seed", "the same seed makes the same records (default: the time)", &o.seed, 0, INT64_MAX);
  flags.Number("distinct", "different requests to make; they are sent in turn (default 16)", &o.distinct, 1, 100'000);
  flags.Text("compression", "NAME", "none (default), gzip, zstd, snappy, deflate, lz4", &o.compression);
  flags.Add("header", "NAME=VALUE", "a header of every request; may be repeated", [&](const std::string& v) -> Status {
    size_t eq = v.find('=');
    if (eq == std::string::npos || eq == 0) return Fail(Code::kInvalidArgument, "must be NAME=VALUE");
    std::string name = v.substr(0, eq);
    for (char& c : name) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
    }
    o.headers.emplace_back(name, v.substr(eq + 1));
    return {};
  });
  flags.Switch("tls", "use TLS", &o.tls);
  flags.Text("ca", "FILE", "CA that the server's certificate must come from", &o.ca);
  flags.Text("cert", "FILE", "own certificate (mTLS)", &o.cert);
  flags.Text("key", "FILE", "its private key", &o.key);
  flags.Switch("insecure-skip-verify", "do not look at the server's certificate", &o.insecure_tls);
  flags.Switch("no-retry", "count retryable refusals instead of sending again", &o.no_retry);
  flags.Text("file", "FILE",
             "send this OTLP protobuf request (or, ending in .json, OTLP/JSON lines) instead of made-up records",
             &o.file);
  flags.Text("write", "FILE", "write one request to a file instead of sending", &o.write);
  std::vector<std::string> rest;
  bool help = false;
  if (auto s = flags.Parse(args, &rest, &help); !s) return Error(s.error().message);
  if (help) {
    std::printf(
        "usage: naru send [traces] [metrics] [logs] [flags]\n\nSends telemetry (all three signals by default) and "
        "reports what was accepted, refused and retried.\n\n%s",
        flags.Help().c_str());
    return 0;
  }
  for (auto& r : rest) {
    auto s = otlp::SignalByName(r);
    if (!s || *s == otlp::Signal::kProfiles) return Error(fmt::format("\"{}\" is none of traces, metrics, logs", r));
    o.signals.push_back(*s);
  }
  if (o.signals.empty()) o.signals = {otlp::Signal::kTraces, otlp::Signal::kMetrics, otlp::Signal::kLogs};
  if (o.protocol != "grpc" && o.protocol != "http/protobuf" && o.protocol != "http/json")
    return Error("--protocol: grpc, http/protobuf or http/json");
  auto codec = o.protocol == "grpc" ? wire::CodecByGrpcName(o.compression) : wire::CodecByHttpName(o.compression);
  if (!codec) return Error(fmt::format("--compression: \"{}\" is not known", o.compression));
  uint64_t now = Clock::System().UnixNano();
  auto seed = static_cast<uint64_t>(o.seed ? o.seed : static_cast<int64_t>(now / 1000));

  std::vector<Encoded> payloads;
  auto add = [&](otlp::Signal signal, Slice bytes, uint64_t items) -> Status {
    Encoded e{signal, {}, items, false};
    if (o.protocol == "http/json") {
      auto json = otlp::RequestToJson(signal, std::span<const Slice>(&bytes, 1));
      if (!json) return Unexpected(json.error());
      bytes = std::move(*json);
    }
    e.body = {std::move(bytes)};
    if (*codec != wire::Codec::kIdentity) {
      auto packed = wire::Compress(*codec, e.body);
      if (!packed) return Unexpected(packed.error());
      e.body = {std::move(*packed)};
      e.compressed = true;
    }
    payloads.push_back(std::move(e));
    return {};
  };
  if (!o.file.empty()) {
    auto text = ReadAll(o.file);
    if (!text) return Error(text.error().message);
    bool json = o.file.ends_with(".json") || o.file.ends_with(".jsonl");
    std::string_view left = *text;
    while (!left.empty()) {
      std::string_view one = json ? left.substr(0, left.find('\n')) : left;
      left.remove_prefix(std::min(left.size(), one.size() + (json ? 1 : 0)));
      if (one.empty()) continue;
      Slice bytes;
      if (json) {
        auto parsed = otlp::RequestFromJson(o.signals[0], one);
        if (!parsed) return Error(fmt::format("{}: {}", o.file, parsed.error().message));
        bytes = std::move(parsed->bytes);
      } else {
        bytes = Slice::CopyOf(one);
      }
      auto scanned = otlp::Count(o.signals[0], bytes.view());
      if (!scanned.ok) return Error(fmt::format("{} is no OTLP request of {}", o.file, otlp::Names(o.signals[0]).name));
      if (auto s = add(o.signals[0], std::move(bytes), scanned.items); !s) return Error(s.error().message);
    }
    if (payloads.empty()) return Error(fmt::format("{} has no request in it", o.file));
    if (o.count < 0) {
      o.count = 0;
      for (auto& p : payloads) o.count += static_cast<int64_t>(p.items);
    }
  } else if (!o.write.empty()) {
    Payload p = MakePayload(o.signals[0], static_cast<uint64_t>(o.size), seed, now);
    FILE* f = std::fopen(o.write.c_str(), "we");
    if (!f || std::fwrite(p.bytes.data(), 1, p.bytes.size(), f) != p.bytes.size() || std::fclose(f) != 0)
      return Error(fmt::format("cannot write {}", o.write));
    std::printf("%llu records, %zu bytes\n", static_cast<unsigned long long>(p.items), p.bytes.size());
    return 0;
  } else {
    int64_t distinct = o.distinct;
    if (o.count > 0) distinct = std::min(distinct, std::max<int64_t>(1, (o.count + o.size - 1) / o.size));
    for (int64_t i = 0; i < distinct; ++i) {
      for (auto signal : o.signals) {
        auto size = static_cast<uint64_t>(o.count > 0 ? std::min(o.size, o.count) : o.size);
        Payload p = MakePayload(signal, size, seed + static_cast<uint64_t>(i) * 7919, now);
        if (auto s = add(signal, std::move(p.bytes), p.items); !s) return Error(s.error().message);
      }
    }
    if (o.count > 0 && o.signals.size() > 1) o.count *= static_cast<int64_t>(o.signals.size());
  }
  if (o.count == 0 && o.duration == Duration(0)) o.duration = std::chrono::hours(24 * 365);

  signal(SIGPIPE, SIG_IGN);
  net::EpollWorld world(1);
  Generator generator(o, std::move(payloads), world);
  Status opened{};
  world.loops()[0]->Post([&] {
    opened = generator.Open();
    if (!opened) return world.Stop();
    generator.Begin();
  });
  static net::Loop* loop;
  static Generator* running;
  loop = world.loops()[0];
  running = &generator;
  signal(SIGINT, [](int) {
    // Posting takes a lock; a second Ctrl-C ends the process at once.
    signal(SIGINT, SIG_DFL);
    loop->Post([] { running->Interrupt(); });
  });
  world.Run();
  if (!opened) return Error(opened.error().message);
  return generator.Report();
}

}  // namespace naru::apps
