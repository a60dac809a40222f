#include "exporters/otlp_http/http_sender.h"

#include <map>
#include <optional>

#include "net/http_client.h"
#include "otlp/json.h"
#include "pipeline/call_metrics.h"
#include "pipeline/config/client.h"
#include "wire/compress.h"

namespace naru::exporters::otlp_http {
namespace {

using otlp::Signal;
using pipeline::Batch;
using pipeline::SendResult;

class HttpSender final : public pipeline::Sender {
 public:
  HttpSender(const Config& c, const pipeline::ExporterContext& context, net::Loop& loop)
      : config_(c),
        signal_(context.signal),
        loop_(loop),
        host_(*context.host),
        auth_(pipeline::FindClientAuth(*context.host, c.client.auth)),
        tracer_(context.host->tracer()),
        metrics_(context.host->metrics()) {
    codec_ = *wire::CodecByHttpName(c.client.compression);
    auto url = net::Url::Parse(UrlFor(c, signal_));
    if (!url) {
      broken_ = url.error();
      return;
    }
    url_parts_ = *url;
    url_ = fmt::format("{}://{}{}", url->scheme, url->Authority(), url->path);
    headers_.emplace_back("content-type", c.encoding == "json" ? "application/json" : "application/x-protobuf");
    for (auto& [k, v] : c.client.headers.entries) {
      std::string name = k;
      for (char& ch : name) {
        if (ch >= 'A' && ch <= 'Z') ch = static_cast<char>(ch | 0x20);
      }
      if (name == "content-type") headers_.erase(headers_.begin());
      headers_.emplace_back(std::move(name), v.value());
    }
    client_ = pipeline::MakeHttpClient(*context.host, c.client, *url, loop);
  }

  void Send(const Batch& batch, std::function<void(SendResult)> done) override {
    if (!client_) return done(SendResult::Failed(broken_));
    Send(batch, Target{client_.get(), url_parts_}, 0, std::move(done));
  }

 private:
  using Answer = Result<net::ClientResponse>;
  struct Target {
    net::HttpClient* client;
    net::Url url;
  };

  void Send(const Batch& batch, const Target& to, int hops, std::function<void(SendResult)> done) {
    net::ClientRequest r;
    r.path = to.url.path;
    r.timeout = config_.client.timeout;
    r.headers = headers_;
    bool elsewhere = to.url.host != url_parts_.host;
    if (auth_ && !elsewhere) {
      for (auto& h : auth_->Headers(batch.client().get())) r.headers.push_back(std::move(h));
    }
    // As in Go, another host is not told what was meant for this one.
    if (elsewhere) {
      std::erase_if(r.headers, [](auto& h) {
        return h.first == "authorization" || h.first == "cookie" || h.first == "www-authenticate" || h.first == "host";
      });
    }
    if (tracer_.propagates() && batch.client()) tracer_.Inject(batch.client()->span, r.headers);
    for (auto& p : batch.parts()) r.body.push_back(p.bytes);
    if (config_.encoding == "json") {
      auto json = otlp::RequestToJson(signal_, r.body);
      if (!json) return done(SendResult::Failed(json.error()));
      r.body = {std::move(*json)};
    }
    if (codec_ != wire::Codec::kIdentity) {
      int level = config_.client.compression_params.level ? static_cast<int>(config_.client.compression_params.level)
                                                          : wire::kDefaultLevel;
      auto packed = wire::Compress(codec_, r.body, level);
      if (!packed) return done(SendResult::Failed(packed.error()));
      r.body = {std::move(*packed)};
      r.headers.emplace_back("content-encoding", std::string(wire::HttpName(codec_)));
    }
    auto finish = [this, &batch, to, hops, done = std::move(done)](Answer got) {
      auto next = Redirect(got, to.url, hops);
      if (!next) return done(SendResult::Failed(next.error()));
      if (*next) return Send(batch, **next, hops + 1, done);
      done(Judge(std::move(got)));
    };
    if (!metrics_.detailed()) return to.client->Send(std::move(r), std::move(finish));
    uint64_t bytes = 0;
    for (auto& s : r.body) bytes += s.size();
    to.client->Send(std::move(r), [this, bytes, begun = loop_.Now(), finish = std::move(finish)](Answer got) {
      Measure(got, bytes, loop_.Now() - begun);
      finish(std::move(got));
    });
  }

  // 307 and 308 send the same request to another place (RFC 9110, 15.4.8 and 15.4.9); the other redirects would turn it
  // into a GET and are failures. Where to, nothing when the answer is no redirect, or why it cannot be followed.
  Result<std::optional<Target>> Redirect(const Answer& got, const net::Url& from, int hops) {
    if (!got || (got->status != 307 && got->status != 308)) return std::optional<Target>();
    const std::string* location = got->Header("location");
    if (!location || location->empty()) return std::optional<Target>();
    if (hops + 1 == kMaxRequests) return Unavailable("{}: stopped after {} redirects", url_, kMaxRequests);
    auto url = from.Resolve(*location);
    if (!url || (url->scheme != "http" && url->scheme != "https"))
      return Unavailable("{}: redirected to \"{}\", which is no URL of http or https", url_, location->substr(0, 200));
    std::string origin = url->scheme + "://" + url->Authority();
    if (origin == url_parts_.scheme + "://" + url_parts_.Authority()) return std::optional(Target{client_.get(), *url});
    auto known = redirects_.find(origin);
    if (known == redirects_.end()) {
      if (redirects_.size() >= kMaxOrigins) ForgetIdle();
      if (redirects_.size() >= kMaxOrigins)
        return Unavailable("{}: redirected to more than {} hosts at once", url_, kMaxOrigins);
      known = redirects_.emplace(origin, pipeline::MakeHttpClient(host_, config_.client, *url, loop_)).first;
    }
    return std::optional(Target{known->second.get(), *url});
  }

