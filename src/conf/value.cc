#include "conf/value.h"

#include <cmath>

#include <fmt/core.h>

#include "conf/scalar.h"

namespace naru::conf {

std::string Mark::ToString() const {
  if (!source) return {};
  if (line == 0) return *source;
  return fmt::format("{}:{}:{}", *source, line, column);
}

Value::Value(const Value& o)
    : kind_(o.kind_),
      int_(o.int_),
      double_(o.double_),
      text_(o.text_),
      list_(o.list_),
      map_(o.map_ ? std::make_shared<Map>(*o.map_) : nullptr),
      original_(o.original_),
      mark_(o.mark_) {}

Value& Value::operator=(const Value& o) {
  if (this != &o) *this = Value(o);
  return *this;
}

Value Value::Bool(bool b) {
  Value v;
  v.kind_ = Kind::kBool;
  v.int_ = b;
  return v;
}
Value Value::Int(int64_t i) {
  Value v;
  v.kind_ = Kind::kInt;
  v.int_ = i;
  return v;
}
Value Value::Double(double d) {
  Value v;
  v.kind_ = Kind::kDouble;
  v.double_ = d;
  return v;
}
Value Value::String(std::string_view s) {
  Value v;
  v.kind_ = Kind::kString;
  v.text_ = s;
  return v;
}
Value Value::MakeList() {
  Value v;
  v.kind_ = Kind::kList;
  return v;
}
Value Value::MakeMap() {
  Value v;
  v.kind_ = Kind::kMap;
  v.map_ = std::make_shared<Map>();
  return v;
}

std::string_view Value::KindName() const {
  switch (kind_) {
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return "a bool";
    case Kind::kInt:
      return "an integer";
    case Kind::kDouble:
      return "a number";
    case Kind::kString:
      return "a string";
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a map";
  }
  return "a value";
}

const Value::Map& Value::map() const {
  static const Map empty;
  return map_ ? *map_ : empty;
}

Value::Map& Value::mutable_map() {
  if (!map_) map_ = std::make_shared<Map>();
  return *map_;
}

const Value* Value::Find(std::string_view key) const {
  if (!map_) return nullptr;
  for (auto& [k, v] : *map_) {
    if (k == key) return &v;
  }
  return nullptr;
}

Value* Value::Find(std::string_view key) {
  return const_cast<Value*>(static_cast<const Value*>(this)->Find(key));
}

Value& Value::Set(std::string_view key, Value value) {
  if (Value* old = Find(key)) {
    *old = std::move(value);
    return *old;
  }
  kind_ = Kind::kMap;
  mutable_map().emplace_back(std::string(key), std::move(value));
  return map_->back().second;
}

const std::string* Value::AsText() const {
  if (original_) return original_.get();
  return kind_ == Kind::kString ? &text_ : nullptr;
}

std::optional<std::string> Value::ScalarText() const {
  if (original_) return *original_;
  switch (kind_) {
    case Kind::kNull:
      return std::string();
    case Kind::kBool:
      return int_ ? "true" : "false";
    case Kind::kInt:
      return std::to_string(int_);
    case Kind::kDouble:
      return FormatDouble(double_);
    case Kind::kString:
      return text_;
    default:
      return std::nullopt;
  }
}

bool Value::operator==(const Value& o) const {
  if (kind_ != o.kind_) return false;
  switch (kind_) {
    case Kind::kNull:
      return true;
    case Kind::kBool:
    case Kind::kInt:
      return int_ == o.int_;
    case Kind::kDouble:
      return double_ == o.double_ || (std::isnan(double_) && std::isnan(o.double_));
    case Kind::kString:
      return text_ == o.text_;
    case Kind::kList:
      return list_ == o.list_;
    case Kind::kMap: {
      if (map().size() != o.map().size()) return false;
      for (auto& [k, v] : map()) {
        const Value* other = o.Find(k);
        if (!other || !(v == *other)) return false;
      }
      return true;
    }
  }
  return false;
}

}  // namespace naru::conf
