// Reads any bytes as a configuration: YAML, path keys, references that lead to the same bytes again, typed decoding,
// and printing, which must read back as the same document.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "conf/component_id.h"
#include "conf/feature_gates.h"
#include "conf/resolve.h"
#include "conf/scalar.h"
#include "conf/schema.h"
#include "conf/yaml.h"

namespace naru::conf {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

struct Part {
  int64_t i = 1;
  uint16_t u = 2;
  double d = 3;
  Duration t{4};
  std::vector<std::string> list;
  std::optional<std::string> maybe;
  static void Describe(Struct<Part>& s) {
    s.Field("i", &Part::i, "");
    s.Field("u", &Part::u, "");
    s.Field("d", &Part::d, "");
    s.Field("t", &Part::t, "");
    s.Field("list", &Part::list, "");
    s.Field("maybe", &Part::maybe, "");
  }
};

struct Whole {
  std::string a;
  bool b = false;
  Secret s;
  HeaderMap h;
  Part part;
  Optional<Part> section;
  std::map<std::string, Part> parts;
  std::vector<Part> list;
  Value any;
  static void Describe(Struct<Whole>& t) {
    t.Field("a", &Whole::a, "");
    t.Field("b", &Whole::b, "");
    t.Field("s", &Whole::s, "");
    t.Field("h", &Whole::h, "");
    t.Field("p", &Whole::part, "");
    t.Field("o", &Whole::section, "");
    t.Field("m", &Whole::parts, "");
    t.Field("l", &Whole::list, "");
    t.Field("any", &Whole::any, "");
  }
};

// -0.0 is written as Go does, and reads back as the integer 0.
void DropNegativeZero(Value& v) {
  if (v.is_double() && v.double_value() == 0) v = Value::Int(0);
  for (auto& item : v.list()) DropNegativeZero(item);
  if (!v.is_map()) return;
  for (auto& e : v.mutable_map()) DropNegativeZero(e.second);
}

void ReadBack(Value v) {
  DropNegativeZero(v);
  std::string text = ToYaml(v);
  auto again = ParseYaml(text, "again");
  // What a document held may be too large once it is written out, but never wrong.
  if (!again) {
    Require(again.error().message.find("more than") != std::string::npos ||
            again.error().message.find("larger than") != std::string::npos);
    return;
  }
  Require(ToYaml(*again) == text);
  Require(ToJson(*again) == ToJson(v));
  ToPrettyJson(v);
}

}  // namespace
}  // namespace naru::conf

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace naru::conf;
  std::string text(reinterpret_cast<const char*>(data), size);
  auto plain = ParseYaml(text, "fuzz");
  if (plain) ReadBack(std::move(*plain));

  // Every variable and every file leads to another part of the same bytes.
  Sources sources;
  sources.env = [&](const std::string& name) -> std::optional<std::string> {
    if (name == "U") return std::nullopt;
    return text.substr(std::min(text.size(), name.size() * 7));
  };
  sources.read_file = [&](const std::string& path) -> naru::Result<std::string> {
    return text.substr(0, std::min(text.size(), path.size() * 5));
  };
  size_t half = size / 2;
  auto v = Resolve({"yaml:" + text.substr(0, half), "env:AB", "yaml:" + text}, sources, {size % 2 == 1});
  if (v) {
    ToJson(*v);
    Whole whole;
    Issues issues;
    Decode(*v, whole, issues);
    issues.ToString();
    ReadBack(Dump(whole));
  }
  if (auto d = ParseDuration(text)) Require(ParseDuration(FormatDuration(*d)) == d);
  if (auto id = ComponentId::Parse(text)) Require(!id->type.empty());
  FeatureGates gates;
  (void)gates.Apply(text.substr(0, 200));
  return 0;
}
