// One stage of the way that records take, with the same work every time: bench/instructions runs it under callgrind and
// counts instructions a record. Everything that could differ between two runs is simulated or fixed: time, network and
// scheduling (testkit/sim_world.h), payloads, and the work of disk threads, which is done inline.
//
//   instructions_bench --list      names the stages
//   instructions_bench STAGE       runs one and prints how many records were measured
//
// The peers of the collector are written by hand, frame by frame, so that they cost next to nothing beside it.
#include <valgrind/callgrind.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "apps/distributions/full.h"
#include "apps/payload.h"
#include "base/log.h"
#include "base/workers.h"
#include "collector/graph.h"
#include "conf/yaml.h"
#include "otlp/json.h"
#include "otlp/scan.h"
#include "testkit/sim_world.h"
#include "testkit/test_host.h"
#include "wire/compress.h"

namespace naru::apps {
namespace {

using namespace std::chrono_literals;
using otlp::Signal;
using pipeline::Entry;

constexpr uint64_t kNow = 1'700'000'000'000'000'000u;
constexpr int kPayloads = 16;  // distinct ones, in turn

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::_Exit(1);
}

class Silent final : public LogSink {
 public:
  bool Enabled(LogLevel level) const override { return level >= LogLevel::kWarn; }
  void Write(LogLevel level, std::string_view message, const std::vector<LogField>& context, const LogField* fields,
             size_t n) override {
    // A stage in which something is worth a warning does not measure what it should.
    Die(FormatLogLine(false, 0, level, message, context, fields, n));
  }
};

// While one lives, instructions are counted.
class Counted {
 public:
  Counted() { CALLGRIND_START_INSTRUMENTATION; }
  ~Counted() { CALLGRIND_STOP_INSTRUMENTATION; }
};

// A peer on a simulated connection: gathers what arrives and lets OnBytes take from the front.
class Peer : public net::StreamHandler {
 public:
  explicit Peer(std::unique_ptr<net::Stream> stream) : stream_(std::move(stream)) { stream_->SetHandler(this); }
  uint64_t complete = 0;  // messages that came whole

 protected:
  /// Bytes of `in` that were used up.
  virtual size_t OnBytes(std::string_view in) = 0;
  void Write(std::string_view bytes) {
    iovec v{const_cast<char*>(bytes.data()), bytes.size()};
    auto r = stream_->Writev(&v, 1);
    if (r.kind != net::IoResult::kBytes || r.n != bytes.size()) Die("a peer cannot write");
  }

 private:
  void OnReadable() override {
    for (;;) {
      auto r = stream_->Read({reinterpret_cast<uint8_t*>(chunk_.data()), chunk_.size()});
      if (r.kind != net::IoResult::kBytes) {
        if (r.kind != net::IoResult::kWouldBlock) stream_->WantRead(false);
        return;
      }
      std::string_view in(chunk_.data(), r.n);
      if (!rest_.empty()) {
        rest_.append(in);
        in = rest_;
      }
      size_t used = OnBytes(in);
      std::string rest(in.substr(used));
      rest_.swap(rest);
    }
  }
  void OnWritable() override {}

  std::unique_ptr<net::Stream> stream_;
  std::string rest_;
  std::string chunk_ = std::string(256 << 10, '\0');
};

// HTTP/2 without a library: frames out, frames in, nothing of HPACK is read.
class Http2Peer : public Peer {
 public:
  Http2Peer(std::unique_ptr<net::Stream> stream, bool client) : Peer(std::move(stream)), client_(client) {
    preface_ = client ? 0 : 24;
    std::string hello = client ? "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" : "";
    // A window for everything that a run will ever send: SETTINGS_INITIAL_WINDOW_SIZE, and the connection's own.
    hello += Frame(kSettings, 0, 0, std::string("\0\4\x40\0\0\0", 6)) + Frame(8, 0, 0, std::string("\x3f\xff\0\0", 4));
    Write(hello);
  }
  /// All frames of a gRPC request, as Send wants them.
  static std::string Request(std::string_view message) {
    std::string body = std::string(1, '\0') + Number(message.size(), 4) + std::string(message);
    std::string out = Frame(kHeaders, kEndHeaders, 0, "\x83\x86\xc2\xc1\xc0\xbf\xbe");
    for (size_t at = 0; at < body.size(); at += kFrame) {
      bool last = at + kFrame >= body.size();
      out += Frame(kData, last ? kEndStream : 0, 0, std::string_view(body).substr(at, kFrame));
    }
    return out;
  }
  /// An empty request that has the headers which all others refer to by their place in the table.
  void Introduce(std::string_view path) {
    std::string block = "\x83\x86";
    for (auto [name, value] : {std::pair<std::string_view, std::string_view>{":path", path},
                               {":authority", "127.0.0.1:4317"},
                               {"content-type", "application/grpc"},
                               {"te", "trailers"},
                               {"user-agent", "instructions_bench/1"}}) {
      block += "\x40" + Text(name) + Text(value);
    }
    std::string frames = Frame(kHeaders, kEndHeaders, 0, block) + Frame(kData, kEndStream, 0, std::string(5, '\0'));
    Send(frames);
  }
  void Send(std::string& frames) {
    Stamp(frames, next_);
    next_ += 2;
    Write(frames);
  }

