// Field tables: each configuration struct says once what its keys are, and gets from that strict decoding with places
// in errors, the Markdown table of its README, its JSON schema and the dump of the effective configuration with secrets
// hidden.
//
//   struct Config {
//     Duration timeout = std::chrono::seconds(5);
//     static void Describe(conf::Struct<Config>& s) { s.Field("timeout", &Config::timeout, "how long a request may
//     take"); } void Validate(conf::Issues& issues) const;   // optional; adds every problem
//   };
//
// Decoding is as strict as the reference's: unknown keys are errors, and nothing is converted but what mapstructure
// converts with weak typing off (numbers among each other, a comma-separated string to a list of strings, texts to
// durations). A null sets a scalar to zero ("" / 0 / false / 0s), and leaves lists, maps, structs and std::optional as
// they are. Where the reference cuts numbers off (70000 in 16 bits) naru refuses them.
//
// After decoding, Validate() of every struct that decoded without an error is called, innermost first: of those that
// the document does not mention too, but not of sections that are off.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/result.h"
#include "conf/value.h"

namespace naru::conf {

/// A string that is never printed: dumps and messages show [REDACTED].
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  const std::string& value() const { return value_; }
  bool empty() const { return value_.empty(); }
  bool operator==(const Secret&) const = default;
  /// Prints [REDACTED]. There is no fmt formatter, so that a secret in a message does not compile.
  friend std::ostream& operator<<(std::ostream& out, const Secret& secret);

 private:
  std::string value_;
};

/// Headers: a map, or a list of {name, value}. Values are secrets. In the order of the text.
struct HeaderMap {
  std::vector<std::pair<std::string, Secret>> entries;
  bool operator==(const HeaderMap&) const = default;
};

/// A section that is on when its key is there with a map. Null leaves it as it is, but for those made with Default.
/// Its own key `enabled` (true or false) switches it too, unless T has a field of that name. The three forms are those
/// of the reference's configoptional: None, Some, Default.
template <class T>
class Optional {
 public:
  /// Off; null is as good as no key (`tls:`). A map starts from T's defaults.
  Optional() = default;
  /// On from the start, with these values.
  explicit Optional(T value) : value_(std::move(value)), on_(true) {}
  /// Off; when its key comes, even with null (`protocols: {grpc:}`), it starts from these values.
  static Optional Default(T value) {
    Optional out(std::move(value));
    out.on_ = false;
    out.on_by_null_ = true;
    return out;
  }
  explicit operator bool() const { return on_; }
  /// Only while it is on.
  const T& operator*() const { return value_; }
  const T* operator->() const { return &value_; }
  T* operator->() { return &value_; }
  T& operator*() { return value_; }
  void Enable() { on_ = true; }
  void Disable() {
    on_ = false;
    was_disabled_ = true;
    value_ = T{};
  }
  bool on_by_null() const { return on_by_null_; }
  /// Off, and null would not say so when it is read again.
  bool off_by_switch() const { return !on_ && (on_by_null_ || was_disabled_); }

 private:
  T value_{};
  bool on_ = false;
  bool on_by_null_ = false, was_disabled_ = false;
};

/// The names of an enum's values, as the document writes them; specialise it beside the enum:
///   template <> struct conf::EnumNames<Level> {
///     static constexpr std::pair<std::string_view, Level> kNames[] = {{"basic", Level::kBasic}, ...};
///     static constexpr bool kIgnoreCase = true;
///   };
template <class E>
struct EnumNames;

/// Everything that is wrong with a configuration, with places. Not thread-safe.
class Issues {
 public:
  struct Issue {
    Mark mark;
    std::string path;  // "receivers::otlp::protocols::grpc::endpoint"
    std::string message;
    /// "config.yaml:3:5: receivers::otlp: message"
    std::string ToString() const;
  };

  /// While the returned object lives, paths are relative to `path`, and places are looked for inside `at` (may be
  /// null).
  class Scope {
   public:
    Scope(Issues& issues, std::string_view path, const Value* at);
    ~Scope();
    Scope(const Scope&) = delete;

   private:
    Issues& issues_;
  };
  [[nodiscard]] Scope In(std::string_view path, const Value* at = nullptr) { return Scope(*this, path, at); }

  /// An error at a known value.
  void Add(const Value& at, std::string_view path, std::string message);
  /// An error of the current scope; the place is that of the named key, or of the nearest one above it that was
  /// written.
  void Add(std::string_view path, std::string message);

  /// Not an error: the use of a deprecated key, said once when the configuration is loaded.
  void Warn(const Value& at, std::string_view path, std::string message);

