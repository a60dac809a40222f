// The battery itself: components that keep the contract pass all of it, and each way of breaking it is found and named.
#include "testkit/contract.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testkit/rig.h"

namespace naru::testkit {
namespace {

using pipeline::Batch;
using pipeline::Entry;
using pipeline::Kind;
using ::testing::HasSubstr;

struct NoKeys {
  static void Describe(conf::Struct<NoKeys>&) {}
};

template <class C>
std::unique_ptr<pipeline::FactoryOf<C>> Named(Kind kind) {
  auto f = std::make_unique<pipeline::FactoryOf<C>>();
  f->kind = kind;
  f->type = "tried";
  f->module = "naru";
  f->summary = "a component of a test";
  return f;
}

template <class P>
std::unique_ptr<pipeline::Factory> ProcessorFactory() {
  auto f = Named<NoKeys>(Kind::kProcessor);
  f->stability = {.traces = "beta", .metrics = "beta", .logs = "beta", .profiles = "alpha"};
  f->processor = [](const NoKeys&, pipeline::ProcessorContext c) -> Result<std::unique_ptr<pipeline::Processor>> {
    return std::unique_ptr<pipeline::Processor>(std::make_unique<P>(std::move(c)));
  };
  return f;
}

template <class E>
std::unique_ptr<pipeline::Factory> ExporterFactory() {
  auto f = Named<NoKeys>(Kind::kExporter);
  f->stability.logs = "beta";
  f->exporter = [](const NoKeys&, pipeline::ExporterContext c) -> Result<std::unique_ptr<pipeline::Exporter>> {
    return std::unique_ptr<pipeline::Exporter>(std::make_unique<E>(std::move(c)));
  };
  return f;
}

template <class R>
std::unique_ptr<pipeline::Factory> ReceiverFactory() {
  auto f = Named<NoKeys>(Kind::kReceiver);
  f->stability.logs = "beta";
  f->receiver = [](const NoKeys&, pipeline::ReceiverContext c) -> Result<std::unique_ptr<pipeline::Receiver>> {
    return std::unique_ptr<pipeline::Receiver>(std::make_unique<R>(std::move(c)));
  };
  return f;
}

template <class X>
std::unique_ptr<pipeline::Factory> ExtensionFactory() {
  auto f = Named<NoKeys>(Kind::kExtension);
  f->stability.extension = "beta";
  f->extension = [](const NoKeys&, pipeline::ExtensionContext) -> Result<std::unique_ptr<pipeline::Extension>> {
    return std::unique_ptr<pipeline::Extension>(std::make_unique<X>());
  };
  return f;
}

class Through : public pipeline::Processor {
 public:
  explicit Through(pipeline::ProcessorContext c) : context_(std::move(c)) {}
  void Consume(Batch&& b) override { context_.next->Consume(std::move(b)); }

