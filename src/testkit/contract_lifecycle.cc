// Rules of being made, started, stopped and destroyed, without data.
#include <algorithm>
#include <filesystem>
#include <set>

#include "testkit/contract_rules.h"

namespace naru::testkit {
namespace {

using pipeline::Kind;
using namespace std::chrono_literals;

const std::vector<Kind> kAll = {Kind::kReceiver, Kind::kProcessor, Kind::kExporter, Kind::kConnector, Kind::kExtension};
const std::vector<Kind> kDoors = {Kind::kReceiver, Kind::kExtension};  // those that may listen

void MadeAndDestroyedUnstarted(Trial& t) {
  for (auto& tried : t.configs()) {
    for (auto& [from, to] : SignalPairs(t.factory())) {
      t.At(fmt::format("{}, {}", tried.name, otlp::Names(from).name));
      Rig rig(1);
      Status s = rig.Make(t.factory(), *tried.config, from, to);
      if (!s) t.Breach("it cannot be made: " + s.error().message);
      t.Expect(rig.world().listening().empty(), "it listens before it is started");
      rig.world().RunFor(1min);
      rig.Destroy();
      rig.world().RunFor(1min);
      t.Expect(rig.host().budget().used() == 0, "memory is still charged when it is gone");
    }
  }
  t.At("");
}

void StartsAndStopsWithoutData(Trial& t) {
  ForEachFlow(t, 2, [&](Rig& rig, const Flow& flow) {
    if (flow.seed > 1) rig.world().RunFor(10min);
    StopInTime(t, rig, 5s);
    ExpectBalance(t, rig);
  });
  // A deadline that has passed is one too.
  ForEachFlow(t, 1, [&](Rig& rig, const Flow&) { StopInTime(t, rig, Duration(0)); });
}

// Stops what a test has started and is done with.
void StopAndForget(Rig& rig) {
  rig.Stop(5s);
  rig.Destroy();
}

void PortsThatAreTakenAreNamed(Trial& t) {
  for (auto& tried : t.configs()) {
    t.At(tried.name);
    std::vector<net::Address> ports;
    {
      Rig rig(1);
      if (!rig.Make(t.factory(), *tried.config, {}, {}) || !rig.Start()) return;  // another rule says so
      ports = rig.world().listening();
      StopAndForget(rig);
      t.Expect(rig.world().listening().empty(), "it listens when it has stopped");
    }
    for (auto& port : ports) {
      Rig rig(1);
      auto taken = rig.world().loop().Listen(port, {}, [](net::Loop&, std::unique_ptr<net::Stream>) {});
      if (!taken) continue;
      if (!rig.Make(t.factory(), *tried.config, {}, {})) continue;
      Status s = rig.Start();
      if (s) {
        t.Breach(fmt::format("it starts although {} is taken", port.ToString()));
        StopAndForget(rig);
        continue;
      }
      t.Expect(s.error().message.find(port.ToString()) != std::string::npos,
               fmt::format("{} is taken, and the error does not name it: {}", port.ToString(), s.error().message));
      StopAndForget(rig);
      rig.world().RunFor(1min);
      t.Expect(rig.world().listening().size() == 1, "after a start that failed some other port is still open");
    }
  }
  t.At("");
}

// A client that says something and then nothing more.
class Client final : public net::StreamHandler {
 public:
  Client(net::Loop& loop, const net::Address& to, std::string says) : says_(std::move(says)) {
    net::Address address = to;
    if (address.IsUnspecified()) address.host = address.kind == net::Address::Kind::kIpv6 ? "::1" : "127.0.0.1";
    connecting_ = loop.Connect(address, 5s, [this](Result<std::unique_ptr<net::Stream>> s) {
      if (!s) return;
      stream_ = std::move(*s);
      stream_->SetHandler(this);
      stream_->WantWrite(true);
    });
  }
  void OnReadable() override {
    uint8_t bytes[4096];
    net::IoResult r = stream_->Read(bytes);
    if (r.kind == net::IoResult::kEof || r.kind == net::IoResult::kError) stream_.reset();
  }
  void OnWritable() override {
    iovec v{says_.data() + at_, says_.size() - at_};
    net::IoResult r = stream_->Writev(&v, 1);
    if (r.kind == net::IoResult::kBytes) at_ += r.n;
    if (r.kind == net::IoResult::kError) return stream_.reset();
    if (at_ == says_.size()) stream_->WantWrite(false);
  }

