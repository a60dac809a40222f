#include "receivers/otlp/request.h"

#include <algorithm>
#include <cstring>

#include "otlp/json.h"

namespace naru::receivers::otlp {
namespace {

// A body of announced length gets its memory at once up to this; what announces more grows as it really comes.
constexpr size_t kTrustedLength = 1 << 20;
constexpr size_t kFirstBlock = 4096;

}  // namespace

Request::Request(std::shared_ptr<Endpoint> endpoint, net::ServerCall& call, naru::otlp::Signal signal, bool grpc,
                 bool json, bool http2, wire::Codec codec, std::shared_ptr<pipeline::ClientInfo> client,
                 std::string origin)
    : endpoint_(std::move(endpoint)),
      call_(&call),
      loop_(call.loop()),
      signal_(signal),
      grpc_(grpc),
      json_(json),
      http2_(http2),
      compressed_(!grpc && codec != wire::Codec::kIdentity),
      codec_(codec),
      origin_(std::move(origin)),
      scanner_(signal) {
  if (endpoint_->context_.host->metrics().detailed()) begun_ = loop_.Now();
  if (client && endpoint_->context_.host->tracer().on()) StartSpan(*client);
  client_ = std::move(client);
}

// Named as the reference names it.
void Request::StartSpan(pipeline::ClientInfo& client) {
  static constexpr std::string_view kOperations[] = {"TraceDataReceived", "MetricsReceived", "LogsReceived",
                                                     "ProfilesReceived"};
  span_ = endpoint_->context_.host->tracer().Start(
      fmt::format("receiver/{}/{}", endpoint_->context_.id, kOperations[static_cast<size_t>(signal_)]),
      pipeline::SpanKind::kServer, &client.span);
  if (!span_) return;
  span_.Set("transport", endpoint_->transport_);
  span_.Set("format", json_ ? "json" : "protobuf");
  client.span = span_.context();
}

void Request::EndSpan(const pipeline::Outcome& outcome) {
  std::string noun(naru::otlp::Names(signal_).items);
  auto n = static_cast<int64_t>(items_);
  span_.Set("accepted_" + noun, outcome.refused ? 0 : n);
  span_.Set("refused_" + noun, outcome.refused ? n : 0);
}

bool Request::OnMessage(bool compressed, uint32_t length) {
  compressed_ = compressed;
  if (compressed && codec_ == wire::Codec::kIdentity) {
    Fail(Error{Code::kInternal, false, Duration{0}, "compressed flag set with identity or empty encoding"});
    return false;
  }
  if (length > endpoint_->max_bytes_) {
    Fail(Error{Code::kResourceExhausted, false, Duration{0},
               fmt::format("received message larger than max ({} vs. {})", length, endpoint_->max_bytes_)});
    return false;
  }
  if (auto ok = endpoint_->gate_->Admit(length); !ok) {
    endpoint_->accounts_[static_cast<size_t>(signal_)].refused_memory.Add(1);
    Fail(ok.error());
    return false;
  }
  return true;
}

std::span<uint8_t> Request::Reserve(size_t expected) {
  size_t max = endpoint_->max_bytes_;
  if (!body_) {
    size_t first = expected ? std::min(expected, kTrustedLength) : kFirstBlock;
    body_ = Buffer::Allocate(first, endpoint_->gate_->budget());
  } else if (size_ == body_->capacity()) {
    if (size_ >= max) {
      Fail(Error{Code::kResourceExhausted, false, Duration{0},
                 fmt::format("request body too large: the limit is {} bytes", max)});
      return {};
    }
    // Longer than announced, or announced to be large: grow by doubling, asking the gate again for what comes on top.
    size_t want =
        std::min(std::max(size_ * 2, std::min(size_ + expected, size_ + (4u << 20))), std::max(max, size_ + 1));
    if (auto ok = endpoint_->gate_->Admit(want); !ok) {
      endpoint_->accounts_[static_cast<size_t>(signal_)].refused_memory.Add(1);
      Fail(ok.error());
      return {};
    }
    BufferRef larger = Buffer::Allocate(want, endpoint_->gate_->budget());
    std::memcpy(larger->data(), body_->data(), size_);
    body_ = std::move(larger);
  }
  return {body_->data() + size_, body_->capacity() - size_};
}

void Request::Commit(size_t n) {
  // While the bytes are hot; a compressed or JSON body is looked at when it is whole.
  if (!compressed_ && !json_) scanner_.Feed({reinterpret_cast<const char*>(body_->data() + size_), n});
  size_ += n;
}

void Request::OnEnd() {
  if (size_ > endpoint_->max_bytes_) {
    return Fail(Error{Code::kResourceExhausted, false, Duration{0},
                      fmt::format("request body too large: the limit is {} bytes", endpoint_->max_bytes_)});
  }
  Slice bytes(std::move(body_), size_);
  auto& a = endpoint_->accounts_[static_cast<size_t>(signal_)];
  naru::otlp::ScanResult scanned;
  if (compressed_) {
    auto plain = wire::Decompress(codec_, bytes.view(), endpoint_->max_bytes_, endpoint_->gate_->budget());
    if (!plain) {
      a.malformed.Add(1);
      return Fail(plain.error());
    }
    bytes = std::move(*plain);
    if (!json_) scanned = naru::otlp::Count(signal_, bytes.view());
  } else {
    scanned = scanner_.Finish();
  }
  if (json_) {
    auto parsed = naru::otlp::RequestFromJson(signal_, bytes.view(), endpoint_->gate_->budget());
    if (!parsed) {
      a.malformed.Add(1);
      return Fail(parsed.error());
    }
    bytes = std::move(parsed->bytes);
    odd_records_ = parsed->rejected_items;
    odd_message_ = std::move(parsed->message);
    if (odd_records_) a.malformed.Add(1);
    scanned = {true, parsed->items};
  }
  if (!scanned.ok) {
    a.malformed.Add(1);
    return Fail(Error{Code::kInvalidArgument, false, Duration{0}, "the request is no valid OTLP protobuf message"});
  }
  items_ = scanned.items;
  if (items_ == 0) return Succeed(odd_records_, odd_message_);
  a.offered.Add(static_cast<int64_t>(items_));
  self_ = shared_from_this();
  auto keep = self_;
  pipeline::Token token(this, items_);
  pipeline::Batch batch(signal_, std::move(bytes), std::move(token), std::move(client_));
  endpoint_->context_.next_for(signal_)->Consume(std::move(batch));
}

void Request::OnResolved(const pipeline::Outcome& outcome) {
  auto& a = endpoint_->accounts_[static_cast<size_t>(signal_)];
  auto n = static_cast<int64_t>(items_);
  (outcome.lost ? a.failed : outcome.refused ? a.refused : a.accepted).Add(n);
  if (span_) EndSpan(outcome);
  if (loop_.InLoop()) return Answer(outcome);
  loop_.Post([self = shared_from_this(), outcome] { self->Answer(outcome); });
}

void Request::Answer(const pipeline::Outcome& outcome) {
  if (outcome.lost) return Fail(Error{Code::kInternal, false, Duration{0}, "items were lost on their way"});
  if (outcome.refused) return Fail(outcome.error);
  Succeed(outcome.dropped + odd_records_, outcome.dropped ? outcome.error.message : odd_message_);
}

void Request::Succeed(uint64_t rejected, const std::string& message) {
  span_.End();
  if (!call_) return;
  auto* call = std::exchange(call_, nullptr);
  endpoint_->accounts_[static_cast<size_t>(signal_)].requests_ok.Add(1);
  if (rejected == 0 && message.empty()) {
    static constexpr std::string_view kEmpty("\x0a\x00", 2);
    if (grpc_) {
      Measure(0, Code::kOk, 0);
      return call->RespondGrpc({}, Slice());
    }
    if (endpoint_->response_headers_.empty() && !endpoint_->cors_.on()) {
      static constexpr std::string_view kEmptyJson = "{\"partialSuccess\":{}}";
      Measure(200, Code::kOk, json_ ? kEmptyJson.size() : kEmpty.size());
      if (json_) return call->Respond(200, {{"content-type", "application/json"}}, Slice::Static(kEmptyJson));
      return call->Respond(200, {{"content-type", "application/x-protobuf"}}, Slice::Static(kEmpty));
    }
  }
  naru::otlp::ExportOutcome out{static_cast<int64_t>(rejected), message};
  std::string body = json_ ? naru::otlp::ExportResponseToJson(signal_, out) : naru::otlp::EncodeExportResponse(out);
  Measure(200, Code::kOk, body.size());
  if (grpc_) return call->RespondGrpc({}, Slice::CopyOf(body));
  std::vector<net::Header> headers = {{"content-type", json_ ? "application/json" : "application/x-protobuf"}};
  endpoint_->AddHeaders(headers, origin_);
  call->Respond(200, headers, Slice::CopyOf(body));
}

void Request::Measure(int status, Code code, size_t response_bytes) {
  if (begun_ == MonoTime{}) return;
  Duration took = loop_.Now() - begun_;
  if (grpc_) {
    pipeline::RecordRpcServer(endpoint_->context_.host->metrics(), naru::otlp::Names(signal_).grpc_path, code, took);
    return;
  }
  endpoint_->Measure({.route = endpoint_->paths_[static_cast<size_t>(signal_)],
                      .version = http2_ ? "2" : "1.1",
                      .status = status,
                      .duration = took,
                      .request_bytes = size_,
                      .response_bytes = response_bytes});
}

void Request::Fail(const Error& error) {
  span_.Fail(error.message);
  span_.End();
  if (!call_) return;
  auto* call = std::exchange(call_, nullptr);
  endpoint_->accounts_[static_cast<size_t>(signal_)].requests_failed.Add(1);
  if (grpc_) return Measure(0, Endpoint::FailGrpc(*call, error), 0);
  int status = Endpoint::HttpStatus(error);
  Measure(status, Code::kOk, endpoint_->FailHttp(*call, status, error, json_, origin_));
}

}  // namespace naru::receivers::otlp