 private:
  static constexpr uint8_t kData = 0, kHeaders = 1, kReset = 3, kSettings = 4, kPing = 6, kGoAway = 7;
  static constexpr uint8_t kEndStream = 1, kAck = 1, kEndHeaders = 4;
  static constexpr size_t kFrame = 16384;

  static std::string Number(uint64_t n, int bytes) {
    std::string out;
    for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(n >> (8 * i));
    return out;
  }
  static std::string Text(std::string_view s) { return Number(s.size(), 1) + std::string(s); }
  static std::string Frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
    return Number(payload.size(), 3) + Number(type, 1) + Number(flags, 1) + Number(stream, 4) + std::string(payload);
  }
  size_t OnBytes(std::string_view in) override {
    size_t at = std::min(preface_, in.size());
    if (at < preface_) return 0;
    preface_ = 0;
    for (;;) {
      std::string_view rest = in.substr(at);
      if (rest.size() < 9) return at;
      auto byte = [&](size_t i) { return static_cast<uint8_t>(rest[i]); };
      size_t size = static_cast<size_t>(byte(0)) << 16 | static_cast<size_t>(byte(1)) << 8 | byte(2);
      if (rest.size() < 9 + size) return at;
      uint32_t stream = static_cast<uint32_t>(byte(5)) << 24 | static_cast<uint32_t>(byte(6)) << 16 |
                        static_cast<uint32_t>(byte(7)) << 8 | byte(8);
      OnFrame(byte(3), byte(4), stream, rest.substr(9, size));
      at += 9 + size;
    }
  }
  void OnFrame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
    if (type == kReset || type == kGoAway) Die("a peer was told to go away");
    if (type == kSettings && !(flags & kAck)) Write(Frame(kSettings, kAck, 0, ""));
    if (type == kPing && !(flags & kAck)) Write(Frame(kPing, kAck, 0, payload));
    if ((type != kData && type != kHeaders) || !(flags & kEndStream)) return;
    ++complete;
    if (client_) return;
    static std::string answer =
        Frame(kHeaders, kEndHeaders, 0,
              "\x88" + std::string(1, '\0') + Text("content-type") + Text("application/grpc")) +
        Frame(kData, 0, 0, std::string(5, '\0')) +
        Frame(kHeaders, kEndHeaders | kEndStream, 0, std::string(1, '\0') + Text("grpc-status") + Text("0"));
    Stamp(answer, stream);
    Write(answer);
  }
  // Puts the number of a stream into the head of every frame: making the frames anew would be half of what is counted.
  static void Stamp(std::string& frames, uint32_t stream) {
    for (size_t at = 0; at < frames.size();) {
      auto* p = reinterpret_cast<uint8_t*>(frames.data()) + at;
      for (int i = 0; i < 4; ++i) p[5 + i] = static_cast<uint8_t>(stream >> (24 - 8 * i));
      at += 9 + (static_cast<size_t>(p[0]) << 16 | static_cast<size_t>(p[1]) << 8 | p[2]);
    }
  }

  const bool client_;
  size_t preface_;
  uint32_t next_ = 1;
};

// HTTP/1.1 with announced lengths; a server answers 200 to everything.
class Http1Peer : public Peer {
 public:
  Http1Peer(std::unique_ptr<net::Stream> stream, bool client) : Peer(std::move(stream)), client_(client) {}
  using Peer::Write;

 private:
  size_t OnBytes(std::string_view in) override {
    size_t at = 0;
    for (;;) {
      size_t skip = std::min(body_, in.size() - at);  // bodies are not gathered
      at += skip;
      body_ -= skip;
      if (body_ > 0) return at;
      if (in_body_) Complete();
      std::string_view rest = in.substr(at);
      size_t end = rest.find("\r\n\r\n");
      if (end == rest.npos) return at;
      std::string_view head = rest.substr(0, end);
      if (client_ && !head.starts_with("HTTP/1.1 200")) Die("refused: " + std::string(head));
      size_t where = std::min(head.find("ontent-length: "), head.find("ontent-Length: "));
      body_ = where == head.npos ? 0 : std::strtoull(head.data() + where + 15, nullptr, 10);
      in_body_ = true;
      at += end + 4;
    }
  }
  void Complete() {
    in_body_ = false;
    ++complete;
    if (!client_) Write("HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n");
  }
  const bool client_;
  bool in_body_ = false;
  size_t body_ = 0;  // bytes of it to come
};

