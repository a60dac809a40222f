// From OTLP/JSON to the wire: one walk over the text along the table. What cannot be understood is left out at the
// smallest thing that makes sense without it, and named.
#include <algorithm>
#include <limits>
#include <utility>

#include "otlp/json.h"
#include "otlp/json_schema.h"
#include "otlp/validate.h"
#include "wire/hash.h"
#include "wire/json_reader.h"
#include "wire/json_writer.h"
#include "wire/numbers.h"

namespace naru::otlp {
namespace {

using json::Field;
using json::Msg;
using json::Type;
using wire::JsonKind;
using wire::JsonReader;
using wire::JsonText;
using wire::Writer;

// The way to where the walk stands, in frames of the call stack: a name, and an index in a repeated field.
struct Path {
  const Path* up = nullptr;
  std::string_view name;
  int64_t index = -1;
};

void AppendPath(const Path* p, std::string* out) {
  if (p->up) {
    AppendPath(p->up, out);
    if (!p->up->name.empty()) *out += '.';
  }
  *out += p->name;
  if (p->index >= 0) *out += fmt::format("[{}]", p->index);
}

// At most 40 bytes of what stood there, cut between characters.
std::string_view Excerpt(std::string_view text) {
  constexpr size_t kMost = 40;
  if (text.size() <= kMost) return text;
  size_t n = kMost;
  while (n > 0 && (static_cast<uint8_t>(text[n]) & 0xc0) == 0x80) --n;
  return text.substr(0, n);
}

// Whether `key` is the snake_case form of `camel`.
bool IsSnakeOf(std::string_view key, std::string_view camel) {
  size_t k = 0;
  for (char c : camel) {
    if (c >= 'A' && c <= 'Z') {
      if (k + 1 >= key.size() || key[k] != '_' || key[k + 1] != (c | 0x20)) return false;
      k += 2;
    } else {
      if (k >= key.size() || key[k] != c) return false;
      ++k;
    }
  }
  return k == key.size();
}

// The length that a message of this kind probably has, so that its header need not be moved later.
size_t ExpectedSize(Msg message, size_t text_left) {
  switch (message) {
    case Msg::kResourceSpans:
    case Msg::kResourceMetrics:
    case Msg::kResourceLogs:
    case Msg::kResourceProfiles:
    case Msg::kScopeSpans:
    case Msg::kScopeMetrics:
    case Msg::kScopeLogs:
    case Msg::kScopeProfiles:
    case Msg::kDictionary:
      return text_left / 3;
    case Msg::kResource:
    case Msg::kSpan:
    case Msg::kLogRecord:
    case Msg::kMetric:
    case Msg::kGauge:
    case Msg::kSum:
    case Msg::kHistogram:
    case Msg::kHistogramPoint:
    case Msg::kProfile:
      return 128;
    default:
      return 0;
  }
}

class Importer {
 public:
  Importer(JsonReader& reader, std::string_view text, Budget& budget)
      : r_(reader), text_(text), w_(text.size() / 3 + 64, budget) {}

  // True when the message keeps its meaning with what was understood. Stands before its object.
  bool ReadMessage(Msg message, const Path& path, int depth) {
    std::span<const Field> fields = json::FieldsOf(message);
    uint32_t seen = 0;
    bool chosen = false, meaningful = true;
    size_t next = 0;
    JsonText key;
    for (r_.Enter(); r_.NextKey(&key);) {
      const Field* f = Lookup(fields, key, &next);
      if (!f || !meaningful) {
        r_.Skip();
        continue;
      }
      Path here{&path, f->name, -1};
      std::string_view scalar;
      if (r_.Peek() == JsonKind::kScalar) {
        scalar = r_.Scalar();
        if (scalar == "null") continue;
      }
      if (!f->is(json::kRepeated)) {
        uint32_t bit = 1u << (f - fields.data());
        if (f->is(json::kChoice) ? chosen : (seen & bit) != 0) {
          Odd(here, f->is(json::kChoice) ? "a second value where there can be one" : "occurs twice");
          if (scalar.empty()) r_.Skip();
          continue;
        }
        seen |= bit;
        chosen = chosen || f->is(json::kChoice);
      }
      bool understood = f->is(json::kRepeated) ? ReadElements(*f, here, scalar, depth)
                                               : ReadSingle(*f, here, scalar, depth, f->is(json::kExplicit));
      if (!understood && f->is(json::kRequired)) meaningful = false;
    }
    return meaningful;
  }