 protected:
  void Book(Entry entry, uint64_t n) {
    pipeline::Owner owner{"processor", context_.id, std::string(otlp::Names(context_.signal).name), context_.pipeline,
                          ""};
    context_.host->ledger().Open(owner, entry, "test").Add(static_cast<int64_t>(n));
  }
  pipeline::ProcessorContext context_;
};

struct Loses final : Through {
  using Through::Through;
  void Consume(Batch&& b) override { Batch gone = std::move(b); }
};
struct SendsTwice final : Through {
  using Through::Through;
  void Consume(Batch&& b) override {
    Batch copy(b.signal());
    for (auto& p : b.parts()) copy.Append(p.bytes, p.items);
    context_.next->Consume(std::move(b));
    context_.next->Consume(std::move(copy));
  }
};
// Answers for the items and does not hear what becomes of them.
struct AnswersTooEarly final : Through {
  using Through::Through;
  void Consume(Batch&& b) override {
    b.StoreTokens();
    Batch copy(b.signal());
    for (auto& p : b.parts()) copy.Append(p.bytes, p.items);
    context_.next->Consume(std::move(copy));
  }
};
struct CutsAByte final : Through {
  using Through::Through;
  void Consume(Batch&& b) override {
    Batch out(b.signal());
    for (auto& p : b.TakeParts())
      out.Append(p.bytes.Sub(0, p.bytes.empty() ? 0 : p.bytes.size() - 1), std::move(p.token));
    context_.next->Consume(std::move(out));
  }
};
struct FiltersUnbooked final : Through {
  using Through::Through;
  void Consume(Batch&& b) override { b.Filtered(); }
};
struct DropsUnbooked final : Through {
  using Through::Through;
  void Consume(Batch&& b) override { b.Dropped(Error{Code::kInternal, false, Duration{0}, "no reason"}); }
};
struct BooksTwice final : Through {
  using Through::Through;
  void Consume(Batch&& b) override {
    Book(Entry::kFiltered, 2 * b.items());
    b.Filtered();
  }
};
struct KeepsForEver final : Through {
  using Through::Through;
  void Consume(Batch&& b) override { kept_.push_back(std::move(b)); }
  std::vector<Batch> kept_;
};
struct HoldsAtTheStop final : Through {
  using Through::Through;
  void Consume(Batch&& b) override {
    Book(Entry::kHeld, b.items());
    b.Stored();
  }
};
// Makes every refusal one for good.
struct ForgetsTheDelay final : Through {
  struct Heir final : pipeline::Ack {
    void OnResolved(const pipeline::Outcome& o) override {
      for (auto& t : old) {
        if (o.refused) {
          t.Refused(Error{Code::kInternal, false, Duration{0}, "somebody refused"});
        } else {
          t.Delivered();
        }
      }
    }
    std::vector<pipeline::Token> old;
  };
  using Through::Through;
  void Consume(Batch&& b) override {
    auto* heir = new Heir;
    uint64_t n = b.items();
    std::vector<pipeline::Part> parts = b.TakeParts();
    for (auto& p : parts) heir->old.push_back(std::move(p.token));
    pipeline::Token token(heir, n);
    Batch out(b.signal());
    for (auto& p : parts) out.Append(std::move(p.bytes), token.Split(p.items));
    context_.next->Consume(std::move(out));
  }
};
struct NeverStops final : Through {
  using Through::Through;
  void Shutdown(MonoTime, std::function<void()>) override {}
};
struct StopsLate final : Through {
  using Through::Through;
  void Shutdown(MonoTime deadline, std::function<void()> done) override {
    net::Loop& loop = context_.host->control_loop();
    timer_ = loop.AddTimer(deadline - loop.Now() + std::chrono::minutes(1), std::move(done));
  }
  net::Timer timer_;
};
struct StopsTwice final : Through {
  using Through::Through;
  void Shutdown(MonoTime, std::function<void()> done) override {
    done();
    done();
  }
};
struct StopsOnAnyLoop final : Through {
  using Through::Through;
  void Shutdown(MonoTime, std::function<void()> done) override { context_.host->loops()[1]->Post(std::move(done)); }
};
struct LeaksMemory final : Through {
  using Through::Through;
  void Consume(Batch&& b) override {
    context_.host->gate().budget().Charge(1);
    context_.next->Consume(std::move(b));
  }
};

class Sends : public pipeline::Exporter {
 public:
  explicit Sends(pipeline::ExporterContext c)
      : sent_(
            c.host->ledger().Open({"exporter", c.id, std::string(otlp::Names(c.signal).name), "", ""}, Entry::kSent)) {}
  void Consume(Batch&& b) override {
    sent_.Add(static_cast<int64_t>(b.items()));
    b.Delivered();
  }

