// Bytes from outside against the HTTP server: HTTP/1.1, HTTP/2 and gRPC, in pieces, over the simulated network.
// Whatever comes, every connection is gone when its client is and its time-outs have passed, and all memory is given
// back.
#include <cstdint>
#include <cstdlib>

#include "net/http_server.h"
#include "testkit/sim_world.h"

namespace naru::testkit {
namespace {

constexpr size_t kMaxBody = 32 << 10;

// Takes bodies up to kMaxBody and echoes their length.
class Taker final : public net::RequestHandler {
 public:
  Taker(net::ServerCall& call, bool grpc) : call_(&call), grpc_(grpc) {}
  bool OnMessage(bool, uint32_t length) override {
    if (length <= kMaxBody) return true;
    End(413);
    return false;
  }
  std::span<uint8_t> Reserve(size_t) override {
    if (size_ == sizeof body_) {
      End(413);
      return {};
    }
    return {body_ + size_, sizeof body_ - size_};
  }
  void Commit(size_t n) override {
    if (n > sizeof body_ - size_) std::abort();
    size_ += n;
  }
  void OnEnd() override { End(200); }
  void OnAbort() override {
    if (!call_) std::abort();  // once, and not after the answer
    call_ = nullptr;
  }

 private:
  void End(int status) {
    auto* call = std::exchange(call_, nullptr);
    if (!call) std::abort();
    if (grpc_) return call->RespondGrpc({status == 200 ? Code::kOk : Code::kResourceExhausted, "", ""}, Slice());
    call->Respond(status, {{"content-type", "text/plain"}}, Slice::CopyOf(std::to_string(size_)));
  }
  net::ServerCall* call_;
  bool grpc_;
  uint8_t body_[kMaxBody];
  size_t size_ = 0;
};

class Both final : public net::Service {
 public:
  std::shared_ptr<net::RequestHandler> OnRequest(const net::RequestHead& head, net::ServerCall& call) override {
    if (head.path.size() % 2 == 0 && !head.grpc) {
      call.Respond(204, {}, Slice());
      return nullptr;
    }
    return std::make_shared<Taker>(call, head.grpc);
  }
};

// Sends the bytes and reads what comes until the end.
struct Peer final : net::StreamHandler {
  Peer(std::unique_ptr<net::Stream> s, std::string_view text) : stream(std::move(s)), out(text) {
    stream->SetHandler(this);
    stream->WantWrite(true);
  }
  void OnReadable() override {
    uint8_t b[4096];
    net::IoResult r = stream->Read(b);
    if (r.kind == net::IoResult::kEof || r.kind == net::IoResult::kError) stream.reset();
  }
  void OnWritable() override {
    iovec v{const_cast<char*>(out.data()), out.size()};
    net::IoResult r = stream->Writev(&v, 1);
    if (r.kind == net::IoResult::kError) return stream.reset();
    if (r.kind == net::IoResult::kBytes) out.remove_prefix(r.n);
    if (!out.empty()) return;
    stream->WantWrite(false);
    stream->ShutdownWrite();
  }
  std::unique_ptr<net::Stream> stream;
  std::string_view out;
};

}  // namespace
}  // namespace naru::testkit

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace naru;
  using namespace naru::testkit;
  if (size < 2) return 0;
  SimWorld world(data[0]);
  world.network().max_chunk = data[1] % 4 == 0 ? 1 + data[1] / 4 : 0;
  Budget budget;
  Both service;
  net::HttpServerOptions options;
  options.read_timeout = options.write_timeout = options.idle_timeout = std::chrono::seconds(30);
  {
    net::HttpServer server(world.loops(), options, service, budget);
    auto ends = world.Pair();
    std::unique_ptr<Peer> peer;
    world.On(0, [&] {
      server.Accept(world.loop(), std::move(ends.first));
      peer = std::make_unique<Peer>(std::move(ends.second),
                                    std::string_view(reinterpret_cast<const char*>(data) + 2, size - 2));
    });
    world.RunFor(std::chrono::minutes(5));
    bool gone = false;
    world.On(0, [&] {
      peer.reset();
      server.Shutdown(world.clock().Now() + std::chrono::seconds(1), [&] { gone = true; });
    });
    if (!world.RunUntil([&] { return gone; }, std::chrono::minutes(1))) std::abort();
    world.RunFor(std::chrono::seconds(1));
  }
  if (world.open_streams() != 0 || budget.used() != 0) std::abort();
  return 0;
}
