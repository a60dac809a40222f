// The extension on real loops and a real socket, asked by the HTTP client; profiles are taken apart again.
#include "extensions/pprof/pprof.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <future>
#include <map>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/system_memory.h"
#include "conf/yaml.h"
#include "extensions/pprof/factory.h"
#include "extensions/pprof/sources.h"
#include "net/epoll_loop.h"
#include "net/http_client.h"
#include "testkit/test_host.h"
#include "wire/compress.h"
#include "wire/proto.h"

namespace naru::extensions::pprof {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// A decoded profile, as far as tests look.
struct Decoded {
  std::vector<std::string> strings;
  std::vector<std::string> types;  // "cpu/nanoseconds"
  std::string default_type, period_type;
  uint64_t period = 0, duration = 0, time = 0;
  struct Sample {
    std::vector<uint64_t> locations, values;
    size_t labels = 0;
  };
  std::vector<Sample> samples;
  struct Mapping {
    uint64_t start = 0, limit = 0;
    std::string file, build_id;
  };
  std::vector<Mapping> mappings;
  std::map<uint64_t, std::pair<uint64_t, uint64_t>> locations;  // id: mapping, address
  std::vector<std::string> functions;

  // The number in field `field` of a small message.
  static uint64_t Value(wire::Reader r, uint32_t field) {
    uint64_t out = 0;
    while (uint32_t tag = r.Next()) {
      if (tag == wire::Tag(field, wire::kVarint)) {
        out = r.Varint();
      } else {
        r.Skip(tag);
      }
    }
    return out;
  }
  const std::string& Text(uint64_t i) const {
    static const std::string none = "?";
    return i < strings.size() ? strings[i] : none;
  }
  std::string Type(wire::Reader r) const { return Text(Value(r, 1)) + "/" + Text(Value(r, 2)); }

  static Decoded Of(std::string_view gzipped) {
    Decoded out;
    auto plain = wire::Decompress(wire::Codec::kGzip, gzipped, 64 << 20);
    EXPECT_TRUE(plain) << "not gzip";
    if (!plain) return out;
    wire::Reader strings(plain->view());
    while (uint32_t tag = strings.Next()) {
      if (tag == wire::Tag(6, wire::kLength)) {
        out.strings.emplace_back(strings.Bytes());
      } else {
        strings.Skip(tag);
      }
    }
    EXPECT_TRUE(strings.done());
    EXPECT_FALSE(out.strings.empty());
    EXPECT_EQ(out.Text(0), "");
    wire::Reader r(plain->view());
    while (uint32_t tag = r.Next()) out.Field(r, tag);
    EXPECT_TRUE(r.done());
    for (auto& s : out.samples) {
      EXPECT_EQ(s.values.size(), out.types.size());
      for (uint64_t l : s.locations) EXPECT_TRUE(out.locations.count(l)) << l;
    }
    for (auto& [id, l] : out.locations) {
      EXPECT_GE(l.first, 1u);
      EXPECT_LE(l.first, out.mappings.size());
      if (l.first < 1 || l.first > out.mappings.size()) continue;
      EXPECT_GE(l.second, out.mappings[l.first - 1].start);
      EXPECT_LT(l.second, out.mappings[l.first - 1].limit);
    }
    return out;
  }

