#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "otlp/build.h"
#include "otlp/edit_code.h"
#include "otlp/fields.h"
#include "otlp/value_text.h"

namespace naru::otlp {

using wire::kLength;
using wire::PutVarint;
using wire::Reader;
using wire::Tag;
using wire::VarintSize;
using wire::Writer;

namespace {

uint64_t LengthBit(size_t n) {
  return uint64_t{1} << std::min<size_t>(n, 63);
}

// The key of an encoded KeyValue: of several the last, as decoders have it. False when it is malformed.
bool KeyOf(std::string_view kv, std::string_view* key) {
  const uint8_t* p = reinterpret_cast<const uint8_t*>(kv.data());
  // The common form: a key, then a value that ends the message.
  if (kv.size() > 4 && p[0] == Tag(field::key_value::kKey, kLength) && p[1] < 0x80 && p[1] + size_t{4} <= kv.size()) {
    const uint8_t* v = p + 2 + p[1];
    size_t left = kv.size() - 2 - p[1];
    if (v[0] == Tag(field::key_value::kValue, kLength) &&
        (v[1] < 0x80 ? v[1] + size_t{2} == left
                     : left > 2 && v[2] < 0x80 && (v[1] & 0x7f) + (size_t{v[2]} << 7) + 3 == left)) {
      *key = kv.substr(2, p[1]);
      return true;
    }
  }
  *key = {};
  Reader r(kv);
  while (uint32_t tag = r.Next()) {
    if (tag == Tag(field::key_value::kKey, kLength)) {
      *key = r.Bytes();
    } else {
      r.Skip(tag);
    }
  }
  return r.ok();
}

std::string EncodeAttribute(std::string_view key, std::string_view value) {
  Writer w(key.size() + value.size() + 24);
  w.BytesField(field::key_value::kKey, key);
  w.BytesField(field::key_value::kValue, value);
  return std::string(w.view());
}

}  // namespace

std::optional<PlainSet> MakePlain(const std::vector<Step>& steps, const ContextLookup& context) {
  PlainSet set;
  for (const Step& step : steps) {
    const Action& a = step.action;
    Plain plain{a.kind, a.key, {}};
    if (a.kind == Action::Kind::kDelete) {
      if (step.pattern) return std::nullopt;
    } else if (a.kind == Action::Kind::kInsert || a.kind == Action::Kind::kUpdate || a.kind == Action::Kind::kUpsert) {
      if (!a.from_attribute.empty()) return std::nullopt;
      std::string text;
      if (a.value) {
        plain.attribute = EncodeAttribute(a.key, *a.value);
      } else if (!a.from_context.empty() && context && context(a.from_context, &text)) {
        plain.attribute = EncodeAttribute(a.key, EncodeValue(std::string_view(text)));
      } else if (a.default_value) {
        plain.attribute = EncodeAttribute(a.key, *a.default_value);
      } else {
        continue;
      }
    } else {
      return std::nullopt;
    }
    for (const Plain& other : set.plains) {
      if (other.key == plain.key) return std::nullopt;
    }
    if (set.plains.size() == PlainSet::kMax) return std::nullopt;
    set.lengths |= LengthBit(plain.key.size());
    set.growth += wire::FieldSize(15, plain.attribute.size());
    set.plains.push_back(std::move(plain));
  }
  return set;
}

bool ListEditor::Plainly(Writer& out, uint32_t field, std::string_view message, uint32_t attributes,
                         const PlainSet& set) {
  hits_.clear();
  uint32_t seen = 0;
  const uint32_t wanted = Tag(attributes, kLength);
  const char* last = nullptr;  // the end of the last attribute
  int64_t delta = 0;
  auto size_of = [](const Plain& p) {
    return static_cast<int64_t>(1 + VarintSize(p.attribute.size()) + p.attribute.size());
  };

  Reader r(message);
  for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
    if (tag != wanted) {
      r.Skip(tag);
      continue;
    }
    std::string_view kv = r.Bytes(), key;
    if (!r.ok() || !KeyOf(kv, &key)) return false;
    last = r.pos();
    if (!(set.lengths & LengthBit(key.size()))) continue;
    for (size_t i = 0; i < set.plains.size(); ++i) {
      const Plain& p = set.plains[i];
      if (p.key != key) continue;
      bool first = !(seen >> i & 1);
      seen |= 1u << i;
      bool replace = first && (p.kind == Action::Kind::kUpdate || p.kind == Action::Kind::kUpsert);
      if (!replace && p.kind != Action::Kind::kDelete) break;
      hits_.push_back({at, r.pos(), i});
      delta -= r.pos() - at;
      if (replace) delta += size_of(p);
      break;
    }
  }
  if (!r.ok()) return false;
  for (size_t i = 0; i < set.plains.size(); ++i) {
    const Plain& p = set.plains[i];
    if (!(seen >> i & 1) && (p.kind == Action::Kind::kInsert || p.kind == Action::Kind::kUpsert)) delta += size_of(p);
  }