  bool empty() const { return issues_.empty(); }
  const std::vector<Issue>& all() const { return issues_; }
  const std::vector<Issue>& warnings() const { return warnings_; }
  /// One line an issue.
  std::string ToString() const;

  /// Whether Validate() is called; off inside a section that is switched off. Returns what it was.
  bool checks() const { return checks_; }
  bool set_checks(bool on) { return std::exchange(checks_, on); }

 private:
  std::string Path(std::string_view path) const;
  struct Frame {
    std::string path;
    const Value* at;
  };
  std::vector<Frame> frames_;
  std::vector<Issue> issues_, warnings_;
  bool checks_ = true;
};

/// Run-time description of a type of the configuration. Immutable; lives for ever.
class Type {
 public:
  virtual ~Type() = default;
  /// Decodes over what `out` holds and validates what decoded well.
  virtual void Decode(const Value& v, void* out, Issues& issues) const = 0;
  /// Validates a value that no document mentions.
  virtual void Check(const void* /*in*/, Issues& /*issues*/) const {}
  /// What `in` holds; with `secrets` even what is to stay hidden.
  virtual Value Dump(const void* in, bool secrets) const = 0;
  /// For tables: "bool", "duration", "list of string".
  virtual std::string Name() const = 0;
  /// JSON schema (draft 2020-12) of a value of this type.
  virtual Value Schema() const = 0;
  /// The fields when this is a struct (or an optional one), else null.
  virtual const class StructType* AsStruct() const { return nullptr; }
  /// Whether the key `enabled` switches it (conf::Optional), and is no field of its own.
  virtual bool HasSwitch() const { return false; }
  /// The type of the members of a list or a map of names, else null.
  virtual const Type* Item() const { return nullptr; }
  virtual bool IsList() const { return false; }
};

class StructType : public Type {
 public:
  struct FieldInfo {
    std::string name, doc;
    const Type* type = nullptr;
    size_t offset = 0;
    bool ignored = false;     // accepted, does nothing
    bool deprecated = false;  // works, and warns with `doc`
  };
  const std::vector<FieldInfo>& fields() const { return fields_; }
  /// The field that `key` names, by its name or another spelling; null when there is none.
  const FieldInfo* FindField(std::string_view key) const;
  void Decode(const Value& v, void* out, Issues& issues) const override;
  void Check(const void* in, Issues& issues) const override;
  Value Dump(const void* in, bool secrets) const override;
  std::string Name() const override { return "map"; }
  Value Schema() const override;
  const StructType* AsStruct() const override { return this; }

 protected:
  virtual void Validate(const void* in, Issues& issues) const = 0;
  void AddField(FieldInfo field);
  void AddPart(const StructType& part, size_t offset);
  std::string UnknownKey(const std::string& key) const;

  struct Spelling {
    std::string name, of;
    bool warn = false;
  };
  struct Part {
    const StructType* type;
    size_t offset;
  };
  std::vector<FieldInfo> fields_;
  std::vector<Spelling> spellings_;
  std::vector<Part> parts_;  // squashed structs, for their Validate
};

template <class T>
const Type& TypeOf();

template <class T>
class Struct final : public StructType {
 public:
  Struct() { T::Describe(*this); }

  /// A key. `doc` is one line of Markdown without a full stop.
  template <class M, class B>
  void Field(std::string_view name, M B::*member, std::string_view doc) {
    AddField({std::string(name), std::string(doc), &TypeOf<M>(), OffsetOf(member)});
  }
  /// The keys of a struct member, at this level.
  template <class M, class B>
  void Squash(M B::*member) {
    AddPart(static_cast<const StructType&>(*TypeOf<M>().AsStruct()), OffsetOf(member));
  }
  /// A key of old that still works, with a member of its own; `doc` says what to write instead, and is the warning.
  template <class M, class B>
  void Deprecated(std::string_view name, M B::*member, std::string_view doc) {
    AddField({std::string(name), std::string(doc), &TypeOf<M>(), OffsetOf(member), false, true});
  }
  /// Another spelling of a field named before.
  void Alias(std::string_view other, std::string_view name) {
    spellings_.push_back({std::string(other), std::string(name), false});
  }
  /// The same, with a warning that names the spelling of today.
  void Renamed(std::string_view old_name, std::string_view name) {
    spellings_.push_back({std::string(old_name), std::string(name), true});
  }
  /// A key that is accepted and does nothing; `doc` says why.
  void Ignored(std::string_view name, std::string_view doc) {
    AddField({std::string(name), std::string(doc), &TypeOf<Value>(), 0, true});
  }

