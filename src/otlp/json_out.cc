// From the wire to OTLP/JSON: one walk over the table. Fields come in any order on the wire and leave in the table's
// order, so each message is first passed over to note where its fields lie, on the stack.
#include <algorithm>

#include "otlp/json.h"
#include "otlp/json_schema.h"
#include "otlp/validate.h"
#include "wire/json_writer.h"

namespace naru::otlp {
namespace {

using json::Field;
using json::Msg;
using json::Type;
using wire::JsonWriter;
using wire::Reader;

// Where a field lies: its content if it is single, else from its first tag to the end of its last element.
struct Place {
  const char* begin = nullptr;
  const char* end = nullptr;
  std::string_view view() const { return {begin, static_cast<size_t>(end - begin)}; }
};

bool AllZero(std::string_view id) {
  return std::all_of(id.begin(), id.end(), [](char c) { return c == 0; });
}

class Transcoder {
 public:
  Transcoder(JsonWriter& out, Budget& budget) : out_(out), budget_(budget) {}
  bool ok() const { return ok_; }
  /// The budget's hard limit was met: two bytes of an empty message can become thirty of text.
  bool full() const { return full_; }

  void Message(Msg message, std::string_view bytes, int depth) {
    if (depth > kMaxDepth) {
      ok_ = false;
      return;
    }
    std::span<const Field> fields = json::FieldsOf(message);
    Place places[json::kMaxFields];
    if (!Find(message, fields, bytes, places)) return;
    out_.BeginObject();
    for (size_t i = 0; i < fields.size(); ++i) {
      const Field& f = fields[i];
      if (!places[i].begin) {
        if (f.is(json::kAlways)) {
          out_.Key(f.name);
          Message(f.message, {}, depth + 1);
        }
        continue;
      }
      if (f.is(json::kRepeated)) {
        Elements(f, places[i].view(), depth);
      } else {
        Single(f, places[i].view(), depth);
      }
    }
    out_.EndObject();
  }

 private:
  bool Find(Msg message, std::span<const Field> fields, std::string_view bytes, Place* places) {
    Reader r(bytes);
    int chosen = -1;
    for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
      int i = json::IndexOf(message, wire::FieldOf(tag));
      if (i < 0) {
        r.Skip(tag);
        continue;
      }
      const Field& f = fields[static_cast<size_t>(i)];
      uint32_t type = wire::TypeOf(tag);
      bool repeated = f.is(json::kRepeated);
      if (type != json::WireTypeOf(f.type) && !(repeated && type == wire::kLength)) {
        r.Skip(tag);
        continue;
      }
      const char* content = r.pos();
      r.Skip(tag);
      if (!r.ok()) break;
      Place& place = places[i];
      if (repeated) {
        if (!place.begin) place.begin = at;
      } else {
        place.begin = content;
        if (f.is(json::kChoice)) {
          if (chosen >= 0 && chosen != i) places[chosen] = Place();
          chosen = i;
        }
      }
      place.end = r.pos();
    }
    ok_ = ok_ && r.ok();
    return r.ok();
  }

  void Single(const Field& f, std::string_view content, int depth) {
    Reader r(content);
    switch (f.type) {
      case Type::kMessage:
        out_.Key(f.name);
        Message(f.message, r.Bytes(), depth + 1);
        return;
      case Type::kString:
      case Type::kBytes: {
        std::string_view bytes = r.Bytes();
        if (bytes.empty() && !f.is(json::kExplicit)) return;
        out_.Key(f.name);
        Text(f.type, bytes);
        return;
      }
      case Type::kTraceId:
      case Type::kSpanId: {
        std::string_view id = r.Bytes();
        if (AllZero(id)) return;
        out_.Key(f.name);
        out_.Hex(id);
        return;
      }
      case Type::kDouble: {
        double v = r.Double();
        if (v == 0 && !f.is(json::kExplicit)) return;
        out_.Key(f.name);
        out_.Double(v);
        return;
      }
      default: {
        uint64_t v = Bits(f.type, r);
        if (v == 0 && !f.is(json::kExplicit)) return;
        out_.Key(f.name);
        Number(f.type, v);
      }
    }
  }

