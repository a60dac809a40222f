// Frames of HTTP/2 and messages of gRPC that are well-formed one by one and come in any order and number, against the
// server and against the client. Frames by chance hardly ever have a length and headers that are right; these have, and
// get further in. Whatever comes, calls and requests end once, and what was charged is given back.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>

#include "net/http_client.h"
#include "net/http_server.h"
#include "testkit/sim_world.h"

namespace naru::testkit {
namespace {

using namespace std::chrono_literals;

constexpr size_t kMaxBody = 8 << 10, kMaxFrames = 400;

// The input, as numbers; zeros behind its end.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : at_(data), end_(data + size) {}
  bool more() const { return at_ < end_; }
  uint32_t Byte() { return more() ? *at_++ : 0; }
  uint32_t Word() { return Byte() << 24 | Byte() << 16 | Byte() << 8 | Byte(); }
  std::string Text(size_t n) {
    n = std::min(n, static_cast<size_t>(end_ - at_));
    std::string out(reinterpret_cast<const char*>(at_), n);
    at_ += n;
    return out;
  }

 private:
  const uint8_t *at_, *end_;
};

std::string Word(uint32_t v) {
  return {static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8), static_cast<char>(v)};
}

std::string Frame(uint32_t kind, uint32_t flags, uint32_t stream, const std::string& payload) {
  return Word(static_cast<uint32_t>(payload.size())).substr(1) + static_cast<char>(kind) + static_cast<char>(flags) +
         Word(stream) + payload;
}

std::string Literal(std::string_view name, std::string_view value, bool index) {
  auto text = [](std::string_view s) {
    return std::string(1, static_cast<char>(std::min<size_t>(s.size(), 126))) + std::string(s.substr(0, 126));
  };
  return std::string(1, index ? '\x40' : '\0') + text(name) + text(value);
}

// A block of headers: those that a request or an answer has to have, and some that it may have.
std::string Headers(Input& in, bool server) {
  static constexpr std::pair<std::string_view, std::string_view> kRequest[] = {
      {":method", "POST"}, {":scheme", "http"}, {":path", "/v1/traces"}, {":authority", "h"}};
  static constexpr std::pair<std::string_view, std::string_view> kMore[] = {{"content-type", "application/grpc"},
                                                                            {"te", "trailers"},
                                                                            {"grpc-status", "0"},
                                                                            {"grpc-status", "14"},
                                                                            {"grpc-status", "99999999999"},
                                                                            {"grpc-message", "%F0%9F"},
                                                                            {"grpc-status-details-bin", "CA4SA3RyeQ"},
                                                                            {"grpc-encoding", "gzip"},
                                                                            {"content-length", "5"},
                                                                            {"content-length", "4294967296"},
                                                                            {"retry-after", "1"},
                                                                            {"connection", "close"},
                                                                            {"set-cookie", "a=b; Path=/"},
                                                                            {"expect", "100-continue"},
                                                                            {":status", "100"},
                                                                            {":path", "/other"}};
  std::string out;
  uint32_t how = in.Byte();
  if (how & 1) {
    if (server) {
      for (auto& [k, v] : kRequest) out += Literal(k, v, how & 2);
    } else {
      static constexpr std::string_view kStatus[] = {"200", "200", "503", "100"};
      out += Literal(":status", kStatus[how >> 2 & 3], how & 2);
    }
  }
  for (uint32_t n = how >> 4; n > 0; --n) {
    uint32_t what = in.Byte();
    if (what < 0xe0) {
      auto& [k, v] = kMore[what % std::size(kMore)];
      out += Literal(k, v, what & 0x10);
    } else if (what < 0xf0) {
      out += Literal(in.Text(1 + in.Byte() % 8), in.Text(in.Byte() % 120), what & 1);
    } else {
      out += static_cast<char>(0x80 | (in.Byte() & 0x7f));  // from a table
    }
  }
  return out;
}