 protected:
  void Validate(const void* in, Issues& issues) const override {
    if constexpr (requires(const T& t, Issues& i) { t.Validate(i); }) static_cast<const T*>(in)->Validate(issues);
  }

 private:
  template <class M, class B>
  static size_t OffsetOf(M B::*member) {
    static const T probe{};
    return static_cast<size_t>(reinterpret_cast<const char*>(&(probe.*member)) - reinterpret_cast<const char*>(&probe));
  }
};

// Types of scalars and free-form values; defined in schema.cc.
template <>
const Type& TypeOf<bool>();
template <>
const Type& TypeOf<uint8_t>();
template <>
const Type& TypeOf<int64_t>();
template <>
const Type& TypeOf<int32_t>();
template <>
const Type& TypeOf<uint32_t>();
template <>
const Type& TypeOf<uint64_t>();
template <>
const Type& TypeOf<uint16_t>();
template <>
const Type& TypeOf<double>();
template <>
const Type& TypeOf<std::string>();
template <>
const Type& TypeOf<Secret>();
template <>
const Type& TypeOf<Duration>();
template <>
const Type& TypeOf<HeaderMap>();
template <>
const Type& TypeOf<Value>();

namespace internal {

/// {"type": type}
Value SchemaOf(std::string_view type);
/// "expected WANTED, got a string 'x'".
void Mismatch(const Value& v, std::string_view wanted, Issues& issues);

class ListType final : public Type {
 public:
  struct Ops {
    void (*reset)(void* list, size_t size);  // to so many default values
    size_t (*size)(const void* list);
    const void* (*at)(const void* list, size_t i);
    void* (*edit)(void* list, size_t i);
  };
  ListType(const Type& item, Ops ops, bool of_strings) : item_(item), ops_(ops), of_strings_(of_strings) {}
  void Decode(const Value& v, void* out, Issues& issues) const override;
  void Check(const void* in, Issues& issues) const override;
  Value Dump(const void* in, bool secrets) const override;
  std::string Name() const override { return "list of " + item_.Name(); }
  const Type* Item() const override { return &item_; }
  bool IsList() const override { return true; }
  Value Schema() const override;

 private:
  const Type& item_;
  Ops ops_;
  bool of_strings_;
};

class MapType final : public Type {
 public:
  struct Ops {
    void* (*at)(void* map, const std::string& key);
    void (*each)(const void* map, const std::function<void(const std::string&, const void*)>& fn);
  };
  MapType(const Type& item, Ops ops) : item_(item), ops_(ops) {}
  void Decode(const Value& v, void* out, Issues& issues) const override;
  void Check(const void* in, Issues& issues) const override;
  Value Dump(const void* in, bool secrets) const override;
  std::string Name() const override { return "map of " + item_.Name(); }
  const Type* Item() const override { return &item_; }
  Value Schema() const override;

 private:
  const Type& item_;
  Ops ops_;
};

class OptionalType final : public Type {
 public:
  struct Ops {
    void* (*enable)(void* optional);
    void (*disable)(void* optional);
    const void* (*get)(const void* optional);  // null when off
    bool (*on_by_null)(const void* optional);
    bool (*off_by_switch)(const void* optional);
  };
  /// `section`: conf::Optional, else std::optional.
  OptionalType(const Type& item, Ops ops, bool section) : item_(item), ops_(ops), section_(section) {}
  void Decode(const Value& v, void* out, Issues& issues) const override;
  void Check(const void* in, Issues& issues) const override;
  Value Dump(const void* in, bool secrets) const override;
  std::string Name() const override { return item_.Name(); }
  Value Schema() const override;
  const StructType* AsStruct() const override { return item_.AsStruct(); }
  bool HasSwitch() const override;

 private:
  const Type& item_;
  Ops ops_;
  bool section_;
};

class EnumType final : public Type {
 public:
  using Names = std::vector<std::pair<std::string, int64_t>>;
  EnumType(Names names, bool ignore_case, int64_t (*get)(const void*), void (*set)(void*, int64_t))
      : names_(std::move(names)), ignore_case_(ignore_case), get_(get), set_(set) {}
  void Decode(const Value& v, void* out, Issues& issues) const override;
  Value Dump(const void* in, bool secrets) const override;
  std::string Name() const override;
  Value Schema() const override;

 private:
  std::string List(std::string_view separator) const;

