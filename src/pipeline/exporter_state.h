// Inside of the exporter engine: its requests and what its loops share. For exporter_engine.cc (queue and batching),
// exporter_attempts.cc (sending, retrying, giving up) and exporter_stored.cc (the queue on disk).
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/call_metrics.h"
#include "pipeline/exporter_engine.h"
#include "pipeline/segment_log.h"

namespace naru::pipeline {

// Records of a stored queue that are in memory to be sent. Shared by the requests that carry their items; with the last
// of these the records are done, or, when one was kept for a later process, given back.
struct StoredGroup {
  struct Item {
    uint64_t sequence, items;
  };
  std::weak_ptr<ExporterEngine::Shared> engine;
  std::shared_ptr<SegmentLog> log;
  std::vector<Item> entries;
  uint64_t bytes = 0;
  std::atomic<bool> kept{false};
  std::atomic<uint64_t> kept_items{0};  // of those in the entries that are still held

  // Never with the engine's mutex held, unless there are no entries.
  ~StoredGroup();
};

// A batch on its way to the backend, through all of its attempts.
struct Request {
  Batch batch;
  std::shared_ptr<StoredGroup> group;  // with a stored queue
  uint64_t cost = 0;                   // by the queue's sizer
  uint64_t items = 0;
  MonoTime first{};       // of the first attempt
  Duration interval{0};   // next back-off
  bool examined = false;  // was refused for good once, and its bad records were cut out
  net::Timer timer;       // of the next attempt, on `timer_loop`
  net::Loop* timer_loop = nullptr;
  ActiveSpan span;  // from the first attempt to the end
};
using RequestPtr = std::shared_ptr<Request>;

extern const Error kClientGone;

struct ExporterEngine::Shared : std::enable_shared_from_this<ExporterEngine::Shared> {
  Shared(ExporterContext c, EngineOptions o, SenderFactory f)
      : context(std::move(c)), options(std::move(o)), factory(std::move(f)), senders(context.host->loops().size()) {
    Ledger& l = context.host->ledger();
    Owner owner{"exporter", context.id, std::string(otlp::Names(context.signal).name), "", ""};
    sent = l.Open(owner, Entry::kSent);
    refused_full = l.Open(owner, Entry::kRefused, "queue_full");
    refused_shutdown = l.Open(owner, Entry::kRefused, "shutdown");
    refused_storage = l.Open(owner, Entry::kRefused, "storage_failed");
    refused_abandoned = l.Open(owner, Entry::kRefused, "abandoned");
    held_queue = l.Open(owner, Entry::kHeld, "queue");
    held_flight = l.Open(owner, Entry::kHeld, "in_flight");
    this->owner = owner;
    Metrics& m = context.host->metrics();
    Attributes a = {{"exporter", context.id}, {"data_type", std::string(otlp::Names(context.signal).name)}};
    capacity_metric = m.GetSum({"otelcol_exporter_queue_capacity", "Fixed capacity of the retry queue (in batches).",
                                "{batches}", Metrics::Kind::kGauge, MetricLevel::kBasic},
                               a);
    size_metric = m.GetSum({"otelcol_exporter_queue_size", "Current size of the retry queue (in batches).", "{batches}",
                            Metrics::Kind::kGauge, MetricLevel::kBasic},
                           a);
    flight_metric = InFlightRequests(m, context.id, context.signal);
    send_size = m.GetHistogram({"otelcol_exporter_queue_batch_send_size", "Number of items in each request.", "{units}",
                                Metrics::Kind::kHistogram, MetricLevel::kDetailed},
                               {{"exporter", context.id}}, BatchItemBounds());
    send_bytes = m.GetHistogram({"otelcol_exporter_queue_batch_send_size_bytes", "Number of bytes in each request.",
                                 "By", Metrics::Kind::kHistogram, MetricLevel::kDetailed},
                                {{"exporter", context.id}}, BatchByteBounds());
    m.DescribeExporter(context.id, owner.signal, options.destination);
    if (options.queue) capacity_metric->Set(options.queue->queue_size);
  }

  /// With the error that ended the items, if there was one: own metrics tell its code.
  Counter Dropped(std::string_view reason, const Error* error = nullptr) {
    return Ended(Entry::kDropped, reason, error);
  }
  /// What could not be sent and is given back.
  Counter RefusedFailed(const Error& error) { return Ended(Entry::kRefused, "send_failed", &error); }
  Counter Ended(Entry entry, std::string_view reason, const Error* error) {
    Owner line = owner;
    if (error) {
      line.error = CodeName(error->code);
      line.permanent = !error->retryable;
    }
    return context.host->ledger().Open(line, entry, reason);
  }