std::string Data(Input& in) {
  uint32_t how = in.Byte();
  if (how < 0x60) return in.Text(how);
  if (how < 0xa0) {  // a message, in one piece
    std::string message = in.Text(how & 31);
    return std::string(1, static_cast<char>(how & 0x20 ? 1 : 0)) + Word(static_cast<uint32_t>(message.size())) +
           message;
  }
  if (how < 0xc0) return std::string(1, '\0') + Word(in.Word()) + in.Text(how & 31);  // of any announced length
  return std::string((how & 63) * 64, 'd');
}

// What one end says. Streams are opened in order; frames may name any.
std::string Frames(Input& in, bool server) {
  std::string out = server ? "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" : "";
  out += Frame(4, 0, 0, "");
  uint32_t next = 1;
  for (size_t n = 0; in.more() && n < kMaxFrames; ++n) {
    uint32_t what = in.Byte(), flags = in.Byte();
    uint32_t stream = flags & 0x40 ? next - std::min(next - 1, 2 * (flags >> 7)) : (in.Byte() % 8) * 2 + 1;
    switch (what % 16) {
      case 0:
      case 1:
      case 2:
        if (flags & 0x80) next = stream = next + 2;
        out += Frame(1, 4 | (flags & 1), stream, Headers(in, server));
        break;
      case 3:
        out += Frame(1, flags & 1, stream, Headers(in, server));  // goes on in CONTINUATION, or should
        break;
      case 4:
        out += Frame(9, flags & 4, stream, Headers(in, server));
        break;
      case 5:
      case 6:
      case 7:
        out += Frame(0, flags & 1, stream, Data(in));
        break;
      case 8:
        out += Frame(3, 0, stream, Word(in.Byte()));
        break;
      case 9:
        out += Frame(8, 0, flags & 2 ? 0 : stream, Word(flags & 4 ? in.Word() : in.Byte()));
        break;
      case 10: {  // settings: any of the first eight, of any value
        std::string entries;
        for (uint32_t k = flags & 3; k > 0; --k)
          entries += std::string(1, '\0') + static_cast<char>(in.Byte() % 9) + Word(flags & 8 ? in.Word() : in.Byte());
        out += Frame(4, flags & 0x10 ? 1 : 0, 0, flags & 0x10 ? "" : entries);
        break;
      }
      case 11:
        out += Frame(6, flags & 1, 0, "12345678");
        break;
      case 12:
        out += Frame(7, 0, 0, Word(flags & 1 ? 0x7fffffff : stream) + Word(in.Byte() % 16));
        break;
      case 13:
        out += Frame(5, 4, stream, Word(in.Byte()) + Headers(in, server));  // push
        break;
      case 14:
        out += Frame(0, 8 | (flags & 1), stream, std::string(1, static_cast<char>(in.Byte())) + Data(in));  // padded
        break;
      case 15:
        out += Frame(in.Byte(), in.Byte(), flags & 2 ? 0 : stream, in.Text(in.Byte() % 32));
        break;
    }
  }
  return out;
}

// Says all of it, answers nothing, and closes its half at the end if it is to.
struct Peer final : net::StreamHandler {
  Peer(std::unique_ptr<net::Stream> s, std::string_view text, bool closes)
      : stream(std::move(s)), out(text), closes(closes) {
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
    if (closes) stream->ShutdownWrite();
  }
  std::unique_ptr<net::Stream> stream;
  std::string_view out;
  const bool closes;
};

// Takes bodies up to kMaxBody; answers at once, late, or in pieces.
class Taker final : public net::RequestHandler, public std::enable_shared_from_this<Taker> {
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
  void OnEnd() override {
    if (size_ % 3 == 0) return End(200);
    if (size_ % 3 == 1 && grpc_) call_->SendGrpc(Slice::CopyOf("a piece"));
    timer_ = call_->loop().AddTimer(100ms, [self = shared_from_this()] {
      if (self->call_) self->End(200);
    });
  }
  void OnAbort() override {
    if (!call_) std::abort();  // once, and not after the answer
    call_ = nullptr;
    timer_.Cancel();
  }