  size_t length = static_cast<size_t>(static_cast<int64_t>(message.size()) + delta);
  uint8_t* const begin = out.Room(12 + length);
  if (!begin) return false;
  uint8_t* o = PutVarint(begin, Tag(field, kLength));
  o = PutVarint(o, length);
  const char* from = message.data();
  auto copy_to = [&](const char* to) {
    std::memcpy(o, from, static_cast<size_t>(to - from));
    o += to - from;
    from = to;
  };
  auto put = [&](const Plain& p) {
    *o++ = static_cast<uint8_t>(wanted);
    o = PutVarint(o, p.attribute.size());
    std::memcpy(o, p.attribute.data(), p.attribute.size());
    o += p.attribute.size();
  };
  for (const Hit& hit : hits_) {
    copy_to(hit.begin);
    from = hit.end;
    const Plain& p = set.plains[hit.plain];
    if (p.kind != Action::Kind::kDelete) put(p);
  }
  const char* end = message.data() + message.size();
  if (last) copy_to(last);
  if (!last) copy_to(end);
  for (size_t i = 0; i < set.plains.size(); ++i) {
    const Plain& p = set.plains[i];
    if (!(seen >> i & 1) && (p.kind == Action::Kind::kInsert || p.kind == Action::Kind::kUpsert)) put(p);
  }
  copy_to(end);
  out.Advance(static_cast<size_t>(o - begin));
  return true;
}

std::string& ListEditor::NewValue() {
  if (used_ == values_.size()) values_.emplace_back();
  std::string& s = values_[used_++];
  s.clear();
  return s;
}

ListEditor::Item* ListEditor::Find(std::string_view key) {
  for (Item& item : items_) {
    if (item.key == key) return &item;
  }
  return nullptr;
}

void ListEditor::Set(std::string_view key, std::string_view value, bool insert, bool update) {
  if (Item* item = Find(key)) {
    if (!update) return;
    item->value = value;
    item->raw = {};
  } else if (insert) {
    items_.push_back({key, value, {}});
  }
}

void ListEditor::SetText(Item& item, std::string_view text) {
  std::string& v = NewValue();
  v.reserve(text.size() + 11);
  uint8_t head[11];
  head[0] = Tag(field::any_value::kString, kLength);
  uint8_t* end = PutVarint(head + 1, text.size());
  v.append(reinterpret_cast<char*>(head), static_cast<size_t>(end - head));
  v.append(text);
  item.value = v;
  item.raw = {};
}

void ListEditor::HashItem(Item& item, const Hash& hash) {
  AnyValue v = AnyValue::Parse(item.value);
  char bytes[8];
  uint64_t number = 0;
  switch (v.kind) {
    case AnyValue::Kind::kString:
      SetText(item, hash(v.bytes));
      return;
    case AnyValue::Kind::kBool:
      bytes[0] = v.boolean ? 1 : 0;
      SetText(item, hash({bytes, 1}));
      return;
    case AnyValue::Kind::kInt:
      number = static_cast<uint64_t>(v.integer);
      break;
    case AnyValue::Kind::kDouble:
      number = std::bit_cast<uint64_t>(v.real);
      break;
    case AnyValue::Kind::kEmpty:
    case AnyValue::Kind::kArray:
    case AnyValue::Kind::kKvlist:
    case AnyValue::Kind::kBytes:
      SetText(item, "");
      return;
  }
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(number >> (8 * i));
  SetText(item, hash({bytes, 8}));
}

void ListEditor::Convert(Item& item, Action::Type type) {
  AnyValue v = AnyValue::Parse(item.value);
  using Kind = AnyValue::Kind;
  auto set = [&](const Value& value) {
    std::string& bytes = NewValue();
    bytes = EncodeValue(value);
    item.value = bytes;
    item.raw = {};
  };
  switch (type) {
    case Action::Type::kNone:
      return;
    case Action::Type::kString: {
      if (v.kind == Kind::kString) return;
      std::string text;
      AppendText(v, &text);
      SetText(item, text);
      return;
    }
    case Action::Type::kInt: {
      int64_t n = 0;
      if (v.kind == Kind::kDouble) {
        // What does not fit becomes the smallest number, as on the reference's amd64.
        bool fits = v.real >= -9223372036854775808.0 && v.real < 9223372036854775808.0;
        set(fits ? static_cast<int64_t>(v.real) : INT64_MIN);
      } else if (v.kind == Kind::kBool) {
        set(v.boolean ? 1 : 0);
      } else if (v.kind == Kind::kString && ParseInt(v.bytes, &n)) {
        set(n);
      }
      return;
    }
    case Action::Type::kDouble: {
      double d = 0;
      if (v.kind == Kind::kInt) {
        set(static_cast<double>(v.integer));
      } else if (v.kind == Kind::kBool) {
        set(v.boolean ? 1.0 : 0.0);
      } else if (v.kind == Kind::kString && ParseFloat(v.bytes, &d)) {
        set(d);
      }
      return;
    }
  }
}

