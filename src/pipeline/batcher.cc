#include "pipeline/batcher.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>

#include "otlp/split.h"

namespace naru::pipeline {
namespace {

// Parts below this are copied together: thousands of one-record requests become a few buffers.
constexpr size_t kTiny = 4096;
constexpr size_t kTail = 64 << 10;

// Bytes that nobody else answers for, waiting to be handed on.
struct Held {
  std::vector<Part> parts;
  uint64_t items = 0;
  uint64_t bytes = 0;
  TakenPtr taken;         // exits of the pipeline that have it already, see Outcome::taken
  uint64_t number = 0;    // in the order of coming
  uint64_t left_out = 0;  // exits that it is not offered to this time, for what is before it waits for them
  bool waits = false;     // or has waited
  std::shared_ptr<const ClientInfo> client;
};

// How long exits that take nothing are waited for when others do.
constexpr Duration kStalled = std::chrono::seconds(10);

}  // namespace

// The state of one loop and one combination of metadata.
struct Gathering {
  Held now;
  BufferRef tail;  // of the last part, with room for tiny parts
  size_t tail_size = 0;
  net::Timer flush;
};

struct LoopBatches {
  std::map<std::string, Gathering> gatherings;
  std::deque<Held> waiting;  // were refused, or stand behind one that was; in their order
  uint64_t waits = 0;        // batches that wait or have waited, on offer again perhaps
  MonoTime progress{};       // since when any does, or an exit last took something that had waited
  uint64_t numbers = 0;
  uint64_t held = 0;  // items in gatherings, waiting and on offer without an answer
  net::Timer again;
  bool closed = false;
};

struct Batcher::Shared : std::enable_shared_from_this<Batcher::Shared> {
  Shared(ProcessorContext c, BatcherOptions o)
      : context(std::move(c)), options(std::move(o)), loops(context.host->loops().size()) {
    Ledger& l = context.host->ledger();
    owner = Owner{"processor", context.id, std::string(otlp::Names(context.signal).name), context.pipeline, ""};
    held = l.Open(owner, Entry::kHeld, "batch");
    returned = l.Open(owner, Entry::kReturned);
    undelivered = l.Open(owner, Entry::kDropped, "refused_downstream");
    stalled = l.Open(owner, Entry::kDropped, "branch_stalled");
    refused = l.Open(owner, Entry::kRefused, "batch_full");
    Metrics& m = context.host->metrics();
    Attributes a = {{"processor", context.id}};
    using K = Metrics::Kind;
    send_size = m.GetHistogram({"otelcol_processor_batch_batch_send_size", "Number of units in the batch", "{units}",
                                K::kHistogram, MetricLevel::kNormal},
                               a, BatchItemBounds());
    send_bytes =
        m.GetHistogram({"otelcol_processor_batch_batch_send_size_bytes", "Number of bytes in batch that was sent.",
                        "By", K::kHistogram, MetricLevel::kDetailed},
                       a, BatchByteBounds());
    size_trigger = m.GetSum(
        {"otelcol_processor_batch_batch_size_trigger_send", "Number of times the batch was sent due to a size trigger",
         "{times}", K::kCounter, MetricLevel::kNormal},
        a);
    timeout_trigger = m.GetSum(
        {"otelcol_processor_batch_timeout_trigger_send", "Number of times the batch was sent due to a timeout trigger",
         "{times}", K::kCounter, MetricLevel::kNormal},
        a);
    cardinality = m.GetSum({"otelcol_processor_batch_metadata_cardinality",
                            "Number of distinct metadata value combinations being processed", "{combinations}",
                            K::kUpDown, MetricLevel::kNormal},
                           a);
  }

  LoopBatches& mine() {
    auto& slot = loops.mine();
    if (!slot) slot = std::make_unique<LoopBatches>();
    return *slot;
  }
  uint64_t Room() const { return 2 * std::max<uint64_t>({options.send_batch_size, options.send_batch_max_size, 8192}); }

