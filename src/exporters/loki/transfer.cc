#include "exporters/loki/transfer.h"

#include <algorithm>
#include <utility>

#include "otlp/edit.h"

namespace naru::exporters::loki {
namespace {

using codec::loki::Push;
using codec::loki::Round;
using codec::loki::Unfit;
using pipeline::SendResult;

std::string_view Explain(Unfit unfit) {
  switch (unfit) {
    case Unfit::kNoLabels:
      return "no label is left for the stream: enable a default label, or name some with loki.attribute.labels";
    case Unfit::kUnknownFormat:
      return "loki.format is none of json, logfmt, raw";
    case Unfit::kBadTenant:
      return "the tenant that loki.tenant leads to fits no header: at most 150 visible ASCII characters";
    case Unfit::kLabelsTooLarge:
      return "the hints name more than 128 attributes, or the labels have more than 64 KiB";
    case Unfit::kLineTooLarge:
      return "the line has more than 1 MiB";
  }
  return "";
}

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

Result<Slice> Select(const Slice& request, const std::function<bool(size_t)>& keep) {
  auto program =
      otlp::EditProgram::Compile(otlp::Signal::kLogs, {.pass = [&keep] { return std::make_unique<Selection>(keep); }});
  if (!program) return tl::unexpected(program.error());
  auto edited = program->Apply(request);
  if (!edited) return tl::unexpected(edited.error());
  return std::move(edited->bytes);
}

}  // namespace

Push* Transfer::Next(codec::loki::Translator& translator, uint64_t now) {
  while (pieces_.empty()) {
    if (push_ < round_.pushes.size()) {
      push_fates_.emplace_back(round_.pushes[push_].records, Fate::kOpen);
      pieces_.push_back({std::move(round_.pushes[push_++]), 0});
      break;
    }
    NoteRound();
    if (!Translate(translator, now)) return nullptr;
  }
  return &pieces_.front().push;
}

// The next round; false when there is nothing left.
bool Transfer::Translate(codec::loki::Translator& translator, uint64_t now) {
  if (part_ >= batch_.parts().size()) return false;
  translator.Begin();
  while (part_ < batch_.parts().size() && !translator.full()) {
    if (!cursor_) cursor_.emplace(batch_.parts()[part_].bytes.view());
    seen_[part_] += translator.Take(*cursor_, now);
    if (!cursor_->at_end()) break;
    cursor_.reset();
    ++part_;
  }
  round_ = translator.Finish();
  return true;
}

void Transfer::End(Fate fate) {
  const Piece& p = pieces_.front();
  auto& fates = push_fates_.back();
  std::fill_n(fates.begin() + static_cast<ptrdiff_t>(p.first), p.push.records, fate);
  pieces_.pop_front();
}

void Transfer::Delivered() {
  delivered_ = true;
  End(Fate::kDelivered);
}

void Transfer::Rejected(Error why) {
  refusal_ = std::move(why);
  ++refusals_;
  Piece& p = pieces_.front();
  if (p.push.records == 1 || cuts_ >= kCuts || (refusals_ >= kRefusals && !delivered_)) return End(Fate::kRejected);
  ++cuts_;
  uint64_t half = p.push.records / 2;
  auto [first, second] = codec::loki::Cut(p.push, half);
  // Behind the others, so that the good half of a push is found before the bad one is looked into.
  size_t begin = p.first;
  pieces_.pop_front();
  pieces_.push_back({std::move(first), begin});
  pieces_.push_back({std::move(second), begin + half});
}

void Transfer::NoteRound() {
  size_t fit = 0;
  for (uint16_t push : round_.push_of) {
    if (push >= Round::kUnfitFrom) {
      fates_.push_back(static_cast<Fate>(static_cast<size_t>(Fate::kUnfit) + push - Round::kUnfitFrom));
      continue;
    }
    uint32_t place = round_.places[fit++];
    fates_.push_back(push < push_fates_.size() ? push_fates_[push][place] : Fate::kOpen);
  }
  pieces_.clear();
  for (size_t i = 0; i < codec::loki::kUnfits; ++i) {
    if (examples_[i].empty()) examples_[i] = std::move(round_.example[i]);
  }
  round_ = Round();
  push_ = 0;
  push_fates_.clear();
}

// The items of a part are what its sender counted. Records beyond that count are in no account; items that no record
// was found for are behind a flaw.
void Transfer::Sum(SendResult& result) const {
  std::array<uint64_t, kMalformed + 1> unfit{};
  size_t at = 0;
  for (size_t i = 0; i < batch_.parts().size(); at += seen_[i++]) {
    const uint64_t items = batch_.parts()[i].items;
    SendResult::PartEnd end;
    for (size_t record = 0; record < std::min(seen_[i], items); ++record) {
      // What was translated, but is in a round that has not ended, is left too.
      Fate fate = at + record < fates_.size() ? fates_[at + record] : Fate::kOpen;
      if (fate == Fate::kOpen) {
        ++end.left;
      } else if (fate == Fate::kRejected) {
        ++end.rejected;
      } else if (fate >= Fate::kUnfit) {
        ++end.unfit;
        ++unfit[static_cast<size_t>(fate) - static_cast<size_t>(Fate::kUnfit)];
      }
    }
    uint64_t unseen = items - std::min(seen_[i], items);
    if (i < part_) {
      end.unfit += unseen;
      unfit[kMalformed] += unseen;
    } else {
      end.left += unseen;
    }
    result.rejected += end.rejected;
    result.ends.push_back(std::move(end));
  }
  for (size_t i = 0; i < unfit.size(); ++i) {
    if (!unfit[i]) continue;
    if (i == kMalformed) {
      result.unfit.push_back({"malformed", unfit[i], "the request is malformed behind some of its records"});
      continue;
    }
    auto why = static_cast<Unfit>(i);
    std::string message(Explain(why));
    if (!examples_[i].empty()) message += ", such as " + examples_[i];
    result.unfit.push_back({codec::loki::UnfitName(why), unfit[i], std::move(message)});
  }
}

bool Transfer::AddRests(SendResult& result) const {
  size_t at = 0;
  for (size_t i = 0; i < batch_.parts().size(); at += seen_[i++]) {
    const pipeline::Part& part = batch_.parts()[i];
    auto& end = result.ends[i];
    if (end.left == part.items) {
      end.rest = part.bytes;
    } else if (end.left > 0) {
      auto cut = Select(part.bytes, [&](size_t record) {
        return at + record >= fates_.size() || record >= seen_[i] || fates_[at + record] == Fate::kOpen;
      });
      if (!cut) return false;
      end.rest = std::move(*cut);
    }
  }
  return true;
}

SendResult Transfer::Finish() {
  SendResult result;
  Sum(result);
  result.message = refusal_.message;
  return result;
}

SendResult Transfer::Fail(Error error) {
  NoteRound();
  SendResult result = SendResult::Failed(std::move(error));
  result.message = refusal_.message;
  Sum(result);
  if (AddRests(result)) return result;
  // The rest cannot be told apart: all of it is tried again, and Loki knows entries that it has.
  return SendResult::Failed(std::move(result.error));
}

}  // namespace naru::exporters::loki