  void Odd(const Path& path, std::string_view what, std::string_view text = {}, bool has_text = false) {
    if (++result_.odd_values > FromJson::kMaxNamed) return;
    if (!result_.message.empty()) result_.message += "; ";
    std::string way;
    AppendPath(&path, &way);
    // Of a long way the end tells most; names are ASCII.
    constexpr size_t kMost = 160;
    if (way.size() > kMost) way = "..." + way.substr(way.size() - kMost);
    result_.message += way;
    if (!way.empty()) result_.message += ": ";
    if (has_text) {
      result_.message += Excerpt(text);
      result_.message += " ";
    }
    result_.message += what;
  }

  FromJson Finish() {
    if (result_.odd_values > FromJson::kMaxNamed) {
      result_.message += fmt::format("; and {} more", result_.odd_values - FromJson::kMaxNamed);
    }
    result_.bytes = w_.Finish();
    return std::move(result_);
  }

 private:
  static const Field* Lookup(std::span<const Field> fields, const JsonText& key, size_t* next) {
    std::string_view name = key.raw;
    uint8_t memory[64];
    Writer unescaped{std::span<uint8_t>(memory)};
    if (key.escaped) {
      if (!key.AppendTo(unescaped) || !unescaped.ok()) return nullptr;
      name = unescaped.view();
    }
    // Senders keep to one order of fields, mostly that of the table.
    for (size_t i = 0; i < fields.size(); ++i) {
      size_t k = *next + i;
      if (k >= fields.size()) k -= fields.size();
      if (fields[k].name == name) {
        *next = k + 1 < fields.size() ? k + 1 : 0;
        return &fields[k];
      }
    }
    for (const Field& f : fields) {
      if (IsSnakeOf(name, f.name)) return &f;
    }
    return nullptr;
  }

  // A value of the wrong kind: passes over it unless it was a scalar, which is consumed already.
  bool WrongKind(const Path& path, std::string_view what, std::string_view scalar) {
    Odd(path, what, scalar, !scalar.empty());
    if (scalar.empty()) r_.Skip();
    return false;
  }

  bool ReadSingle(const Field& f, const Path& path, std::string_view scalar, int depth, bool write_default) {
    switch (f.type) {
      case Type::kMessage:
        if (!scalar.empty() || r_.Peek() != JsonKind::kObject) return WrongKind(path, "is not an object", scalar);
        return ReadObject(f, path, depth);
      case Type::kString:
      case Type::kBytes:
      case Type::kTraceId:
      case Type::kSpanId: {
        if (!scalar.empty() || r_.Peek() != JsonKind::kString) return WrongKind(path, "is not a string", scalar);
        JsonText text = r_.String();
        switch (f.type) {
          case Type::kString:
            return PutString(f, path, text, write_default);
          case Type::kBytes:
            return PutBase64(f, path, text, write_default);
          default:
            return PutId(f, path, text.raw);
        }
      }
      default: {
        std::string_view token = scalar;
        if (token.empty()) {
          if (r_.Peek() != JsonKind::kString) return WrongKind(path, "is not a number", scalar);
          token = r_.String().raw;
        }
        return PutNumber(f, path, token, write_default, true);
      }
    }
  }

  bool ReadObject(const Field& f, const Path& path, int depth) {
    // One level is left for the value itself.
    if (depth + 1 >= kMaxDepth) {
      Odd(path, "is nested too deep");
      r_.Skip();
      return false;
    }
    Writer::Mark mark = w_.Begin(f.number, ExpectedSize(f.message, text_.size() - r_.offset()));
    if (!ReadMessage(f.message, path, depth + 1)) {
      w_.Cancel(mark);
      return false;
    }
    w_.End(mark);
    return true;
  }

