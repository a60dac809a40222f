#include "testkit/rig.h"

#include <utility>

namespace naru::testkit {

using pipeline::Counter;
using pipeline::Entry;
using pipeline::Kind;

namespace {

// Formats every line and keeps none.
class Discard final : public LogSink {
 public:
  bool Enabled(LogLevel) const override { return true; }
  void Write(LogLevel level, std::string_view message, const std::vector<LogField>& context, const LogField* fields,
             size_t n) override {
    FormatLogLine(false, 0, level, message, context, fields, n);
  }
};

}  // namespace

std::string Books::ToString() const {
  std::string out;
  auto add = [&](std::string_view name, int64_t n) {
    if (n) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", name, n);
  };
  add("offered", offered);
  add("accepted", accepted);
  add("entered", entered);
  add("exited", exited);
  add("returned", returned);
  add("filtered", filtered);
  add("dropped", dropped);
  add("refused", refused);
  add("held", held);
  add("sent", sent);
  return out.empty() ? "nothing" : out;
}

class Rig::Edge final : public pipeline::Consumer {
 public:
  Edge(Counter counter, pipeline::Consumer* next) : counter_(counter), next_(next) {}
  void Consume(pipeline::Batch&& batch) override {
    counter_.Add(static_cast<int64_t>(batch.items()));
    next_->Consume(std::move(batch));
  }