 private:
  void Field(wire::Reader& r, uint32_t tag) {
    switch (tag >> 3) {
      case 1:
        types.push_back(Type(r.Message()));
        break;
      case 2: {
        Sample s;
        wire::Reader m = r.Message();
        while (uint32_t t = m.Next()) {
          if (t == wire::Tag(1, wire::kVarint)) {
            s.locations.push_back(m.Varint());
          } else if (t == wire::Tag(2, wire::kVarint)) {
            s.values.push_back(m.Varint());
          } else {
            ++s.labels;
            m.Skip(t);
          }
        }
        samples.push_back(std::move(s));
        break;
      }
      case 3: {
        wire::Reader m = r.Message();
        EXPECT_EQ(Value(m, 1), mappings.size() + 1);
        mappings.push_back({Value(m, 2), Value(m, 3), Text(Value(m, 5)), Text(Value(m, 6))});
        break;
      }
      case 4: {
        wire::Reader m = r.Message();
        locations[Value(m, 1)] = {Value(m, 2), Value(m, 3)};
        break;
      }
      case 5:
        functions.push_back(Text(Value(r.Message(), 2)));
        break;
      case 9:
        time = r.Varint();
        break;
      case 10:
        duration = r.Varint();
        break;
      case 11:
        period_type = Type(r.Message());
        break;
      case 12:
        period = r.Varint();
        break;
      case 14:
        default_type = Text(r.Varint());
        break;
      default:
        r.Skip(tag);
    }
  }
};

void Burn(const std::atomic<bool>& stop) {
  volatile uint64_t x = 1;
  while (!stop) {
    for (int i = 0; i < 100000; ++i) x = x * 6364136223846793005u + 1;
    usleep(0);  // ThreadSanitizer delivers signals at calls that it knows
  }
}

class PprofTest : public ::testing::Test {
 protected:
  void SetUp() override {
    thread_ = std::thread([this] { world_.Run(); });
  }
  void TearDown() override {
    OnLoop([&] { client_.reset(); });
    StopExtension();
    world_.Stop();
    thread_.join();
  }
  void OnLoop(const std::function<void()>& fn) {
    std::promise<void> ran;
    world_.loops()[0]->Post([&] {
      fn();
      ran.set_value();
    });
    ran.get_future().wait();
  }
  std::unique_ptr<Pprof> Make(Config config) {
    config.endpoint = "127.0.0.1:0";
    return std::make_unique<Pprof>(config, pipeline::ExtensionContext{{"pprof", "", Logger(), &host_}});
  }
  Status StartExtension(const Config& config = {}) {
    Status s;
    OnLoop([&] {
      extension_ = Make(config);
      s = extension_->Start(host_);
      if (!s) return;
      net::HttpClientOptions o;
      o.authority = extension_->address().ToString();
      client_ = std::make_unique<net::HttpClient>(
          *world_.loops()[0], o, [to = extension_->address()](net::Loop& loop, Duration timeout, auto done) {
            return loop.Connect(to, timeout, std::move(done));
          });
    });
    return s;
  }
  void StopExtension() {
    if (!extension_) return;
    std::promise<void> done;
    OnLoop(
        [&] { extension_->Shutdown(world_.loops()[0]->Now() + std::chrono::seconds(5), [&] { done.set_value(); }); });
    done.get_future().wait();
    OnLoop([&] { extension_.reset(); });
  }
  std::future<Result<net::ClientResponse>> Ask(const std::string& path, const std::string& method = "GET",
                                               const std::string& body = "") {
    auto p = std::make_shared<std::promise<Result<net::ClientResponse>>>();
    world_.loops()[0]->Post([this, p, path, method, body] {
      net::ClientRequest r;
      r.method = method;
      r.path = path;
      if (!body.empty()) r.body = {Slice::CopyOf(body)};
      client_->Send(std::move(r), [p](Result<net::ClientResponse> a) { p->set_value(std::move(a)); });
    });
    return p->get_future();
  }
  net::ClientResponse Get(const std::string& path) {
    auto r = Ask(path).get();
    EXPECT_TRUE(r) << path << ": " << (r ? "" : r.error().message);
    return r ? *r : net::ClientResponse();
  }

  // A profile that runs when this returns. Two are asked for, and one of them is refused: on two loops either may be.
  std::future<Result<net::ClientResponse>> LongProfile() {
    auto a = Ask("/debug/pprof/profile?seconds=600"), b = Ask("/debug/pprof/profile?seconds=600");
    for (;;) {
      if (a.wait_for(std::chrono::milliseconds(1)) == std::future_status::ready) std::swap(a, b);
      if (b.wait_for(std::chrono::milliseconds(1)) == std::future_status::ready) break;
    }
    auto refused = b.get();
    EXPECT_TRUE(refused && refused->status == 500);
    return a;
  }

