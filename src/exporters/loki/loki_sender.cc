#include "exporters/loki/loki_sender.h"

#include <algorithm>

#include "exporters/loki/transfer.h"
#include "pipeline/call_metrics.h"
#include "pipeline/config/client.h"
#include "wire/compress.h"

namespace naru::exporters::loki {
namespace {

using pipeline::Batch;
using pipeline::SendResult;
using HeaderList = std::vector<std::pair<std::string, std::string>>;

constexpr std::string_view kTenantHeader = "x-scope-orgid";

void SetHeader(HeaderList& headers, std::string_view name, std::string value) {
  headers.erase(std::remove_if(headers.begin(), headers.end(), [&](auto& h) { return h.first == name; }),
                headers.end());
  headers.emplace_back(name, std::move(value));
}

class LokiSender final : public pipeline::Sender {
 public:
  LokiSender(const Config& c, const pipeline::ExporterContext& context, net::Loop& loop)
      : config_(c.client),
        loop_(loop),
        auth_(pipeline::FindClientAuth(*context.host, c.client.auth)),
        tracer_(context.host->tracer()),
        metrics_(context.host->metrics()),
        codec_(*wire::CodecByHttpName(c.client.compression)),
        unlabelled_(metrics_.GetSum({"otelcol_lokiexporter_send_failed_due_to_missing_labels",
                                     "Number of log records failed to send because labels were missing", "{records}",
                                     pipeline::Metrics::Kind::kCounter, pipeline::MetricLevel::kBasic},
                                    {{"exporter", context.id}})),
        translator_({.exporter = c.default_labels_enabled.exporter,
                     .job = c.default_labels_enabled.job,
                     .instance = c.default_labels_enabled.instance,
                     .level = c.default_labels_enabled.level}) {
    auto url = net::Url::Parse(c.client.endpoint);
    if (!url) {
      broken_ = url.error();
      return;
    }
    url_ = *url;
    for (auto& [k, v] : c.client.headers.entries) {
      std::string name = k;
      for (char& ch : name) {
        if (ch >= 'A' && ch <= 'Z') ch = static_cast<char>(ch | 0x20);
      }
      headers_.emplace_back(std::move(name), v.value());
    }
    SetHeader(headers_, "content-type", "application/x-protobuf");
    client_ = pipeline::MakeHttpClient(*context.host, c.client, url_, loop);
  }

  void Send(const Batch& batch, std::function<void(SendResult)> done) override {
    if (!client_) return done(SendResult::Failed(broken_));
    Continue(std::make_shared<Sending>(batch, std::move(done)));
  }

 private:
  struct Sending {
    Sending(const Batch& b, std::function<void(SendResult)> d) : batch(b), transfer(b), done(std::move(d)) {}
    const Batch& batch;
    Transfer transfer;
    std::function<void(SendResult)> done;
  };
  using SendingPtr = std::shared_ptr<Sending>;

  void End(const SendingPtr& s, SendResult result) {
    for (auto& u : result.unfit) {
      if (u.reason == codec::loki::UnfitName(codec::loki::Unfit::kNoLabels))
        unlabelled_->Add(static_cast<int64_t>(u.items));
    }
    s->done(std::move(result));
  }