  void Elements(const Field& f, std::string_view range, int depth) {
    const wire::WireType type = json::WireTypeOf(f.type);
    const uint32_t one = wire::Tag(f.number, type), packed = wire::Tag(f.number, wire::kLength);
    bool any = false;
    auto open = [&] {
      if (!any) {
        out_.Key(f.name);
        out_.BeginArray();
      }
      any = true;
    };
    Reader r(range);
    while (uint32_t tag = r.Next()) {
      full_ = full_ || budget_.OverHard();
      if (full_) break;
      if (tag == packed && type != wire::kLength) {
        Reader inner = r.Message();
        while (inner.ok() && !inner.done()) {
          open();
          Element(f.type, inner);
        }
        ok_ = ok_ && inner.ok();
      } else if (tag != one) {
        r.Skip(tag);
      } else {
        open();
        if (f.type == Type::kMessage) {
          Message(f.message, r.Bytes(), depth + 1);
        } else if (type == wire::kLength) {
          Text(f.type, r.Bytes());
        } else {
          Element(f.type, r);
        }
      }
    }
    if (any) out_.EndArray();
  }

  void Text(Type type, std::string_view bytes) {
    if (type == Type::kString) {
      out_.String(bytes);
    } else {
      out_.Base64(bytes);
    }
  }

  void Element(Type type, Reader& r) {
    if (type == Type::kDouble) {
      out_.Double(r.Double());
    } else {
      Number(type, Bits(type, r));
    }
  }

  // The value as it means, in 64 bits.
  static uint64_t Bits(Type type, Reader& r) {
    switch (type) {
      case Type::kBool:
        return r.Bool();
      case Type::kSint32:
        return static_cast<uint64_t>(r.SignedVarint());
      case Type::kFixed32:
        return r.Fixed32();
      case Type::kFixed64:
      case Type::kSfixed64:
        return r.Fixed64();
      case Type::kUint32:
        return static_cast<uint32_t>(r.Varint());
      case Type::kInt64:
      case Type::kUint64:
        return r.Varint();
      default:  // 32 bits with sign, and enums
        return static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(r.Varint())));
    }
  }

  void Number(Type type, uint64_t v) {
    switch (type) {
      case Type::kBool:
        return out_.Bool(v != 0);
      case Type::kUint32:
      case Type::kFixed32:
        return out_.Uint(v);
      case Type::kFixed64:
      case Type::kUint64:
        return out_.QuotedUint(v);
      case Type::kInt64:
      case Type::kSfixed64:
        return out_.QuotedInt(static_cast<int64_t>(v));
      default:
        return out_.Int(static_cast<int32_t>(v));
    }
  }

  JsonWriter& out_;
  Budget& budget_;
  bool ok_ = true;
  bool full_ = false;
};

}  // namespace

Result<Slice> RequestToJson(Signal signal, std::span<const Slice> parts, Budget& budget) {
  size_t total = 0;
  for (const Slice& part : parts) total += part.size();
  wire::Writer buffer(total * 2 + 64, budget);
  JsonWriter out(buffer);
  Transcoder transcoder(out, budget);
  const Msg request = static_cast<Msg>(signal);
  if (signal == Signal::kProfiles) {
    if (parts.size() > 1) return Fail(Code::kInvalidArgument, "profiles of several requests have no common dictionary");
    transcoder.Message(request, parts.empty() ? std::string_view() : parts[0].view(), 0);
  } else {
    const Field& resources = json::FieldsOf(request)[0];
    const uint32_t tag = wire::Tag(resources.number, wire::kLength);
    bool any = false, framed = true;
    out.BeginObject();
    for (const Slice& part : parts) {
      Reader r(part.view());
      while (uint32_t t = r.Next()) {
        if (t != tag) {
          r.Skip(t);
          continue;
        }
        std::string_view bytes = r.Bytes();
        if (!r.ok()) break;
        if (!any) {
          out.Key(resources.name);
          out.BeginArray();
          any = true;
        }
        transcoder.Message(resources.message, bytes, 1);
        if (transcoder.full()) break;
      }
      framed = framed && r.ok();
    }
    if (any) out.EndArray();
    out.EndObject();
    if (!framed) return Fail(Code::kInvalidArgument, "the {} request is malformed", Names(signal).name);
  }
  if (transcoder.full()) return Unavailable("no memory to write JSON into: the limit is reached");
  if (!transcoder.ok()) return Fail(Code::kInvalidArgument, "the {} request is malformed", Names(signal).name);
  return buffer.Finish();
}

}  // namespace naru::otlp
