// Rules of exporters, before a backend that is not there or does not answer.
#include "testkit/contract_rules.h"
#include "testkit/requests.h"

namespace naru::testkit {
namespace {

using pipeline::Kind;
using namespace std::chrono_literals;

std::vector<std::shared_ptr<Heard>> SendSome(Rig& rig, const Flow& flow, int batches) {
  std::vector<std::shared_ptr<Heard>> out;
  auto& random = rig.world().random();
  uint64_t first = 0;
  for (int i = 0; i < batches; ++i) {
    pipeline::Batch batch(flow.from);
    for (uint64_t parts = 1 + random.Below(2); parts > 0; --parts) {
      uint64_t n = 1 + random.Below(20);
      out.push_back(std::make_shared<Heard>());
      batch.Append(NumberedRequest(flow.from, first, n), TokenFor(out.back(), n));
      first += n;
    }
    rig.Send(static_cast<size_t>(i) % 2, std::move(batch));
    rig.world().RunFor(std::chrono::milliseconds(random.Below(60)));
  }
  return out;
}

// Every item is booked once, and what the senders were told is what the books say.
void ExpectBooked(Trial& t, Rig& rig, const std::vector<std::shared_ptr<Heard>>& heard) {
  ExpectHeard(t, heard);
  ExpectBalance(t, rig);
  uint64_t items = 0, delivered = 0, stored = 0;
  for (auto& h : heard) {
    items += h->items;
    delivered += h->outcome.delivered;
    stored += h->outcome.stored;
  }
  Books b = rig.books();
  t.Expect(b.entered == static_cast<int64_t>(items), "the books do not have what went in");
  t.Expect(static_cast<int64_t>(delivered) <= b.sent,
           fmt::format("{} items are said to be delivered, {} are booked as sent", delivered, b.sent));
  t.Expect(b.sent <= static_cast<int64_t>(delivered + stored),
           fmt::format("{} items are booked as sent, {} were taken", b.sent, delivered + stored));
}

void ItemsAreBookedOnceWithoutABackend(Trial& t) {
  ForEachFlow(t, 3, [&](Rig& rig, const Flow& flow) {
    auto heard = SendSome(rig, flow, 20);
    rig.world().RunFor(flow.seed == 1 ? Duration(0) : flow.seed == 2 ? Duration(30s) : Duration(30min));
    StopInTime(t, rig, 3s);
    ExpectBooked(t, rig, heard);
  });
}

// Takes connections, says `greeting` on each, and listens to whatever comes; with `closes` it closes them then.
class Backend final {
 public:
  Backend(Rig& rig, std::string greeting, bool closes) : greeting_(std::move(greeting)), closes_(closes) {
    auto l = rig.world().loop().Listen(Trial::backend(), {}, [this](net::Loop&, std::unique_ptr<net::Stream> s) {
      streams_.push_back(std::make_unique<Talk>(*this, std::move(s)));
    });
    if (l) listener_ = std::move(*l);
  }