struct Stage {
  std::string name;
  Signal signal = Signal::kTraces;
  uint64_t per = 512;             // records a request
  int requests = 96;              // that are counted
  std::string encoding = "grpc";  // or protobuf, json, gzip: over HTTP/1.1
  std::string processors;
  std::string exporter = "nop";
  std::function<void(const Slice&)> direct;  // instead of all that: called with each payload
};

// The whole configuration of a stage; every processor and exporter that a stage may name is in it.
std::string Configuration(const Stage& s, const std::string& folder) {
  bool stored = s.exporter == "otlp_grpc/stored";
  return fmt::format(R"(
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: 127.0.0.1:4317}}, http: {{endpoint: 127.0.0.1:4318}}}}}}}}
processors:
  memory_limiter: {{check_interval: 1s, limit_mib: 1024}}
  batch: {{}}
  attributes: {{actions: [{{key: cluster, value: prod-eu-1, action: insert}}, {{key: user.id, value: REDACTED, action: upsert}}, {{key: url.path, action: delete}}]}}
exporters:
  nop: {{}}
  otlp_grpc: {{endpoint: '127.0.0.1:14317', tls: {{insecure: true}}, compression: none}}
  otlp_grpc/stored: {{endpoint: '127.0.0.1:14317', tls: {{insecure: true}}, compression: none{}}}
  otlp_http: {{endpoint: 'http://127.0.0.1:14318', compression: none}}
extensions: {{file_storage: {{directory: '{}'}}}}
service:
  extensions: [{}]
  pipelines: {{{}: {{receivers: [otlp], processors: [{}], exporters: [{}]}}}}
)",
                     stored ? ", sending_queue: {storage: file_storage}" : "", folder, stored ? "file_storage" : "",
                     otlp::Names(s.signal).name, s.processors, s.exporter);
}

// From here on the pool of disk threads takes no task, and whoever has one does it inline (pipeline/segment_log.cc):
// how many appends share a write would otherwise follow the scheduler.
void DoDiskWorkInline() {
  static auto* mutex = new std::mutex;
  static auto* never = new std::condition_variable;
  static std::atomic<int> blocked{0};
  // Each thread takes a task out of the full queue once, and has room made for one more by that.
  for (int before = -1; before != blocked;) {
    before = blocked;
    while (Workers::Disk().Submit([] {
      ++blocked;
      std::unique_lock lock(*mutex);
      never->wait(lock, [] { return false; });
    })) {
    }
    std::this_thread::sleep_for(50ms);
  }
}

class Bench {
 public:
  explicit Bench(const Stage& stage) : stage_(stage), world_(1, 1), host_(world_.loops()) {
    for (int i = 0; i < kPayloads; ++i) {
      payloads_.push_back(MakePayload(stage.signal, stage.per, static_cast<uint64_t>(i) + 1, kNow));
    }
    world_.network().buffer = 1 << 30;
  }

  uint64_t Run() {
    if (stage_.direct) return RunDirect();
    std::string folder = (std::filesystem::temp_directory_path() / "naru-instructions-XXXXXX").string();
    if (!mkdtemp(folder.data())) Die("no folder for the queue");
    DoDiskWorkInline();
    Start(folder);
    Warm();
    uint64_t items = 0;
    {
      Counted counted;
      for (int i = 0; i < stage_.requests; ++i) items += SendOne();
      world_.RunFor(1s);  // what batch still holds goes on its way
    }
    Check();
    std::filesystem::remove_all(folder);
    return items;
  }

 private:
  uint64_t RunDirect() {
    for (auto& p : payloads_) stage_.direct(p.bytes);
    uint64_t items = 0;
    Counted counted;
    for (int i = 0; i < stage_.requests; ++i) {
      auto& p = payloads_[static_cast<size_t>(i) % kPayloads];
      stage_.direct(p.bytes);
      items += p.items;
    }
    return items;
  }