  void Take(Batch&& batch);
  void Flush(LoopBatches& l, Gathering& g, bool by_size);
  void Offer(LoopBatches& l, Held&& h);
  void Send(LoopBatches& l, Held&& h);
  void Wait(LoopBatches& l, Held&& h, Duration delay);
  void MakeRoom(LoopBatches& l, uint64_t n);
  void Answer(LoopBatches& l, Held&& h, const Outcome& outcome);
  void Resume(LoopBatches& l);
  void FlushAll(LoopBatches& l);
  void DropAll(LoopBatches& l);
  std::string Key(const ClientInfo* client) const;

  ProcessorContext context;
  BatcherOptions options;
  PerLoop<LoopBatches> loops;
  Owner owner;
  Counter held, refused, returned, undelivered, stalled;
  Histogram *send_size, *send_bytes;
  Sum *size_trigger, *timeout_trigger, *cardinality;
  std::atomic<uint64_t> combinations{0};
  std::atomic<int64_t> total{0};  // items held on all loops
  std::atomic<bool> closing{false};
  // Control loop only:
  MonoTime deadline{};
  std::function<void()> done;
  net::Timer poll;
  void Poll();
};

using Shared = Batcher::Shared;

namespace {

// Hears what became of one batch that was handed on.
class Offered final : public Ack {
 public:
  Offered(std::shared_ptr<Shared> owner, net::Loop* loop, Held held)
      : owner_(std::move(owner)), loop_(loop), held_(std::move(held)) {}
  const Held& held() const { return held_; }

 protected:
  void OnResolved(const Outcome& outcome) override {
    if (loop_->InLoop()) return owner_->Answer(owner_->mine(), std::move(held_), outcome);
    auto held = std::make_shared<Held>(std::move(held_));
    loop_->Post([owner = owner_, held, outcome] { owner->Answer(owner->mine(), std::move(*held), outcome); });
  }

