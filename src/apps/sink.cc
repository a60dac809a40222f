// `naru sink`: receives OTLP, counts, discards; answers late or with errors when told to. The end of benchmarks and
// fault tests.
#include <signal.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <thread>

#include "apps/cli.h"
#include "apps/flags.h"
#include "net/epoll_loop.h"
#include "net/http_server.h"
#include "otlp/json.h"
#include "otlp/scan.h"
#include "wire/compress.h"

namespace naru::apps {
namespace {

struct SinkOptions {
  std::string endpoint = "127.0.0.1:4317", report;
  Duration delay{0}, retry_after{0};
  int64_t fail_percent = 0, status = 503, loops = 1;
};

// gRPC's code for a failure that HTTP tells with `status` (the inverse of the mapping in gRPC's documents; 429, 503 and
// the like are what OTLP tries again).
Code GrpcCode(int status) {
  switch (status) {
    case 400:
      return Code::kInvalidArgument;
    case 401:
      return Code::kUnauthenticated;
    case 403:
      return Code::kPermissionDenied;
    case 404:
      return Code::kNotFound;
    case 409:
      return Code::kAborted;
    case 413:
      return Code::kOutOfRange;
    case 429:
      return Code::kResourceExhausted;
    case 499:
      return Code::kCancelled;
    case 500:
      return Code::kInternal;
    case 501:
      return Code::kUnimplemented;
    case 504:
      return Code::kDeadlineExceeded;
    default:
      return status > 500 ? Code::kUnavailable : Code::kUnknown;
  }
}

class Sink final : public net::Service {
 public:
  explicit Sink(SinkOptions o) : o_(std::move(o)) {}

  std::shared_ptr<net::RequestHandler> OnRequest(const net::RequestHead& head, net::ServerCall& call) override {
    for (int i = 0; i < otlp::kSignals; ++i) {
      auto s = static_cast<otlp::Signal>(i);
      if (head.path == otlp::Names(s).http_path || head.path == otlp::Names(s).grpc_path) {
        auto codec = head.grpc ? wire::CodecByGrpcName(head.headers.Get("grpc-encoding"))
                               : wire::CodecByHttpName(head.headers.Get("content-encoding"));
        bool json = head.headers.Get("content-type").rfind("application/json", 0) == 0;
        return std::make_shared<Body>(*this, call, s, head.grpc, json, codec.value_or(wire::Codec::kIdentity));
      }
    }
    call.Respond(404, {}, Slice::Static("OTLP only\n"));
    return nullptr;
  }

  std::string Line() const {
    return fmt::format(
        "requests {} bytes {} items {} (spans {} points {} records {} samples {}) failed {} malformed {}\n",
        requests.load(), bytes.load(), items[0] + items[1] + items[2] + items[3], items[0].load(), items[1].load(),
        items[2].load(), items[3].load(), failed.load(), malformed.load());
  }

  std::atomic<uint64_t> requests{0}, bytes{0}, failed{0}, malformed{0};
  std::array<std::atomic<uint64_t>, 4> items{};

 private:
  // Uncompressed protobuf is counted as it comes and never kept; the rest is kept until it is whole.
  class Body final : public net::RequestHandler, public std::enable_shared_from_this<Body> {
   public:
    Body(Sink& sink, net::ServerCall& call, otlp::Signal signal, bool grpc, bool json, wire::Codec codec)
        : sink_(sink),
          call_(&call),
          signal_(signal),
          grpc_(grpc),
          json_(json),
          compressed_(!grpc && codec != wire::Codec::kIdentity),
          codec_(codec),
          scanner_(signal) {}
    bool OnMessage(bool compressed, uint32_t) override {
      compressed_ = compressed;
      return true;
    }
    std::span<uint8_t> Reserve(size_t) override {
      static thread_local std::array<uint8_t, 64 << 10> memory;
      return memory;
    }
    void Commit(size_t n) override {
      sink_.bytes.fetch_add(n, std::memory_order_relaxed);
      std::string_view chunk(reinterpret_cast<char*>(Reserve(0).data()), n);
      if (compressed_ || json_) {
        if (kept_.size() < (256u << 20)) kept_.append(chunk);
      } else {
        scanner_.Feed(chunk);
      }
    }
    void OnEnd() override {
      if (sink_.o_.delay == Duration(0)) return Answer();
      timer_ = call_->loop().AddTimer(sink_.o_.delay, [self = shared_from_this()] {
        if (self->call_) self->Answer();
      });
    }
    void OnAbort() override {
      call_ = nullptr;
      timer_.Cancel();
    }