  // At the next turn: the answer that is looked at may come from one of them.
  void ForgetIdle() {
    auto gone = std::make_shared<std::vector<std::unique_ptr<net::HttpClient>>>();
    for (auto it = redirects_.begin(); it != redirects_.end();) {
      auto next = std::next(it);
      if (it->second->in_flight() == 0) {
        gone->push_back(std::move(it->second));
        redirects_.erase(it);
      }
      it = next;
    }
    loop_.Post([gone] { gone->clear(); });
  }

  void Measure(const Answer& got, uint64_t bytes, Duration took) {
    std::string error = got ? got->status >= 400 ? std::to_string(got->status) : "" : CodeName(got.error().code);
    pipeline::RecordHttpClient(metrics_, {.scheme = url_parts_.scheme,
                                          .server_address = url_parts_.host,
                                          .server_port = url_parts_.port,
                                          .status = got ? got->status : 0,
                                          .error_type = error,
                                          .duration = took,
                                          .request_bytes = bytes});
  }

  SendResult Judge(Answer got) {
    if (!got) return SendResult::Failed(got.error());
    const std::string* type = got->Header("content-type");
    bool json = type && type->rfind("application/json", 0) == 0;
    bool proto = type && type->rfind("application/x-protobuf", 0) == 0;
    SendResult out;
    if (got->status >= 200 && got->status <= 299) {
      Result<otlp::ExportOutcome> partial = json    ? otlp::ExportResponseFromJson(signal_, got->body)
                                            : proto ? otlp::DecodeExportResponse(got->body)
                                                    : Result<otlp::ExportOutcome>(otlp::ExportOutcome());
      if (partial) {
        out.rejected = partial->rejected > 0 ? static_cast<uint64_t>(partial->rejected) : 0;
        out.message = partial->message.substr(0, pipeline::kMaxBackendText);
      }
      return out;
    }
    Error e{Code::kUnknown, false, Duration{0},
            fmt::format("error exporting items, request to {} responded with HTTP Status Code {}", url_, got->status)};
    Result<otlp::RpcStatus> status = json    ? otlp::RpcStatusFromJson(got->body)
                                     : proto ? otlp::DecodeRpcStatus(got->body)
                                             : Result<otlp::RpcStatus>(otlp::RpcStatus());
    if (status && !status->message.empty()) {
      e.message += fmt::format(", Message={}", status->message.substr(0, pipeline::kMaxBackendText));
    } else if (!json && !proto && !got->body.empty()) {
      e.message += fmt::format(", Body={}", got->body.substr(0, std::min<size_t>(got->body.find('\n'), 200)));
    }
    switch (got->status) {
      case 400:
        e.code = Code::kInvalidArgument;
        break;
      case 401:
        e.code = Code::kUnauthenticated;
        break;
      case 403:
        e.code = Code::kPermissionDenied;
        break;
      case 404:
        e.code = Code::kNotFound;
        break;
      case 413:
        e.code = Code::kOutOfRange;
        break;
      case 429:
        e.code = Code::kResourceExhausted;
        e.retryable = true;
        break;
      case 502:
      case 503:
      case 504:
        e.code = Code::kUnavailable;
        e.retryable = true;
        break;
      default:
        e.code = got->status >= 500 ? Code::kInternal : Code::kUnknown;
    }
    if (e.retryable) {
      if (const std::string* after = got->Header("retry-after"))
        e.retry_after = net::ParseRetryAfter(*after, loop_.clock().UnixNano() / 1'000'000'000);
    }
    return SendResult::Failed(std::move(e));
  }

  Config config_;
  Signal signal_;
  net::Loop& loop_;
  pipeline::Host& host_;
  std::string url_;
  wire::Codec codec_;
  std::vector<std::pair<std::string, std::string>> headers_;
  pipeline::ClientAuth* auth_;
  pipeline::Tracer& tracer_;
  pipeline::Metrics& metrics_;
  net::Url url_parts_;
  Error broken_;
  std::unique_ptr<net::HttpClient> client_;
  static constexpr int kMaxRequests = 10;
  static constexpr size_t kMaxOrigins = 16;
  std::map<std::string, std::unique_ptr<net::HttpClient>>
      redirects_;  // by origin; idle connections close by themselves
};

}  // namespace

std::string UrlFor(const Config& c, Signal s) {
  const std::string* own[] = {&c.traces_endpoint, &c.metrics_endpoint, &c.logs_endpoint, &c.profiles_endpoint};
  if (!own[static_cast<int>(s)]->empty()) return *own[static_cast<int>(s)];
  std::string base = c.client.endpoint;
  while (!base.empty() && base.back() == '/') base.pop_back();
  return base + std::string(otlp::Names(s).http_path);
}

std::unique_ptr<pipeline::Sender> NewHttpSender(const Config& config, const pipeline::ExporterContext& context,
                                                net::Loop& loop) {
  return std::make_unique<HttpSender>(config, context, loop);
}

}  // namespace naru::exporters::otlp_http