  uint64_t Cost(const Batch& b) const {
    if (options.queue->sizer == "items") return b.items();
    if (options.queue->sizer == "bytes") return b.bytes();
    return 1;
  }
  uint64_t BatchSize(const Batch& b) const { return batch_bytes ? b.bytes() : b.items(); }

  Status OpenLog(Host& host);
  uint64_t Used() const;
  void Consume(Batch&& batch);
  void Admit(Batch&& batch, uint64_t cost);
  /// From the exporter that this one succeeds: counted as held in the queue already, and taken whatever the room.
  void TakeOver(Batch&& batch);
  void Store(Batch&& batch, uint64_t cost);
  void Stored(Batch& batch, bool direct, Result<uint64_t> sequence);
  void Pump();
  void Changed();
  void Loaded(uint64_t sequence, uint64_t items, uint64_t bytes, Result<Slice> record);
  void Enqueue(Batch&& batch, uint64_t sequence);
  void Unload(uint64_t bytes);
  void Keep(const RequestPtr& r);
  void KeepWaiting();
  void EndRetries(std::function<void()> done);
  void Accept(RequestPtr r, std::vector<RequestPtr>& start);
  void AddToPartition(RequestPtr r, std::vector<RequestPtr>& start);
  std::string PartitionKey(const Batch& b) const;
  void Ready(RequestPtr r, std::vector<RequestPtr>& start);
  void FlushPartition(const std::string& key, std::vector<RequestPtr>& start);
  std::vector<RequestPtr> Cut(RequestPtr r);
  void Begin(const std::vector<RequestPtr>& start);
  void Attempt(const RequestPtr& r);
  void StartSpan(Request& r);
  void Attempted(const RequestPtr& r, SendResult result);
  void BookUnfit(const SendResult& result);
  void BookSent(uint64_t n, uint64_t rejected, const std::string& message);
  void KeepRest(const RequestPtr& r, SendResult& result);
  uint64_t EndParts(const RequestPtr& r, SendResult& result);
  void Retry(const RequestPtr& r, const Error& error);
  void GiveUp(const RequestPtr& r, const Error& error, std::string_view reason);
  void Examine(const RequestPtr& r, const Error& error);
  void Deliver(const RequestPtr& r, SendResult result);
  void Finished(const RequestPtr& r);
  void LetIn();
  void Sweep();
  void Forsake(std::vector<Batch> batches);
  void FlushAll(std::vector<RequestPtr>& start);
  void CheckDrained();
  void Expire();
  /// Tells the status board, when it changes.
  void Fare(ComponentStatus status, const Error& error);
  void LogFailure(const Error& error, uint64_t items, std::string_view what, LogLevel level = LogLevel::kError);

  ExporterContext context;
  EngineOptions options;
  SenderFactory factory;
  PerLoop<Sender> senders;
  Owner owner;
  Counter sent, refused_full, refused_shutdown, refused_storage, refused_abandoned, held_queue, held_flight;
  Sum *capacity_metric, *size_metric, *flight_metric;
  Histogram *send_size, *send_bytes;
  bool batch_bytes = false;
  std::shared_ptr<SegmentLog> log;  // with a stored queue; set by Start
  std::atomic<uint64_t> next_loop{0};
  std::atomic<ComponentStatus> fares{ComponentStatus::kOk};
  std::atomic<uint64_t> dropped_at_end{0};  // items that the shutdown deadline cut off

  // Of a stored queue so much is in memory; the rest is read when it is to be sent.
  static constexpr uint64_t kLoadedBytes = 16 << 20, kLoadedRecords = 4096;

  net::Timer sweep;  // control loop only

  std::mutex mutex;                       // guards what follows
  uint64_t loaded_bytes = 0, loaded = 0;  // records of the stored queue that are in memory
  int64_t at_disk = 0;                    // appends and reads under way
  std::deque<RequestPtr> ready;
  struct Partition {
    RequestPtr request;
    net::Timer flush;  // on `loop`
    net::Loop* loop = nullptr;
    uint64_t generation = 0;
  };
  std::map<std::string, Partition> partitions;
  uint64_t generations = 0;
  std::deque<Batch> blocked;  // with block_on_overflow: senders that wait
  bool sweeping = false;      // Sweep will run
  uint64_t size = 0;          // by the sizer, of everything that is not finished
  int64_t in_flight = 0;
  bool closing = false, expired = false;
  std::shared_ptr<Shared> successor;  // after a reload, of a queue in memory; set on the control loop before Shutdown
  std::function<void()> drained;
  std::vector<std::weak_ptr<Request>> retrying;
  net::Timer deadline;
  // Failures are logged once a cause and then at most every ten seconds.
  struct Failure {
    MonoTime last{};
    uint64_t times = 0, items = 0;  // since then
  };
  std::map<std::string, Failure> failures;
};

}  // namespace naru::pipeline
