#include "exporters/prometheus_remote_write/write_sender.h"

#include <algorithm>
#include <optional>

#include "pipeline/call_metrics.h"
#include "pipeline/config/client.h"
#include "wire/compress.h"

namespace naru::exporters::prometheus_remote_write {
namespace {

using codec::prometheus::Round;
using codec::prometheus::Unfit;
using pipeline::Batch;
using pipeline::SendResult;
constexpr const char* kVersion1 = R"(0.1.0)";  // of the protocol, not of this project

using HeaderList = std::vector<std::pair<std::string, std::string>>;

std::string_view Explain(Unfit unfit) {
  switch (unfit) {
    case Unfit::kTemporality:
      return "sums and histograms must be cumulative for Prometheus; set the SDK's temporality to cumulative";
    case Unfit::kMetricName:
      return "nothing is left of the metric's name";
    case Unfit::kLabelName:
      return "an attribute has a name of which nothing is left";
    case Unfit::kScale:
      return "the scale of an exponential histogram is below -4";
    case Unfit::kBuckets:
      return "bucket indexes of an exponential histogram are out of range";
  }
  return "";
}

void SetHeader(HeaderList& headers, std::string_view name, std::string value) {
  std::erase_if(headers, [&](auto& h) { return h.first == name; });
  headers.emplace_back(name, std::move(value));
}

// One attempt with a batch.
struct Writing {
  Writing(const Batch& b, std::function<void(SendResult)> d)
      : batch(b), done(std::move(d)), ends(b.parts().size()), in_round(b.parts().size()) {}
  const Batch& batch;
  std::function<void(SendResult)> done;
  size_t part = 0;  // that the cursor is in
  std::optional<codec::prometheus::Cursor> cursor;
  std::vector<SendResult::PartEnd> ends;
  std::vector<uint64_t> in_round;  // points of each part that the request under way has
  std::array<uint64_t, codec::prometheus::kUnfits> unfit{};
  std::array<std::string, codec::prometheus::kUnfits> example;
  uint64_t rejected = 0;
  std::string refusal;
};
using WritingPtr = std::shared_ptr<Writing>;

class WriteSender final : public pipeline::Sender {
 public:
  WriteSender(const Config& c, const pipeline::ExporterContext& context, net::Loop& loop)
      : config_(c.client),
        loop_(loop),
        auth_(pipeline::FindClientAuth(*context.host, c.client.auth)),
        tracer_(context.host->tracer()),
        metrics_(context.host->metrics()),
        translator_(c.Rules()) {
    auto url = net::Url::Parse(c.client.endpoint);
    if (!url) {
      broken_ = url.error();
      return;
    }
    url_ = *url;
    auto count = [&](const char* name, const char* what, const char* unit) {
      return metrics_.GetSum({name, what, unit, pipeline::Metrics::Kind::kCounter, pipeline::MetricLevel::kBasic},
                             {{"exporter", context.id}, {"endpoint", c.client.endpoint}});
    };
    sent_batches_ = count("otelcol_exporter_prometheusremotewrite_sent_batches",
                          "Number of remote write request batches sent to the remote write endpoint.", "{batch}");
    written_samples_ = count("otelcol_exporter_prometheusremotewrite_written_samples",
                             "Number of samples in requests that were taken.", "{sample}");
    written_histograms_ = count("otelcol_exporter_prometheusremotewrite_written_histograms",
                                "Number of native histograms in requests that were taken.", "{histogram}");
    written_exemplars_ = count("otelcol_exporter_prometheusremotewrite_written_exemplars",
                               "Number of exemplars in requests that were taken.", "{exemplar}");
    for (auto& [k, v] : c.client.headers.entries) {
      std::string name = k;
      for (char& ch : name) {
        if (ch >= 'A' && ch <= 'Z') ch = static_cast<char>(ch | 0x20);
      }
      headers_.emplace_back(std::move(name), v.value());
    }
    SetHeader(headers_, "content-type",
              c.v2() ? "application/x-protobuf;proto=io.prometheus.write.v2.Request" : "application/x-protobuf");
    SetHeader(headers_, "content-encoding", "snappy");
    SetHeader(headers_, "x-prometheus-remote-write-version", c.v2() ? "2.0.0" : kVersion1);
    client_ = pipeline::MakeHttpClient(*context.host, c.client, url_, loop);
  }

  void Send(const Batch& batch, std::function<void(SendResult)> done) override {
    if (!client_) return done(SendResult::Failed(broken_));
    Continue(std::make_shared<Writing>(batch, std::move(done)));
  }

