#include "simulation/client.h"

#include "net/dialer.h"
#include "otlp/json.h"
#include "testkit/requests.h"
#include "wire/compress.h"

namespace naru::simulation {
namespace {

// A field that OTLP does not have (number 15), which everybody has to carry or to leave out.
std::string Padding(uint64_t bytes) {
  std::string out(1, '\x7a');
  for (uint64_t n = bytes; n || out.size() == 1; n >>= 7) out += static_cast<char>((n & 127) | (n > 127 ? 128 : 0));
  return out + std::string(bytes, 'x');
}

}  // namespace

Client::Client(Run& run, net::Loop& loop, ClientOptions options) : run_(run), loop_(loop), options_(options) {
  net::HttpClientOptions o;
  uint16_t port = options_.grpc ? 4317 : 4318;
  o.authority = fmt::format("127.0.0.1:{}", port);
  o.user_agent = "simulation";
  o.http2_prior_knowledge = options_.grpc;
  client_ = std::make_unique<net::HttpClient>(loop_, o, net::MakeConnector({"127.0.0.1", port, false, true}, nullptr));
  Next();
}

Client::~Client() {
  closing_ = true;
  client_.reset();
}

void Client::Next() {
  auto wait = static_cast<uint64_t>(options_.pause.count());
  timer_ = loop_.AddTimer(Duration(static_cast<int64_t>(run_.world.random().Below(wait + 1))), [this] {
    if (finishing_) return;
    if (in_flight_ < options_.most_in_flight) {
      testkit::SimRandom& random = run_.world.random();
      auto r = std::make_shared<Request>();
      r->first = run_.records.size();
      r->count = 1 + random.Below(random.Chance(0.05) ? 100 : 12);
      run_.records.resize(run_.records.size() + r->count);
      Slice body = testkit::NumberedRequest(options_.signal, r->first, r->count);
      if (options_.padding && random.Chance(0.5))
        body = Slice::CopyOf(std::string(body.view()) + Padding(options_.padding / 2 + random.Below(options_.padding)));
      r->body = body;
      ++in_flight_;
      Post(r);
    }
    Next();
  });
}

void Client::Post(const RequestPtr& r) {
  net::ClientRequest q;
  const auto& names = otlp::Names(options_.signal);
  q.grpc = options_.grpc;
  q.path = options_.grpc ? names.grpc_path : names.http_path;
  q.timeout = std::chrono::seconds(30);
  if (!options_.grpc) q.headers.emplace_back("content-type", "application/x-protobuf");
  q.body = {r->body};
  if (options_.gzip) {
    auto packed = wire::Compress(wire::Codec::kGzip, q.body);
    if (packed) {
      q.body = {*packed};
      q.compressed = options_.grpc;
      q.headers.emplace_back(options_.grpc ? "grpc-encoding" : "content-encoding", "gzip");
    }
  }
  ++r->tries;
  r->incarnation = run_.incarnation;
  client_->Send(std::move(q), [this, r](Result<net::ClientResponse> got) { Answered(r, std::move(got)); });
}

void Client::Answered(const RequestPtr& r, Result<net::ClientResponse> got) {
  if (closing_) return;
  bool ok = got && (options_.grpc ? got->grpc_code == Code::kOk : got->status >= 200 && got->status < 300);
  if (ok) {
    auto outcome = otlp::DecodeExportResponse(got->body);
    return Took(r, outcome && outcome->rejected > 0 ? static_cast<uint64_t>(outcome->rejected) : 0);
  }
  bool again = !got;
  Duration wait = std::chrono::milliseconds(std::min(3000, 50 << std::min(r->tries, 6)));
  std::string what = got ? "" : got.error().message;
  if (got && options_.grpc) {
    Code c = got->grpc_code;
    what = fmt::format("{} {}", CodeName(c), got->grpc_message);
    again = c == Code::kUnavailable || c == Code::kResourceExhausted || c == Code::kAborted ||
            c == Code::kDeadlineExceeded || c == Code::kCancelled;
    if (auto s = otlp::DecodeRpcStatus(got->grpc_details); s && s->retry_after) wait = *s->retry_after;
  } else if (got) {
    what = std::to_string(got->status);
    again = got->status == 429 || got->status == 502 || got->status == 503 || got->status == 504;
    if (auto* after = got->Header("retry-after"))
      wait = net::ParseRetryAfter(*after, loop_.clock().UnixNano() / 1'000'000'000);
  }
  run_.trace.Add("client hears of {} to {}: {}", r->first, r->first + r->count - 1, what);
  if (!again) {
    --in_flight_;
    return;
  }
  auto timer = std::make_shared<net::Timer>();
  *timer = loop_.AddTimer(wait + Duration(static_cast<int64_t>(run_.world.random().Below(50'000'000))),
                          [this, r, timer, alive = std::weak_ptr(alive_)] {
                            if (!alive.expired()) Post(r);
                          });
}

void Client::Took(const RequestPtr& r, uint64_t rejected) {
  run_.trace.Add("client hears of {} to {}: OK{}", r->first, r->first + r->count - 1, rejected ? ", some not" : "");
  --in_flight_;
  for (uint64_t i = r->first; i < r->first + r->count; ++i) {
    Record& record = run_.records[i];
    record.acknowledged = true;
    record.unclear = rejected > 0;
    // A fault before this request was sent is no excuse.
    if (r->incarnation != run_.incarnation) continue;
    for (bool& e : record.exempt) e = false;
  }
}

}  // namespace naru::simulation
