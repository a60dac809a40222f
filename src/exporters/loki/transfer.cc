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
  while (push_ >= round_.pushes.size()) {
    NoteRound();
    if (!Translate(translator, now)) return nullptr;
  }
  return &round_.pushes[push_];
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
  round_.pushes[push_].body = Slice();
  push_fates_.push_back(fate);
  ++push_;
}

void Transfer::Rejected(Error why) {
  refusal_ = std::move(why);
  End(Fate::kRejected);
}

void Transfer::NoteRound() {
  push_fates_.resize(round_.pushes.size(), Fate::kOpen);
  for (uint16_t push : round_.push_of) {
    bool unfit = push >= Round::kUnfitFrom;
    fates_.push_back(unfit ? static_cast<Fate>(static_cast<size_t>(Fate::kUnfit) + push - Round::kUnfitFrom)
                           : push_fates_[push]);
  }
  for (size_t i = 0; i < codec::loki::kUnfits; ++i) {
    if (examples_[i].empty()) examples_[i] = std::move(round_.example[i]);
  }
  round_ = Round();
  push_ = 0;
  push_fates_.clear();
}

// The items of a part are what its sender counted. Records beyond that count are in no account; items that no record
// was found for are behind a flaw.
void Transfer::Sum(SendResult& result, Fate left) const {
  std::array<uint64_t, kMalformed + 1> unfit{};
  size_t at = 0;
  for (size_t i = 0; i < batch_.parts().size(); at += seen_[i++]) {
    const uint64_t items = batch_.parts()[i].items;
    SendResult::PartEnd end;
    for (size_t record = 0; record < std::min(seen_[i], items); ++record) {
      // What was translated, but is in a round that has not ended, is left too.
      Fate fate = at + record < fates_.size() ? fates_[at + record] : left;
      if (fate == left) {
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

bool Transfer::AddRests(SendResult& result, Fate left) const {
  size_t at = 0;
  for (size_t i = 0; i < batch_.parts().size(); at += seen_[i++]) {
    const pipeline::Part& part = batch_.parts()[i];
    auto& end = result.ends[i];
    if (end.left == part.items) {
      end.rest = part.bytes;
    } else if (end.left > 0) {
      auto cut = Select(part.bytes, [&](size_t record) {
        return at + record >= fates_.size() || record >= seen_[i] || fates_[at + record] == left;
      });
      if (!cut) return false;
      end.rest = std::move(*cut);
    }
  }
  return true;
}

SendResult Transfer::Finish() {
  SendResult result;
  Sum(result, Fate::kOpen);
  bool any = std::find(fates_.begin(), fates_.end(), Fate::kDelivered) != fates_.end();
  if (result.rejected && !any) return Failed(refusal_, Fate::kRejected);
  result.message = refusal_.message;
  return result;
}

SendResult Transfer::Fail(Error error) {
  NoteRound();
  return Failed(std::move(error), Fate::kOpen);
}

// When the rest cannot be told apart, all of it is tried again: Loki knows entries that it has.
SendResult Transfer::Failed(Error error, Fate left) const {
  SendResult result = SendResult::Failed(std::move(error));
  result.message = refusal_.message;
  Sum(result, left);
  if (AddRests(result, left)) return result;
  SendResult all = SendResult::Failed(std::move(result.error));
  return all;
}

}  // namespace naru::exporters::loki
