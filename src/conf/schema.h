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
// durations). A null leaves the default.
#pragma once

#include <cstdint>
#include <functional>
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

 private:
  std::string value_;
};

/// Headers: a map, or a list of {name, value}. Values are secrets. In the order of the text.
struct HeaderMap {
  std::vector<std::pair<std::string, Secret>> entries;
  bool operator==(const HeaderMap&) const = default;
};

/// A section that is on when its key is there, even with null (`protocols: {grpc:}`), and then starts from T's
/// defaults.
template <class T>
class Optional {
 public:
  Optional() = default;
  /// On from the start, with these defaults.
  explicit Optional(T value) : value_(std::move(value)) {}
  explicit operator bool() const { return value_.has_value(); }
  const T& operator*() const { return *value_; }
  const T* operator->() const { return &*value_; }
  T* operator->() { return &*value_; }
  T& operator*() { return *value_; }
  void Enable() {
    if (!value_) value_.emplace();
  }
  void Disable() { value_.reset(); }

 private:
  std::optional<T> value_;
};

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

  bool empty() const { return issues_.empty(); }
  const std::vector<Issue>& all() const { return issues_; }
  /// One line an issue.
  std::string ToString() const;

 private:
  std::string Path(std::string_view path) const;
  struct Frame {
    std::string path;
    const Value* at;
  };
  std::vector<Frame> frames_;
  std::vector<Issue> issues_;
};

/// Run-time description of a type of the configuration. Immutable; lives for ever.
class Type {
 public:
  virtual ~Type() = default;
  virtual void Decode(const Value& v, void* out, Issues& issues) const = 0;
  virtual Value Dump(const void* in) const = 0;
  /// For tables: "bool", "duration", "list of string".
  virtual std::string Name() const = 0;
  /// JSON schema (draft 2020-12) of a value of this type.
  virtual Value Schema() const = 0;
  /// The fields when this is a struct (or an optional one), else null.
  virtual const class StructType* AsStruct() const { return nullptr; }
};

class StructType : public Type {
 public:
  struct FieldInfo {
    std::string name, doc;
    const Type* type = nullptr;
    size_t offset = 0;
    bool ignored = false;  // accepted, does nothing
  };
  const std::vector<FieldInfo>& fields() const { return fields_; }
  void Decode(const Value& v, void* out, Issues& issues) const override;
  Value Dump(const void* in) const override;
  std::string Name() const override { return "map"; }
  Value Schema() const override;
  const StructType* AsStruct() const override { return this; }

 protected:
  virtual void Validate(const void* in, Issues& issues) const = 0;
  std::vector<FieldInfo> fields_;
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
    fields_.push_back({std::string(name), std::string(doc), &TypeOf<M>(), OffsetOf(member), false});
  }
  /// The keys of a struct member, at this level.
  template <class M, class B>
  void Squash(M B::*member) {
    size_t base = OffsetOf(member);
    for (auto f : static_cast<const StructType&>(*TypeOf<M>().AsStruct()).fields()) {
      f.offset += base;
      fields_.push_back(std::move(f));
    }
  }
  /// A key that is accepted and does nothing; `doc` says why.
  void Ignored(std::string_view name, std::string_view doc) {
    fields_.push_back({std::string(name), std::string(doc), &TypeOf<Value>(), 0, true});
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

class ListType final : public Type {
 public:
  struct Ops {
    void* (*append)(void* list);
    void (*clear)(void* list);
    size_t (*size)(const void* list);
    const void* (*at)(const void* list, size_t i);
  };
  ListType(const Type& item, Ops ops, bool of_strings) : item_(item), ops_(ops), of_strings_(of_strings) {}
  void Decode(const Value& v, void* out, Issues& issues) const override;
  Value Dump(const void* in) const override;
  std::string Name() const override { return "list of " + item_.Name(); }
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
  Value Dump(const void* in) const override;
  std::string Name() const override { return "map of " + item_.Name(); }
  Value Schema() const override;

 private:
  const Type& item_;
  Ops ops_;
};

class OptionalType final : public Type {
 public:
  struct Ops {
    void* (*enable)(void* optional);
    const void* (*get)(const void* optional);  // null when off
  };
  OptionalType(const Type& item, Ops ops, bool null_enables) : item_(item), ops_(ops), null_enables_(null_enables) {}
  void Decode(const Value& v, void* out, Issues& issues) const override;
  Value Dump(const void* in) const override;
  std::string Name() const override { return item_.Name(); }
  Value Schema() const override { return item_.Schema(); }
  const StructType* AsStruct() const override { return item_.AsStruct(); }

 private:
  const Type& item_;
  Ops ops_;
  bool null_enables_;
};

template <class T>
struct TypeFor {
  static const Type& Get() {
    static const auto* type = new Struct<T>;
    return *type;
  }
};
template <class T>
struct TypeFor<std::vector<T>> {
  static const Type& Get() {
    using L = std::vector<T>;
    static const auto* type = new ListType(
        TypeOf<T>(),
        {[](void* l) -> void* { return &static_cast<L*>(l)->emplace_back(); },
         [](void* l) { static_cast<L*>(l)->clear(); }, [](const void* l) { return static_cast<const L*>(l)->size(); },
         [](const void* l, size_t i) -> const void* { return &(*static_cast<const L*>(l))[i]; }},
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
                                                [](const void* o) -> const void* {
                                                  auto& opt = *static_cast<const O*>(o);
                                                  return opt ? &*opt : nullptr;
                                                }},
                                               false);
    return *type;
  }
};
template <class T>
struct TypeFor<Optional<T>> {
  static const Type& Get() {
    using O = Optional<T>;
    static const auto* type = new OptionalType(TypeOf<T>(),
                                               {[](void* o) -> void* {
                                                  auto& opt = *static_cast<O*>(o);
                                                  opt.Enable();
                                                  return &*opt;
                                                },
                                                [](const void* o) -> const void* {
                                                  auto& opt = *static_cast<const O*>(o);
                                                  return opt ? &*opt : nullptr;
                                                }},
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
Value Dump(const T& in) {
  return TypeOf<T>().Dump(&in);
}

/// A Markdown table of the keys of `type` with their defaults, nested keys as `a::b`.
std::string MarkdownTable(const Type& type, const Value& defaults);

}  // namespace naru::conf