  Names names_;
  bool ignore_case_;
  int64_t (*get_)(const void*);
  void (*set_)(void*, int64_t);
};

template <class T>
struct TypeFor {
  static const Type& Get() {
    if constexpr (std::is_enum_v<T>) {
      static const auto* type = new EnumType(
          [] {
            EnumType::Names names;
            for (auto& [name, value] : EnumNames<T>::kNames) names.emplace_back(name, static_cast<int64_t>(value));
            return names;
          }(),
          requires { requires EnumNames<T>::kIgnoreCase; },
          [](const void* e) { return static_cast<int64_t>(*static_cast<const T*>(e)); },
          [](void* e, int64_t value) { *static_cast<T*>(e) = static_cast<T>(value); });
      return *type;
    } else {
      static const auto* type = new Struct<T>;
      return *type;
    }
  }
};
template <class T>
struct TypeFor<std::vector<T>> {
  static const Type& Get() {
    using L = std::vector<T>;
    static const auto* type =
        new ListType(TypeOf<T>(),
                     {[](void* l, size_t n) {
                        static_cast<L*>(l)->clear();
                        static_cast<L*>(l)->resize(n);
                      },
                      [](const void* l) { return static_cast<const L*>(l)->size(); },
                      [](const void* l, size_t i) -> const void* { return &(*static_cast<const L*>(l))[i]; },
                      [](void* l, size_t i) -> void* { return &(*static_cast<L*>(l))[i]; }},
                     std::is_same_v<T, std::string>);
    return *type;
  }
};
template <class T>
struct TypeFor<std::map<std::string, T>> {
  static const Type& Get() {
    using M = std::map<std::string, T>;
    static const auto* type =
        new MapType(TypeOf<T>(), {[](void* m, const std::string& k) -> void* { return &(*static_cast<M*>(m))[k]; },
                                  [](const void* m, const std::function<void(const std::string&, const void*)>& fn) {
                                    for (auto& [k, v] : *static_cast<const M*>(m)) fn(k, &v);
                                  }});
    return *type;
  }
};
template <class T>
struct TypeFor<std::optional<T>> {
  static const Type& Get() {
    using O = std::optional<T>;
    static const auto* type = new OptionalType(TypeOf<T>(),
                                               {[](void* o) -> void* {
                                                  auto& opt = *static_cast<O*>(o);
                                                  if (!opt) opt.emplace();
                                                  return &*opt;
                                                },
                                                [](void* o) { static_cast<O*>(o)->reset(); },
                                                [](const void* o) -> const void* {
                                                  auto& opt = *static_cast<const O*>(o);
                                                  return opt ? &*opt : nullptr;
                                                },
                                                [](const void*) { return false; }, [](const void*) { return false; }},
                                               false);
    return *type;
  }
};
template <class T>
struct TypeFor<Optional<T>> {
  static const Type& Get() {
    using O = Optional<T>;
    static const auto* type =
        new OptionalType(TypeOf<T>(),
                         {[](void* o) -> void* {
                            auto& opt = *static_cast<O*>(o);
                            opt.Enable();
                            return &*opt;
                          },
                          [](void* o) { static_cast<O*>(o)->Disable(); },
                          [](const void* o) -> const void* {
                            auto& opt = *static_cast<const O*>(o);
                            return opt ? &*opt : nullptr;
                          },
                          [](const void* o) { return static_cast<const O*>(o)->on_by_null(); },
                          [](const void* o) { return static_cast<const O*>(o)->off_by_switch(); }},
                         true);
    return *type;
  }
};

}  // namespace internal

template <class T>
const Type& TypeOf() {
  return internal::TypeFor<T>::Get();
}

/// Decodes `v` over the defaults that `out` holds; every error goes to `issues`.
template <class T>
void Decode(const Value& v, T& out, Issues& issues) {
  TypeOf<T>().Decode(v, &out, issues);
}

/// The effective configuration, secrets hidden.
template <class T>
Value Dump(const T& in, bool secrets = false) {
  return TypeOf<T>().Dump(&in, secrets);
}

/// A Markdown table of the keys of `type` with their defaults, nested keys as `a::b`. `read` decodes a document (its
/// issues ignored) over the defaults and dumps the result: so the table knows the defaults of what is off too.
std::string MarkdownTable(const Type& type, const std::function<Value(const Value& document)>& read);
template <class T>
std::string MarkdownTable() {
  return MarkdownTable(TypeOf<T>(), [](const Value& document) {
    T value{};
    Issues ignored;
    Decode(document, value, ignored);
    return Dump(value);
  });
}

/// A JSON schema document (draft 2020-12) of resolved configurations of `type`, with these defaults (a Dump). Null is
/// allowed everywhere, as in the documents.
Value JsonSchema(const Type& type, const Value& defaults, std::string_view title);
/// Makes a JSON schema of decoded values one of documents as people write them: everything may be null, and every value
/// may be a text with a reference (`${env:NAME}`) in it.
void AcceptAsWritten(Value& schema);

}  // namespace naru::conf
