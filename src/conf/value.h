// The document tree of a configuration: what YAML says, with where it says it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace naru::conf {

/// Where a value was written. Lines and columns count from 1; line 0 means that the value was not written (a default).
struct Mark {
  std::shared_ptr<const std::string> source;  // "config.yaml", "env:CONFIG", "--set"
  int line = 0;
  int column = 0;
  /// "config.yaml:3:5"; the source alone when there is no line; empty without a source.
  std::string ToString() const;
};

/// A node. A value type: copying copies the tree. Depth is bounded by the reader (kMaxDepth).
class Value {
 public:
  enum class Kind : uint8_t { kNull, kBool, kInt, kDouble, kString, kList, kMap };
  using List = std::vector<Value>;
  using Entry = std::pair<std::string, Value>;
  using Map = std::vector<Entry>;  // in the order of the text; keys are unique

  Value() = default;
  static Value Bool(bool b);
  static Value Int(int64_t i);
  static Value Double(double d);
  static Value String(std::string_view s);
  static Value MakeList();
  static Value MakeMap();

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::kNull; }
  bool is_bool() const { return kind_ == Kind::kBool; }
  bool is_int() const { return kind_ == Kind::kInt; }
  bool is_double() const { return kind_ == Kind::kDouble; }
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_list() const { return kind_ == Kind::kList; }
  bool is_map() const { return kind_ == Kind::kMap; }
  /// "a string", "a map", ... for messages.
  std::string_view KindName() const;

  bool bool_value() const { return int_ != 0; }
  int64_t int_value() const { return int_; }
  double double_value() const { return double_; }
  const std::string& string_value() const { return text_; }
  const List& list() const { return list_; }
  const Map& map() const;
  List& list() { return list_; }
  Map& mutable_map();

  /// The entry of a map, or null. Also null when this is no map.
  const Value* Find(std::string_view key) const;
  Value* Find(std::string_view key);
  /// Sets or replaces an entry of a map.
  Value& Set(std::string_view key, Value value);

  /// The text of a string, or the original text of what an expansion put here (`${env:X}` keeps `0123` as written, and
  /// the text of a list or map too); else nothing. What a field of type string takes.
  const std::string* AsText() const;
  /// A scalar as text: its original text, or what it would be written as. For lists and maps the original text, if any.
  std::optional<std::string> ScalarText() const;
  void set_original(std::string text) { original_ = std::make_shared<const std::string>(std::move(text)); }
  const std::string* original() const { return original_.get(); }

  const Mark& mark() const { return mark_; }
  void set_mark(Mark m) { mark_ = std::move(m); }

  /// Equality of content; marks and originals do not count.
  bool operator==(const Value& o) const;

 private:
  Kind kind_ = Kind::kNull;
  int64_t int_ = 0;
  double double_ = 0;
  std::string text_;
  List list_;
  std::shared_ptr<Map> map_;  // owned by this value alone: copies are deep
  std::shared_ptr<const std::string> original_;
  Mark mark_;

 public:
  Value(const Value& o);
  Value(Value&&) noexcept = default;
  Value& operator=(const Value& o);
  Value& operator=(Value&&) noexcept = default;
};

inline constexpr int kMaxDepth = 200;

/// Compact JSON, keys in order of their bytes: equal documents give equal texts. Numbers that JSON lacks (.inf, .nan)
/// are strings.
std::string ToJson(const Value& value);
/// The same over several lines, two spaces a level, `<`, `>` and `&` escaped: as the reference prints configurations.
std::string ToPrettyJson(const Value& value);
/// Block-style YAML as Go's yaml.v3 encoder writes it: keys in natural order (`a2` before `a10`), indentation in steps
/// of four, strings plain where they read back as strings. Ends with a newline.
std::string ToYaml(const Value& value);

}  // namespace naru::conf
