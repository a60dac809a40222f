#include "pipeline/ack.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace naru::pipeline {
namespace {

std::atomic<uint64_t> lost_items{0};
std::atomic<int> losses_counted{0};  // CountLosses that live

// Joins the copies of a forked token.
class ForkAck final : public Ack {
 public:
  ForkAck(std::shared_ptr<struct ForkJoin> join, size_t branch) : join_(std::move(join)), branch_(branch) {}
  bool Abandoned() const override;

 protected:
  void OnResolved(const Outcome& outcome) override;

 private:
  std::shared_ptr<struct ForkJoin> join_;
  size_t branch_;
};

uint64_t Bit(size_t branch) {
  return branch < 64 ? uint64_t{1} << branch : 0;
}

struct ForkJoin {
  ForkJoin(Token p, size_t n, uint64_t t) : parent(std::move(p)), open(n) { taken.all = t; }
  std::mutex mutex;
  Token parent;
  size_t open;
  Taken taken;
  uint64_t refused = 0, dropped = 0, filtered_least = UINT64_MAX, stored = 0;
  Error refusal{Code::kOk, false, Duration{0}, {}}, drop{Code::kOk, false, Duration{0}, {}};
};

bool ForkAck::Abandoned() const {
  std::lock_guard lock(join_->mutex);
  return join_->parent.Abandoned();
}

void ForkAck::OnResolved(const Outcome& o) {
  ForkJoin& j = *join_;
  {
    std::lock_guard lock(j.mutex);
    if (o.refused) {
      if (!j.refused || (o.error.retryable && !j.refusal.retryable)) j.refusal = o.error;
      j.refused += o.refused;
      if (o.taken) j.taken.below.emplace_back(branch_, o.taken);
    } else {
      j.taken.all |= Bit(branch_);
    }
    if (!o.refused && o.dropped > j.dropped) {
      j.dropped = o.dropped;
      j.drop = o.error;
    }
    if (o.stored) j.stored = 1;
    j.filtered_least = std::min(j.filtered_least, o.filtered);
    if (--j.open) return;
  }
  // Last copy: nobody else touches the join from here on.
  Token t = std::move(j.parent);
  if (j.refused) {
    bool any = j.taken.all || !j.taken.below.empty();
    t.Refused(j.refusal, any ? std::make_shared<const Taken>(std::move(j.taken)) : nullptr);
    return;
  }
  if (j.dropped) t.Dropped(std::min(j.dropped, t.items()), j.drop);
  if (j.filtered_least != UINT64_MAX) t.Filtered(std::min(j.filtered_least, t.items()));
  if (j.stored) {
    t.Stored();
  } else {
    t.Delivered();
  }
}

}  // namespace

TakenPtr Taken::Below(const TakenPtr& t, size_t branch) {
  if (!t) return nullptr;
  for (auto& [b, below] : t->below) {
    if (b == branch) return below;
  }
  return nullptr;
}

TakenPtr Taken::Both(const TakenPtr& a, const TakenPtr& b) {
  if (!a || !b || a == b) return a == b ? a : nullptr;
  auto out = std::make_shared<Taken>();
  out->all = a->all & b->all;
  auto add = [&](size_t branch, TakenPtr below) {
    if (below) out->below.emplace_back(branch, std::move(below));
  };
  for (auto& [branch, below] : a->below) add(branch, b->all & Bit(branch) ? below : Both(below, Below(b, branch)));
  for (auto& [branch, below] : b->below) {
    if (a->all & Bit(branch)) add(branch, below);
  }
  return out;
}

uint64_t Ack::LostItems() {
  return lost_items.load(std::memory_order_relaxed);
}

Ack::CountLosses::CountLosses() {
  losses_counted.fetch_add(1);
}

Ack::CountLosses::~CountLosses() {
  losses_counted.fetch_sub(1);
}

