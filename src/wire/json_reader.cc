#include "wire/json_reader.h"

#include <simdjson.h>

#include <cstring>

#include "wire/numbers.h"

namespace naru::wire {

struct JsonReader::Structure {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
  size_t capacity = 0;
};

namespace {

// simdjson only says that there is an unescaped control character or an unclosed string; this finds it.
size_t FlawInStrings(std::string_view text) {
  size_t opened = text.size();
  bool inside = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (inside && c == '\\') {
      ++i;
    } else if (c == '"') {
      inside = !inside;
      opened = i;
    } else if (inside && static_cast<uint8_t>(c) < 0x20) {
      return i;
    }
  }
  return inside ? opened : text.size();
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// The code unit of \uXXXX at `p`, or -1.
int32_t CodeUnit(std::string_view p) {
  if (p.size() < 6 || p[0] != '\\' || p[1] != 'u') return -1;
  int32_t v = 0;
  for (int i = 2; i < 6; ++i) {
    int digit = HexDigit(p[static_cast<size_t>(i)]);
    if (digit < 0) return -1;
    v = v << 4 | digit;
  }
  return v;
}

void AppendCodePoint(Writer& out, uint32_t c) {
  char b[4];
  size_t n = 0;
  if (c < 0x80) {
    b[n++] = static_cast<char>(c);
  } else if (c < 0x800) {
    b[n++] = static_cast<char>(0xc0 | c >> 6);
    b[n++] = static_cast<char>(0x80 | (c & 63));
  } else if (c < 0x10000) {
    b[n++] = static_cast<char>(0xe0 | c >> 12);
    b[n++] = static_cast<char>(0x80 | (c >> 6 & 63));
    b[n++] = static_cast<char>(0x80 | (c & 63));
  } else {
    b[n++] = static_cast<char>(0xf0 | c >> 18);
    b[n++] = static_cast<char>(0x80 | (c >> 12 & 63));
    b[n++] = static_cast<char>(0x80 | (c >> 6 & 63));
    b[n++] = static_cast<char>(0x80 | (c & 63));
  }
  out.Raw({b, n});
}

}  // namespace

bool JsonText::AppendTo(Writer& out) const {
  if (!escaped) {
    out.Raw(raw);
    return true;
  }
  std::string_view rest = raw;
  for (;;) {
    size_t slash = rest.find('\\');
    out.Raw(rest.substr(0, slash));
    if (slash == std::string_view::npos) return true;
    rest.remove_prefix(slash);
    if (rest.size() < 2) return false;
    constexpr std::string_view kFrom = "\"\\/bfnrt", kTo = "\"\\/\b\f\n\r\t";
    if (size_t k = kFrom.find(rest[1]); k != std::string_view::npos) {
      out.Raw(kTo.substr(k, 1));
      rest.remove_prefix(2);
      continue;
    }
    int32_t unit = CodeUnit(rest);
    if (unit < 0) return false;
    rest.remove_prefix(6);
    auto c = static_cast<uint32_t>(unit);
    if (c >= 0xd800 && c < 0xdc00) {
      int32_t low = CodeUnit(rest);
      if (low >= 0xdc00 && low < 0xe000) {
        c = 0x10000 + ((c - 0xd800) << 10) + (static_cast<uint32_t>(low) - 0xdc00);
        rest.remove_prefix(6);
      }
    }
    if (c >= 0xd800 && c < 0xe000) c = 0xfffd;
    AppendCodePoint(out, c);
  }
}

JsonReader::JsonReader(Budget& budget) : budget_(budget), structure_(std::make_unique<Structure>()) {}
JsonReader::~JsonReader() = default;

Status JsonReader::Open(std::string_view text, bool* not_utf8) {
  ok_ = false;
  error_ = "empty text";
  error_offset_ = 0;
  count_ = next_ = 0;
  text_ = text;
  if (not_utf8) *not_utf8 = false;
  if (text.size() >= UINT32_MAX - 64) return naru::Fail(Code::kInvalidArgument, "a JSON text of 4 GiB or more");
  if (structure_->capacity < text.size()) {
    structure_->parser.reset();
    structure_->capacity = 0;
    charge_ = Charge();
    size_t memory = text.size() * sizeof(uint32_t);
    if (budget_.OverHard(memory)) return Unavailable("no memory to read JSON: the limit is reached");
    charge_ = Charge(budget_, memory);
    // The depth is simdjson's own second stage's, which is not used.
    if (simdjson::get_active_implementation()->create_dom_parser_implementation(text.size(), 1, structure_->parser) !=
        simdjson::SUCCESS) {
      structure_->parser.reset();
      charge_ = Charge();
      return Unavailable("no memory to read JSON");
    }
    structure_->capacity = text.size();
  }
  simdjson::error_code code = text.empty() ? simdjson::EMPTY
                                           : structure_->parser->stage1(reinterpret_cast<const uint8_t*>(text.data()),
                                                                        text.size(), simdjson::stage1_mode::regular);
  switch (code) {
    case simdjson::SUCCESS:
      break;
    case simdjson::UTF8_ERROR:
      if (not_utf8) *not_utf8 = true;
      return naru::Fail(Code::kInvalidArgument, "not JSON: the text is not UTF-8");
    case simdjson::UNCLOSED_STRING:
    case simdjson::UNESCAPED_CHARS:
      return naru::Fail(Code::kInvalidArgument,
                        "not JSON: a string without end or with a raw control character, at byte {}",
                        FlawInStrings(text));
    case simdjson::EMPTY:
      return naru::Fail(Code::kInvalidArgument, "not JSON: the text is empty");
    default:
      return naru::Fail(Code::kInvalidArgument, "not JSON: {}", simdjson::error_message(code));
  }
  index_ = structure_->parser->structural_indexes.get();
  count_ = structure_->parser->n_structural_indexes;
  ok_ = true;
  return {};
}

void JsonReader::Trim() {
  ok_ = false;
  index_ = nullptr;
  count_ = next_ = 0;
  if (structure_->capacity <= kKeep) return;
  structure_->parser.reset();
  structure_->capacity = 0;
  charge_ = Charge();
}

Error JsonReader::error() const {
  return Error{Code::kInvalidArgument, false, Duration{0},
               fmt::format("not JSON: {} at byte {}", error_, error_offset_)};
}

std::string_view JsonReader::Token() const {
  size_t begin = index_[next_], end = At(next_ + 1);
  std::string_view token = text_.substr(begin, end - begin);
  while (!token.empty() &&
         (token.back() == ' ' || token.back() == '\n' || token.back() == '\r' || token.back() == '\t')) {
    token.remove_suffix(1);
  }
  return token;
}

bool JsonReader::NextKey(JsonText* key) {
  char c = Here();
  if (c == '}') {
    ++next_;
    fresh_ = false;
    return false;
  }
  if (!fresh_) {
    if (c != ',') {
      Fail("expected a comma or the end of the object");
      return false;
    }
    ++next_;
    c = Here();
  }
  fresh_ = false;
  if (c != '"') {
    Fail("expected a key");
    return false;
  }
  *key = String();
  if (Here() != ':') {
    Fail("expected a colon");
    return false;
  }
  ++next_;
  if (Peek() == JsonKind::kNone) Fail("expected a value");
  return ok_;
}

bool JsonReader::NextElement() {
  char c = Here();
  if (c == ']') {
    ++next_;
    fresh_ = false;
    return false;
  }
  if (!fresh_) {
    if (c != ',') {
      Fail("expected a comma or the end of the array");
      return false;
    }
    ++next_;
  }
  fresh_ = false;
  if (Peek() == JsonKind::kNone) Fail("expected a value");
  return ok_;
}

JsonText JsonReader::String() {
  std::string_view token = Token();
  // Between this quote and the next structure stand the string and white space only.
  if (token.size() < 2 || token.back() != '"') {
    Fail("expected a string");
    return {};
  }
  ++next_;
  fresh_ = false;
  JsonText text;
  text.raw = token.substr(1, token.size() - 2);
  text.escaped = !text.raw.empty() && std::memchr(text.raw.data(), '\\', text.raw.size()) != nullptr;
  return text;
}

std::string_view JsonReader::Scalar() {
  std::string_view token = next_ < count_ ? Token() : std::string_view();
  bool known = IsJsonNumber(token) || token == "true" || token == "false" || token == "null" || token == "NaN" ||
               token == "Infinity" || token == "-Infinity";
  if (!known) {
    Fail("expected a value");
    return {};
  }
  ++next_;
  fresh_ = false;
  return token;
}

void JsonReader::SkipNested() {
  uint64_t objects[kMaxSkipDepth / 64];  // of every open container, whether it is an object
  int depth = 0;
  do {
    if (depth > 0) {
      bool object = objects[(depth - 1) / 64] >> ((depth - 1) % 64) & 1;
      JsonText key;
      if (object ? !NextKey(&key) : !NextElement()) {
        --depth;
        continue;
      }
    }
    switch (Peek()) {
      case JsonKind::kString:
        String();
        break;
      case JsonKind::kScalar:
        Scalar();
        break;
      case JsonKind::kObject:
      case JsonKind::kArray: {
        if (depth == kMaxSkipDepth) {
          Fail("nested too deep");
          return;
        }
        uint64_t bit = uint64_t{1} << (depth % 64);
        uint64_t& word = objects[depth / 64];
        if (depth % 64 == 0) word = 0;
        word = Peek() == JsonKind::kObject ? word | bit : word & ~bit;
        ++depth;
        Enter();
        break;
      }
      case JsonKind::kNone:
        Fail("expected a value");
        return;
    }
  } while (ok_ && depth > 0);
}

Status JsonReader::Close() {
  if (ok_ && next_ < count_) Fail("expected nothing more");
  if (!ok_) return Unexpected(error());
  return {};
}

}  // namespace naru::wire
