#include "testkit/sim_world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/http_client.h"
#include "net/http_server.h"

namespace naru::testkit {
namespace {

using net::IoResult;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

// Writes all of `out`, then ends its side; keeps what it reads.
struct Talker : net::StreamHandler {
  Talker(std::unique_ptr<net::Stream> s, std::string text) : stream(std::move(s)), out(std::move(text)) {
    stream->SetHandler(this);
    stream->WantWrite(true);
  }
  void OnReadable() override {
    uint8_t b[3000];
    IoResult r = stream->Read(b);
    if (r.kind == IoResult::kBytes) in.append(reinterpret_cast<char*>(b), r.n);
    if (r.kind == IoResult::kEof) eof = true;
    if (r.kind == IoResult::kError) error = r.error;
    if (eof || error) stream->WantRead(false);
    Rest();
  }
  // A stream that has ended both ways tells so until it is destroyed.
  void Rest() {
    if (error || (eof && ended)) stream.reset();
  }
  void OnWritable() override {
    iovec v[2] = {{out.data() + at, (out.size() - at) / 2}, {}};
    v[1] = {out.data() + at + v[0].iov_len, out.size() - at - v[0].iov_len};
    IoResult r = stream->Writev(v, 2);
    if (r.kind == IoResult::kBytes) at += r.n;
    if (r.kind == IoResult::kError) error = r.error;
    if (at < out.size() && !error) return;
    stream->WantWrite(false);
    if (shut) {
      stream->ShutdownWrite();
      ended = true;
    }
    Rest();
  }
  std::unique_ptr<net::Stream> stream;
  std::string out, in;
  size_t at = 0;
  bool eof = false, shut = true, ended = false;
  int error = 0;
};

std::string Text(SimRandom& random, size_t n) {
  std::string s(n, 0);
  for (char& c : s) c = static_cast<char>(random.Next());
  return s;
}

TEST(SimWorld, TimersRunInOrderAndTimeJumps) {
  SimWorld world(1);
  std::vector<int> order;
  MonoTime start = world.clock().Now();
  std::vector<net::Timer> timers;
  timers.push_back(world.loop().AddTimer(2h, [&] { order.push_back(2); }));
  timers.push_back(world.loop().AddTimer(1h, [&] {
    order.push_back(1);
    EXPECT_TRUE(world.loop().InLoop());
    timers[2].Cancel();
    world.loop().Post([&] { order.push_back(10); });
  }));
  timers.push_back(world.loop().AddTimer(90min, [&] { order.push_back(3); }));
  world.RunFor(3h);
  EXPECT_THAT(order, ElementsAre(1, 10, 2));
  EXPECT_EQ(world.clock().Now() - start, Duration(3h));
  EXPECT_FALSE(timers[2].pending());
  EXPECT_EQ(net::Loop::Current(), nullptr);
}

TEST(SimWorld, BytesArriveWholeAndInOrderWhateverTheNetworkDoes) {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SimWorld world(seed, 2);
    auto& random = world.random();
    world.network().max_delay = std::chrono::milliseconds(random.Below(20));
    world.network().max_chunk = random.Below(2) ? random.Below(5000) : 0;
    world.network().buffer = 1 + random.Below(100000);
    world.network().would_block = random.Unit() * 0.5;
    auto [a, b] = world.Pair(0, 1);
    Talker left(std::move(a), Text(random, random.Below(50000))),
        right(std::move(b), Text(random, random.Below(50000)));
    ASSERT_TRUE(world.RunUntil([&] { return left.eof && right.eof; }, 10h)) << seed;
    EXPECT_TRUE(left.in == right.out && right.in == left.out) << seed;
  }
}

TEST(SimWorld, ClosingWithUnreadBytesResets) {
  SimWorld world(1);
  world.network().min_delay = world.network().max_delay = 1ms;
  auto [a, b] = world.Pair();
  Talker left(std::move(a), "hello");
  left.shut = false;
  world.RunFor(5ms);
  b.reset();
  world.RunFor(5ms);
  EXPECT_EQ(left.error, ECONNRESET);
  EXPECT_FALSE(left.eof);
}

TEST(SimWorld, ClosingAfterReadingEnds) {
  SimWorld world(1);
  auto [a, b] = world.Pair();
  Talker left(std::move(a), "hello");
  left.shut = false;
  auto right = std::make_unique<Talker>(std::move(b), "and back");
  world.RunFor(1ms);
  right.reset();
  world.RunFor(1ms);
  EXPECT_TRUE(left.eof);
  EXPECT_EQ(left.in, "and back");
  // Writing on is noticed a round trip later.
  world.network().min_delay = world.network().max_delay = 1ms;
  iovec v{const_cast<char*>("x"), 1};
  EXPECT_EQ(left.stream->Writev(&v, 1).kind, IoResult::kBytes);
  world.RunFor(3ms);
  EXPECT_EQ(left.error, ECONNRESET);
}

TEST(SimWorld, ListensAndConnects) {
  SimWorld world(1, 3);
  world.network().min_delay = world.network().max_delay = 5ms;
  std::vector<int> accepted;
  std::vector<std::unique_ptr<net::Stream>> streams;
  auto listener =
      world.loop().Listen(*net::Address::Parse("0.0.0.0:80"), {}, [&](net::Loop& loop, std::unique_ptr<net::Stream> s) {
        EXPECT_TRUE(loop.InLoop());
        accepted.push_back(loop.index());
        streams.push_back(std::move(s));
      });
  ASSERT_TRUE(listener);
  EXPECT_THAT(world.loop().Listen((*listener)->local(), {}, nullptr).error().message,
              HasSubstr("address already in use"));
  std::string outcome;
  std::unique_ptr<net::Connecting> attempt;
  auto connect = [&](const char* address) {
    outcome.clear();
    attempt = world.loop(1).Connect(*net::Address::Parse(address), 1s, [&](Result<std::unique_ptr<net::Stream>> s) {
      EXPECT_TRUE(world.loop(1).InLoop());
      outcome = s ? "connected to " + (*s)->peer().ToString() : s.error().message;
      if (s) streams.push_back(std::move(*s));
    });
    world.RunFor(10s);
    return outcome;
  };
  EXPECT_EQ(connect("127.0.0.1:80"), "connected to 127.0.0.1:80");
  EXPECT_EQ(connect("127.0.0.1:81"), "dial tcp 127.0.0.1:81: connect: connection refused");
  connect("127.0.0.1:80");
  connect("127.0.0.1:80");
  EXPECT_THAT(accepted, ElementsAre(0, 2, 0));  // loop 1 holds the clients
  world.network().partitioned = true;
  EXPECT_EQ(connect("127.0.0.1:80"), "dial tcp 127.0.0.1:80: connect: connection timed out");
  world.network().partitioned = false;
  (*listener)->Pause(true);
  EXPECT_EQ(connect("127.0.0.1:80"), "connected to 127.0.0.1:80");
  EXPECT_EQ(accepted.size(), 3u);
  (*listener)->Pause(false);
  world.RunFor(1s);
  EXPECT_EQ(accepted.size(), 4u);
  listener->reset();
  EXPECT_EQ(connect("127.0.0.1:80"), "dial tcp 127.0.0.1:80: connect: connection refused");
}

// Answers by path and length of the body, half of the time after a while.
class Lengths : public net::Service {
 public:
  struct Handler : net::RequestHandler, std::enable_shared_from_this<Handler> {
    net::ServerCall* call = nullptr;
    std::string path;
    bool grpc = false;
    size_t size = 0;
    uint8_t memory[1000];
    net::Timer timer;
    std::span<uint8_t> Reserve(size_t) override { return memory; }
    void Commit(size_t n) override { size += n; }
    void Answer() {
      std::string text = fmt::format("{} {}", path, size);
      if (grpc)
        call->RespondGrpc({}, Slice::CopyOf(text));
      else
        call->Respond(200, {}, Slice::CopyOf(text));
    }
    void OnEnd() override {
      if (size % 2) return Answer();
      timer = call->loop().AddTimer(5ms, [self = shared_from_this()] { self->Answer(); });
    }
    void OnAbort() override { timer.Cancel(); }
  };
  std::shared_ptr<net::RequestHandler> OnRequest(const net::RequestHead& head, net::ServerCall& call) override {
    auto h = std::make_shared<Handler>();
    h->call = &call;
    h->path = head.path;
    h->grpc = head.grpc;
    return h;
  }
};

// A client and a server under faults; every answer as one line. The lines follow from the seed.
std::string Exchange(uint64_t seed) {
  SimWorld world(seed, 2);
  auto& random = world.random();
  auto& network = world.network();
  bool http2 = random.Below(2), grpc = http2 && random.Below(2);
  network.max_delay = std::chrono::milliseconds(random.Below(10));
  network.max_chunk = random.Below(2) ? 1 + random.Below(20000) : 0;
  network.would_block = random.Below(2) ? 0.2 : 0;
  network.reset = random.Below(2) ? 0.02 : 0;
  network.refuse = random.Below(2) ? 0.2 : 0;
  Budget budget;
  Lengths service;
  auto server = std::make_unique<net::HttpServer>(world.loops(), net::HttpServerOptions(), service, budget);
  auto listener =
      world.loop().Listen(*net::Address::Parse("127.0.0.1:4318"), {},
                          [&](net::Loop& loop, std::unique_ptr<net::Stream> s) { server->Accept(loop, std::move(s)); });
  net::HttpClientOptions o;
  o.authority = "127.0.0.1:4318";
  o.http2_prior_knowledge = http2;
  std::string lines;
  int answers = 0, good = 0;
  constexpr int kRequests = 40;
  {
    net::HttpClient client(world.loop(), o, [](net::Loop& loop, Duration timeout, auto done) {
      return loop.Connect(*net::Address::Parse("127.0.0.1:4318"), timeout, std::move(done));
    });
    std::vector<net::Timer> timers;
    for (int i = 0; i < kRequests; ++i) {
      timers.push_back(world.loop().AddTimer(std::chrono::milliseconds(random.Below(300)), [&, i] {
        net::ClientRequest r;
        r.path = fmt::format("/{}", i);
        r.grpc = grpc;
        r.timeout = std::chrono::milliseconds(random.Below(8) ? 60000 : 20);
        size_t size = random.Below(2) ? random.Below(100) : random.Below(100000);
        r.body = {Slice::CopyOf(std::string(size / 3, 'a')), Slice::CopyOf(std::string(size - size / 3, 'b'))};
        client.Send(std::move(r), [&, i, size](Result<net::ClientResponse> got) {
          ++answers;
          if (got) {
            ++good;
            EXPECT_EQ(got->body, fmt::format("/{} {}", i, size)) << seed;
            EXPECT_EQ(got->status, 200);
          } else {
            EXPECT_TRUE(got.error().retryable) << got.error().message;
          }
          lines += fmt::format("{} {} {}\n", world.clock().Now().time_since_epoch().count(), i,
                               got ? got->body : got.error().message);
        });
      }));
    }
    EXPECT_TRUE(world.RunUntil([&] { return answers == kRequests; }, 10min)) << seed;
    EXPECT_EQ(client.in_flight(), 0u);
    EXPECT_TRUE(network.reset > 0 || network.refuse > 0 || good >= kRequests / 2) << seed << ": " << good;
  }
  bool drained = false;
  listener->reset();
  world.On(0, [&] { server->Shutdown(world.clock().Now() + 5s, [&] { drained = true; }); });
  EXPECT_TRUE(world.RunUntil([&] { return drained; }, 10s)) << seed;
  world.RunFor(1s);
  EXPECT_EQ(world.open_streams(), 0u) << seed;
  server.reset();
  EXPECT_EQ(budget.used(), 0) << seed;
  return lines;
}

TEST(SimWorld, HttpKeepsItsWordUnderFaults) {
  for (uint64_t seed = 1; seed <= 200; ++seed) Exchange(seed);
}

TEST(SimWorld, TheSameSeedGivesTheSameRun) {
  for (uint64_t seed : {3, 14, 159}) EXPECT_EQ(Exchange(seed), Exchange(seed));
  EXPECT_NE(Exchange(3), Exchange(5));
}

}  // namespace
}  // namespace naru::testkit
