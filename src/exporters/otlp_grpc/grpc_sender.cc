#include "exporters/otlp_grpc/grpc_sender.h"

#include "net/http_client.h"
#include "otlp/json.h"
#include "pipeline/call_metrics.h"
#include "pipeline/config/client.h"
#include "wire/compress.h"

namespace naru::exporters::otlp_grpc {
namespace {

using pipeline::Batch;
using pipeline::SendResult;

// Below this, compressing costs more than it saves.
constexpr uint64_t kCompressFrom = 1024;

class GrpcSender final : public pipeline::Sender {
 public:
  GrpcSender(const Config& c, const pipeline::ExporterContext& context, net::Loop& loop)
      : config_(c),
        path_(otlp::Names(context.signal).grpc_path),
        auth_(pipeline::FindClientAuth(*context.host, c.client.auth)),
        tracer_(context.host->tracer()),
        metrics_(context.host->metrics()),
        loop_(loop),
        target_(*pipeline::GrpcTarget::Parse(c.client.endpoint)) {
    codec_ = *wire::CodecByGrpcName(c.client.compression);
    for (auto& [k, v] : c.client.headers.entries) {
      std::string name = k;
      for (char& ch : name) {
        if (ch >= 'A' && ch <= 'Z') ch = static_cast<char>(ch | 0x20);
      }
      headers_.emplace_back(std::move(name), v.value());
    }
    client_ = pipeline::MakeGrpcClient(*context.host, c.client, loop);
  }

  void Send(const Batch& batch, std::function<void(SendResult)> done) override {
    net::ClientRequest r;
    r.path = path_;
    r.grpc = true;
    r.timeout = config_.timeout;
    r.headers = headers_;
    if (auth_) {
      for (auto& h : auth_->Headers(batch.client().get())) r.headers.push_back(std::move(h));
    }
    if (tracer_.propagates() && batch.client()) tracer_.Inject(batch.client()->span, r.headers);
    for (auto& p : batch.parts()) r.body.push_back(p.bytes);
    if (codec_ != wire::Codec::kIdentity && batch.bytes() >= kCompressFrom) {
      auto packed = wire::Compress(codec_, r.body);
      if (!packed) return done(SendResult::Failed(packed.error()));
      r.body = {std::move(*packed)};
      r.compressed = true;
      r.headers.emplace_back("grpc-encoding", std::string(wire::GrpcName(codec_)));
    }
    if (!metrics_.detailed()) {
      client_->Send(std::move(r),
                    [done = std::move(done)](Result<net::ClientResponse> got) { done(Judge(std::move(got))); });
      return;
    }
    client_->Send(std::move(r), [this, begun = loop_.Now(), done = std::move(done)](Result<net::ClientResponse> got) {
      pipeline::RecordRpcClient(metrics_, path_, got ? got->grpc_code : got.error().code, loop_.Now() - begun,
                                target_.host, target_.port);
      done(Judge(std::move(got)));
    });
  }

 private:
  static SendResult Judge(Result<net::ClientResponse> got) {
    if (!got) return SendResult::Failed(got.error());
    SendResult out;
    if (got->grpc_code == Code::kOk) {
      std::string_view body = got->body;
      Slice plain;
      if (got->grpc_compressed) {
        const std::string* encoding = got->Header("grpc-encoding");
        auto codec = wire::CodecByGrpcName(encoding ? *encoding : "");
        if (codec) {
          if (auto d = wire::Decompress(*codec, body, 1 << 20)) plain = std::move(*d);
        }
        body = plain.view();
      }
      if (body.size() > 2) {
        if (auto partial = otlp::DecodeExportResponse(body)) {
          out.rejected = partial->rejected > 0 ? static_cast<uint64_t>(partial->rejected) : 0;
          out.message = partial->message.substr(0, pipeline::kMaxBackendText);
        }
      }
      return out;
    }
    Error e{got->grpc_code, false, Duration{0}, got->grpc_message.substr(0, pipeline::kMaxBackendText)};
    bool told_when = false;
    if (!got->grpc_details.empty()) {
      if (auto s = otlp::DecodeRpcStatus(got->grpc_details); s && s->retry_after) {
        told_when = true;
        e.retry_after = *s->retry_after;
      }
    }
    switch (e.code) {
      case Code::kCancelled:
      case Code::kDeadlineExceeded:
      case Code::kAborted:
      case Code::kOutOfRange:
      case Code::kUnavailable:
      case Code::kDataLoss:
        e.retryable = true;
        break;
      case Code::kResourceExhausted:
        e.retryable = told_when;
        break;
      default:
        break;
    }
    return SendResult::Failed(std::move(e));
  }

  Config config_;
  std::string path_;
  wire::Codec codec_;
  std::vector<std::pair<std::string, std::string>> headers_;
  pipeline::ClientAuth* auth_;
  pipeline::Tracer& tracer_;
  pipeline::Metrics& metrics_;
  net::Loop& loop_;
  pipeline::GrpcTarget target_;
  std::unique_ptr<net::HttpClient> client_;
};

}  // namespace

std::unique_ptr<pipeline::Sender> NewGrpcSender(const Config& config, const pipeline::ExporterContext& context,
                                                net::Loop& loop) {
  return std::make_unique<GrpcSender>(config, context, loop);
}

}  // namespace naru::exporters::otlp_grpc