   private:
    void Answer() {
      auto* call = std::exchange(call_, nullptr);
      uint64_t number = sink_.requests.fetch_add(1, std::memory_order_relaxed);
      if (static_cast<int64_t>(number % 100) < sink_.o_.fail_percent) {
        sink_.failed.fetch_add(1, std::memory_order_relaxed);
        auto status = static_cast<int>(sink_.o_.status);
        Code code = GrpcCode(status);
        otlp::RpcStatus s{code, "told to fail", std::nullopt};
        if (sink_.o_.retry_after > Duration(0)) s.retry_after = sink_.o_.retry_after;
        std::string details = otlp::EncodeRpcStatus(s),
                    seconds = std::to_string((sink_.o_.retry_after.count() + 999'999'999) / 1'000'000'000);
        if (grpc_)
          return call->RespondGrpc(
              {code, "told to fail", s.retry_after ? std::string_view(details) : std::string_view()}, Slice());
        std::vector<net::Header> headers = {{"content-type", "application/x-protobuf"}};
        if (s.retry_after) headers.push_back({"retry-after", seconds});
        return call->Respond(status, headers, Slice::CopyOf(details));
      }
      otlp::ScanResult r;
      if (json_ || compressed_) {
        Slice plain = Slice::CopyOf(kept_);
        if (compressed_) {
          auto d = wire::Decompress(codec_, kept_, 256u << 20);
          plain = d ? std::move(*d) : Slice();
          r.ok = bool(d);
        }
        if (json_) {
          auto parsed = otlp::RequestFromJson(signal_, plain.view());
          if (parsed) r = {true, parsed->items};
        } else {
          r = otlp::Count(signal_, plain.view());
        }
      } else {
        r = scanner_.Finish();
      }
      if (!r.ok) sink_.malformed.fetch_add(1, std::memory_order_relaxed);
      sink_.items[static_cast<size_t>(signal_)].fetch_add(r.items, std::memory_order_relaxed);
      if (grpc_) return call->RespondGrpc({}, Slice());
      call->Respond(200, {{"content-type", json_ ? "application/json" : "application/x-protobuf"}},
                    json_ ? Slice::Static("{}") : Slice());
    }

    Sink& sink_;
    net::ServerCall* call_;
    otlp::Signal signal_;
    bool grpc_, json_, compressed_;
    wire::Codec codec_;
    otlp::Scanner scanner_;
    std::string kept_;
    net::Timer timer_;
  };

  SinkOptions o_;
};

}  // namespace

int SinkMain(const std::vector<std::string>& args) {
  SinkOptions o;
  Flags flags;
  flags.Text("endpoint", "HOST:PORT", "where to listen, for gRPC and HTTP alike (default 127.0.0.1:4317)", &o.endpoint);
  flags.Text("report", "FILE", "write the counts there on SIGUSR1 and at the end (default: standard output)",
             &o.report);
  flags.Time("delay", "answer so much later", &o.delay);
  flags.Number("fail", "fail so many of 100 requests (default 0)", &o.fail_percent, 0, 100);
  flags.Number("status", "HTTP status of failures; gRPC gets the matching code (default 503)", &o.status, 400, 599);
  flags.Time("retry-after", "delay that failures ask for", &o.retry_after);
  flags.Number("loops", "event loops (default 1)", &o.loops, 1, 256);
  std::vector<std::string> rest;
  bool help = false;
  Status parsed = flags.Parse(args, &rest, &help);
  if (help) {
    std::printf("usage: naru sink [flags]\n\nReceives OTLP, counts it and throws it away.\n\n%s", flags.Help().c_str());
    return 0;
  }
  if (parsed && !rest.empty()) parsed = Fail(Code::kInvalidArgument, "unexpected \"{}\"", rest[0]);
  Result<net::Address> address = net::Address::Parse(o.endpoint);
  if (parsed && !address) parsed = Unexpected(address.error());
  if (!parsed) {
    std::fprintf(stderr, "naru sink: %s\n", parsed.error().message.c_str());
    return 2;
  }
  sigset_t set;
  sigemptyset(&set);
  for (int s : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&set, s);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  net::EpollWorld world(static_cast<int>(o.loops));
  Sink sink(o);
  net::HttpServerOptions options;
  net::HttpServer server(world.loops(), options, sink);
  auto listener = world.loops()[0]->Listen(
      *address, {}, [&](net::Loop& loop, std::unique_ptr<net::Stream> s) { server.Accept(loop, std::move(s)); });
  if (!listener) {
    std::fprintf(stderr, "naru sink: %s\n", listener.error().message.c_str());
    return 1;
  }
  auto report = [&] {
    std::string line = sink.Line();
    FILE* f = o.report.empty() ? stdout : std::fopen(o.report.c_str(), "ae");
    if (!f) return;
    std::fwrite(line.data(), 1, line.size(), f);
    if (f == stdout)
      std::fflush(f);
    else
      std::fclose(f);
  };
  std::thread signals([&] {
    for (;;) {
      int s = 0;
      if (sigwait(&set, &s) != 0) continue;
      report();
      if (s == SIGUSR1) continue;
      world.loops()[0]->Post([&] {
        listener->reset();
        server.Shutdown(world.loops()[0]->Now(), [&] { world.Stop(); });
      });
      return;
    }
  });
  world.Run();
  signals.join();
  return 0;
}

}  // namespace naru::apps
