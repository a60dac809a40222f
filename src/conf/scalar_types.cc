// Types of scalars, headers and free-form values.
#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/core.h>

#include "conf/scalar.h"
#include "conf/schema.h"

namespace naru::conf {
namespace {

using internal::Mismatch;
using internal::SchemaOf;

class BoolType final : public Type {
 public:
  void Decode(const Value& v, void* out, Issues& issues) const override {
    if (!v.is_null() && !v.is_bool()) return Mismatch(v, "true or false", issues);
    *static_cast<bool*>(out) = v.is_bool() && v.bool_value();
  }
  Value Dump(const void* in, bool) const override { return Value::Bool(*static_cast<const bool*>(in)); }
  std::string Name() const override { return "bool"; }
  Value Schema() const override { return SchemaOf("boolean"); }
};

template <class I>
class IntType final : public Type {
 public:
  void Decode(const Value& v, void* out, Issues& issues) const override {
    double d = 0;
    if (v.is_null()) {
      *static_cast<I*>(out) = 0;
      return;
    }
    if (v.is_double()) {
      d = std::trunc(v.double_value());
      if (!(d >= -9.2e18 && d <= 9.2e18)) return Mismatch(v, "an integer", issues);
    } else if (!v.is_int()) {
      return Mismatch(v, "an integer", issues);
    }
    int64_t i = v.is_int() ? v.int_value() : static_cast<int64_t>(d);
    constexpr bool kSmall = sizeof(I) < 8;
    bool ok = std::is_signed_v<I> ? true : i >= 0;
    if constexpr (kSmall)
      ok = ok && i >= static_cast<int64_t>(std::numeric_limits<I>::min()) &&
           i <= static_cast<int64_t>(std::numeric_limits<I>::max());
    if (!ok) {
      issues.Add(v, "",
                 fmt::format("{} is out of range ({} to {})", i, std::numeric_limits<I>::min(),
                             std::numeric_limits<I>::max()));
      return;
    }
    *static_cast<I*>(out) = static_cast<I>(i);
  }
  Value Dump(const void* in, bool) const override {
    return Value::Int(static_cast<int64_t>(*static_cast<const I*>(in)));
  }
  std::string Name() const override { return "int"; }
  Value Schema() const override { return SchemaOf("integer"); }
};

class DoubleType final : public Type {
 public:
  void Decode(const Value& v, void* out, Issues& issues) const override {
    if (!v.is_null() && !v.is_int() && !v.is_double()) return Mismatch(v, "a number", issues);
    *static_cast<double*>(out) = v.is_null() ? 0 : v.is_int() ? static_cast<double>(v.int_value()) : v.double_value();
  }
  Value Dump(const void* in, bool) const override { return Value::Double(*static_cast<const double*>(in)); }
  std::string Name() const override { return "float"; }
  Value Schema() const override { return SchemaOf("number"); }
};

// A URL may carry a password before its host (`http://user:password@host`), as those of proxies do.
std::string WithoutPassword(const std::string& text) {
  size_t scheme = text.find("://");
  if (scheme == std::string::npos) return text;
  size_t begin = scheme + 3, end = text.find_first_of("/?#", begin);
  size_t at = text.substr(0, end).rfind('@'), colon = text.find(':', begin);
  if (at == std::string::npos || at < begin || colon > at) return text;
  return text.substr(0, colon + 1) + "[REDACTED]" + text.substr(at);
}

class StringType final : public Type {
 public:
  void Decode(const Value& v, void* out, Issues& issues) const override {
    if (const std::string* text = v.AsText()) {
      *static_cast<std::string*>(out) = *text;
    } else if (v.is_null()) {
      static_cast<std::string*>(out)->clear();
    } else {
      Mismatch(v, "a string (put quotes around it)", issues);
    }
  }
  Value Dump(const void* in, bool secrets) const override {
    auto& text = *static_cast<const std::string*>(in);
    return Value::String(secrets ? text : WithoutPassword(text));
  }
  std::string Name() const override { return "string"; }
  Value Schema() const override { return SchemaOf("string"); }
};

class SecretType final : public Type {
 public:
  void Decode(const Value& v, void* out, Issues& issues) const override {
    if (const std::string* text = v.AsText()) {
      *static_cast<Secret*>(out) = Secret(*text);
    } else if (v.is_null()) {
      *static_cast<Secret*>(out) = Secret();
    } else {
      issues.Add(v, "", fmt::format("expected a string (put quotes around it), got {}", v.KindName()));
    }
  }
  Value Dump(const void* in, bool secrets) const override {
    auto& secret = *static_cast<const Secret*>(in);
    return Value::String(secret.empty() || secrets ? secret.value() : "[REDACTED]");
  }
  std::string Name() const override { return "string (secret)"; }
  Value Schema() const override { return SchemaOf("string"); }
};

class DurationType final : public Type {
 public:
  void Decode(const Value& v, void* out, Issues& issues) const override {
    std::optional<Duration> d;
    if (v.is_null()) d = Duration(0);
    if (v.is_int()) d = Duration(v.int_value());
    if (v.is_double() && std::fabs(v.double_value()) < 9.2e18) d = Duration(static_cast<int64_t>(v.double_value()));
    if (v.is_string()) d = ParseDuration(v.string_value());
    if (!d) return Mismatch(v, "a duration such as 5s, 200ms or 1h30m", issues);
    *static_cast<Duration*>(out) = *d;
  }
  Value Dump(const void* in, bool) const override {
    return Value::String(FormatDuration(*static_cast<const Duration*>(in)));
  }
  std::string Name() const override { return "duration"; }
  Value Schema() const override {
    Value s = Value::MakeMap();
    Value types = Value::MakeList();
    types.list().push_back(Value::String("string"));
    types.list().push_back(Value::String("integer"));
    s.Set("type", std::move(types));
    s.Set("description", Value::String("a duration such as 5s, 200ms or 1h30m; an integer counts nanoseconds"));
    return s;
  }
};

class HeaderMapType final : public Type {
 public:
  void Decode(const Value& v, void* out, Issues& issues) const override {
    if (v.is_null()) return;
    auto& h = *static_cast<HeaderMap*>(out);
    h.entries.clear();
    if (v.is_map()) {
      for (auto& [k, item] : v.map()) {
        auto in = issues.In(k, &item);
        Secret s;
        TypeOf<Secret>().Decode(item, &s, issues);
        h.entries.emplace_back(k, std::move(s));
      }
      return;
    }
    if (!v.is_list()) return Mismatch(v, "a map of headers, or a list of {name, value}", issues);
    for (size_t i = 0; i < v.list().size(); ++i) {
      const Value& item = v.list()[i];
      auto in = issues.In(fmt::format("{}", i), &item);
      const Value* name = item.Find("name");
      const Value* value = item.Find("value");
      if (!item.is_map() || !name || !name->AsText() || item.map().size() > 2 || (item.map().size() == 2 && !value)) {
        issues.Add(item, "", "expected {name, value}");
        continue;
      }
      Secret s;
      if (value) TypeOf<Secret>().Decode(*value, &s, issues);
      bool twice = std::any_of(h.entries.begin(), h.entries.end(), [&](auto& e) { return e.first == *name->AsText(); });
      if (twice) issues.Add(item, "", fmt::format("header \"{}\" is given twice", *name->AsText()));
      h.entries.emplace_back(*name->AsText(), std::move(s));
    }
  }
  Value Dump(const void* in, bool secrets) const override {
    Value m = Value::MakeMap();
    for (auto& [k, v] : static_cast<const HeaderMap*>(in)->entries)
      m.Set(k, Value::String(secrets ? v.value() : "[REDACTED]"));
    return m;
  }
  std::string Name() const override { return "map of string (secret)"; }
  Value Schema() const override {
    Value s = Value::MakeMap();
    Value types = Value::MakeList();
    types.list().push_back(Value::String("object"));
    types.list().push_back(Value::String("array"));
    s.Set("type", std::move(types));
    s.Set("description", Value::String("header names and values; the values are secrets"));
    return s;
  }
};

class AnyType final : public Type {
 public:
  void Decode(const Value& v, void* out, Issues&) const override { *static_cast<Value*>(out) = v; }
  Value Dump(const void* in, bool) const override { return *static_cast<const Value*>(in); }
  std::string Name() const override { return "any"; }
  Value Schema() const override { return Value::MakeMap(); }
};

template <class T>
const Type& Single() {
  static const auto* type = new T;
  return *type;
}

}  // namespace

template <>
const Type& TypeOf<bool>() {
  return Single<BoolType>();
}
template <>
const Type& TypeOf<uint8_t>() {
  return Single<IntType<uint8_t>>();
}
template <>
const Type& TypeOf<int64_t>() {
  return Single<IntType<int64_t>>();
}
template <>
const Type& TypeOf<int32_t>() {
  return Single<IntType<int32_t>>();
}
template <>
const Type& TypeOf<uint32_t>() {
  return Single<IntType<uint32_t>>();
}
template <>
const Type& TypeOf<uint64_t>() {
  return Single<IntType<uint64_t>>();
}
template <>
const Type& TypeOf<uint16_t>() {
  return Single<IntType<uint16_t>>();
}
template <>
const Type& TypeOf<double>() {
  return Single<DoubleType>();
}
template <>
const Type& TypeOf<std::string>() {
  return Single<StringType>();
}
template <>
const Type& TypeOf<Secret>() {
  return Single<SecretType>();
}
template <>
const Type& TypeOf<Duration>() {
  return Single<DurationType>();
}
template <>
const Type& TypeOf<HeaderMap>() {
  return Single<HeaderMapType>();
}
template <>
const Type& TypeOf<Value>() {
  return Single<AnyType>();
}

}  // namespace naru::conf