 protected:
  pipeline::Counter sent_;
};
struct SendsUnbooked final : Sends {
  using Sends::Sends;
  void Consume(Batch&& b) override { b.Delivered(); }
};
struct SendsBookedTwice final : Sends {
  using Sends::Sends;
  void Consume(Batch&& b) override {
    sent_.Add(static_cast<int64_t>(b.items()));
    Sends::Consume(std::move(b));
  }
};
struct SaysSentAndDrops final : Sends {
  using Sends::Sends;
  void Consume(Batch&& b) override {
    sent_.Add(static_cast<int64_t>(b.items()));
    b.Dropped(Error{Code::kInternal, false, Duration{0}, "not sent"});
  }
};

// Asks the backend of the battery, and does not stop while it is connected; books too much when it is answered.
class AsksABackend final : public Sends, net::StreamHandler {
 public:
  using Sends::Sends;
  Status Start(pipeline::Host& host) override {
    connecting_ = host.control_loop().Connect({net::Address::Kind::kIpv4, "127.0.0.1", 14317}, std::chrono::seconds(1),
                                              [this](Result<std::unique_ptr<net::Stream>> s) {
                                                if (!s) return;
                                                stream_ = std::move(*s);
                                                stream_->SetHandler(this);
                                              });
    return {};
  }
  void Shutdown(MonoTime, std::function<void()> done) override {
    connecting_.reset();
    if (!stream_) done();
  }
  void OnReadable() override {
    uint8_t bytes[100];
    if (stream_->Read(bytes).kind == net::IoResult::kBytes) sent_.Add(1);
    stream_.reset();
  }
  void OnWritable() override {}

 private:
  std::unique_ptr<net::Connecting> connecting_;
  std::unique_ptr<net::Stream> stream_;
};
struct IsTheOnlyOne final : Through {
  using Through::Through;
  ~IsTheOnlyOne() override { live = false; }
  Status Start(pipeline::Host&) override {
    if (live) return Fail(Code::kInternal, "one is there");
    live = true;
    return {};
  }
  static inline bool live = false;
};

// Listens on one port, as a receiver and as an extension.
struct Door {
  Status Open(pipeline::Host& host) {
    auto l = host.control_loop().Listen({net::Address::Kind::kIpv4, "127.0.0.1", 7000}, {},
                                        [this](net::Loop&, std::unique_ptr<net::Stream> s) {
                                          streams.push_back(std::move(s));
                                          streams.back()->SetHandler(&deaf);
                                          streams.back()->WantRead(false);
                                        });
    if (!l) return Unexpected(l.error());
    listener = std::move(*l);
    return {};
  }
  struct Deaf final : net::StreamHandler {
    void OnReadable() override {}
    void OnWritable() override {}
  } deaf;
  std::unique_ptr<net::Listener> listener;
  std::vector<std::unique_ptr<net::Stream>> streams;
};
class Listens : public pipeline::Receiver {
 public:
  explicit Listens(pipeline::ReceiverContext c) : context_(std::move(c)) {}
  Status Start(pipeline::Host& host) override { return door_.Open(host); }
  void Shutdown(MonoTime, std::function<void()> done) override {
    door_.streams.clear();
    door_.listener.reset();
    done();
  }

 protected:
  pipeline::ReceiverContext context_;
  Door door_;
};
struct StartsWithoutItsPort final : Listens {
  using Listens::Listens;
  Status Start(pipeline::Host& host) override {
    (void)door_.Open(host);
    return {};
  }
};
struct DoesNotNameThePort final : Listens {
  using Listens::Listens;
  Status Start(pipeline::Host& host) override {
    if (!door_.Open(host)) return Fail(Code::kInternal, "cannot listen");
    return {};
  }
};
struct WaitsForItsClients final : Listens {
  using Listens::Listens;
  void Shutdown(MonoTime, std::function<void()> done) override {
    if (door_.streams.empty()) done();
  }
};
struct OffersUnanswered final : Listens {
  using Listens::Listens;
  Status Start(pipeline::Host& host) override {
    host.ledger().Open({"receiver", context_.id, "logs", "", "tcp"}, Entry::kOffered).Add(3);
    return {};
  }
};

struct Quiet final : pipeline::Extension {};
struct LetsEverybodyIn final : pipeline::Extension, pipeline::ServerAuth {
  pipeline::ServerAuth* server_auth() override { return this; }
  Result<std::map<std::string, std::string, std::less<>>> Authenticate(const Header&) override {
    return std::map<std::string, std::string, std::less<>>();
  }
};

// Has one folder for all.
struct OneFolder final : pipeline::Extension, pipeline::Storage {
  pipeline::Storage* storage() override { return this; }
  Result<std::string> Folder(std::string_view, std::string_view, std::string_view) override {
    return std::string("/var/../tmp");
  }
  bool fsync() const override { return false; }
  uint64_t segment_bytes() const override { return 32 << 20; }
};

class Joins final : public pipeline::Connector {
 public:
  explicit Joins(pipeline::ConnectorContext c)
      : next_(c.next),
        sent_(c.host->ledger().Open({"connector", c.id, std::string(otlp::Names(c.from).name), "", ""}, Entry::kSent)) {
  }
  void Consume(Batch&& b) override {
    sent_.Add(static_cast<int64_t>(b.items()));
    next_->Consume(std::move(b));
  }