 private:
  void End(int status) {
    auto* call = std::exchange(call_, nullptr);
    if (!call) std::abort();
    if (grpc_) return call->RespondGrpc({status == 200 ? Code::kOk : Code::kResourceExhausted, "", ""}, Slice());
    call->Respond(status, {{"content-type", "text/plain"}}, Slice::CopyOf(std::string(size_, 'b')));
  }
  net::ServerCall* call_;
  bool grpc_;
  uint8_t body_[kMaxBody];
  size_t size_ = 0;
  net::Timer timer_;
};

class Takers final : public net::Service {
 public:
  std::shared_ptr<net::RequestHandler> OnRequest(const net::RequestHead& head, net::ServerCall& call) override {
    if (head.path == "/other" && !head.grpc) {
      call.Respond(404, {}, Slice());
      return nullptr;
    }
    return std::make_shared<Taker>(call, head.grpc);
  }
};

void AgainstServer(SimWorld& world, std::string_view text, bool closes) {
  Budget budget;
  Takers service;
  net::HttpServerOptions options;
  options.read_timeout = options.write_timeout = options.idle_timeout = 30s;
  {
    net::HttpServer server(world.loops(), options, service, budget);
    auto ends = world.Pair();
    std::unique_ptr<Peer> peer;
    world.On(0, [&] {
      server.Accept(world.loop(), std::move(ends.first));
      peer = std::make_unique<Peer>(std::move(ends.second), text, closes);
    });
    world.RunFor(5min);
    bool gone = false;
    world.On(0, [&] {
      peer.reset();
      server.Shutdown(world.clock().Now() + 1s, [&] { gone = true; });
    });
    if (!world.RunUntil([&] { return gone; }, 1min)) std::abort();
    world.RunFor(1s);
  }
  if (world.open_streams() != 0 || budget.used() != 0) std::abort();
}

void AgainstClient(SimWorld& world, std::string_view text, bool closes, bool grpc) {
  std::vector<std::unique_ptr<Peer>> peers;
  net::HttpClientOptions options;
  options.authority = "backend:4317";
  options.http2_prior_knowledge = true;
  int answers = 0;
  constexpr int kRequests = 4;
  {
    net::HttpClient client(world.loop(), options, [&](net::Loop& loop, Duration, auto done) {
      auto [near, far] = world.Pair();
      peers.push_back(std::make_unique<Peer>(std::move(far), text, closes));
      auto stream = std::make_shared<std::unique_ptr<net::Stream>>(std::move(near));
      loop.Post([stream, done] { done(std::move(*stream)); });
      return std::make_unique<net::Connecting>();
    });
    world.On(0, [&] {
      for (int i = 0; i < kRequests; ++i) {
        net::ClientRequest r;
        r.path = "/v1/traces";
        r.grpc = grpc;
        r.timeout = 5s;
        r.body = {Slice::CopyOf(std::string(static_cast<size_t>(i) * 50'000, 'b'))};
        client.Send(std::move(r), [&](Result<net::ClientResponse> got) {
          ++answers;
          if (got && got->body.size() > options.max_response_bytes) std::abort();
        });
      }
    });
    if (!world.RunUntil([&] { return answers == kRequests; }, 1min)) std::abort();
    world.On(0, [&] { peers.clear(); });
    world.RunFor(3min);
  }
  if (answers != kRequests) std::abort();
  world.RunReady();
}

}  // namespace
}  // namespace naru::testkit

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace naru::testkit;
  if (size < 3) return 0;
  const uint32_t seed = data[0], how = data[1];
  SimWorld world(seed);
  world.network().max_chunk = how & 8 ? 1 + (how >> 4) * 7 : 0;
  Input in(data + 2, size - 2);
  bool server = how & 1;
  std::string text = Frames(in, server);
  server ? AgainstServer(world, text, how & 2) : AgainstClient(world, text, how & 2, how & 4);
  return 0;
}
