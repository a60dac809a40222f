// A hostile backend against the HTTP client: every request is answered once, within its time-out.
#include <cstdint>
#include <cstdlib>

#include "net/http_client.h"
#include "testkit/sim_world.h"

namespace naru::testkit {
namespace {

// Answers whatever comes with its share of the bytes, then closes.
struct Peer final : net::StreamHandler {
  Peer(std::unique_ptr<net::Stream> s, std::string_view text) : stream(std::move(s)), out(text) {
    stream->SetHandler(this);
  }
  void OnReadable() override {
    uint8_t b[4096];
    net::IoResult r = stream->Read(b);
    if (r.kind == net::IoResult::kEof || r.kind == net::IoResult::kError) return stream.reset();
    stream->WantWrite(true);
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
  bool http2 = data[1] & 1, grpc = data[1] & 2;
  world.network().max_chunk = data[1] & 4 ? 1 + data[1] / 8 : 0;
  std::string_view answer(reinterpret_cast<const char*>(data) + 2, size - 2);
  std::vector<std::unique_ptr<Peer>> peers;
  net::HttpClientOptions options;
  options.authority = "backend:4318";
  options.http2_prior_knowledge = http2 || grpc;
  options.cookies = true;
  int answers = 0;
  constexpr int kRequests = 3;
  {
    net::HttpClient client(world.loop(), options, [&](net::Loop& loop, Duration, auto done) {
      auto [near, far] = world.Pair();
      peers.push_back(std::make_unique<Peer>(std::move(far), answer));
      auto stream = std::make_shared<std::unique_ptr<net::Stream>>(std::move(near));
      loop.Post([stream, done] { done(std::move(*stream)); });
      return std::make_unique<net::Connecting>();
    });
    world.On(0, [&] {
      for (int i = 0; i < kRequests; ++i) {
        net::ClientRequest r;
        r.path = "/v1/traces";
        r.grpc = grpc;
        r.timeout = std::chrono::seconds(5);
        r.body = {Slice::CopyOf("body")};
        client.Send(std::move(r), [&](Result<net::ClientResponse> got) {
          ++answers;
          if (got && got->body.size() > options.max_response_bytes) std::abort();
          if (const std::string* after = got ? got->Header("retry-after") : nullptr)
            (void)net::ParseRetryAfter(*after, 1'700'000'000);
        });
      }
    });
    if (!world.RunUntil([&] { return answers == kRequests; }, std::chrono::minutes(1))) std::abort();
    world.On(0, [&] { peers.clear(); });
    world.RunFor(std::chrono::minutes(3));
  }
  if (answers != kRequests) std::abort();
  world.RunReady();
  return 0;
}
