// The compiled form of edit programs, and the rewriting of one list of attributes. Only edit.cc and edit_list.cc use
// it.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "otlp/edit.h"
#include "otlp/pattern.h"
#include "wire/proto.h"

namespace naru::otlp {

/// An action with what can be prepared.
struct Step {
  Action action;
  std::optional<Pattern> pattern;
};

/// An action of the fast path: a literal for a key that no other action of the list names.
struct Plain {
  Action::Kind kind;
  std::string key;
  std::string attribute;  // encoded KeyValue; empty for kDelete
};

/// Actions that are applied while the list is passed over, without looking at values.
struct PlainSet {
  static constexpr size_t kMax = 16;
  std::vector<Plain> plains;
  uint64_t lengths = 0;  // bit n: a key has n bytes; bit 63 for all longer ones
  size_t growth = 0;     // most bytes that the list can grow
};

/// The actions on one kind of list. `plain` is set when all of them are of that kind.
struct ActionList {
  std::vector<Step> steps;
  bool has_context = false;
  std::optional<PlainSet> plain;
  bool empty() const { return steps.empty(); }
};

/// The fast form of the steps, when they have one. `context` resolves from_context; steps that turn out to have no
/// value are left out.
std::optional<PlainSet> MakePlain(const std::vector<Step>& steps, const ContextLookup& context);

/// Rewrites the attributes in messages. One for each thread at a time; its memory is reused from record to record.
class ListEditor {
 public:
  using Hash = std::function<std::string(std::string_view)>;

  /// Writes field `field` with the content of `message`, whose attributes are in field `attributes`, edited. False when
  /// the message is malformed; what was written then is to be thrown away.
  bool Plainly(wire::Writer& out, uint32_t field, std::string_view message, uint32_t attributes, const PlainSet& set);
  /// The same by any list of steps. `values` are the values of from_context, one for each step.
  bool Generally(wire::Writer& out, uint32_t field, std::string_view message, uint32_t attributes,
                 const std::vector<Step>& steps, const std::vector<std::optional<std::string>>& values,
                 const Hash& hash);

 private:
  struct Item {
    std::string_view key;
    std::string_view value;  // encoded AnyValue
    std::string_view raw;    // the whole field as it stood; empty when the value was changed
  };
  struct Hit {
    const char* begin;
    const char* end;
    size_t plain;
  };
  std::string& NewValue();
  Item* Find(std::string_view key);
  void Set(std::string_view key, std::string_view value, bool insert, bool update);
  void SetText(Item& item, std::string_view text);
  void Run(const Step& step, const std::optional<std::string>& context, const Hash& hash);
  void HashItem(Item& item, const Hash& hash);
  void Convert(Item& item, Action::Type type);

  std::vector<Hit> hits_;  // attributes that are cut out or replaced
  std::vector<Item> items_;
  std::vector<std::string_view> rest_;  // fields that are not attributes
  std::vector<std::string_view> groups_;
  std::deque<std::string> values_;  // new values; the strings stay where they are
  size_t used_ = 0;
};

}  // namespace naru::otlp
