#include "simulation/backend.h"

#include "otlp/json.h"
#include "testkit/requests.h"
#include "wire/compress.h"

namespace naru::simulation {

using namespace std::chrono_literals;

struct Backend::Process {
  std::unique_ptr<testkit::SimProcess> loops;
  std::unique_ptr<net::HttpServer> server;
  std::unique_ptr<net::Listener> listener;
  bool done = false;
};

class Backend::Body final : public net::RequestHandler, public std::enable_shared_from_this<Body> {
 public:
  Body(Backend& backend, net::ServerCall& call, bool grpc, wire::Codec codec)
      : backend_(backend), call_(&call), grpc_(grpc), compressed_(!grpc), codec_(codec) {}
  bool OnMessage(bool compressed, uint32_t) override {
    compressed_ = compressed;
    return true;
  }
  std::span<uint8_t> Reserve(size_t) override {
    piece_.resize(16 << 10);
    return {reinterpret_cast<uint8_t*>(piece_.data()), piece_.size()};
  }
  void Commit(size_t n) override { bytes_.append(piece_, 0, n); }
  void OnEnd() override {
    testkit::SimRandom& random = backend_.run_.world.random();
    const Mood& mood = backend_.mood;
    if (random.Chance(mood.busy)) return Later([this] { Busy(); });
    if (random.Chance(mood.never)) return Later([this] { Never(); });
    bool lost = random.Chance(mood.lost), partial = random.Chance(mood.partial);
    Later([this, lost, partial] { Take(lost, partial); });
  }
  void OnAbort() override {
    call_ = nullptr;
    timer_.Cancel();
  }

 private:
  void Later(std::function<void()> answer) {
    auto most = static_cast<uint64_t>(backend_.mood.delay.count());
    auto delay = Duration(static_cast<int64_t>(backend_.run_.world.random().Below(most + 1)));
    if (delay == Duration(0)) return answer();
    timer_ = call_->loop().AddTimer(delay, [self = shared_from_this(), answer = std::move(answer)] {
      if (self->call_) answer();
    });
  }
  std::vector<uint64_t> Numbers() {
    if (!compressed_ || codec_ == wire::Codec::kIdentity) return testkit::NumbersIn(bytes_);
    auto plain = wire::Decompress(codec_, bytes_, 64 << 20, backend_.budget_);
    if (!plain) backend_.run_.Fault("a request arrived that does not inflate");
    return plain ? testkit::NumbersIn(plain->view()) : std::vector<uint64_t>();
  }