  void Start(const std::string& folder) {
    auto document = conf::ParseYaml(Configuration(stage_, folder), "bench.yaml");
    if (!document) Die(document.error().message);
    conf::Issues issues;
    auto plan = std::make_shared<const collector::Plan>(collector::MakePlan(*document, factories_, issues));
    if (!issues.ToString().empty()) Die(issues.ToString());
    world_.On(0, [&] {
      net::Loop& loop = world_.loop();
      auto listen = [&](uint16_t port, auto accept) {
        auto l = loop.Listen({.host = "127.0.0.1", .port = port}, {},
                             [accept](net::Loop&, std::unique_ptr<net::Stream> s) { accept(std::move(s)); });
        if (!l) Die(l.error().message);
        listeners_.push_back(std::move(*l));
      };
      listen(14317, [this](auto s) { sinks_.push_back(std::make_unique<Http2Peer>(std::move(s), false)); });
      listen(14318, [this](auto s) { sinks_.push_back(std::make_unique<Http1Peer>(std::move(s), false)); });
      graph_ = std::make_unique<collector::Graph>(host_, Logger(std::make_shared<Silent>()));
      if (auto s = graph_->Build(plan, nullptr); !s) Die(s.error().message);
      for (auto& id : plan->service_extensions) host_.AddExtension(id, graph_->FindExtension(id));
      graph_->Replace(nullptr, nullptr, MonoTime::max(), nullptr, [](Status s) {
        if (!s) Die(s.error().message);
      });
    });
    world_.RunFor(10ms);
    bool http2 = stage_.encoding == "grpc";
    world_.On(0, [&] {
      auto connected = [this, http2](Result<std::unique_ptr<net::Stream>> s) {
        if (!s) Die(s.error().message);
        if (http2) {
          auto peer = std::make_unique<Http2Peer>(std::move(*s), true);
          h2_ = peer.get();
          client_ = std::move(peer);
        } else {
          auto peer = std::make_unique<Http1Peer>(std::move(*s), true);
          h1_ = peer.get();
          client_ = std::move(peer);
        }
      };
      connecting_ = world_.loop().Connect({.host = "127.0.0.1", .port = static_cast<uint16_t>(http2 ? 4317 : 4318)}, 1s,
                                          connected);
    });
    if (!world_.RunUntil([&] { return client_ != nullptr; }, 1s)) Die("no connection");
    world_.RunFor(10ms);
    // Requests are made beforehand: making them is not what is measured.
    for (auto& p : payloads_) {
      std::string body(p.bytes.view());
      std::string type = "application/x-protobuf", more;
      if (stage_.encoding == "json") {
        auto text = otlp::RequestToJson(stage_.signal, {{p.bytes}});
        if (!text) Die(text.error().message);
        body = std::string(text->view());
        type = "application/json";
      } else if (stage_.encoding == "gzip") {
        auto z = wire::Compress(wire::Codec::kGzip, {{p.bytes}}, 6);
        if (!z) Die("gzip");
        body = std::string(z->view());
        more = "Content-Encoding: gzip\r\n";
      }
      if (stage_.encoding != "grpc") {
        body =
            fmt::format("POST {} HTTP/1.1\r\nHost: 127.0.0.1:4318\r\nContent-Type: {}\r\n{}Content-Length: {}\r\n\r\n",
                        otlp::Names(stage_.signal).http_path, type, more, body.size()) +
            body;
      }
      requests_.push_back(h2_ ? Http2Peer::Request(body) : std::move(body));
    }
    if (h2_) world_.On(0, [&] { h2_->Introduce(otlp::Names(stage_.signal).grpc_path); });
    if (h2_ && !world_.RunUntil([&] { return h2_->complete == 1; }, 1s)) Die("no answer");
  }

  // Until buffers have their sizes, tables their entries, and every batch of a round has been sent.
  void Warm() {
    for (int i = 0; i < kPayloads; ++i) SendOne();
    world_.RunFor(1s);
  }

  uint64_t SendOne() {
    size_t i = static_cast<size_t>(sent_++) % kPayloads;
    uint64_t want = client_->complete + 1;
    world_.On(0, [&] {
      if (h2_) {
        h2_->Send(requests_[i]);
      } else {
        h1_->Write(requests_[i]);
      }
    });
    while (client_->complete < want) {
      world_.RunReady();
      if (client_->complete < want) world_.RunFor(1ms);
      if (++turns_ > 1'000'000) Die("no answer");
    }
    items_ += payloads_[i].items;
    return payloads_[i].items;
  }

  // A stage that moves nothing would look cheap.
  void Check() {
    uint64_t accepted = 0, sent = 0;
    for (auto& l : host_.ledger().Snapshot()) {
      if (l.owner.kind == "receiver" && l.entry == Entry::kAccepted) accepted += static_cast<uint64_t>(l.value);
      if (l.owner.kind == "exporter" && l.entry == Entry::kSent) sent += static_cast<uint64_t>(l.value);
    }
    if (accepted != items_ || sent != items_) {
      Die(fmt::format("{} records were sent, {} accepted, {} came out", items_, accepted, sent));
    }
    if (stage_.exporter != "nop" && sinks_.empty()) Die("nobody came to the sink");
  }

