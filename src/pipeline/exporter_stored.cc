// The queue of an exporter on disk: sending_queue::storage.
#include <algorithm>

#include "pipeline/exporter_state.h"
#include "pipeline/stored_batch.h"

namespace naru::pipeline {

using Shared = ExporterEngine::Shared;

StoredGroup::~StoredGroup() {
  if (entries.empty()) return;
  auto e = engine.lock();
  if (e) {
    std::lock_guard lock(e->mutex);
    e->loaded_bytes -= bytes;
    e->loaded -= entries.size();
  }
  if (kept) {
    // Other parts of the records may be delivered already; they come again, so they are entered again.
    uint64_t items = 0;
    for (auto& entry : entries) items += entry.items;
    uint64_t again = items - std::min<uint64_t>(items, kept_items);
    if (e && again) {
      auto n = static_cast<int64_t>(again);
      Ledger& l = e->context.host->ledger();
      l.Post({{l.Open(e->owner, Entry::kEntered, "again"), n}, {e->held_queue, n}});
    }
    for (auto& entry : entries) log->GiveBack(entry.sequence);
  } else {
    std::vector<uint64_t> sequences;
    sequences.reserve(entries.size());
    for (auto& entry : entries) sequences.push_back(entry.sequence);
    log->Done(sequences);
  }
}

Status Shared::OpenLog(Host& host) {
  if (!options.queue || (options.queue->storage.empty() && options.folder.empty())) return {};
  SegmentLogOptions o;
  o.log = context.log;
  Disk disk = host.disk();
  o.files = disk.files;
  o.workers = disk.workers;
  Result<std::string> folder = options.folder;
  if (!options.folder.empty()) {
    constexpr unsigned kMode = 0750;
    for (size_t slash = folder->find('/', 1); slash != std::string::npos; slash = folder->find('/', slash + 1)) {
      if (auto s = disk.files->MakeFolder(folder->substr(0, slash), kMode); !s) return s;
    }
    if (auto s = disk.files->MakeFolder(*folder, kMode); !s) return s;
  } else {
    Extension* extension = host.FindExtension(options.queue->storage);
    Storage* storage = extension ? extension->storage() : nullptr;
    if (!storage) {
      return Fail(Code::kFailedPrecondition,
                  "sending_queue::storage: \"{}\" is {}; name a storage extension that service::extensions lists",
                  options.queue->storage, extension ? "no storage extension" : "not among the running extensions");
    }
    folder = storage->Folder("exporter", context.id, otlp::Names(context.signal).name);
    if (!folder) return tl::unexpected(folder.error());
    o.fsync = storage->fsync();
    o.segment_bytes = storage->segment_bytes();
  }
  if (disk.segment_bytes) o.segment_bytes = disk.segment_bytes;
  auto opened = SegmentLog::Open(*folder, std::move(o));
  if (!opened) return tl::unexpected(opened.error());
  log = std::move(*opened);
  auto found = log->TakeRecovery();
  if (auto n = static_cast<int64_t>(found.damaged_items)) {
    Ledger& l = context.host->ledger();
    l.Post({{l.Open(owner, Entry::kEntered, "recovered"), n}, {Dropped("storage_damaged"), n}});
  }
  if (found.items || found.records) {
    auto n = static_cast<int64_t>(found.items);
    Ledger& l = context.host->ledger();
    l.Post({{l.Open(owner, Entry::kEntered, "recovered"), n}, {held_queue, n}});
    context.log.Info("Found a stored queue, sending goes on", {{"folder", *folder},
                                                               {"requests", static_cast<int64_t>(found.records)},
                                                               {"items", n},
                                                               {"bytes", static_cast<int64_t>(found.bytes)}});
  }
  auto weak = weak_from_this();
  log->SetListener([weak] {
    if (auto s = weak.lock()) s->Changed();
  });
  size_metric->Set(static_cast<int64_t>(Used()));
  Pump();
  return {};
}

// By the sizer, of everything that is not finished. Under the mutex or not: the log has its own.
uint64_t Shared::Used() const {
  if (!log) return size;
  auto s = log->size();
  return size + (options.queue->sizer == "items" ? s.items : options.queue->sizer == "bytes" ? s.bytes : s.records);
}

// Writes a batch to the stored queue. While nothing waits on disk and there is room in memory it stays here and goes on
// at once when it is written.
void Shared::Store(Batch&& batch, uint64_t cost) {
  auto held = std::make_shared<Batch>(std::move(batch));
  std::vector<Slice> record = EncodeStored(*held);
  uint64_t bytes = 0;
  for (auto& piece : record) bytes += piece.size();
  bool direct;
  {
    std::lock_guard lock(mutex);
    ++at_disk;
    // With one consumer what comes later must not overtake what is being read.
    bool overtakes = options.queue->num_consumers == 1 && at_disk > 1;
    direct = !closing && !overtakes && log->waiting() == 0 && (loaded == 0 || loaded_bytes + bytes <= kLoadedBytes) &&
             loaded < kLoadedRecords;
    if (direct) {
      loaded_bytes += bytes;
      ++loaded;
    }
  }
  // With one consumer in the order of writing, whichever loops it came from.
  net::Loop* loop = options.queue->num_consumers == 1 ? &context.host->control_loop() : net::Loop::Current();
  auto self = shared_from_this();
  log->Append(std::move(record), held->items(), direct, [self, held, bytes, direct, loop](Result<uint64_t> sequence) {
    loop->Post([self, held, bytes, direct, sequence = std::move(sequence)] {
      if (direct && !sequence) self->Unload(bytes);
      self->Stored(*held, direct, sequence);
    });
  });
  // From here on the log's own size counts it.
  std::lock_guard lock(mutex);
  size -= std::min(size, cost);
}

void Shared::Unload(uint64_t bytes) {
  std::lock_guard lock(mutex);
  loaded_bytes -= bytes;
  --loaded;
}

void Shared::Stored(Batch& batch, bool direct, Result<uint64_t> sequence) {
  if (!sequence) {
    auto n = static_cast<int64_t>(batch.items());
    context.host->ledger().Post({{held_queue, -n}, {refused_storage, n}});
    LogFailure(sequence.error(), batch.items(), "The stored queue cannot be written; data is refused", LogLevel::kWarn);
    batch.Refused(Error{sequence.error().code, sequence.error().retryable, Duration{0},
                        "sending queue: " + sequence.error().message});
  } else {
    batch.StoreTokens();
    if (direct) {
      Enqueue(std::move(batch), *sequence);
    } else {
      batch = Batch();
      Pump();
    }
  }
  {
    std::lock_guard lock(mutex);
    --at_disk;
    size_metric->Set(static_cast<int64_t>(Used()));
  }
  CheckDrained();
}

// A record of the stored queue is in memory and written.
void Shared::Enqueue(Batch&& batch, uint64_t sequence) {
  auto r = std::make_shared<Request>();
  r->items = batch.items();
  r->group = std::make_shared<StoredGroup>();
  r->group->engine = weak_from_this();
  r->group->log = log;
  for (auto& piece : EncodeStored(batch)) r->group->bytes += piece.size();
  r->group->entries.push_back({sequence, r->items});
  r->batch = std::move(batch);
  std::vector<RequestPtr> start;
  bool late;
  {
    std::lock_guard lock(mutex);
    late = closing;
    if (!late) Accept(std::move(r), start);
  }
  if (late) return Keep(r);
  Begin(start);
}

// A record waits again, or there is room: this engine's doing, or that of one which it has replaced. Any thread.
void Shared::Changed() {
  Pump();
  {
    std::lock_guard lock(mutex);
    if (blocked.empty()) return;
  }
  context.host->control_loop().Post([self = shared_from_this()] { self->LetIn(); });
}

// Reads records of the stored queue while there is room in memory. Any thread.
void Shared::Pump() {
  for (;;) {
    {
      std::lock_guard lock(mutex);
      if (!log || closing || loaded_bytes >= kLoadedBytes || loaded >= kLoadedRecords) return;
    }
    auto taken = log->Take();
    if (!taken) return;
    {
      std::lock_guard lock(mutex);
      loaded_bytes += taken->bytes;
      ++loaded;
      ++at_disk;
    }
    auto self = shared_from_this();
    log->Read(taken->sequence, [self, t = *taken](Result<Slice> record) {
      // With one consumer the order is kept: what is read in order is handed on by one loop.
      auto& loops = self->context.host->loops();
      bool ordered = self->options.queue->num_consumers == 1;
      loops[ordered ? 0 : self->next_loop.fetch_add(1) % loops.size()]->Post(
          [self, t, record = std::move(record)] { self->Loaded(t.sequence, t.items, t.bytes, record); });
    });
  }
}

void Shared::Loaded(uint64_t sequence, uint64_t items, uint64_t bytes, Result<Slice> record) {
  Result<Batch> batch = record ? DecodeStored(context.signal, *record) : tl::unexpected(record.error());
  if (batch) {
    Enqueue(std::move(*batch), sequence);
  } else if (batch.error().code == Code::kDataLoss) {
    auto n = static_cast<int64_t>(items);
    context.host->ledger().Post({{held_queue, -n}, {Dropped("storage_damaged"), n}});
    LogFailure(batch.error(), items, "A record of the stored queue is damaged. Dropping data.");
    Unload(bytes);
    log->Done(sequence);
  } else {
    // The disk may work again later.
    LogFailure(batch.error(), items, "The stored queue cannot be read; trying again", LogLevel::kWarn);
    auto timer = std::make_shared<net::Timer>();
    // Also when this exporter has gone by then: its successor has the same log.
    auto again = [weak = weak_from_this(), log = log, timer, sequence, bytes] {
      if (auto s = weak.lock()) s->Unload(bytes);
      log->GiveBack(sequence);
    };
    *timer = net::Loop::Current()->AddTimer(std::chrono::seconds(1), std::move(again));
  }
  {
    std::lock_guard lock(mutex);
    --at_disk;
  }
  CheckDrained();
}

// What a stored queue answers for stays in it. For requests that are not on the wire and counted as held in the queue.
void Shared::Keep(const RequestPtr& r) {
  r->group->kept_items += r->items;
  r->group->kept = true;
  r->batch = Batch();
  r->group.reset();
}

void Shared::KeepWaiting() {
  std::vector<RequestPtr> kept;
  {
    std::lock_guard lock(mutex);
    for (auto& r : ready) kept.push_back(std::move(r));
    ready.clear();
    for (auto& [key, p] : partitions) {
      kept.push_back(std::move(p.request));
      if (p.loop != net::Loop::Current()) {
        auto timer = std::make_shared<net::Timer>(std::move(p.flush));
        p.loop->Post([timer] { timer->Cancel(); });
      }
    }
    partitions.clear();
  }
  for (auto& r : kept) Keep(r);
}

}  // namespace naru::pipeline