void Ack::Resolve(uint64_t n, uint64_t Outcome::*field, const Error* error, const TakenPtr& taken) {
  // The whole of an Ack resolved at once by one owner is the common case, and needs the lock only for the writes'
  // visibility.
  {
    std::lock_guard lock(mutex_);
    if (field == &Outcome::refused) outcome_.taken = outcome_.refused ? Taken::Both(outcome_.taken, taken) : taken;
    outcome_.*field += n;
    if (error) {
      bool refusal = field == &Outcome::refused;
      bool have = outcome_.error.code != Code::kOk;
      bool had_refusal = outcome_.refused > (refusal ? n : 0);
      if (!have || (refusal && (!had_refusal || (error->retryable && !outcome_.error.retryable))))
        outcome_.error = *error;
    }
  }
  if (open_.fetch_sub(n, std::memory_order_acq_rel) == n) OnResolved(outcome_);
}

void Ack::Unref() {
  if (tokens_.fetch_sub(1, std::memory_order_acq_rel) == 1) OnUnreferenced();
}

Token::Token(Ack* ack, uint64_t items) : ack_(ack), items_(items) {
  ack_->open_.store(items, std::memory_order_relaxed);
  ack_->Ref();
  if (items_ == 0) {
    Ack* a = std::exchange(ack_, nullptr);
    a->OnResolved(a->outcome_);
    a->Unref();
  }
}

Token& Token::operator=(Token&& o) noexcept {
  if (this != &o) {
    Token old(std::move(*this));
    ack_ = std::exchange(o.ack_, nullptr);
    items_ = std::exchange(o.items_, 0);
  }
  return *this;
}

Token::~Token() {
  if (!items_) return;
#ifndef NDEBUG
  if (losses_counted.load() == 0) {
    std::fprintf(stderr, "naru: a token for %llu items was destroyed unresolved\n",
                 static_cast<unsigned long long>(items_));
    std::abort();
  }
#endif
  lost_items.fetch_add(items_, std::memory_order_relaxed);
  Settle(items_, &Outcome::lost, nullptr);
}

void Token::Settle(uint64_t n, uint64_t Outcome::*field, const Error* error, const TakenPtr& taken) {
  n = std::min(n, items_);
  if (n == 0) return;
  items_ -= n;
  Ack* a = ack_;
  if (items_ == 0) ack_ = nullptr;
  a->Resolve(n, field, error, taken);
  if (items_ == 0) a->Unref();
}

Token Token::Split(uint64_t n) {
  Token out;
  n = std::min(n, items_);
  if (n == 0) return out;
  if (n == items_) return std::move(*this);
  ack_->Ref();
  out.ack_ = ack_;
  out.items_ = n;
  items_ -= n;
  return out;
}

bool Token::Merge(Token& o) {
  if (!o.items_) return true;
  if (!items_) {
    *this = std::move(o);
    return true;
  }
  if (ack_ != o.ack_) return false;
  items_ += std::exchange(o.items_, 0);
  std::exchange(o.ack_, nullptr)->Unref();
  return true;
}

std::vector<Token> Token::Fork(size_t n) {
  std::vector<Token> out;
  if (n == 0 || items_ == 0) return out;
  if (n == 1) {
    out.push_back(std::move(*this));
    return out;
  }
  std::vector<size_t> branches(n);
  for (size_t i = 0; i < n; ++i) branches[i] = i;
  return Fork(branches, nullptr);
}

std::vector<Token> Token::Fork(const std::vector<size_t>& branches, const TakenPtr& taken) {
  std::vector<Token> out;
  if (branches.empty() || items_ == 0) return out;
  uint64_t items = items_;
  out.reserve(branches.size());
  auto join = std::make_shared<ForkJoin>(std::move(*this), branches.size(), pipeline::Taken::All(taken));
  for (size_t b : branches) {
    auto* ack = new ForkAck(join, b);
    ack->SetTaken(pipeline::Taken::Below(taken, b));
    out.emplace_back(ack, items);
  }
  return out;
}

}  // namespace naru::pipeline