  const Stage& stage_;
  testkit::SimWorld world_;
  testkit::TestHost host_;
  collector::Factories factories_ = FullDistribution();
  std::vector<Payload> payloads_;
  std::vector<std::string> requests_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  std::vector<std::unique_ptr<Peer>> sinks_;
  std::unique_ptr<net::Connecting> connecting_;
  std::unique_ptr<Peer> client_;
  Http2Peer* h2_ = nullptr;
  Http1Peer* h1_ = nullptr;
  std::unique_ptr<collector::Graph> graph_;
  uint64_t items_ = 0, sent_ = 0, turns_ = 0;
};

std::vector<Stage> Stages() {
  auto gzipped = std::make_shared<std::vector<Slice>>();
  auto turn = std::make_shared<size_t>(0);
  auto must = [](Result<Slice> r) {
    if (!r) Die(r.error().message);
    return std::move(*r);
  };
  std::vector<Stage> out = {
      {.name = "receive/grpc-512"},
      {.name = "receive/grpc-1", .per = 1, .requests = 3072},
      {.name = "receive/http-512", .encoding = "protobuf"},
      {.name = "receive/http-1", .per = 1, .requests = 3072, .encoding = "protobuf"},
      {.name = "receive/http-gzip-512", .requests = 32, .encoding = "gzip"},
      {.name = "receive/http-json-512", .requests = 32, .encoding = "json"},
      {.name = "edit/three-attributes-512", .processors = "attributes"},
      {.name = "relay/grpc-traces-512", .processors = "batch", .exporter = "otlp_grpc"},
      {.name = "relay/grpc-traces-1", .per = 1, .requests = 3072, .processors = "batch", .exporter = "otlp_grpc"},
      {.name = "relay/grpc-logs-512", .signal = Signal::kLogs, .processors = "batch", .exporter = "otlp_grpc"},
      {.name = "relay/grpc-logs-1",
       .signal = Signal::kLogs,
       .per = 1,
       .requests = 3072,
       .processors = "batch",
       .exporter = "otlp_grpc"},
      {.name = "relay/grpc-metrics-512", .signal = Signal::kMetrics, .processors = "batch", .exporter = "otlp_grpc"},
      {.name = "relay/grpc-metrics-1",
       .signal = Signal::kMetrics,
       .per = 1,
       .requests = 3072,
       .processors = "batch",
       .exporter = "otlp_grpc"},
      {.name = "relay/http-traces-512", .encoding = "protobuf", .processors = "batch", .exporter = "otlp_http"},
      {.name = "relay/grpc-traces-512-stored", .processors = "memory_limiter, batch", .exporter = "otlp_grpc/stored"},
      {.name = "scan/512",
       .direct =
           [](const Slice& p) {
             if (auto r = otlp::Count(Signal::kTraces, p.view()); !r.ok) Die("a payload is not valid");
           }},
      {.name = "compress/gzip-512",
       .requests = 32,
       .direct = [must](const Slice& p) { must(wire::Compress(wire::Codec::kGzip, {{p}})); }},
      {.name = "decompress/gzip-512",
       .requests = 32,
       .direct =
           [must, gzipped, turn](const Slice& p) {
             if (gzipped->size() < kPayloads)
               return gzipped->push_back(must(wire::Compress(wire::Codec::kGzip, {{p}}, 6)));
             must(wire::Decompress(wire::Codec::kGzip, (*gzipped)[(*turn)++ % kPayloads].view(), 64 << 20));
           }},
  };
  return out;
}

int Main(int argc, char** argv) {
  for (auto& s : Stages()) {
    if (argc == 2 && std::string(argv[1]) == "--list") std::printf("%s\n", s.name.c_str());
    if (argc != 2 || s.name != argv[1]) continue;
    auto* bench = new Bench(s);  // the end of a process is not measured, and its disk threads never end
    std::printf("%s %llu\n", s.name.c_str(), static_cast<unsigned long long>(bench->Run()));
    std::fflush(stdout);
    std::_Exit(0);
  }
  if (argc == 2 && std::string(argv[1]) == "--list") return 0;
  std::fprintf(stderr, "usage: instructions_bench --list | STAGE\n");
  return 2;
}

}  // namespace
}  // namespace naru::apps

int main(int argc, char** argv) {
  return naru::apps::Main(argc, argv);
}