 private:
  pipeline::Consumer* next_;
  pipeline::Counter sent_;
};
std::unique_ptr<pipeline::Factory> ConnectorFactory() {
  auto f = Named<NoKeys>(Kind::kConnector);
  f->stability.pairs = {{otlp::Signal::kLogs, otlp::Signal::kLogs}};
  f->connector = [](const NoKeys&, pipeline::ConnectorContext c) -> Result<std::unique_ptr<pipeline::Connector>> {
    return std::unique_ptr<pipeline::Connector>(std::make_unique<Joins>(std::move(c)));
  };
  return f;
}

TEST(Contract, IsKeptByComponentsThatDoRight) {
  EXPECT_EQ(Breaches({*ProcessorFactory<Through>(), ""}), "");
  EXPECT_EQ(Breaches({*ExporterFactory<Sends>(), ""}), "");
  EXPECT_EQ(Breaches({*ExporterFactory<AsksABackend>(), ""}, "ItemsAreBookedOnceWithoutABackend"), "");
  EXPECT_EQ(Breaches({*ReceiverFactory<Listens>(), ""}), "");
  EXPECT_EQ(Breaches({*ConnectorFactory(), ""}), "");
  EXPECT_EQ(Breaches({*ExtensionFactory<Quiet>(), ""}), "");
}

TEST(Contract, FindsWhatComponentsDoWrong) {
  const struct {
    std::unique_ptr<pipeline::Factory> factory;
    const char* rule;
    const char* breach;
  } kCases[] = {
      {ProcessorFactory<Loses>(), "EveryItemIsSettledOnce", "items were lost"},
      {ProcessorFactory<SendsTwice>(), "EveryItemIsSettledOnce", "records came out twice"},
      {ProcessorFactory<SendsTwice>(), "EveryItemIsSettledOnce", "does not balance"},
      {ProcessorFactory<AnswersTooEarly>(), "RefusalsBelowAreAnswered", "should have"},
      {ProcessorFactory<CutsAByte>(), "EveryItemIsSettledOnce", "no valid OTLP"},
      {ProcessorFactory<FiltersUnbooked>(), "EveryItemIsSettledOnce", "told that"},
      {ProcessorFactory<DropsUnbooked>(), "EveryItemIsSettledOnce", "does not balance"},
      {ProcessorFactory<BooksTwice>(), "EveryItemIsSettledOnce", "does not balance"},
      {ProcessorFactory<KeepsForEver>(), "EveryItemIsSettledOnce", "0 were settled; the sender heard 0 times"},
      {ProcessorFactory<KeepsForEver>(), "EmptyBatchesLeaveNothing", "0 were settled"},
      {ProcessorFactory<HoldsAtTheStop>(), "NothingIsHeldAfterTheStop", "when it has stopped"},
      {ProcessorFactory<ForgetsTheDelay>(), "RefusalsBelowAreAnswered", "went back as one that cannot"},
      {ProcessorFactory<Loses>(), "HostileBytesAreSettled", "items were lost"},
      {ProcessorFactory<KeepsForEver>(), "LateAnswersBelowAreHeard", "0 were settled"},
      {ProcessorFactory<NeverStops>(), "StartsAndStopsWithoutData", "not done by its deadline"},
      {ProcessorFactory<StopsLate>(), "StartsAndStopsWithoutData", "not done by its deadline"},
      {ProcessorFactory<StopsTwice>(), "StartsAndStopsWithoutData", "told 2 times"},
      {ProcessorFactory<StopsOnAnyLoop>(), "StartsAndStopsWithoutData", "another loop"},
      {ProcessorFactory<LeaksMemory>(), "EveryItemIsSettledOnce", "still charged"},
      {ExporterFactory<SendsUnbooked>(), "ItemsAreBookedOnceWithoutABackend", "does not balance"},
      {ExporterFactory<SendsBookedTwice>(), "StopsInTimeBeforeASilentBackend", "does not balance"},
      {ExporterFactory<SaysSentAndDrops>(), "HostileBytesAreSettled", "were taken"},
      {ExporterFactory<AsksABackend>(), "StopsInTimeBeforeASilentBackend", "not done by its deadline"},
      {ExporterFactory<AsksABackend>(), "NoiseOfABackendIsSurvived", "does not balance"},
      {ProcessorFactory<IsTheOnlyOne>(), "ASuccessorRunsBesideIt", "one is there"},
      {ReceiverFactory<StartsWithoutItsPort>(), "PortsThatAreTakenAreNamed", "it starts although 127.0.0.1:7000"},
      {ReceiverFactory<DoesNotNameThePort>(), "PortsThatAreTakenAreNamed", "does not name it"},
      {ReceiverFactory<WaitsForItsClients>(), "StopsInTimeWithClientsConnected", "not done by its deadline"},
      {ReceiverFactory<OffersUnanswered>(), "StartsAndStopsWithoutData", "does not balance"},
      {ExtensionFactory<OneFolder>(), "StorageKeepsComponentsApart", "shares the folder of another"},
      {ExtensionFactory<OneFolder>(), "StorageKeepsComponentsApart", "leads elsewhere"},
      {ExtensionFactory<LetsEverybodyIn>(), "AuthenticatorsTakeAnyHeader", "is let in"},
  };
  for (auto& c : kCases) EXPECT_THAT(Breaches({*c.factory, ""}, c.rule), HasSubstr(c.breach)) << c.rule;
}

// Without a number it is not valid.
struct Needy {
  int64_t number = 0;
  static void Describe(conf::Struct<Needy>& s) { s.Field("number", &Needy::number, "a number"); }
  void Validate(conf::Issues& issues) const {
    if (number == 0) issues.Add("number", "must not be 0");
  }
};

TEST(Contract, FindsWhatFactoriesSayWrong) {
  auto f = Named<NoKeys>(Kind::kExporter);
  f->type = "Bad-Name";
  f->old_names = {"old", "old"};
  f->summary = "";
  f->stability = {.traces = "good", .metrics = "", .logs = "", .profiles = "", .extension = "beta"};
  f->processor = [](const NoKeys&, pipeline::ProcessorContext) -> Result<std::unique_ptr<pipeline::Processor>> {
    return std::unique_ptr<pipeline::Processor>();
  };
  std::string found = Breaches({*f, ""}, "NamesAreWellFormed");
  EXPECT_THAT(found, HasSubstr("\"Bad-Name\" is no name"));
  EXPECT_THAT(found, HasSubstr("\"old\" is there twice"));
  EXPECT_THAT(found, HasSubstr("no summary"));
  EXPECT_THAT(found, HasSubstr("no stability level \"good\""));
  EXPECT_THAT(found, HasSubstr("for extensions"));
  EXPECT_THAT(found, HasSubstr("it makes a processor too"));
  EXPECT_THAT(Breaches({*f, "/nowhere"}, "TheReadmeHasTablesAndAnExample"), HasSubstr("/nowhere/README.md is missing"));
  // Without a configuration there is nothing to try, which must not pass for being right.
  auto needs = Named<Needy>(Kind::kExporter);
  EXPECT_THAT(Breaches({*needs, "/nowhere"}, "HostileBytesAreSettled"), HasSubstr("/nowhere/testdata/contract.yaml"));
  EXPECT_THAT(Breaches({*f, ""}, "NoSuchRule"), HasSubstr("there is no rule NoSuchRule for exporters"));
}

}  // namespace
}  // namespace naru::testkit