  void Continue(const SendingPtr& s) {
    codec::loki::Push* push = s->transfer.Next(translator_, loop_.clock().UnixNano());
    if (!push) return End(s, s->transfer.Finish());
    auto request = Request(s->batch, *push);
    if (!request) return End(s, s->transfer.Fail(request.error()));
    uint64_t bytes = request->body[0].size();
    client_->Send(std::move(*request), [this, s, bytes, begun = loop_.Now()](Result<net::ClientResponse> got) {
      if (metrics_.detailed()) Measure(got, bytes, loop_.Now() - begun);
      if (!got) return End(s, s->transfer.Fail(got.error()));
      Error error = JudgeAnswer(*got, loop_.clock().UnixNano() / 1'000'000'000);
      if (error.code == Code::kOk) {
        s->transfer.Delivered();
      } else if (error.code == Code::kInvalidArgument || error.code == Code::kOutOfRange) {
        // About these records; others may be taken.
        s->transfer.Rejected(std::move(error));
      } else {
        return End(s, s->transfer.Fail(std::move(error)));
      }
      Continue(s);
    });
  }

  Result<net::ClientRequest> Request(const Batch& batch, const codec::loki::Push& push) {
    net::ClientRequest r;
    r.path = url_.path;
    r.timeout = config_.timeout;
    r.headers = headers_;
    if (!push.tenant.empty()) SetHeader(r.headers, kTenantHeader, push.tenant);
    if (auth_) {
      for (auto& h : auth_->Headers(batch.client().get())) SetHeader(r.headers, h.first, std::move(h.second));
    }
    if (tracer_.propagates() && batch.client()) tracer_.Inject(batch.client()->span, r.headers);
    auto packed = wire::Compress(wire::Codec::kSnappy, {&push.body, 1});
    if (packed && codec_ != wire::Codec::kIdentity) {
      int level =
          config_.compression_params.level ? static_cast<int>(config_.compression_params.level) : wire::kDefaultLevel;
      packed = wire::Compress(codec_, {&*packed, 1}, level);
      r.headers.emplace_back("content-encoding", std::string(wire::HttpName(codec_)));
    }
    if (!packed) return tl::unexpected(packed.error());
    r.body = {std::move(*packed)};
    return r;
  }

  void Measure(const Result<net::ClientResponse>& got, uint64_t bytes, Duration took) {
    std::string error = got ? got->status >= 400 ? std::to_string(got->status) : "" : CodeName(got.error().code);
    pipeline::RecordHttpClient(metrics_, {.scheme = url_.scheme,
                                          .server_address = url_.host,
                                          .server_port = url_.port,
                                          .status = got ? got->status : 0,
                                          .error_type = error,
                                          .duration = took,
                                          .request_bytes = bytes});
  }

  pipeline::HttpClientConfig config_;
  net::Loop& loop_;
  pipeline::ClientAuth* auth_;
  pipeline::Tracer& tracer_;
  pipeline::Metrics& metrics_;
  wire::Codec codec_;
  pipeline::Sum* unlabelled_;
  codec::loki::Translator translator_;
  net::Url url_;
  HeaderList headers_;
  Error broken_;
  // Last, so that it is destroyed first: it ends what is under way, which uses the rest.
  std::unique_ptr<net::HttpClient> client_;
};

Code CodeOf(int status) {
  switch (status) {
    case 401:
      return Code::kUnauthenticated;
    case 403:
      return Code::kPermissionDenied;
    case 404:
    case 405:
      return Code::kNotFound;
    case 413:
      return Code::kOutOfRange;
    case 429:
      return Code::kResourceExhausted;
    default:
      return status >= 400 && status < 500 ? Code::kInvalidArgument : Code::kUnavailable;
  }
}

}  // namespace

Error JudgeAnswer(const net::ClientResponse& answer, uint64_t unix_now) {
  Error e{Code::kOk, false, Duration{0}, {}};
  if (answer.status >= 200 && answer.status <= 299) return e;
  e.code = CodeOf(answer.status);
  std::string_view line = std::string_view(answer.body).substr(0, 1024);
  line = line.substr(0, line.find_first_of("\r\n"));
  e.message = fmt::format("Loki answered HTTP {}{}{}", answer.status, line.empty() ? "" : ": ", line);
  if (e.code == Code::kNotFound) e.message += "; the endpoint must be the full URL of its push API, /loki/api/v1/push";
  e.retryable = answer.status < 400 || answer.status >= 500 || answer.status == 429;
  if (answer.status == 429 || answer.status == 503) {
    if (const std::string* after = answer.Header("retry-after")) e.retry_after = net::ParseRetryAfter(*after, unix_now);
  }
  return e;
}

std::unique_ptr<pipeline::Sender> NewLokiSender(const Config& config, const pipeline::ExporterContext& context,
                                                net::Loop& loop) {
  return std::make_unique<LokiSender>(config, context, loop);
}

}  // namespace naru::exporters::loki