  bool ReadElements(const Field& f, Path& path, std::string_view scalar, int depth) {
    if (!scalar.empty() || r_.Peek() != JsonKind::kArray) return WrongKind(path, "is not an array", scalar);
    const bool packed = json::WireTypeOf(f.type) != wire::kLength;
    Writer::Mark mark{};
    if (packed) mark = w_.Begin(f.number);
    bool understood = true;
    r_.Enter();
    for (path.index = 0; r_.NextElement(); ++path.index) {
      std::string_view token;
      if (r_.Peek() == JsonKind::kScalar) token = r_.Scalar();
      if (f.type == Type::kMessage) {
        ReadElement(f, path, token, depth);
      } else if (packed) {
        bool number = !token.empty();
        if (!number && r_.Peek() == JsonKind::kString) {
          number = true;
          token = r_.String().raw;
        }
        if (!(number ? PutNumber(f, path, token, true, false) : WrongKind(path, "is not a number", token))) {
          understood = false;
        }
      } else {
        ReadSingle(f, path, token, depth, true);
      }
    }
    path.index = -1;
    if (packed) {
      // An array of numbers with a hole would mean something else.
      if (understood && w_.size() > mark.content) {
        w_.End(mark);
      } else {
        w_.Cancel(mark);
      }
    }
    return understood;
  }

  void ReadElement(const Field& f, const Path& path, std::string_view token, int depth) {
    bool understood = token == "null" && f.message == Msg::kAnyValue    ? false
                      : token.empty() && r_.Peek() == JsonKind::kObject ? ReadObject(f, path, depth)
                                                                        : WrongKind(path, "is not an object", token);
    if (f.is(json::kRecord)) ++(understood ? result_.items : result_.rejected_items);
    // Elements of an array value have their places: an empty value keeps it.
    if (!understood && f.message == Msg::kAnyValue) w_.BytesField(f.number, {});
  }

  bool PutString(const Field& f, const Path& path, const JsonText& text, bool write_default) {
    if (text.raw.empty() && !write_default) return true;
    if (!text.escaped) {
      w_.BytesField(f.number, text.raw);
      return true;
    }
    Writer::Mark mark = w_.Begin(f.number, text.raw.size());
    if (!text.AppendTo(w_)) {
      w_.Cancel(mark);
      Odd(path, "is a string with an invalid escape");
      return false;
    }
    w_.End(mark);
    return true;
  }

  bool PutBase64(const Field& f, const Path& path, const JsonText& text, bool write_default) {
    if (text.raw.empty() && !write_default) return true;
    Writer::Mark mark = w_.Begin(f.number, text.raw.size() / 4 * 3);
    ptrdiff_t n = -1;
    if (!text.escaped) {
      n = Decode64(text.raw);
    } else if (Writer plain(text.raw.size()); text.AppendTo(plain)) {  // "\/" for a slash
      n = Decode64(plain.view());
    }
    if (n < 0) {
      w_.Cancel(mark);
      Odd(path, "is not base64", text.raw, true);
      return false;
    }
    w_.Advance(static_cast<size_t>(n));
    w_.End(mark);
    return true;
  }

  // The bytes stand behind what is written, not counted yet; -1 when the text is not base64.
  ptrdiff_t Decode64(std::string_view text) {
    return wire::Base64DecodeTo(text, w_.Room(text.size() / 4 * 3 + 2), wire::Base64Form::kEither);
  }

  bool PutId(const Field& f, const Path& path, std::string_view text) {
    const size_t size = f.type == Type::kTraceId ? 16 : 8;
    uint8_t id[20];
    if (text.empty()) return true;
    bool read = text.size() == size * 2 && wire::HexDecodeTo(text, id);
    // Protobuf's own JSON form of bytes; no base64 of these lengths is hex of the right length.
    if (!read && (text.size() == (size + 2) / 3 * 4 || text.size() == (size * 4 + 2) / 3)) {
      uint8_t decoded[20];
      read = wire::Base64DecodeTo(text, decoded, wire::Base64Form::kEither) == static_cast<ptrdiff_t>(size);
      if (read) std::copy_n(decoded, size, id);
    }
    if (!read) {
      Odd(path, size == 16 ? "is not an id of 32 hexadecimal digits" : "is not an id of 16 hexadecimal digits", text,
          true);
      return false;
    }
    if (std::all_of(id, id + size, [](uint8_t b) { return b == 0; })) return true;
    w_.BytesField(f.number, {reinterpret_cast<const char*>(id), size});
    return true;
  }

