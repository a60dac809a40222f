#include "pipeline/record_fates.h"

#include <algorithm>
#include <functional>
#include <memory>

#include "otlp/edit.h"

namespace naru::pipeline {
namespace {

// Keeps the records that `keep` says yes to, in the order of the request.
class Selection final : public otlp::RecordPass {
 public:
  explicit Selection(const std::function<bool(size_t)>& keep) : keep_(keep) {}
  Verdict Visit(std::string_view, wire::Writer&) override { return keep_(next_++) ? Verdict::kKeep : Verdict::kDrop; }
  void Done() override {}

 private:
  const std::function<bool(size_t)>& keep_;
  size_t next_ = 0;
};

Result<Slice> Select(otlp::Signal signal, const Slice& request, const std::function<bool(size_t)>& keep) {
  auto program = otlp::EditProgram::Compile(signal, {.pass = [&keep] { return std::make_unique<Selection>(keep); }});
  if (!program) return tl::unexpected(program.error());
  auto edited = program->Apply(request);
  if (!edited) return tl::unexpected(edited.error());
  return std::move(edited->bytes);
}

}  // namespace

// The items of a part are what its sender counted. Records beyond that count are in no account; items that no record
// was found for are behind a flaw.
bool RecordFates::Tell(SendResult& result, std::span<const Reason> reasons) const {
  std::vector<uint64_t> unfit(reasons.size());
  uint64_t malformed = 0;
  size_t at = 0;
  for (size_t i = 0; i < batch_.parts().size(); at += seen_[i++]) {
    const uint64_t items = batch_.parts()[i].items;
    SendResult::PartEnd end;
    for (size_t record = 0; record < std::min(seen_[i], items); ++record) {
      Fate fate = at + record < fates_.size() ? fates_[at + record] : kOpen;
      if (fate == kOpen) {
        ++end.left;
      } else if (fate == kRejected) {
        ++end.rejected;
      } else if (fate >= kUnfit) {
        ++end.unfit;
        ++unfit[static_cast<size_t>(fate - kUnfit)];
      }
    }
    uint64_t unseen = items - std::min(seen_[i], items);
    if (i < finished_) {
      end.unfit += unseen;
      malformed += unseen;
    } else {
      end.left += unseen;
    }
    result.rejected += end.rejected;
    result.ends.push_back(std::move(end));
  }
  if (!AddRests(result)) {
    result.ends.clear();
    result.rejected = 0;
    return false;
  }
  for (size_t i = 0; i < unfit.size(); ++i) {
    if (unfit[i]) result.unfit.push_back({reasons[i].name, unfit[i], reasons[i].message});
  }
  if (malformed)
    result.unfit.push_back({"malformed", malformed, "the request is malformed behind some of its records"});
  return true;
}

bool RecordFates::AddRests(SendResult& result) const {
  size_t at = 0;
  for (size_t i = 0; i < batch_.parts().size(); at += seen_[i++]) {
    const Part& part = batch_.parts()[i];
    auto& end = result.ends[i];
    if (end.left == part.items) {
      end.rest = part.bytes;
    } else if (end.left > 0) {
      auto cut = Select(batch_.signal(), part.bytes, [&](size_t record) {
        return at + record >= fates_.size() || record >= seen_[i] || fates_[at + record] == kOpen;
      });
      if (!cut) return false;
      end.rest = std::move(*cut);
    }
  }
  return true;
}

}  // namespace naru::pipeline