  net::EpollWorld world_{2};
  testkit::TestHost host_{world_.loops()};
  std::thread thread_;
  std::unique_ptr<Pprof> extension_;
  std::unique_ptr<net::HttpClient> client_;
};

TEST_F(PprofTest, PagesOfText) {
  ASSERT_TRUE(StartExtension());
  auto index = Get("/debug/pprof/");
  EXPECT_EQ(index.status, 200);
  EXPECT_THAT(*index.Header("content-type"), StartsWith("text/html"));
  for (auto page : {"allocs", "cmdline", "goroutine", "heap", "profile", "symbol", "threadcreate"}) {
    EXPECT_THAT(index.body, HasSubstr(fmt::format(">{}</a>", page)));
  }
  EXPECT_EQ(Get("/debug/pprof").status, 301);
  auto cmdline = Get("/debug/pprof/cmdline");
  EXPECT_EQ(cmdline.status, 200);
  EXPECT_THAT(cmdline.body, HasSubstr("_test"));
  EXPECT_NE(cmdline.body.back(), '\0');
  for (auto [page, why] : std::map<std::string, std::string>{
           {"block", "events"}, {"mutex", "runtime"}, {"trace?seconds=1", "runtime"}, {"nothing", "Unknown profile"}}) {
    auto r = Get("/debug/pprof/" + page);
    EXPECT_EQ(r.status, 404) << page;
    EXPECT_THAT(r.body, HasSubstr(why));
  }
  EXPECT_EQ(Get("/").status, 404);
  EXPECT_EQ(Get("/debug/pprofx").status, 404);
}

TEST_F(PprofTest, SymbolNamesWhatItKnows) {
  ASSERT_TRUE(StartExtension());
  EXPECT_EQ(Get("/debug/pprof/symbol").body, "num_symbols: 1\n");
  std::string address = fmt::format("{:#x}", reinterpret_cast<uintptr_t>(&ResidentMemory));
  std::string want = fmt::format("num_symbols: 1\n{} _ZN4naru14ResidentMemoryEv\n", address);
  EXPECT_EQ(Get("/debug/pprof/symbol?" + address).body, want);
  auto posted = Ask("/debug/pprof/symbol", "POST", "0x10+junk++" + address + "+99999999999999999999999").get();
  ASSERT_TRUE(posted);
  EXPECT_EQ(posted->body, want);
  auto huge = Ask("/debug/pprof/symbol", "POST", std::string(1 << 20, '+')).get();
  if (huge) {
    EXPECT_EQ(huge->status, 413);
  }
}

TEST_F(PprofTest, CpuProfileHasSamples) {
  ASSERT_TRUE(StartExtension());
  std::atomic<bool> stop{false};
  std::thread burner([&] { Burn(stop); });
  auto first = Ask("/debug/pprof/profile?seconds=1");
  // A second one while it runs is refused, whichever of the two came first.
  auto second = Ask("/debug/pprof/profile?seconds=1");
  auto a = first.get(), b = second.get();
  stop = true;
  burner.join();
  ASSERT_TRUE(a && b);
  if (a->status != 200) std::swap(a, b);
  EXPECT_EQ(b->status, 500);
  EXPECT_EQ(b->body, "Could not enable CPU profiling: cpu profiling already in use\n");
  ASSERT_EQ(a->status, 200) << a->body;
  EXPECT_EQ(*a->Header("content-type"), "application/octet-stream");
  Decoded d = Decoded::Of(a->body);
  EXPECT_EQ(d.types, (std::vector<std::string>{"samples/count", "cpu/nanoseconds"}));
  EXPECT_EQ(d.period_type, "cpu/nanoseconds");
  EXPECT_EQ(d.period, 10'000'000u);
  EXPECT_GE(d.duration, 1'000'000'000u);
  EXPECT_GT(d.time, 1'600'000'000'000'000'000u);
  ASSERT_FALSE(d.samples.empty());
  for (auto& s : d.samples) {
    EXPECT_GT(s.values[0], 0u);
    EXPECT_GT(s.values[1], 0u);
  }
  ASSERT_FALSE(d.mappings.empty());
  EXPECT_THAT(d.mappings[0].file, HasSubstr("_test")) << "the program comes first";
  bool burn = false;
  for (auto& f : d.functions) burn = burn || f.find("Burn") != std::string::npos;
  EXPECT_TRUE(burn);
  auto long_one = Get("/debug/pprof/profile?seconds=1000000");
  EXPECT_EQ(long_one.status, 400);
}

TEST_F(PprofTest, AClientThatGoesAwayEndsItsProfile) {
  ASSERT_TRUE(StartExtension());
  auto running = LongProfile();
  OnLoop([&] { client_.reset(); });
  EXPECT_FALSE(running.get());
  for (int i = 0;; ++i) {
    if (auto p = CpuProfiler::Start()) break;
    ASSERT_LT(i, 500) << "it still runs";
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

TEST_F(PprofTest, ShutdownDoesNotWaitForAProfile) {
  ASSERT_TRUE(StartExtension());
  auto running = LongProfile();
  StopExtension();
  EXPECT_TRUE(CpuProfiler::Start());
}

TEST_F(PprofTest, HeapIsValidAndShowsSamples) {
  ASSERT_TRUE(StartExtension());
  auto& heap = HeapProfile::Process();
  char blocks[3];
  auto here = reinterpret_cast<uintptr_t>(&ResidentMemory) + 8;
  uintptr_t stack[] = {here, 42, here + 1};  // 42 is no code: the stack ends there
  heap.Sampled(&blocks[0], 1 << 20, stack);
  heap.Sampled(&blocks[1], 1 << 20, stack);
  heap.Freed(&blocks[1]);
  for (std::string name : {"heap", "allocs"}) {
    auto r = Get("/debug/pprof/" + name);
    ASSERT_EQ(r.status, 200);
    EXPECT_THAT(*r.Header("content-disposition"), HasSubstr(name));
    Decoded d = Decoded::Of(r.body);
    EXPECT_EQ(d.types, (std::vector<std::string>{"alloc_objects/count", "alloc_space/bytes", "inuse_objects/count",
                                                 "inuse_space/bytes"}));
    EXPECT_EQ(d.default_type, name == "heap" ? "inuse_space" : "alloc_space");
    EXPECT_EQ(d.period_type, "space/bytes");
    EXPECT_EQ(d.period, 524288u);
    ASSERT_EQ(d.samples.size(), 1u);
    // 1 MiB is seen with the chance 1 - exp(-2) = 0.8647.
    EXPECT_EQ(d.samples[0].values, (std::vector<uint64_t>{2, 2425393, 1, 1212696}));
    ASSERT_EQ(d.samples[0].locations.size(), 1u);
    EXPECT_EQ(d.locations[d.samples[0].locations[0]].second, here - 1) << "the call, not what it returns to";
  }
  auto text = Get("/debug/pprof/heap?debug=1");
  EXPECT_THAT(*text.Header("content-type"), StartsWith("text/plain"));
  EXPECT_THAT(text.body, HasSubstr("naru::ResidentMemory()"));
  // Between two moments: what was there before is not in it.
  auto delta = Ask("/debug/pprof/heap?seconds=1");
  while (delta.wait_for(std::chrono::milliseconds(10)) != std::future_status::ready) {
    heap.Sampled(&blocks[2], 1 << 20, stack);
    heap.Freed(&blocks[2]);
  }
  auto r = delta.get();
  ASSERT_TRUE(r);
  Decoded d = Decoded::Of(r->body);
  ASSERT_EQ(d.samples.size(), 1u);
  EXPECT_GE(d.samples[0].values[0], 1u);
  EXPECT_EQ(d.samples[0].values[2], 0u);
  EXPECT_EQ(Get("/debug/pprof/heap?seconds=x").status, 400);
}

TEST_F(PprofTest, ThreadsHaveStacks) {
  ASSERT_TRUE(StartExtension());
  for (std::string name : {"goroutine", "threadcreate"}) {
    auto r = Get("/debug/pprof/" + name);
    ASSERT_EQ(r.status, 200) << r.body;
    Decoded d = Decoded::Of(r.body);
    EXPECT_EQ(d.types, std::vector<std::string>{name + "/count"});
    ASSERT_GE(d.samples.size(), 3u);  // the test's and two loops
    for (auto& s : d.samples) EXPECT_EQ(s.labels, 1u);
  }
  EXPECT_THAT(Get("/debug/pprof/goroutine?debug=2").body, StartsWith("goroutine profile: goroutine/count\n"));
  EXPECT_EQ(Get("/debug/pprof/goroutine?seconds=1").status, 400);
}

TEST_F(PprofTest, WholeRunIsSaved) {
  char path[] = "/tmp/naru-pprof-XXXXXX";
  close(mkstemp(path));
  Config config;
  config.save_to_file = path;
  ASSERT_TRUE(StartExtension(config));
  EXPECT_EQ(Get("/debug/pprof/profile?seconds=1").status, 500);
  std::atomic<bool> stop{false};
  std::thread burner([&] { Burn(stop); });
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  stop = true;
  burner.join();
  StopExtension();
  std::ifstream in(path);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  unlink(path);
  EXPECT_FALSE(Decoded::Of(bytes.str()).samples.empty());
  config.save_to_file = "/nowhere/profile";
  Status s = StartExtension(config);
  ASSERT_FALSE(s);
  EXPECT_THAT(s.error().message, HasSubstr("/nowhere/profile"));
}

TEST_F(PprofTest, OneInstanceInAProcess) {
  ASSERT_TRUE(StartExtension());
  OnLoop([&] {
    auto other = Make({});
    Status s = other->Start(host_);
    ASSERT_FALSE(s);
    EXPECT_EQ(s.error().message, "only a single pprof extension instance can be running per process");
  });
  EXPECT_EQ(Get("/debug/pprof/").status, 200);
  StopExtension();
  EXPECT_TRUE(StartExtension()) << "when the first is gone";
}

TEST(PprofConfig, IsThatOfTheReference) {
  struct {
    const char* config;
    const char* want;  // a part of the message, or nothing when it is right
  } const kCases[] = {
      {"{}", ""},
      {"{endpoint: '127.0.0.1:1777', block_profile_fraction: 3, mutex_profile_fraction: 5}", ""},
      {"{endpoint: ':1777', dialer: {timeout: 3s}, save_to_file: cpu}", ""},
      {"{endpoint: ''}", "\"endpoint\" is required when using the \"pprof\" extension"},
      {"{endpoint: 'nonsense'}", "endpoint"},
      {"{block_profile_fraction: x}", "block_profile_fraction"},
      {"{transport: tcp}", "transport"},
  };
  for (const auto& c : kCases) {
    auto value = conf::ParseYaml(c.config, "config.yaml");
    ASSERT_TRUE(value) << c.config;
    conf::Issues issues;
    NewFactory()->NewConfig()->Decode(*value, issues);
    if (!*c.want) {
      EXPECT_TRUE(issues.empty()) << issues.ToString();
    } else {
      EXPECT_THAT(issues.ToString(), HasSubstr(c.want)) << c.config;
    }
  }
}

TEST(CpuProfileOf, GivesEachSampleItsPartOfTheTime) {
  CpuSamples samples;
  samples.stacks = {{{1}, {3, 0, 0, 0}}, {{2}, {1, 0, 0, 0}}};
  samples.dropped = 1;
  samples.cpu_nanos = 100'000'000;
  Profile p = CpuProfileOf(samples, 1, std::chrono::seconds(1));
  ASSERT_EQ(p.samples.size(), 2u);
  EXPECT_EQ(p.samples[0].values, (std::vector<int64_t>{3, 60'000'000}));
  EXPECT_EQ(p.samples[1].values, (std::vector<int64_t>{1, 20'000'000}));
  EXPECT_THAT(p.comment, StartsWith("1 samples are missing"));
}

TEST(SymbolTable, RefusesWhatIsNoneOfThisBuild) {
  auto& files = Files::System();
  EXPECT_FALSE(SymbolTable::Read(files, "/proc/self/exe", "00"));
  EXPECT_FALSE(SymbolTable::Read(files, "/proc/self/maps", ""));
  EXPECT_FALSE(SymbolTable::Read(files, "/nowhere", ""));
  EXPECT_EQ(BuildIdIn(std::string_view("\4\0\0\0\377\377\377\377\3\0\0\0GNU\0", 16)), "") << "longer than the notes";
  EXPECT_EQ(BuildIdIn(std::string_view("\4\0\0\0\2\0\0\0\3\0\0\0GNU\0\xab\xcd\0\0", 20)), "abcd");
}

}  // namespace
}  // namespace naru::extensions::pprof