  void Busy() {
    testkit::SimRandom& random = backend_.run_.world.random();
    bool many = random.Chance(0.5), names_delay = random.Chance(0.5);
    Code code = many && names_delay ? Code::kResourceExhausted : Code::kUnavailable;
    otlp::RpcStatus status{code, "busy", {}};
    if (names_delay) status.retry_after = std::chrono::seconds(1 + random.Below(3));
    std::string details = otlp::EncodeRpcStatus(status);
    auto* call = std::exchange(call_, nullptr);
    if (grpc_)
      return call->RespondGrpc({code, "busy", names_delay ? std::string_view(details) : std::string_view()}, Slice());
    std::vector<net::Header> headers = {{"content-type", "application/x-protobuf"}};
    std::string seconds;
    if (names_delay) seconds = std::to_string(status.retry_after->count() / 1'000'000'000);
    if (names_delay) headers.push_back({"retry-after", seconds});
    call->Respond(many ? 429 : 503, headers, Slice::CopyOf(details));
  }
  void Never() {
    // About the data, or about the exporter.
    bool data = backend_.run_.world.random().Chance(0.5);
    for (uint64_t n : Numbers()) Of(n).rejected[backend_.branch_] = true;
    auto* call = std::exchange(call_, nullptr);
    if (grpc_)
      return call->RespondGrpc({data ? Code::kInvalidArgument : Code::kPermissionDenied, "never", {}}, Slice());
    call->Respond(data ? 400 : 403, {{"content-type", "text/plain"}}, Slice::Static("never"));
  }
  void Take(bool lost, bool partial) {
    auto numbers = Numbers();
    testkit::SimRandom& random = backend_.run_.world.random();
    uint64_t rejected = partial && !numbers.empty() ? random.Below(numbers.size() + 1) : 0;
    for (size_t i = 0; i < numbers.size(); ++i) {
      Record& r = Of(numbers[i]);
      if (i < rejected) {
        r.rejected[backend_.branch_] = true;
      } else {
        ++r.arrived[backend_.branch_];
      }
    }
    backend_.taken_ += numbers.size() - rejected;
    backend_.run_.trace.Add("backend {} takes {} records from {}{}{}", backend_.branch_, numbers.size(),
                            numbers.empty() ? 0 : numbers[0], rejected ? ", some not" : "", lost ? ", unheard" : "");
    if (lost) return;  // the client's time-out ends it
    std::string body = otlp::EncodeExportResponse(
        {static_cast<int64_t>(rejected), rejected ? std::string("some are rejected") : std::string()});
    auto* call = std::exchange(call_, nullptr);
    if (grpc_) return call->RespondGrpc({}, Slice::CopyOf(body));
    call->Respond(200, {{"content-type", "application/x-protobuf"}}, Slice::CopyOf(body));
  }
  Record& Of(uint64_t number) {
    static thread_local Record unknown;
    if (number < backend_.run_.records.size()) return backend_.run_.records[number];
    backend_.run_.Fault(fmt::format("record {} arrived, which nobody sent", number));
    return unknown;
  }

  Backend& backend_;
  net::ServerCall* call_;
  const bool grpc_;
  bool compressed_;
  const wire::Codec codec_;
  std::string piece_, bytes_;
  net::Timer timer_;
};

Backend::Backend(Run& run, otlp::Signal signal, size_t branch, uint16_t port)
    : run_(run), signal_(signal), branch_(branch), port_(port) {
  Start();
}

Backend::~Backend() {
  Stop();
  run_.world.RunUntil(
      [this] {
        Reap();
        return ended_.empty();
      },
      1min);
}

void Backend::Start() {
  if (process_) return;
  auto p = std::make_unique<Process>();
  p->loops = run_.world.AddProcess(1);
  Process* raw = p.get();
  p->loops->On(0, [&] {
    raw->server = std::make_unique<net::HttpServer>(raw->loops->loops(), net::HttpServerOptions(), *this, budget_);
    auto listener = raw->loops->loops()[0]->Listen(
        {net::Address::Kind::kIpv4, "127.0.0.1", port_}, {},
        [raw](net::Loop& loop, std::unique_ptr<net::Stream> s) { raw->server->Accept(loop, std::move(s)); });
    if (!listener) return run_.Fault("a backend cannot listen: " + listener.error().message);
    raw->listener = std::move(*listener);
  });
  process_ = std::move(p);
}

void Backend::Stop() {
  if (!process_) return;
  Process* raw = process_.get();
  raw->loops->Cut(run_.world.random().Chance(0.3));
  raw->loops->On(0, [raw] {
    raw->listener.reset();
    raw->server->Shutdown(raw->loops->loops()[0]->Now(), [raw] { raw->done = true; });
  });
  ended_.push_back(std::move(process_));
}

void Backend::SetDeaf(bool on) {
  if (process_) process_->loops->SetDeaf(on);
}

void Backend::Reap() {
  std::erase_if(ended_, [](auto& p) {
    if (!p->done) return false;
    p->loops->On(0, [&] { p->server.reset(); });
    return true;
  });
}

std::shared_ptr<net::RequestHandler> Backend::OnRequest(const net::RequestHead& head, net::ServerCall& call) {
  const auto& names = otlp::Names(signal_);
  if (head.path != names.grpc_path && head.path != names.http_path) {
    run_.Fault(fmt::format("a backend was asked for {}", head.path));
    call.Respond(404, {}, Slice());
    return nullptr;
  }
  auto codec = head.grpc ? wire::CodecByGrpcName(head.headers.Get("grpc-encoding"))
                         : wire::CodecByHttpName(head.headers.Get("content-encoding"));
  return std::make_shared<Body>(*this, call, head.grpc, codec.value_or(wire::Codec::kIdentity));
}

}  // namespace naru::simulation
