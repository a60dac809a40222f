// include and exclude: which records a processor acts on. Keys and semantics are those of the reference's filter
// blocks.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "conf/schema.h"
#include "otlp/edit.h"
#include "otlp/pattern.h"
#include "otlp/signal.h"

namespace naru::pipeline {

struct MatchAttribute {
  std::string key;
  std::optional<conf::Value> value;
  static void Describe(conf::Struct<MatchAttribute>& s);
};
struct MatchLibrary {
  std::string name;
  std::optional<std::string> version;
  static void Describe(conf::Struct<MatchLibrary>& s);
};
struct MatchRegexp {
  bool cache_enabled = false;
  int64_t cache_max_entries = 0;
  static void Describe(conf::Struct<MatchRegexp>& s);
};
struct MatchSeverityNumber {
  int64_t min = 0;
  bool match_undefined = false;
  static void Describe(conf::Struct<MatchSeverityNumber>& s);
};

struct MatchConfig {
  std::string match_type;
  std::optional<MatchRegexp> regexp;
  std::vector<std::string> services, span_names, log_bodies, log_severity_texts, metric_names, span_kinds;
  std::optional<MatchSeverityNumber> log_severity_number;
  std::vector<MatchAttribute> attributes, resources;
  std::vector<MatchLibrary> libraries;
  static void Describe(conf::Struct<MatchConfig>& s);
  /// What is wrong with it for that signal, in the reference's words; empty when nothing is.
  std::string Fault(otlp::Signal signal) const;
};

/// A compiled MatchConfig. Immutable; thread-safe.
class RecordMatch {
 public:
  /// Only of a config without fault.
  RecordMatch(otlp::Signal signal, const MatchConfig& config);
  /// True when every property that was given matches.
  bool Matches(const otlp::RecordRef& record) const;

 private:
  class Texts {
   public:
    Texts() = default;
    Texts(const std::vector<std::string>& texts, bool regexp);
    bool given() const { return given_; }
    bool Match(std::string_view text) const;

   private:
    bool given_ = false;
    std::vector<std::string> strict_;
    std::vector<otlp::Pattern> patterns_;
  };
  struct Attribute {
    std::string key;
    std::optional<std::string> equal;  // encoded AnyValue
    std::optional<otlp::Pattern> pattern;
  };
  struct Library {
    Texts name, version;
  };
  static bool MatchAll(const std::vector<Attribute>& wanted, const otlp::Attributes& attributes);

  otlp::Signal signal_;
  Texts services_, span_names_, span_kinds_, bodies_, severity_texts_, metric_names_;
  std::optional<MatchSeverityNumber> severity_;
  std::vector<Attribute> attributes_, resources_;
  std::vector<Library> libraries_;
};

/// include and exclude together: true when the record is to be acted on, for it matches `include` and none of
/// `exclude`.
otlp::RecordTest MakeSelection(otlp::Signal signal, const std::optional<MatchConfig>& include,
                               const std::vector<MatchConfig>& exclude);

}  // namespace naru::pipeline
