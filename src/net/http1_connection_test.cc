// What a server over HTTP/1.1 makes of a client that closes its side while it waits for an answer.
#include <gtest/gtest.h>

#include "net/http_server.h"
#include "testkit/sim_world.h"

namespace naru::net {
namespace {

using namespace std::chrono_literals;

// Answers each request after a second with its path.
class Late final : public Service {
 public:
  int half_closed = 0, aborted = 0;
  std::shared_ptr<RequestHandler> OnRequest(const RequestHead& head, ServerCall& call) override {
    struct Handler final : RequestHandler {
      Handler(Late& s, ServerCall& c, std::string p) : service(s), call(&c), path(std::move(p)) {}
      std::span<uint8_t> Reserve(size_t) override { return room; }
      void Commit(size_t) override {}
      void OnEnd() override {
        timer = call->loop().AddTimer(1s, [this] { call->Respond(200, {}, Slice::CopyOf(path)); });
      }
      void OnAbort() override {
        timer.Cancel();
        ++service.aborted;
      }
      void OnHalfClosed() override { ++service.half_closed; }
      Late& service;
      ServerCall* call;
      std::string path;
      Timer timer;
      uint8_t room[64];
    };
    return std::make_shared<Handler>(*this, call, std::string(head.path));
  }
};

struct Client final : StreamHandler {
  Client(std::unique_ptr<Stream> s, std::string text) : stream(std::move(s)), out(std::move(text)) {
    stream->SetHandler(this);
    stream->WantWrite(true);
  }
  void OnReadable() override {
    uint8_t b[4096];
    IoResult r = stream->Read(b);
    if (r.kind == IoResult::kBytes) got.append(reinterpret_cast<char*>(b), r.n);
    ended = r.kind == IoResult::kEof || r.kind == IoResult::kError;
    if (ended) stream.reset();
  }
  void OnWritable() override {
    iovec v{out.data(), out.size()};
    EXPECT_EQ(stream->Writev(&v, 1).n, out.size());
    stream->WantWrite(false);
  }
  std::unique_ptr<Stream> stream;
  std::string out, got;
  bool ended = false;
};

TEST(Http1Connection, ClientsThatCloseTheirSide) {
  struct Case {
    const char* what;
    bool two, shuts, half_closed_is_gone;
    int half_closed, aborted;
    const char* answers;  // paths, in order
    bool ended;
  };
  for (auto& c :
       std::initializer_list<Case>{{"stays", false, false, false, 0, 0, "/a", false},
                                   {"shuts its side", false, true, false, 1, 0, "/a", true},
                                   {"shuts it where that ends a request", false, true, true, 0, 1, "", true},
                                   {"asks twice and stays", true, false, false, 0, 0, "/a/b", false},
                                   {"asks twice and shuts its side", true, true, false, 1, 0, "/a/b", true}}) {
    testkit::SimWorld world(1);
    Budget budget;
    Late service;
    HttpServerOptions options;
    options.half_closed_is_gone = c.half_closed_is_gone;
    HttpServer server(world.loops(), options, service, budget);
    auto ends = world.Pair();
    std::unique_ptr<Client> client;
    world.On(0, [&] {
      server.Accept(world.loop(), std::move(ends.first));
      std::string text = "POST /a HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nhi";
      if (c.two) text += "GET /b HTTP/1.1\r\nhost: h\r\n\r\n";
      client = std::make_unique<Client>(std::move(ends.second), text);
    });
    world.RunFor(100ms);
    if (c.shuts) world.On(0, [&] { client->stream->ShutdownWrite(); });
    world.RunFor(5s);
    EXPECT_EQ(service.half_closed, c.half_closed) << c.what;
    EXPECT_EQ(service.aborted, c.aborted) << c.what;
    EXPECT_EQ(client->ended, c.ended) << c.what;
    std::string answers;
    for (size_t at = 0; (at = client->got.find("\r\n\r\n", at)) != std::string::npos; at += 4)
      answers += client->got.substr(at + 4, 2);
    EXPECT_EQ(answers, c.answers) << c.what;
    bool gone = false;
    world.On(0, [&] {
      client.reset();
      server.Shutdown(world.clock().Now() + 1s, [&] { gone = true; });
    });
    EXPECT_TRUE(world.RunUntil([&] { return gone; }, 1min)) << c.what;
    world.RunFor(1s);
    EXPECT_EQ(budget.used(), 0) << c.what;
  }
}

}  // namespace
}  // namespace naru::net