 private:
  struct Talk final : net::StreamHandler {
    Talk(Backend& b, std::unique_ptr<net::Stream> s) : backend(b), stream(std::move(s)) {
      stream->SetHandler(this);
      stream->WantWrite(true);
    }
    void OnReadable() override {
      uint8_t bytes[4096];
      net::IoResult r = stream->Read(bytes);
      if (r.kind == net::IoResult::kEof || r.kind == net::IoResult::kError) stream.reset();
    }
    void OnWritable() override {
      iovec v{backend.greeting_.data() + said, backend.greeting_.size() - said};
      net::IoResult r = v.iov_len ? stream->Writev(&v, 1) : net::IoResult{};
      if (r.kind == net::IoResult::kBytes) said += r.n;
      bool ends = said == backend.greeting_.size();
      if (r.kind == net::IoResult::kError || (ends && backend.closes_)) return stream.reset();
      if (ends) stream->WantWrite(false);
    }
    Backend& backend;
    std::unique_ptr<net::Stream> stream;
    size_t said = 0;
  };
  std::string greeting_;
  bool closes_;
  std::unique_ptr<net::Listener> listener_;
  std::vector<std::unique_ptr<Talk>> streams_;
};

void StopsInTimeBeforeASilentBackend(Trial& t) {
  std::unique_ptr<Backend> backend;
  ForEachFlow(
      t, 3,
      [&](Rig& rig, const Flow& flow) {
        auto heard = SendSome(rig, flow, 20);
        rig.world().RunFor(flow.seed == 1 ? Duration(0) : flow.seed == 2 ? Duration(2s) : Duration(20min));
        StopInTime(t, rig, 3s);
        ExpectBooked(t, rig, heard);
        rig.Destroy();
        backend.reset();
      },
      [&](Rig& rig) { backend = std::make_unique<Backend>(rig, "", false); });
}

// Settings, then the frame; HTTP/2.
std::string Http2(std::string_view frame) {
  return std::string(std::string_view("\0\0\0\4\0\0\0\0\0", 9)) + std::string(frame);
}

void NoiseOfABackendIsSurvived(Trial& t) {
  using std::string_view_literals::operator""sv;
  std::string noise(3000, 0);
  SimRandom random(1);
  for (char& c : noise) c = static_cast<char>(random.Next());
  const std::pair<std::string, bool> kTalk[] = {
      {"", true},
      {noise, false},
      {"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", false},
      {"HTTP/1.1 503 Busy\r\nretry-after: 99999999999999\r\ncontent-length: 0\r\n\r\n", true},
      {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n", false},
      {Http2("\0\0\x8\7\0\0\0\0\0\0\0\0\0\0\0\0\1"sv), true},       // go away
      {Http2("\0\0\4\3\0\0\0\0\1\0\0\0\7"sv), false},               // refused stream 1
      {Http2("\0\0\5\1\4\0\0\0\1\xff\xff\xff\xff\xff"sv), false}};  // headers that are none
  std::unique_ptr<Backend> backend;
  size_t next = 0;
  ForEachFlow(
      t, std::size(kTalk),
      [&](Rig& rig, const Flow& flow) {
        auto heard = SendSome(rig, flow, 6);
        rig.world().RunFor(1min);
        StopInTime(t, rig, 3s);
        ExpectBooked(t, rig, heard);
        rig.Destroy();
        backend.reset();
      },
      [&](Rig& rig) {
        auto& [says, closes] = kTalk[next++ % std::size(kTalk)];
        backend = std::make_unique<Backend>(rig, says, closes);
      });
}

// At a reload the new one runs before the old one is stopped.
void ASuccessorRunsBesideIt(Trial& t) {
  ForEachFlow(t, 2, [&](Rig& rig, const Flow& flow) {
    auto heard = SendSome(rig, flow, 5);
    if (auto s = rig.Succeed(t.factory(), *flow.config, flow.from, flow.to); !s)
      return t.Breach("a second one does not start: " + s.error().message);
    auto more = SendSome(rig, flow, 5);
    heard.insert(heard.end(), more.begin(), more.end());
    t.Expect(rig.StopFirst(2s), "Shutdown was not done by its deadline");
    more = SendSome(rig, flow, 5);
    heard.insert(heard.end(), more.begin(), more.end());
    StopInTime(t, rig, 2s);
    ExpectBooked(t, rig, heard);
  });
}

void EmptyBatchesLeaveNothing(Trial& t) {
  ForEachFlow(t, 1, [&](Rig& rig, const Flow& flow) {
    rig.Send(0, pipeline::Batch(flow.from));
    auto heard = rig.Send(1, Slice(), 0);
    rig.Send(0, NumberedRequest(flow.from, 0, 0), 0);
    rig.world().RunFor(1min);
    StopInTime(t, rig, 3s);
    ExpectBooked(t, rig, {heard});
  });
}

void HostileBytesAreSettled(Trial& t) {
  ForEachFlow(t, 2, [&](Rig& rig, const Flow& flow) {
    std::vector<std::shared_ptr<Heard>> heard;
    size_t loop = 0;
    for (auto& h : HostileRequests(flow.from, rig.world().random())) {
      heard.push_back(rig.Send(++loop % 2, h.bytes, h.items));
      if (loop % 8 == 0) rig.world().RunFor(1s);
    }
    rig.world().RunFor(1min);
    StopInTime(t, rig, 3s);
    ExpectBooked(t, rig, heard);
  });
}

}  // namespace

void AddExporterRules(std::vector<RuleEntry>& rules) {
  const std::vector<Kind> exporters = {Kind::kExporter};
  rules.push_back({{"ItemsAreBookedOnceWithoutABackend", "sent, dropped with a reason, or refused; each item once"},
                   exporters,
                   ItemsAreBookedOnceWithoutABackend});
  rules.push_back({{"StopsInTimeBeforeASilentBackend", "a backend that answers nothing cannot hold up the end"},
                   exporters,
                   StopsInTimeBeforeASilentBackend});
  rules.push_back(
      {{"EmptyBatchesLeaveNothing", "batches without items do no harm"}, exporters, EmptyBatchesLeaveNothing});
  rules.push_back({{"NoiseOfABackendIsSurvived", "whatever a backend says, items are booked once"},
                   exporters,
                   NoiseOfABackendIsSurvived});
  rules.push_back({{"ASuccessorRunsBesideIt", "a second one may start before the first has stopped"},
                   exporters,
                   ASuccessorRunsBesideIt});
  rules.push_back(
      {{"HostileBytesAreSettled", "bytes that are no OTLP are settled too"}, exporters, HostileBytesAreSettled});
}

}  // namespace naru::testkit
