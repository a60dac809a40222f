#include "exporters/otlp_http/http_sender.h"

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
    path_ = url->path;
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
    net::ClientRequest r;
    r.path = path_;
    r.timeout = config_.client.timeout;
    r.headers = headers_;
    if (auth_) {
      for (auto& h : auth_->Headers(batch.client().get())) r.headers.push_back(std::move(h));
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
    if (!metrics_.detailed()) {
      client_->Send(std::move(r),
                    [this, done = std::move(done)](Result<net::ClientResponse> got) { done(Judge(std::move(got))); });
      return;
    }
    uint64_t bytes = 0;
    for (auto& s : r.body) bytes += s.size();
    client_->Send(std::move(r),
                  [this, bytes, begun = loop_.Now(), done = std::move(done)](Result<net::ClientResponse> got) {
                    Measure(got, bytes, loop_.Now() - begun);
                    done(Judge(std::move(got)));
                  });
  }

 private:
  void Measure(const Result<net::ClientResponse>& got, uint64_t bytes, Duration took) {
    std::string error = got ? got->status >= 400 ? std::to_string(got->status) : "" : CodeName(got.error().code);
    pipeline::RecordHttpClient(metrics_, {.scheme = url_parts_.scheme,
                                          .server_address = url_parts_.host,
                                          .server_port = url_parts_.port,
                                          .status = got ? got->status : 0,
                                          .error_type = error,
                                          .duration = took,
                                          .request_bytes = bytes});
  }

  SendResult Judge(Result<net::ClientResponse> got) {
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
  std::string path_, url_;
  wire::Codec codec_;
  std::vector<std::pair<std::string, std::string>> headers_;
  pipeline::ClientAuth* auth_;
  pipeline::Tracer& tracer_;
  pipeline::Metrics& metrics_;
  net::Url url_parts_;
  Error broken_;
  std::unique_ptr<net::HttpClient> client_;
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
