#include "exporters/zipkin/zipkin_sender.h"

#include <algorithm>
#include <array>
#include <optional>

#include "codec/zipkin/spans.h"
#include "pipeline/call_metrics.h"
#include "pipeline/config/client.h"
#include "pipeline/record_fates.h"
#include "wire/compress.h"

namespace naru::exporters::zipkin {
namespace {

using pipeline::Batch;
using pipeline::RecordFates;
using pipeline::SendResult;
using HeaderList = std::vector<std::pair<std::string, std::string>>;

const std::array<RecordFates::Reason, codec::zipkin::kUnfits>& Reasons() {
  static const auto* reasons = new std::array<RecordFates::Reason, codec::zipkin::kUnfits>{
      {{codec::zipkin::UnfitName(codec::zipkin::Unfit::kBadIds),
        "a span without a trace id or without an id of its own"},
       {codec::zipkin::UnfitName(codec::zipkin::Unfit::kTooLarge), "a span of more than 2 MiB"}}};
  return *reasons;
}

void SetHeader(HeaderList& headers, std::string_view name, std::string value) {
  headers.erase(std::remove_if(headers.begin(), headers.end(), [&](auto& h) { return h.first == name; }),
                headers.end());
  headers.emplace_back(name, std::move(value));
}

// One batch on its way.
struct Sending {
  Sending(const Batch& b, std::function<void(SendResult)> d) : batch(b), fates(b), done(std::move(d)) {}
  const Batch& batch;
  RecordFates fates;
  std::function<void(SendResult)> done;
  size_t part = 0;
  std::optional<codec::zipkin::Cursor> cursor;
  codec::zipkin::Round round;

  /// Translates the next round; false when nothing is left.
  bool Next(codec::zipkin::Translator& translator) {
    const auto& parts = batch.parts();
    if (part >= parts.size()) return false;
    translator.Begin();
    while (part < parts.size() && !translator.full()) {
      if (!cursor) cursor.emplace(parts[part].bytes.view());
      fates.Saw(part, translator.Take(*cursor));
      if (!cursor->at_end()) break;
      cursor.reset();
      fates.Finished(part++);
    }
    round = translator.Finish();
    return true;
  }
  /// The round ended so.
  void Note(RecordFates::Fate fate) {
    for (int8_t unfit : round.unfit_of) {
      if (unfit >= 0) {
        fates.Add(static_cast<size_t>(unfit));
      } else {
        fates.Add(fate);
      }
    }
    round = {};
  }
  void End(SendResult result) {
    // When the rest cannot be told apart all of it is tried again, and Zipkin knows spans by their ids.
    fates.Tell(result, Reasons());
    done(std::move(result));
  }
};
using SendingPtr = std::shared_ptr<Sending>;

class ZipkinSender final : public pipeline::Sender {
 public:
  ZipkinSender(const Config& c, const pipeline::ExporterContext& context, net::Loop& loop)
      : config_(c.client),
        loop_(loop),
        auth_(pipeline::FindClientAuth(*context.host, c.client.auth)),
        tracer_(context.host->tracer()),
        metrics_(context.host->metrics()),
        codec_(*wire::CodecByHttpName(c.client.compression)),
        translator_(c.format == "proto" ? codec::zipkin::Format::kProto : codec::zipkin::Format::kJson,
                    c.default_service_name) {
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
    SetHeader(headers_, "content-type", c.format == "proto" ? "application/x-protobuf" : "application/json");
    client_ = pipeline::MakeHttpClient(*context.host, c.client, url_, loop);
  }

  void Send(const Batch& batch, std::function<void(SendResult)> done) override {
    if (!client_) return done(SendResult::Failed(broken_));
    Continue(std::make_shared<Sending>(batch, std::move(done)));
  }

 private:
  void Continue(const SendingPtr& s) {
    do {
      if (!s->Next(translator_)) return s->End(SendResult());
      if (s->round.spans == 0) s->Note(RecordFates::kOpen);
    } while (s->round.spans == 0);
    auto request = Request(s->batch, std::move(s->round.body));
    if (!request) return Fail(s, request.error());
    uint64_t bytes = request->body[0].size();
    client_->Send(std::move(*request), [this, s, bytes, begun = loop_.Now()](Result<net::ClientResponse> got) {
      if (metrics_.detailed()) Measure(got, bytes, loop_.Now() - begun);
      if (!got) return Fail(s, got.error());
      Error error = JudgeAnswer(*got, loop_.clock().UnixNano() / 1'000'000'000);
      if (error.code != Code::kOk) return Fail(s, std::move(error));
      s->Note(RecordFates::kDelivered);
      Continue(s);
    });
  }

  static void Fail(const SendingPtr& s, Error error) {
    s->Note(RecordFates::kOpen);
    s->End(SendResult::Failed(std::move(error)));
  }

  Result<net::ClientRequest> Request(const Batch& batch, Slice body) {
    net::ClientRequest r;
    r.path = url_.path;
    r.timeout = config_.timeout;
    r.headers = headers_;
    if (auth_) {
      for (auto& h : auth_->Headers(batch.client().get())) SetHeader(r.headers, h.first, std::move(h.second));
    }
    if (tracer_.propagates() && batch.client()) tracer_.Inject(batch.client()->span, r.headers);
    r.body = {std::move(body)};
    if (codec_ == wire::Codec::kIdentity) return r;
    int level =
        config_.compression_params.level ? static_cast<int>(config_.compression_params.level) : wire::kDefaultLevel;
    auto packed = wire::Compress(codec_, r.body, level);
    if (!packed) return tl::unexpected(packed.error());
    r.body = {std::move(*packed)};
    r.headers.emplace_back("content-encoding", std::string(wire::HttpName(codec_)));
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
  codec::zipkin::Translator translator_;
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
    case 408:
      return Code::kDeadlineExceeded;
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
  e.message = fmt::format("Zipkin answered HTTP {}{}{}", answer.status, line.empty() ? "" : ": ", line);
  if (e.code == Code::kNotFound) e.message += "; the endpoint must be the full URL, with /api/v2/spans";
  e.retryable = answer.status < 400 || answer.status >= 500 || answer.status == 408 || answer.status == 429;
  if (answer.status == 429 || answer.status == 503) {
    if (const std::string* after = answer.Header("retry-after")) e.retry_after = net::ParseRetryAfter(*after, unix_now);
  }
  return e;
}

std::unique_ptr<pipeline::Sender> NewZipkinSender(const Config& config, const pipeline::ExporterContext& context,
                                                  net::Loop& loop) {
  return std::make_unique<ZipkinSender>(config, context, loop);
}

}  // namespace naru::exporters::zipkin
