#include "pipeline/batch.h"

#include <cstring>

namespace naru::pipeline {

Batch::Batch(Signal signal, Slice bytes, Token token, std::shared_ptr<const ClientInfo> client)
    : signal_(signal), client_(std::move(client)) {
  Append(std::move(bytes), std::move(token));
}

void Batch::Append(Slice bytes, Token token) {
  uint64_t n = token.items();
  items_ += n;
  bytes_ += bytes.size();
  parts_.push_back(Part{std::move(bytes), std::move(token), n});
}

void Batch::Append(Slice bytes, uint64_t items) {
  items_ += items;
  bytes_ += bytes.size();
  parts_.push_back(Part{std::move(bytes), Token(), items});
}

void Batch::StoreTokens() {
  for (auto& p : parts_) p.token.Stored();
}

void Batch::Append(Batch&& other) {
  items_ += other.items_;
  bytes_ += other.bytes_;
  if (parts_.empty()) {
    parts_ = std::move(other.parts_);
  } else {
    for (auto& p : other.parts_) parts_.push_back(std::move(p));
  }
  other.parts_.clear();
  other.items_ = other.bytes_ = 0;
}

std::vector<Part> Batch::TakeParts() {
  items_ = bytes_ = 0;
  return std::move(parts_);
}

Slice Batch::Join() const {
  if (parts_.empty()) return Slice();
  if (parts_.size() == 1) return parts_[0].bytes;
  BufferRef b = Buffer::Allocate(bytes_);
  size_t at = 0;
  for (auto& p : parts_) {
    if (p.bytes.empty()) continue;
    std::memcpy(b->data() + at, p.bytes.data(), p.bytes.size());
    at += p.bytes.size();
  }
  return Slice(std::move(b), at);
}

// Resolving a token may run any code of its owner, which may even make new batches; so the parts are taken out first.
template <class F>
void Batch::SettleAll(F f) {
  std::vector<Part> parts = TakeParts();
  for (auto& p : parts) f(p.token);
}

void Batch::Delivered() {
  SettleAll([](Token& t) { t.Delivered(); });
}
void Batch::Stored() {
  SettleAll([](Token& t) { t.Stored(); });
}
void Batch::Refused(const Error& reason) {
  SettleAll([&](Token& t) { t.Refused(reason); });
}
void Batch::Dropped(const Error& reason) {
  SettleAll([&](Token& t) { t.Dropped(reason); });
}
void Batch::Filtered() {
  SettleAll([](Token& t) { t.Filtered(t.items()); });
}

std::vector<Token> Batch::ReplaceTokens(Ack* ack) {
  std::vector<Token> old;
  old.reserve(parts_.size());
  Token fresh(ack, items_);
  for (auto& p : parts_) {
    old.push_back(std::move(p.token));
    p.token = fresh.Split(p.items);
  }
  return old;
}

std::vector<Batch> Batch::Fork(size_t n) {
  std::vector<size_t> branches(n);
  for (size_t i = 0; i < n; ++i) branches[i] = i;
  return Fork(branches, nullptr);
}

std::vector<Batch> Batch::Fork(const std::vector<size_t>& branches, const TakenPtr& taken) {
  std::vector<Batch> out(branches.size());
  for (auto& b : out) {
    b.signal_ = signal_;
    b.client_ = client_;
    b.parts_.reserve(parts_.size());
  }
  std::vector<Part> parts = TakeParts();
  for (auto& p : parts) {
    if (!p.token) {
      for (auto& b : out) b.Append(p.bytes, p.items);
      continue;
    }
    std::vector<Token> tokens = p.token.Fork(branches, taken);
    for (size_t i = 0; i < branches.size(); ++i) out[i].Append(p.bytes, std::move(tokens[i]));
  }
  return out;
}

bool Batch::Abandoned() const {
  return !parts_.empty() && std::all_of(parts_.begin(), parts_.end(), [](auto& p) { return p.token.Abandoned(); });
}

TakenPtr Batch::Taken() const {
  TakenPtr taken;
  bool first = true;
  for (auto& p : parts_) {
    if (!p.token) continue;
    taken = first ? p.token.Taken() : pipeline::Taken::Both(taken, p.token.Taken());
    if (!taken) return nullptr;
    first = false;
  }
  return taken;
}

void FanOut::Consume(Batch&& batch) {
  if (next_.size() == 1) return next_[0]->Consume(std::move(batch));
  TakenPtr taken = batch.Taken();
  const uint64_t have = Taken::All(taken);
  std::vector<size_t> branches;
  branches.reserve(next_.size());
  for (size_t i = 0; i < next_.size(); ++i) {
    if (i >= 64 || !(have >> i & 1)) branches.push_back(i);
  }
  if (branches.empty()) return batch.Delivered();  // all have it; nothing was left to offer
  std::vector<Batch> copies = batch.Fork(branches, taken);
  for (size_t i = 0; i < branches.size(); ++i) next_[branches[i]]->Consume(std::move(copies[i]));
}

}  // namespace naru::pipeline