 private:
  std::shared_ptr<Shared> owner_;
  net::Loop* loop_;
  Held held_;
};

}  // namespace

Batcher::Batcher(ProcessorContext context, BatcherOptions options)
    : shared_(std::make_shared<Shared>(std::move(context), std::move(options))) {}
Batcher::~Batcher() = default;

void Batcher::Consume(Batch&& batch) {
  shared_->Take(std::move(batch));
}

std::string Shared::Key(const ClientInfo* client) const {
  std::string key;
  for (auto& k : options.metadata_keys) {
    if (client) {
      auto it = client->metadata.find(k);
      if (it != client->metadata.end()) {
        for (auto& v : it->second) key += v + '\x1f';
      }
    }
    key += '\x1e';
  }
  return key;
}

void Shared::Take(Batch&& batch) {
  LoopBatches& l = mine();
  uint64_t n = batch.items();
  // One request is always let in when nothing is held, however large it is.
  uint64_t room = l.waiting.empty() ? 16 * Room() : Room();
  if (l.held + n > room) MakeRoom(l, l.held + n - room);
  if (l.closed || (l.held > 0 && l.held + n > room)) {
    refused.Add(static_cast<int64_t>(n));
    return batch.Refused(Error{Code::kUnavailable, true, std::chrono::seconds(1),
                               l.closed ? "the batch processor is shutting down"
                                        : "the batch processor is full: what follows it does not keep up"});
  }
  std::string key = options.metadata_keys.empty() ? std::string() : Key(batch.client().get());
  auto it = l.gatherings.find(key);
  if (it == l.gatherings.end()) {
    if (!options.metadata_keys.empty() && combinations.load() >= options.metadata_cardinality_limit &&
        options.metadata_cardinality_limit > 0) {
      refused.Add(static_cast<int64_t>(n));
      return batch.Refused(
          Error{Code::kResourceExhausted, false, Duration{0}, "too many batcher metadata-value combinations"});
    }
    combinations.fetch_add(1);
    cardinality->Add(1);
    it = l.gatherings.emplace(key, Gathering()).first;
    if (!options.metadata_keys.empty()) it->second.now.client = batch.client();
  }
  Gathering& g = it->second;
  held.Add(static_cast<int64_t>(n));
  l.held += n;
  total.fetch_add(static_cast<int64_t>(n));
  for (auto& p : batch.TakeParts()) {
    p.token.Stored();
    if (p.items == 0 && p.bytes.empty()) continue;
    g.now.items += p.items;
    g.now.bytes += p.bytes.size();
    if (p.bytes.size() >= kTiny || p.bytes.empty()) {
      g.tail = BufferRef();
      g.now.parts.push_back(Part{std::move(p.bytes), Token(), p.items});
      continue;
    }
    if (!g.tail || g.tail->capacity() - g.tail_size < p.bytes.size()) {
      g.tail = Buffer::Allocate(kTail, context.host->gate().budget());
      g.tail_size = 0;
      g.now.parts.push_back(Part{Slice(g.tail, 0), Token(), 0});
    }
    // The tail's bytes are written before any slice that covers them exists anywhere else.
    std::memcpy(g.tail->data() + g.tail_size, p.bytes.data(), p.bytes.size());
    g.tail_size += p.bytes.size();
    Part& last = g.now.parts.back();
    last.bytes = Slice(g.tail, last.bytes.empty() ? g.tail->data() + g.tail_size - p.bytes.size() : last.bytes.data(),
                       last.bytes.size() + p.bytes.size());
    last.items += p.items;
  }
  if (g.now.items >= options.send_batch_size || options.timeout <= Duration(0)) {
    Flush(l, g, true);
  } else if (!g.flush.pending()) {
    auto weak = weak_from_this();
    net::Loop* loop = net::Loop::Current();
    g.flush = loop->AddTimer(options.timeout, [weak, &l, &g] {
      if (auto s = weak.lock()) s->Flush(l, g, false);
    });
  }
}

void Shared::Flush(LoopBatches& l, Gathering& g, bool by_size) {
  g.flush.Cancel();
  if (g.now.parts.empty()) return;
  Held h = std::move(g.now);
  g.now = Held();
  g.now.client = h.client;
  g.tail = BufferRef();
  (by_size ? size_trigger : timeout_trigger)->Add(1);
  uint64_t max = options.send_batch_max_size;
  if (!max || h.items <= max) {
    send_size->Record(static_cast<double>(h.items));
    send_bytes->Record(static_cast<double>(h.bytes));
    return Offer(l, std::move(h));
  }
  std::vector<Slice> inputs;
  for (auto& p : h.parts) inputs.push_back(p.bytes);
  auto pieces = otlp::Split(context.signal, inputs, {max, 0});
  if (!pieces) return Offer(l, std::move(h));  // not splittable: malformed below the scan; the backend will say
  uint64_t left = h.items;
  for (size_t i = 0; i < pieces->size(); ++i) {
    Held piece;
    piece.client = h.client;
    for (auto& p : (*pieces)[i].parts) {
      piece.items += p.items;
      piece.bytes += p.bytes.size();
      piece.parts.push_back(Part{std::move(p.bytes), Token(), p.items});
    }
    left -= std::min(left, piece.items);
    send_size->Record(static_cast<double>(piece.items));
    send_bytes->Record(static_cast<double>(piece.bytes));
    // What does not fill a batch waits for more when size was the reason to send.
    bool last = i + 1 == pieces->size();
    if (last && by_size && piece.items < options.send_batch_size && options.timeout > Duration(0)) {
      g.now = std::move(piece);
      auto weak = weak_from_this();
      g.flush = net::Loop::Current()->AddTimer(options.timeout, [weak, &l, &g] {
        if (auto s = weak.lock()) s->Flush(l, g, false);
      });
    } else {
      Offer(l, std::move(piece));
    }
  }
  if (left) {
    // Counted by the receiver and found nowhere in the bytes.
    context.host->ledger().Post(
        {{held, -static_cast<int64_t>(left)},
         {context.host->ledger().Open(owner, Entry::kDropped, "miscounted"), static_cast<int64_t>(left)}});
    l.held -= left;
    total.fetch_sub(static_cast<int64_t>(left));
  }
}

void Shared::Offer(LoopBatches& l, Held&& h) {
  if (h.number == 0) h.number = ++l.numbers;
  if (l.waiting.empty()) return Send(l, std::move(h));
  // Behind others: to those exits that take what the first of these had for them.
  uint64_t open = Taken::All(l.waiting.front().taken);
  if (!(open & ~Taken::All(h.taken))) return Wait(l, std::move(h), Duration(0));
  h.left_out = ~open;
  Send(l, std::move(h));
}

void Shared::Send(LoopBatches&, Held&& h) {
  Batch b(context.signal);
  b.set_client(h.client);
  auto n = static_cast<int64_t>(h.items);
  TakenPtr taken = h.taken;
  if (h.left_out) {
    auto more = std::make_shared<Taken>(taken ? *taken : Taken());
    more->all |= h.left_out;
    taken = std::move(more);
  }
  auto* ack = new Offered(shared_from_this(), net::Loop::Current(), std::move(h));
  ack->SetTaken(std::move(taken));
  Token token(ack, ack->held().items);
  // Copies of the slices: ack may lose its own while the batch is on its way.
  std::vector<Part> parts;
  for (auto& p : ack->held().parts) parts.push_back(Part{p.bytes, token.Split(p.items), p.items});
  for (auto& p : parts) b.Append(std::move(p.bytes), std::move(p.token));
  held.Add(-n);
  context.next->Consume(std::move(b));
}

// Keeps a batch in its place, and tries again after the delay.
void Shared::Wait(LoopBatches& l, Held&& h, Duration delay) {
  if (!std::exchange(h.waits, true) && l.waits++ == 0) l.progress = net::Loop::Current()->Now();
  auto place = std::upper_bound(l.waiting.begin(), l.waiting.end(), h.number,
                                [](uint64_t number, const Held& x) { return number < x.number; });
  l.waiting.insert(place, std::move(h));
  if (l.again.pending()) return;
  auto weak = weak_from_this();
  l.again = net::Loop::Current()->AddTimer(std::max(delay, Duration(std::chrono::milliseconds(10))), [weak, &l] {
    if (auto s = weak.lock()) s->Resume(l);
  });
}

// Gives up for exits that have taken nothing for long what the others have: `n` items and more, oldest first. Nothing
// is given up that no exit has, for then clients had better keep theirs.
void Shared::MakeRoom(LoopBatches& l, uint64_t n) {
  if (l.waiting.empty() || net::Loop::Current()->Now() - l.progress < kStalled) return;
  uint64_t gone = 0;
  while (gone < n && !l.waiting.empty() && Taken::All(l.waiting.front().taken)) {
    gone += l.waiting.front().items;
    l.waiting.pop_front();
    --l.waits;
  }
  if (!gone) return;
  auto k = static_cast<int64_t>(gone);
  context.host->ledger().Post({{held, -k}, {stalled, k}});
  context.log.Error("An exit of the pipeline has taken nothing for long, and others go on. Dropping data for it.",
                    {{"dropped_items", k}});
  l.held -= gone;
  total.fetch_sub(k);
}

void Shared::Answer(LoopBatches& l, Held&& h, const Outcome& o) {
  uint64_t n = h.items;
  const uint64_t left_out = std::exchange(h.left_out, 0);
  const bool late = closing && context.host->control_loop().Now() >= deadline;
  const bool again = o.refused ? o.error.retryable : left_out != 0;
  const bool waited = h.waits && !left_out;
  if (waited && (!o.refused || Taken::All(o.taken) & ~Taken::All(h.taken))) l.progress = net::Loop::Current()->Now();
  if (again && !late) {
    // Kept, and offered again, to those exits of the pipeline that have not taken it. A batch of which an exit refused
    // a part only goes there whole: what went through comes twice, which at-least-once delivery allows and loss is
    // worse than.
    if (!left_out) {
      h.taken = o.taken;
    } else {
      // Those that were left out have what they had before.
      auto known = std::make_shared<Taken>();
      known->all = ((o.refused ? Taken::All(o.taken) : ~uint64_t{0}) & ~left_out) | Taken::All(h.taken);
      for (const TakenPtr& from : {o.taken, h.taken}) {
        if (!from) continue;
        for (auto& [branch, below] : from->below) {
          bool was_left_out = branch < 64 && left_out >> branch & 1;
          if (was_left_out == (from == h.taken)) known->below.emplace_back(branch, below);
        }
      }
      h.taken = std::move(known);
    }
    context.host->ledger().Post({{returned, static_cast<int64_t>(n)}, {held, static_cast<int64_t>(n)}});
    return Wait(l, std::move(h), std::min(o.error.retry_after, Duration(std::chrono::seconds(1))));
  }
  if (again || o.refused) {
    auto k = static_cast<int64_t>(o.refused ? o.refused : n);
    context.host->ledger().Post({{returned, k}, {undelivered, k}});
    context.log.Error("Sender failed", {{"error", o.error.message}, {"dropped_items", k}});
  }
  if (h.waits) --l.waits;
  l.held -= n;
  total.fetch_sub(static_cast<int64_t>(n));
}

void Shared::Resume(LoopBatches& l) {
  std::deque<Held> list = std::move(l.waiting);
  l.waiting.clear();
  while (!list.empty()) {
    Held h = std::move(list.front());
    list.pop_front();
    Send(l, std::move(h));
    if (!l.waiting.empty()) {  // refused again: the rest stands behind it
      for (auto& x : list) Offer(l, std::move(x));
      return;
    }
  }
}

void Shared::FlushAll(LoopBatches& l) {
  for (auto& [key, g] : l.gatherings) Flush(l, g, false);
}

void Shared::DropAll(LoopBatches& l) {
  uint64_t n = 0;
  for (auto& h : l.waiting) n += h.items;
  l.waits -= l.waiting.size();
  l.waiting.clear();
  l.again.Cancel();
  if (!n) return;
  auto k = static_cast<int64_t>(n);
  context.host->ledger().Post({{held, -k}, {context.host->ledger().Open(owner, Entry::kDropped, "shutdown"), k}});
  context.log.Error("not handed on before the shutdown deadline", {{"dropped_items", k}});
  l.held -= n;
  total.fetch_sub(k);
}

void Batcher::Shutdown(MonoTime deadline, std::function<void()> done) {
  auto s = shared_;
  s->deadline = deadline;
  s->done = std::move(done);
  s->closing = true;
  s->context.host->ForEachLoop(
      [s](net::Loop&) {
        LoopBatches& l = s->mine();
        l.closed = true;
        s->FlushAll(l);
      },
      [s] { s->Poll(); });
}

void Shared::Poll() {
  net::Loop& loop = context.host->control_loop();
  auto self = shared_from_this();
  auto finish = [self] {
    self->context.host->ForEachLoop([self](net::Loop& l) { self->loops.slot(l.index()).reset(); },
                                    std::move(self->done));
  };
  if (total.load() == 0) return finish();
  if (loop.Now() >= deadline) {
    context.host->ForEachLoop([self](net::Loop&) { self->DropAll(self->mine()); }, finish);
    return;
  }
  poll = loop.AddTimer(std::chrono::milliseconds(10), [self] { self->Poll(); });
}

}  // namespace naru::pipeline
