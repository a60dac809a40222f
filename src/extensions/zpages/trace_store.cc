#include "extensions/zpages/trace_store.h"

namespace naru::extensions::zpages {

using pipeline::OwnSpan;

void TraceStore::Cell::Add(const std::shared_ptr<const OwnSpan>& span) {
  if (recent.size() < kKept) {
    recent.push_back(span);
  } else {
    recent[count % kKept] = span;
  }
  ++count;
}

TraceStore::Entry& TraceStore::Of(const std::string& name) {
  auto it = names_.find(name);
  if (it != names_.end()) return it->second;
  return names_[names_.size() < kMaxNames ? name : "(other)"];
}

const TraceStore::Entry* TraceStore::Find(const std::string& name) const {
  auto it = names_.find(name);
  return it == names_.end() ? nullptr : &it->second;
}

void TraceStore::OnStart(const OwnSpan& span) {
  std::lock_guard lock(mutex_);
  if (running_.size() >= kMaxRunning) return;
  // The span goes on changing; what is known now is enough for the page.
  running_.emplace(span.context.span_id, std::make_shared<const OwnSpan>(span));
  ++Of(span.name).running;
}

void TraceStore::OnEnd(std::shared_ptr<const OwnSpan> span) {
  std::lock_guard lock(mutex_);
  auto& entry = Of(span->name);
  if (running_.erase(span->context.span_id)) --entry.running;
  if (span->failed) return entry.failed.Add(span);
  uint64_t took = span->end > span->start ? span->end - span->start : 0;
  size_t bucket = kBounds.size() - 1;
  while (took < kBounds[bucket]) --bucket;
  entry.latency[bucket].Add(span);
}

std::vector<TraceStore::Row> TraceStore::Rows() const {
  std::lock_guard lock(mutex_);
  std::vector<Row> out;
  for (auto& [name, e] : names_) {
    Row r{name, e.running, e.failed.count, {}};
    for (size_t i = 0; i < kBounds.size(); ++i) r.latency[i] = e.latency[i].count;
    out.push_back(std::move(r));
  }
  return out;
}

TraceStore::Spans TraceStore::Running(const std::string& name) const {
  std::lock_guard lock(mutex_);
  Spans out;
  for (auto& [id, s] : running_) {
    if (s->name == name && out.size() < kKept) out.push_back(s);
  }
  return out;
}

TraceStore::Spans TraceStore::Failed(const std::string& name) const {
  std::lock_guard lock(mutex_);
  const Entry* e = Find(name);
  return e ? e->failed.recent : Spans();
}

TraceStore::Spans TraceStore::Latency(const std::string& name, size_t bucket) const {
  std::lock_guard lock(mutex_);
  const Entry* e = Find(name);
  return e && bucket < kBounds.size() ? e->latency[bucket].recent : Spans();
}

}  // namespace naru::extensions::zpages