 private:
  // Translates the next request's worth; nothing when the batch is at its end and nothing is to be written.
  std::optional<Round> Translate(Writing& w) {
    std::fill(w.in_round.begin(), w.in_round.end(), 0);
    while (w.part < w.batch.parts().size() && !translator_.full()) {
      auto& part = w.batch.parts()[w.part];
      if (!w.cursor) w.cursor.emplace(part.bytes.view());
      uint64_t unfit = translator_.unfit();
      uint64_t points = translator_.Take(*w.cursor);
      unfit = translator_.unfit() - unfit;
      auto& end = w.ends[w.part];
      // Never more than the part was said to have: of a malformed one the count may be off.
      end.unfit = std::min(end.unfit + unfit, part.items - std::min(part.items, end.rejected));
      w.in_round[w.part] += points - unfit;
      if (!w.cursor->at_end()) break;
      w.cursor.reset();
      ++w.part;
    }
    Round round = translator_.Finish();
    for (size_t i = 0; i < w.unfit.size(); ++i) {
      w.unfit[i] += round.unfit[i];
      if (w.example[i].empty()) w.example[i] = std::move(round.example[i]);
    }
    if (round.request.body.empty()) return std::nullopt;
    return round;
  }

  void Continue(const WritingPtr& w) {
    auto round = Translate(*w);
    if (!round) return w->done(Result(*w));
    auto packed = wire::Compress(wire::Codec::kSnappy, {&round->request.body, 1});
    if (!packed) return w->done(SendResult::Failed(packed.error()));
    net::ClientRequest r;
    r.path = url_.path;
    r.timeout = config_.timeout;
    r.headers = headers_;
    if (auth_) {
      for (auto& h : auth_->Headers(w->batch.client().get())) SetHeader(r.headers, h.first, std::move(h.second));
    }
    if (tracer_.propagates() && w->batch.client()) tracer_.Inject(w->batch.client()->span, r.headers);
    uint64_t bytes = packed->size();
    r.body = {std::move(*packed)};
    sent_batches_->Add(1);
    auto sizes = round->request;
    sizes.body = Slice();
    client_->Send(std::move(r), [this, w, bytes, sizes, begun = loop_.Now()](naru::Result<net::ClientResponse> got) {
      if (metrics_.detailed()) Measure(got, bytes, loop_.Now() - begun);
      if (!got) return w->done(SendResult::Failed(got.error()));
      Error error = JudgeAnswer(*got, loop_.clock().UnixNano() / 1'000'000'000);
      if (error.code == Code::kOk) {
        written_samples_->Add(static_cast<int64_t>(sizes.samples));
        written_histograms_->Add(static_cast<int64_t>(sizes.histograms));
        written_exemplars_->Add(static_cast<int64_t>(sizes.exemplars));
      } else if (error.code == Code::kInvalidArgument) {
        // About these points; others may be taken.
        Reject(*w, error);
      } else {
        return w->done(SendResult::Failed(std::move(error)));
      }
      Continue(w);
    });
  }

  static void Reject(Writing& w, const Error& why) {
    w.refusal = why.message;
    for (size_t i = 0; i < w.ends.size(); ++i) {
      auto& end = w.ends[i];
      uint64_t items = w.batch.parts()[i].items, room = items - std::min(items, end.unfit + end.rejected);
      uint64_t n = std::min(w.in_round[i], room);
      end.rejected += n;
      w.rejected += n;
    }
  }

  static SendResult Result(Writing& w) {
    SendResult out;
    out.rejected = w.rejected;
    out.message = w.refusal;
    uint64_t told = 0, counted = 0;
    for (auto& end : w.ends) counted += end.unfit;
    for (size_t i = 0; i < w.unfit.size(); ++i) {
      uint64_t n = std::min(w.unfit[i], counted - told);
      if (!n) continue;
      told += n;
      auto why = static_cast<Unfit>(i);
      out.unfit.push_back({codec::prometheus::UnfitName(why), n, std::string(Explain(why))});
      if (!w.example[i].empty()) out.unfit.back().message += ", such as " + w.example[i];
    }
    if (told || w.rejected) out.ends = std::move(w.ends);
    return out;
  }

  void Measure(const naru::Result<net::ClientResponse>& got, uint64_t bytes, Duration took) {
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
  codec::prometheus::Translator translator_;
  net::Url url_;
  HeaderList headers_;
  Error broken_;
  pipeline::Sum *sent_batches_ = nullptr, *written_samples_ = nullptr, *written_histograms_ = nullptr,
                *written_exemplars_ = nullptr;
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
    case 415:
      return Code::kUnimplemented;
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
  e.message = fmt::format("remote write answered HTTP {}{}{}", answer.status, line.empty() ? "" : ": ", line);
  if (answer.status == 404) {
    e.message +=
        "; the endpoint must be the full URL of a write API, and Prometheus has it only when it is started with "
        "--web.enable-remote-write-receiver";
  } else if (answer.status == 415) {
    e.message += "; the backend does not know this protobuf_message";
  }
  e.retryable = answer.status < 400 || answer.status >= 500 || answer.status == 429;
  if (answer.status == 429 || answer.status == 503) {
    if (const std::string* after = answer.Header("retry-after")) e.retry_after = net::ParseRetryAfter(*after, unix_now);
  }
  return e;
}

std::unique_ptr<pipeline::Sender> NewWriteSender(const Config& config, const pipeline::ExporterContext& context,
                                                 net::Loop& loop) {
  return std::make_unique<WriteSender>(config, context, loop);
}

}  // namespace naru::exporters::prometheus_remote_write