  // Writes a number of the field's type: a whole field, or one element of a packed one.
  bool PutNumber(const Field& f, const Path& path, std::string_view token, bool write_default, bool whole) {
    uint64_t bits = 0;
    const char* what = nullptr;
    switch (f.type) {
      case Type::kDouble: {
        std::optional<double> v = wire::ParseDouble(token);
        if (v) {
          bits = std::bit_cast<uint64_t>(*v);
        } else {
          what = "is not a number";
        }
        break;
      }
      case Type::kBool:
        bits = token == "true";
        if (!bits && token != "false") what = "is neither true nor false";
        break;
      case Type::kUint64:
      case Type::kFixed64:
        what = Unsigned(token, UINT64_MAX, &bits) ? nullptr : "is not an unsigned integer of 64 bits";
        break;
      case Type::kUint32:
      case Type::kFixed32:
        what = Unsigned(token, UINT32_MAX, &bits) ? nullptr : "is not an unsigned integer of 32 bits";
        break;
      case Type::kInt64:
      case Type::kSfixed64:
        what = Signed(token, INT64_MIN, INT64_MAX, &bits) ? nullptr : "is not an integer of 64 bits";
        break;
      case Type::kInt32:
      case Type::kSint32:
        what = Signed(token, INT32_MIN, INT32_MAX, &bits) ? nullptr : "is not an integer of 32 bits";
        break;
      default:
        if (int32_t v = json::EnumByName(f.type, token); v >= 0) {
          bits = static_cast<uint64_t>(v);
        } else if (!Signed(token, INT32_MIN, INT32_MAX, &bits)) {
          what = "is not a value of the enum";
        }
    }
    if (what) {
      Odd(path, what, token, true);
      return false;
    }
    if (bits == 0 && !write_default) return true;
    if (f.type == Type::kSint32) bits = wire::ZigZag(static_cast<int64_t>(bits));
    switch (json::WireTypeOf(f.type)) {
      case wire::kFixed32:
        w_.Fixed32Field(f.number, static_cast<uint32_t>(bits));
        break;
      case wire::kFixed64:
        if (whole) {
          w_.Fixed64Field(f.number, bits);
        } else {
          w_.Fixed64(bits);
        }
        break;
      default:
        if (whole) {
          w_.VarintField(f.number, bits);
        } else {
          w_.Varint(bits);
        }
    }
    return true;
  }

  static bool Unsigned(std::string_view token, uint64_t most, uint64_t* bits) {
    std::optional<uint64_t> v = wire::ParseUint64(token);
    if (!v || *v > most) return false;
    *bits = *v;
    return true;
  }
  static bool Signed(std::string_view token, int64_t least, int64_t most, uint64_t* bits) {
    std::optional<int64_t> v = wire::ParseInt64(token);
    if (!v || *v < least || *v > most) return false;
    *bits = static_cast<uint64_t>(*v);
    return true;
  }

  JsonReader& r_;
  std::string_view text_;
  Writer w_;
  FromJson result_;
};

// Kept by the thread: its memory is as large as that of a small document.
JsonReader& ThreadReader() {
  static thread_local JsonReader reader;
  return reader;
}

Result<FromJson> ReadRequest(JsonReader& reader, Signal signal, std::string_view text, Budget& budget) {
  bool not_utf8 = false;
  Status opened = reader.Open(text, &not_utf8);
  Slice mended;
  if (!opened && not_utf8) {
    Writer valid(text.size() + text.size() / 16, budget);
    wire::AppendValidUtf8(valid, text);
    mended = valid.Finish();
    text = mended.view();
    opened = reader.Open(text);
  }
  if (!opened) return Unexpected(opened.error());
  if (reader.Peek() != JsonKind::kObject) {
    return Fail(Code::kInvalidArgument, "not a {} request: the JSON text is not an object", Names(signal).name);
  }
  Importer importer(reader, text, budget);
  Path root;
  if (not_utf8) importer.Odd(root, "the text has bytes that are not UTF-8, replaced by U+FFFD");
  importer.ReadMessage(static_cast<Msg>(signal), root, 0);
  if (Status closed = reader.Close(); !closed) return Unexpected(closed.error());
  return importer.Finish();
}

}  // namespace

Result<FromJson> RequestFromJson(Signal signal, std::string_view text, Budget& budget) {
  JsonReader& reader = ThreadReader();
  Result<FromJson> result = ReadRequest(reader, signal, text, budget);
  reader.Trim();
  return result;
}

}  // namespace naru::otlp