void ListEditor::Run(const Step& step, const std::optional<std::string>& context, const Hash& hash) {
  const Action& a = step.action;
  switch (a.kind) {
    case Action::Kind::kInsert:
    case Action::Kind::kUpdate:
    case Action::Kind::kUpsert: {
      std::string_view value;
      Item* source = nullptr;
      if (a.value) {
        value = *a.value;
      } else if (context) {
        value = *context;
      } else if (!a.from_attribute.empty() && (source = Find(a.from_attribute))) {
        value = source->value;
      } else if (a.default_value) {
        value = *a.default_value;
      } else {
        return;
      }
      Set(a.key, value, a.kind != Action::Kind::kUpdate, a.kind != Action::Kind::kInsert);
      return;
    }
    case Action::Kind::kDelete:
      std::erase_if(items_, [&](const Item& item) {
        return (!a.key.empty() && item.key == a.key) || (step.pattern && step.pattern->Found(item.key));
      });
      return;
    case Action::Kind::kHash:
      if (Item* item = a.key.empty() ? nullptr : Find(a.key)) HashItem(*item, hash);
      if (step.pattern) {
        for (Item& item : items_) {
          if (step.pattern->Found(item.key)) HashItem(item, hash);
        }
      }
      return;
    case Action::Kind::kExtract: {
      Item* item = Find(a.key);
      if (!item) return;
      AnyValue v = AnyValue::Parse(item->value);
      if (v.kind != AnyValue::Kind::kString || !step.pattern->Groups(v.bytes, &groups_)) return;
      for (size_t i = 0; i < groups_.size(); ++i) {
        Item found{step.pattern->group_names()[i], {}, {}};
        SetText(found, groups_[i]);
        Set(found.key, found.value, true, true);
      }
      return;
    }
    case Action::Kind::kConvert:
      if (Item* item = Find(a.key)) Convert(*item, a.convert_to);
      return;
  }
}

bool ListEditor::Generally(Writer& out, uint32_t field, std::string_view message, uint32_t attributes,
                           const std::vector<Step>& steps, const std::vector<std::optional<std::string>>& values,
                           const Hash& hash) {
  items_.clear();
  rest_.clear();
  used_ = 0;
  if (values_.size() > 1024) values_.clear();  // one record with many values does not keep its memory
  size_t before = 0;                           // fields in front of the attributes
  Reader r(message);
  for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
    if (tag != Tag(attributes, kLength)) {
      r.Skip(tag);
      if (!r.ok()) return false;
      std::string_view whole(at, static_cast<size_t>(r.pos() - at));
      if (!rest_.empty() && rest_.size() > before && rest_.back().data() + rest_.back().size() == at) {
        rest_.back() = {rest_.back().data(), rest_.back().size() + whole.size()};
      } else {
        rest_.push_back(whole);
      }
      continue;
    }
    if (items_.empty()) before = rest_.size();
    Reader kv = r.Message();
    Item item;
    while (uint32_t t = kv.Next()) {
      if (t == Tag(field::key_value::kKey, kLength)) {
        item.key = kv.Bytes();
      } else if (t == Tag(field::key_value::kValue, kLength)) {
        item.value = kv.Bytes();
      } else {
        kv.Skip(t);
      }
    }
    if (!kv.ok() || !r.ok()) return false;
    item.raw = {at, static_cast<size_t>(r.pos() - at)};
    items_.push_back(item);
  }
  if (!r.ok()) return false;
  if (items_.empty()) before = rest_.size();
  for (size_t i = 0; i < steps.size(); ++i) Run(steps[i], values[i], hash);

  Writer::Mark mark = out.Begin(field, message.size());
  for (size_t i = 0; i < before; ++i) out.Raw(rest_[i]);
  for (const Item& item : items_) {
    if (!item.raw.empty()) {
      out.Raw(item.raw);
      continue;
    }
    out.Varint(Tag(attributes, kLength));
    out.Varint(wire::FieldSize(field::key_value::kKey, item.key.size()) +
               wire::FieldSize(field::key_value::kValue, item.value.size()));
    out.BytesField(field::key_value::kKey, item.key);
    out.BytesField(field::key_value::kValue, item.value);
  }
  for (size_t i = before; i < rest_.size(); ++i) out.Raw(rest_[i]);
  out.End(mark);
  return true;
}

}  // namespace naru::otlp
