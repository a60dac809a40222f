#include "exporters/loki/transfer.h"

#include <algorithm>
#include <utility>

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
    fates_.Saw(part_, translator.Take(*cursor_, now));
    if (!cursor_->at_end()) break;
    cursor_.reset();
    fates_.Finished(part_++);
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
      fates_.Add(size_t{push} - Round::kUnfitFrom);
      continue;
    }
    uint32_t place = round_.places[fit++];
    fates_.Add(push < push_fates_.size() ? push_fates_[push][place] : Fate::kOpen);
  }
  pieces_.clear();
  for (size_t i = 0; i < codec::loki::kUnfits; ++i) {
    if (examples_[i].empty()) examples_[i] = std::move(round_.example[i]);
  }
  round_ = Round();
  push_ = 0;
  push_fates_.clear();
}

bool Transfer::Tell(SendResult& result) const {
  std::array<pipeline::RecordFates::Reason, codec::loki::kUnfits> reasons;
  for (size_t i = 0; i < reasons.size(); ++i) {
    auto why = static_cast<Unfit>(i);
    reasons[i] = {codec::loki::UnfitName(why), std::string(Explain(why))};
    if (!examples_[i].empty()) reasons[i].message += ", such as " + examples_[i];
  }
  result.message = refusal_.message;
  return fates_.Tell(result, reasons);
}

SendResult Transfer::Finish() {
  SendResult result;
  Tell(result);
  return result;
}

SendResult Transfer::Fail(Error error) {
  NoteRound();
  SendResult result = SendResult::Failed(std::move(error));
  // When the rest cannot be told apart all of it is tried again, and Loki knows entries that it has.
  Tell(result);
  return result;
}

}  // namespace naru::exporters::loki