 private:
  std::string says_;
  size_t at_ = 0;
  std::unique_ptr<net::Connecting> connecting_;
  std::unique_ptr<net::Stream> stream_;
};

// Clients of all kinds, for some seconds; then the end.
void Besiege(Trial& t, Rig& rig) {
  auto& random = rig.world().random();
  std::string noise(3000, 0);
  for (char& c : noise) c = static_cast<char>(random.Next());
  const std::string openings[] = {
      "",
      noise,
      "GET / HTTP/1.1\r\n",
      "GET / HTTP/1.1\r\nhost: x\r\n\r\n",
      "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 1000\r\n\r\nx",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + std::string(9, '\0')};
  std::vector<std::unique_ptr<Client>> clients;
  for (auto& port : rig.world().listening()) {
    for (auto& opening : openings) clients.push_back(std::make_unique<Client>(*rig.world().loops()[1], port, opening));
  }
  rig.world().RunFor(2s);
  StopInTime(t, rig, 3s);
  ExpectBalance(t, rig);
  rig.Destroy();
  clients.clear();
}

void StopsInTimeWithClientsConnected(Trial& t) {
  ForEachFlow(t, 3, [&](Rig& rig, const Flow&) { Besiege(t, rig); });
}

void SignalsThatNobodyWantsDoNoHarm(Trial& t) {
  ForEachFlow(
      t, 1,
      [&](Rig& rig, const Flow&) {
        rig.world().RunFor(10min);
        Besiege(t, rig);
        t.Expect(rig.probe().arrivals.empty(), "it has kept a consumer that it was not given");
      },
      [](Rig& rig) { rig.WantNothing(); });
}

void StorageKeepsComponentsApart(Trial& t) {
  ForEachFlow(t, 1, [&](Rig& rig, const Flow&) {
    pipeline::Storage* storage = rig.extension()->storage();
    if (storage) {
      std::set<std::string> folders;
      std::string base;
      for (std::string id : {"otlp", "otlp/2", "otlp_2", "../../otlp", "otlp/..", "/", "a b", "\xff"}) {
        auto folder = storage->Folder("exporter", id, "traces"), again = storage->Folder("exporter", id, "traces");
        if (!folder || !again) {
          t.Breach(fmt::format("there is no folder for \"{}\": {}", id, folder ? "" : folder.error().message));
          continue;
        }
        std::filesystem::path path(*folder);
        t.Expect(*folder == *again, fmt::format("\"{}\" has another folder each time", id));
        t.Expect(std::filesystem::is_directory(path), *folder + " is not made");
        t.Expect(path.lexically_normal() == path, *folder + " leads elsewhere");
        t.Expect(folders.insert(*folder).second, fmt::format("\"{}\" shares the folder of another component", id));
        if (base.empty()) base = path.parent_path().string();
        t.Expect(path.parent_path().string() == base, *folder + " is not beside the others");
      }
    }
    StopInTime(t, rig, 5s);
  });
}

void AuthenticatorsTakeAnyHeader(Trial& t) {
  ForEachFlow(t, 1, [&](Rig& rig, const Flow&) {
    auto& random = rig.world().random();
    std::string noise(200, 0);
    for (char& c : noise) c = static_cast<char>(random.Next());
    if (auto* server = rig.extension()->server_auth()) {
      for (std::string value :
           {"", " ", "Basic", "Basic ", "Basic Og==", "Bearer", "Bearer ", "Basic !!!!", noise.c_str()}) {
        auto known = server->Authenticate([&](std::string_view) -> std::string_view { return value; });
        t.Expect(!known, fmt::format("everybody who says \"{}\" is let in", value));
        if (!known)
          t.Expect(known.error().code == Code::kUnauthenticated, "a refusal has another code than Unauthenticated");
      }
    }
    if (auto* client = rig.extension()->client_auth()) {
      pipeline::ClientInfo info;
      info.metadata["x-tenant"] = {noise, ""};
      for (auto* from : {static_cast<const pipeline::ClientInfo*>(nullptr), &std::as_const(info)}) {
        for (auto& [name, value] : client->Headers(from)) {
          bool lower = std::none_of(name.begin(), name.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
          t.Expect(!name.empty() && lower, fmt::format("the header \"{}\" is not in lower case", name));
        }
      }
    }
    StopInTime(t, rig, 5s);
  });
}

void ReadinessMayComeAtAnyTime(Trial& t) {
  ForEachFlow(t, 1, [&](Rig& rig, const Flow&) {
    rig.world().On(0, [&] {
      rig.extension()->OnNotReady();
      rig.extension()->OnReady();
      rig.extension()->OnReady();
      rig.extension()->OnNotReady();
    });
    rig.world().RunFor(1min);
    StopInTime(t, rig, 5s);
  });
}

}  // namespace

void AddLifecycleRules(std::vector<RuleEntry>& rules) {
  rules.push_back({{"MadeAndDestroyedUnstarted", "making one touches nothing outside, and it may be destroyed"},
                   kAll,
                   MadeAndDestroyedUnstarted});
  rules.push_back({{"StartsAndStopsWithoutData", "it stops by the deadline, tells it once, and leaves nothing behind"},
                   kAll,
                   StartsAndStopsWithoutData});
  rules.push_back({{"PortsThatAreTakenAreNamed", "a port that is taken is an error that names it"},
                   kDoors,
                   PortsThatAreTakenAreNamed});
  rules.push_back(
      {{"StopsInTimeWithClientsConnected", "no client can hold up the end"}, kDoors, StopsInTimeWithClientsConnected});
  rules.push_back({{"SignalsThatNobodyWantsDoNoHarm", "a receiver without pipelines starts, serves nobody and stops"},
                   {Kind::kReceiver},
                   SignalsThatNobodyWantsDoNoHarm});
  rules.push_back({{"StorageKeepsComponentsApart", "each component has one folder, whatever its id"},
                   {Kind::kExtension},
                   StorageKeepsComponentsApart});
  rules.push_back({{"AuthenticatorsTakeAnyHeader", "what clients say is judged, whatever it is"},
                   {Kind::kExtension},
                   AuthenticatorsTakeAnyHeader});
  rules.push_back({{"ReadinessMayComeAtAnyTime", "OnReady and OnNotReady in any order"},
                   {Kind::kExtension},
                   ReadinessMayComeAtAnyTime});
}

}  // namespace naru::testkit