 private:
  Counter counter_;
  pipeline::Consumer* next_;
};

Rig::Rig(uint64_t seed) : world_(seed, 2), host_(world_.loops()) {}

Rig::~Rig() {
  Destroy();
}

Status Rig::Make(const pipeline::Factory& factory, const pipeline::AnyConfig& config, otlp::Signal from,
                 otlp::Signal to) {
  id_ = factory.type;
  signal_ = from;
  pipeline::Owner owner{std::string(pipeline::KindName(factory.kind)), id_, std::string(otlp::Names(from).name), "",
                        ""};
  if (factory.kind == Kind::kProcessor) owner.pipeline = owner.signal;
  bool books_exit = factory.kind == Kind::kProcessor;  // what leaves others is counted by who takes it
  out_ = std::make_unique<Edge>(books_exit ? host_.ledger().Open(owner, Entry::kExited) : Counter(), &probe_);
  auto fill = [&](pipeline::Context& c) {
    c.id = id_;
    c.pipeline = owner.pipeline;
    c.log = Logger(std::make_shared<Discard>());
    c.host = &host_;
  };
  auto keep = [&](auto made) -> Status {
    if (!made) return Unexpected(made.error());
    if (!*made) return Fail(Code::kInternal, "the factory returned nothing");
    if constexpr (requires { consumer_ = made->get(); }) consumer_ = made->get();
    if constexpr (requires { extension_ = made->get(); }) extension_ = made->get();
    component_ = std::move(*made);
    return {};
  };
  Status status{};
  OnControl([&] {
    switch (factory.kind) {
      case Kind::kReceiver: {
        pipeline::ReceiverContext c;
        fill(c);
        for (int i = 0; i < otlp::kSignals; ++i) {
          bool served = !factory.stability.Of(static_cast<otlp::Signal>(i)).empty();
          if (served && wanted_) c.next[static_cast<size_t>(i)] = out_.get();
        }
        status = keep(factory.MakeReceiver(config, std::move(c)));
        break;
      }
      case Kind::kProcessor: {
        pipeline::ProcessorContext c;
        fill(c);
        c.signal = from;
        c.next = out_.get();
        status = keep(factory.MakeProcessor(config, std::move(c)));
        break;
      }
      case Kind::kExporter: {
        pipeline::ExporterContext c;
        fill(c);
        c.signal = from;
        status = keep(factory.MakeExporter(config, std::move(c)));
        break;
      }
      case Kind::kConnector: {
        pipeline::ConnectorContext c;
        fill(c);
        c.from = from;
        c.to = to;
        c.next = out_.get();
        c.next_by_pipeline.emplace_back(std::string(otlp::Names(to).name) + "/out", out_.get());
        status = keep(factory.MakeConnector(config, std::move(c)));
        break;
      }
      case Kind::kExtension: {
        pipeline::ExtensionContext c;
        fill(c);
        status = keep(factory.MakeExtension(config, std::move(c)));
        break;
      }
    }
  });
  if (consumer_) in_ = std::make_unique<Edge>(host_.ledger().Open(owner, Entry::kEntered), consumer_);
  return status;
}

Status Rig::Start() {
  Status status{};
  OnControl([&] { status = component_->Start(host_); });
  world_.RunReady();
  return status;
}

void Rig::Send(size_t loop, pipeline::Batch&& batch) {
  world_.On(loop, [&] { in_->Consume(std::move(batch)); });
}

std::shared_ptr<Heard> Rig::Send(size_t loop, Slice bytes, uint64_t items) {
  auto heard = std::make_shared<Heard>();
  Send(loop, pipeline::Batch(signal_, std::move(bytes), TokenFor(heard, items)));
  return heard;
}

Status Rig::Succeed(const pipeline::Factory& factory, const pipeline::AnyConfig& config, otlp::Signal from,
                    otlp::Signal to) {
  first_ = std::move(component_);
  first_out_ = std::move(out_);
  if (auto s = Make(factory, config, from, to); !s) return s;
  return Start();
}

bool Rig::StopFirst(Duration allowed) {
  bool done = StopOne(*first_, allowed);
  OnControl([&] { first_.reset(); });
  world_.RunReady();
  return done;
}

bool Rig::Stop(Duration allowed) {
  return StopOne(*component_, allowed);
}

bool Rig::StopOne(pipeline::Component& component, Duration allowed) {
  MonoTime deadline = world_.clock().Now() + allowed;
  // Shared with the component, which may call it when this rig has given up on it.
  auto times = std::make_shared<int>(0);
  auto elsewhere = std::make_shared<bool>(false);
  net::Loop* control = world_.loops()[0];
  OnControl([&] {
    component.Shutdown(deadline, [times, elsewhere, control] {
      ++*times;
      if (!control->InLoop()) *elsewhere = true;
    });
  });
  bool done = world_.RunUntil([&] { return *times > 0; }, allowed + std::chrono::seconds(1));
  world_.RunReady();
  if (*times > 1) stop_faults_ = fmt::format("the end of Shutdown was told {} times", *times);
  if (*elsewhere) stop_faults_ = "the end of Shutdown was told on another loop than the control loop";
  return done;
}

void Rig::Destroy() {
  OnControl([&] {
    component_.reset();
    first_.reset();
  });
  consumer_ = nullptr;
  extension_ = nullptr;
  world_.RunReady();
}

Books Rig::books() {
  Books b;
  for (auto& l : host_.ledger().Snapshot()) {
    if (l.owner.id != id_) continue;
    switch (l.entry) {
      case Entry::kOffered:
        b.offered += l.value;
        break;
      case Entry::kAccepted:
        b.accepted += l.value;
        break;
      case Entry::kEntered:
        b.entered += l.value;
        break;
      case Entry::kExited:
        b.exited += l.value;
        break;
      case Entry::kReturned:
        b.returned += l.value;
        break;
      case Entry::kFiltered:
        b.filtered += l.value;
        break;
      case Entry::kDropped:
        b.dropped += l.value;
        break;
      case Entry::kRefused:
        b.refused += l.value;
        break;
      case Entry::kHeld:
        b.held += l.value;
        break;
      case Entry::kSent:
        b.sent += l.value;
        break;
      case Entry::kFailed:  // lost: nothing makes up for it, and the books do not balance
      case Entry::kRequests:
      case Entry::kBytes:
        break;
    }
  }
  return b;
}

}  // namespace naru::testkit
