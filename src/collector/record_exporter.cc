#include "collector/record_exporter.h"

#include <algorithm>

namespace naru::collector {

using pipeline::Entry;

void WriteResource(otlp::RequestBuilder& builder, const pipeline::Attributes& resource) {
  std::vector<otlp::Attr> attributes;
  for (auto& [k, v] : resource) attributes.push_back({k, v});
  builder.Resource(attributes);
}

Result<std::shared_ptr<RecordExporter>> RecordExporter::Make(const Factories& factories, pipeline::Host& host,
                                                             const Logger& log, const SelfProcessorConfig& c,
                                                             otlp::Signal signal, pipeline::Attributes resource,
                                                             const std::string& path) {
  Limits limits{};
  const SelfExporterConfig* exporter = nullptr;
  if (c.batch) {
    auto& b = *c.batch;
    limits.delay = std::chrono::milliseconds(b.schedule_delay_ms);
    limits.max_queue = static_cast<size_t>(b.max_queue_size);
    limits.max_batch = static_cast<size_t>(std::min(b.max_export_batch_size, b.max_queue_size));
    exporter = &b.exporter;
  } else if (c.simple) {
    limits.max_batch = 1;  // each record by itself
    exporter = &c.simple->exporter;
  } else {
    return Fail(Code::kInvalidArgument, "{}{}: a processor must be batch or simple", kOwnPrefix, path);
  }
  std::shared_ptr<RecordExporter> out(new RecordExporter(host, signal, std::move(resource), limits));
  auto made = OwnExporter::Make(factories, host, log, *exporter, signal, path);
  if (!made) return Unexpected(made.error());
  out->exporter_ = std::move(*made);
  pipeline::Owner owner{"telemetry", std::string(kOwnPrefix) + path, std::string(otlp::Names(signal).name), "", ""};
  auto& l = host.ledger();
  out->entered_ = l.Open(owner, Entry::kEntered);
  out->exited_ = l.Open(owner, Entry::kExited);
  out->dropped_ = l.Open(owner, Entry::kDropped, "queue_full");
  out->held_ = l.Open(owner, Entry::kHeld, "queue");
  return out;
}

void RecordExporter::Add(Record record) {
  bool full, wake = false;
  {
    std::lock_guard lock(mutex_);
    full = closed_ || queue_.size() >= limits_.max_queue;
    if (!full) {
      queue_.push_back(std::move(record));
      wake = limits_.delay <= Duration(0) || queue_.size() >= limits_.max_batch;
      wake = wake && !std::exchange(woken_, woken_ || wake);
    }
  }
  host_.ledger().Post({{entered_, 1}, {full ? dropped_ : held_, 1}});
  if (!wake) return;
  host_.control_loop().Post([weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    {
      std::lock_guard lock(self->mutex_);
      self->woken_ = false;
    }
    self->Export();
  });
}

Status RecordExporter::Start() {
  if (auto s = exporter_->Start(); !s) return s;
  Tick();
  return {};
}

void RecordExporter::Tick() {
  if (limits_.delay <= Duration(0)) return;
  timer_ = host_.control_loop().AddTimer(limits_.delay, [this] {
    Export();
    Tick();
  });
}

void RecordExporter::Export() {
  if (busy_) return;
  std::vector<Record> records;
  bool more;
  {
    std::lock_guard lock(mutex_);
    size_t n = std::min(queue_.size(), limits_.max_batch);
    for (size_t i = 0; i < n; ++i) {
      records.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    more = queue_.size() >= (closing_ || limits_.delay <= Duration(0) ? 1 : limits_.max_batch);
  }
  if (records.empty()) return CheckDrained();
  auto n = static_cast<int64_t>(records.size());
  host_.ledger().Post({{held_, -n}, {exited_, n}});
  otlp::RequestBuilder builder(signal_);
  WriteResource(builder, resource_);
  builder.Scope("naru");
  for (auto& r : records) r(builder);
  busy_ = true;
  exporter_->Push(builder.Finish(), records.size(), [weak = weak_from_this(), more](bool) {
    auto self = weak.lock();
    if (!self) return;
    self->busy_ = false;
    if (more || self->closing_) self->Export();
  });
}

void RecordExporter::CheckDrained() {
  if (closing_ && !busy_ && drained_) std::exchange(drained_, nullptr)();
}

void RecordExporter::Shutdown(MonoTime deadline, std::function<void()> done) {
  timer_.Cancel();
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  closing_ = true;
  auto end = [self = shared_from_this(), deadline, done = std::move(done)] {
    self->deadline_.Cancel();
    int64_t left;
    {
      std::lock_guard lock(self->mutex_);
      left = static_cast<int64_t>(self->queue_.size());
      self->queue_.clear();
    }
    if (left) self->host_.ledger().Post({{self->held_, -left}, {self->dropped_, left}});
    self->exporter_->Shutdown(deadline, done);
  };
  drained_ = end;
  net::Loop& loop = host_.control_loop();
  deadline_ = loop.AddTimer(deadline - loop.Now(), [self = shared_from_this()] {
    if (self->drained_) std::exchange(self->drained_, nullptr)();
  });
  Export();
}

}  // namespace naru::collector
