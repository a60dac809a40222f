#include "processors/probabilistic_sampler/trace_state.h"

#include <cstring>

namespace naru::processors::probabilistic_sampler {
namespace {

bool IsLower(char c) {
  return c >= 'a' && c <= 'z';
}
bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
bool IsKeyChar(char c) {
  return IsLower(c) || IsDigit(c) || c == '_' || c == '-' || c == '*' || c == '/';
}
bool IsValueChar(char c) {
  return c >= 0x20 && c <= 0x7e && c != ',' && c != '=';
}
bool IsOtelKeyChar(char c) {
  return IsLower(c) || IsDigit(c);
}
bool IsOtelValueChar(char c) {
  return IsLower(c) || (c >= 'A' && c <= 'Z') || IsDigit(c) || c == '.' || c == '_' || c == '-';
}

template <bool (*kTest)(char)>
bool All(std::string_view text) {
  for (char c : text) {
    if (!kTest(c)) return false;
  }
  return true;
}

// Takes the text up to the separator, which goes too, off the front of `rest`.
std::string_view Cut(std::string_view* rest, char separator) {
  size_t end = rest->find(separator);
  std::string_view first = rest->substr(0, end);
  rest->remove_prefix(end == std::string_view::npos ? rest->size() : end + 1);
  return first;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool IsKey(std::string_view key) {
  size_t at = key.find('@');
  if (at == std::string_view::npos) return !key.empty() && IsLower(key[0]) && All<IsKeyChar>(key);
  std::string_view tenant = key.substr(0, at), system = key.substr(at + 1);
  return !tenant.empty() && !system.empty() && (IsLower(tenant[0]) || IsDigit(tenant[0])) && IsLower(system[0]) &&
         All<IsKeyChar>(tenant) && All<IsKeyChar>(system);
}

bool IsMember(std::string_view member) {
  std::string_view value = member;
  std::string_view key = Cut(&value, '=');
  return key.size() < member.size() && IsKey(key) && !value.empty() && value.size() <= TraceState::kMaxValue &&
         value.back() != ' ' && All<IsValueChar>(value);
}

bool IsOtelMember(std::string_view member) {
  std::string_view value = member;
  std::string_view key = Cut(&value, ':');
  return key.size() < member.size() && !key.empty() && IsLower(key[0]) && All<IsOtelKeyChar>(key) &&
         All<IsOtelValueChar>(value);
}

bool KeyFits(std::string_view key) {
  size_t at = key.find('@');
  if (at != std::string_view::npos && (at > TraceState::kMaxTenant || key.size() - at - 1 > TraceState::kMaxSystem))
    return false;
  return key.size() <= TraceState::kMaxKey;
}

void Note(Flaw* first, Flaw flaw) {
  if (*first == Flaw::kNone) *first = flaw;
}

}  // namespace

std::string_view FlawText(Flaw flaw) {
  switch (flaw) {
    case Flaw::kNone:
      return "no flaw";
    case Flaw::kSize:
      return "invalid tracestate size";
    case Flaw::kSyntax:
      return "invalid tracestate syntax";
    case Flaw::kRandomness:
      return "r-value must have 14 hex digits";
    case Flaw::kThreshold:
      return "t-value must have 1 to 14 hex digits";
  }
  return "";
}

Flaw TraceState::Parse(std::string_view text) {
  threshold_.reset();
  randomness_.reset();
  members_ = values_ = 0;
  if (text.empty()) return Flaw::kNone;
  if (text.size() > kMaxInput) return Flaw::kSize;
  for (std::string_view rest = text; !rest.empty();) {
    std::string_view member = Trim(Cut(&rest, ','));
    if (!member.empty() && !IsMember(member)) return Flaw::kSyntax;
  }
  return Members(text);
}

Flaw TraceState::Members(std::string_view text) {
  Flaw first = Flaw::kNone;
  size_t seen = 0;
  for (std::string_view rest = text; !rest.empty();) {
    if (++seen > kMaxMembers) {
      Note(&first, Flaw::kSize);
      break;
    }
    std::string_view member = Trim(Cut(&rest, ','));
    if (member.empty()) continue;
    std::string_view value = member;
    std::string_view key = Cut(&value, '=');
    if (!KeyFits(key)) {
      Note(&first, Flaw::kSize);
    } else if (key == "ot") {
      // A second one takes the place of the first.
      if (Flaw flaw = Otel(value); flaw != Flaw::kNone) Note(&first, flaw);
    } else {
      other_members_[members_++] = member;
    }
  }
  return first;
}

Flaw TraceState::Otel(std::string_view value) {
  threshold_.reset();
  randomness_.reset();
  values_ = 0;
  if (value.size() > kMaxOtel) return Flaw::kSize;
  if (value.empty() || value.back() == ';') return Flaw::kSyntax;
  for (std::string_view rest = value; !rest.empty();) {
    if (!IsOtelMember(Cut(&rest, ';'))) return Flaw::kSyntax;
  }
  Flaw first = Flaw::kNone;
  for (std::string_view rest = value; !rest.empty();) {
    std::string_view member = Cut(&rest, ';');
    std::string_view text = member;
    std::string_view key = Cut(&text, ':');
    if (key == "rv") {
      randomness_ = ParseRandomness(text);
      randomness_text_ = text;
      if (!randomness_) Note(&first, Flaw::kRandomness);
    } else if (key == "th") {
      threshold_ = ParseThreshold(text);
      threshold_text_ = text;
      if (!threshold_) Note(&first, Flaw::kThreshold);
    } else {
      other_values_[values_++] = member;
    }
  }
  return first;
}

void TraceState::SetThreshold(std::optional<Threshold> value) {
  threshold_ = value;
  if (!value) return;
  threshold_digits_ = ThresholdText(*value);
  threshold_text_ = threshold_digits_.view();
  if (threshold_text_.empty()) threshold_.reset();  // kNever has no text
}

void TraceState::SetRandomness(Randomness value) {
  randomness_ = value;
  randomness_digits_ = RandomnessText(value);
  randomness_text_ = randomness_digits_.view();
}

void TraceState::Append(std::string_view text) {
  if (text.size() > out_.size() - size_) return;
  std::memcpy(out_.data() + size_, text.data(), text.size());
  size_ += text.size();
}

std::string_view TraceState::Serialize() {
  size_ = 0;
  std::string_view separator = "ot=";
  if (randomness_) {
    Append(separator);
    Append("rv:");
    Append(randomness_text_);
    separator = ";";
  }
  if (threshold_) {
    Append(separator);
    Append("th:");
    Append(threshold_text_);
    separator = ";";
  }
  for (size_t i = 0; i < values_; ++i) {
    Append(separator);
    Append(other_values_[i]);
    separator = ";";
  }
  for (size_t i = 0; i < members_; ++i) {
    if (size_ > 0) Append(",");
    Append(other_members_[i]);
  }
  return {out_.data(), size_};
}

}  // namespace naru::processors::probabilistic_sampler
