#include "otlp/edit.h"

#include "otlp/build.h"
#include "otlp/edit_code.h"
#include "otlp/fields.h"

namespace naru::otlp {

using wire::kLength;
using wire::Reader;
using wire::Tag;
using wire::Writer;

struct EditProgram::Code {
  Signal signal;
  EditSpec spec;
  ActionList resource, scope, record;
};

namespace {

const char* KindName(Action::Kind kind) {
  static constexpr const char* kNames[] = {"insert", "update", "upsert", "delete", "hash", "extract", "convert"};
  return kNames[static_cast<int>(kind)];
}

Result<Step> CompileStep(Action action, size_t index, bool can_hash) {
  auto fail = [&](std::string_view what) {
    return Fail(Code::kInvalidArgument, "action {} ({} \"{}\"): {}", index, KindName(action.kind), action.key, what);
  };
  using Kind = Action::Kind;
  bool sets = action.kind == Kind::kInsert || action.kind == Kind::kUpdate || action.kind == Kind::kUpsert;
  bool by_pattern = action.kind == Kind::kDelete || action.kind == Kind::kHash;
  if (action.key.empty() && !(by_pattern && !action.pattern.empty())) {
    return fail(by_pattern ? "needs a key or a pattern" : "needs a key");
  }
  int sources = action.value.has_value() + !action.from_attribute.empty() + !action.from_context.empty();
  if (sets && sources == 0 && !action.default_value)
    return fail("needs value, from_attribute, from_context or default_value");
  if (sources > 1) return fail("takes only one of value, from_attribute and from_context");
  if (!sets && (sources > 0 || action.default_value)) return fail("takes no value");
  if (sets && !action.pattern.empty()) return fail("takes no pattern");
  if (action.kind == Kind::kConvert && action.convert_to == Action::Type::kNone)
    return fail("needs a type to convert to");
  if (action.kind != Kind::kConvert && action.convert_to != Action::Type::kNone)
    return fail("takes no type to convert to");
  if (action.kind == Kind::kConvert && !action.pattern.empty()) return fail("takes no pattern");
  if (action.kind == Kind::kExtract && action.pattern.empty()) return fail("needs a pattern");
  if (action.kind == Kind::kHash && !can_hash) return fail("there is no hash function");
  Step step;
  if (!action.pattern.empty()) {
    Result<Pattern> pattern = Pattern::Compile(action.pattern);
    if (!pattern) return fail(pattern.error().message);
    step.pattern = std::move(*pattern);
    if (action.kind == Kind::kExtract) {
      if (step.pattern->group_names().empty()) return fail("the pattern has no named groups");
      for (const std::string& name : step.pattern->group_names()) {
        if (name.empty()) return fail("the pattern has a group without a name");
      }
    }
  }
  step.action = std::move(action);
  return step;
}

Status CompileList(std::vector<Action> actions, bool can_hash, ActionList* list) {
  for (size_t i = 0; i < actions.size(); ++i) {
    list->has_context = list->has_context || !actions[i].from_context.empty();
    Result<Step> step = CompileStep(std::move(actions[i]), i, can_hash);
    if (!step) return Unexpected(step.error());
    list->steps.push_back(std::move(*step));
  }
  if (!list->has_context && !list->empty()) list->plain = MakePlain(list->steps, nullptr);
  return {};
}

uint32_t PointAttributes(uint32_t data_field) {
  switch (data_field) {
    case field::metric::kHistogram:
      return field::histogram_point::kAttributes;
    case field::metric::kExpHistogram:
      return field::exp_histogram_point::kAttributes;
    case field::metric::kSummary:
      return field::summary_point::kAttributes;
    default:
      return field::number_point::kAttributes;
  }
}

Metric::Kind PointKind(uint32_t data_field) {
  switch (data_field) {
    case field::metric::kSum:
      return Metric::Kind::kSum;
    case field::metric::kHistogram:
      return Metric::Kind::kHistogram;
    case field::metric::kExpHistogram:
      return Metric::Kind::kExpHistogram;
    case field::metric::kSummary:
      return Metric::Kind::kSummary;
    default:
      return Metric::Kind::kGauge;
  }
}

// A list of actions with the context of one Apply.
struct BoundList {
  const ActionList* list = nullptr;
  std::optional<PlainSet> own;                     // when the context had to be asked
  const PlainSet* plain = nullptr;                 // the fast form, if there is one
  std::vector<std::optional<std::string>> values;  // else: from_context, encoded, by step
  bool active = false;

  void Bind(const ActionList& actions, const ContextLookup& context) {
    list = &actions;
    active = !actions.empty();
    if (!active) return;
    plain = actions.plain ? &*actions.plain : nullptr;
    if (plain) return;
    if (actions.has_context) {
      own = MakePlain(actions.steps, context);
      if (own) {
        plain = &*own;
        return;
      }
    }
    for (const Step& step : actions.steps) {
      std::string text;
      bool found = !step.action.from_context.empty() && context && context(step.action.from_context, &text);
      values.push_back(found ? std::optional(EncodeValue(std::string_view(text))) : std::nullopt);
    }
  }
};

// One application of a program to a request. All functions return false when the input is malformed.
class Pass {
 public:
  Pass(const EditProgram::Code& code, std::string_view request, const ContextLookup& context, Budget& budget)
      : code_(code), out_(request.size() + request.size() / 8 + 1024, budget) {
    ref_.signal = code.signal;
    resource_.Bind(code.resource, context);
    scope_.Bind(code.scope, context);
    record_.Bind(code.record, context);
    tests_ = code.spec.select || code.spec.drop || code.spec.drop_point;
    if (code.spec.pass) pass_ = code.spec.pass();
    drops_ = code.spec.drop || code.spec.drop_point || pass_;
    // Lists inside of the records: without these, records are copied as they are.
    inside_ = record_.active || drops_ || scope_.active;
  }

  bool Request(std::string_view request) {
    Reader r(request);
    for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
      if (tag == Tag(field::request::kResources, kLength)) {
        std::string_view content = r.Bytes();
        if (!r.ok() || !Resource(content)) return false;
      } else {
        r.Skip(tag);
        CopyField(r, at);
      }
    }
    return r.ok();
  }
  Slice Finish() {
    if (pass_) pass_->Done();
    return out_.Finish();
  }
  uint64_t dropped() const { return dropped_; }

 private:
  void CopyField(const Reader& r, const char* at) {
    if (r.ok()) out_.Raw({at, static_cast<size_t>(r.pos() - at)});
  }
  bool Edit(const BoundList& list, uint32_t field, std::string_view message, uint32_t attributes) {
    return list.plain
               ? editor_.Plainly(out_, field, message, attributes, *list.plain)
               : editor_.Generally(out_, field, message, attributes, list.list->steps, list.values, code_.spec.hash);
  }
  // The same for a message that is absent: nothing is written when it stays empty.
  bool Create(const BoundList& list, uint32_t field, uint32_t attributes) {
    size_t start = out_.size();
    bool ok = Edit(list, field, std::string_view(""), attributes);
    if (out_.size() - start == 2) out_.Truncate(start);  // a tag and the length zero
    return ok;
  }
  // The header and the schema URL of a container: field 1 and field 3. Looks beyond the first field only when it must.
  static bool Header(std::string_view container, bool schema_url, bool* found, std::string_view* header,
                     std::string_view* url) {
    *found = false;
    *header = *url = {};
    Reader r(container);
    while (uint32_t tag = r.Next()) {
      if (tag == Tag(field::resource_items::kResource, kLength)) {
        *header = r.Bytes();
        *found = true;
        if (!schema_url) return r.ok();
      } else if (tag == Tag(field::resource_items::kSchemaUrl, kLength)) {
        *url = r.Bytes();
      } else {
        r.Skip(tag);
      }
    }
    return r.ok();
  }

  bool Resource(std::string_view content) {
    bool found = false;
    if ((tests_ || resource_.active) && !Header(content, tests_, &found, &ref_.resource, &ref_.resource_schema_url))
      return false;
    Writer::Mark mark = out_.Begin(field::request::kResources, content.size());
    if (resource_.active && !found &&
        !Create(resource_, field::resource_items::kResource, field::resource::kAttributes))
      return false;
    uint64_t records = 0;
    Reader r(content);
    for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
      if (tag == Tag(field::resource_items::kResource, kLength) && resource_.active) {
        std::string_view message = r.Bytes();
        if (!r.ok() || !Edit(resource_, field::resource_items::kResource, message, field::resource::kAttributes))
          return false;
      } else if (tag == Tag(field::resource_items::kScopes, kLength) && inside_) {
        std::string_view message = r.Bytes();
        if (!r.ok() || !Scope(message, &records)) return false;
      } else {
        r.Skip(tag);
        CopyField(r, at);
      }
    }
    if (drops_ && records == 0) {
      out_.Cancel(mark);
    } else {
      out_.End(mark);
    }
    return r.ok();
  }

  bool Scope(std::string_view content, uint64_t* records) {
    bool found = false;
    if ((tests_ || scope_.active) && !Header(content, tests_, &found, &ref_.scope, &ref_.scope_schema_url))
      return false;
    Writer::Mark mark = out_.Begin(field::resource_items::kScopes, content.size());
    if (scope_.active && !found && !Create(scope_, field::scope_items::kScope, field::scope::kAttributes)) return false;
    uint64_t kept = 0;
    Reader r(content);
    for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
      if (tag == Tag(field::scope_items::kRecords, kLength)) {
        std::string_view record = r.Bytes();
        if (!r.ok()) return false;
        if (pass_) {
          if (!Visit(record, {at, static_cast<size_t>(r.pos() - at)}, &kept)) return false;
          continue;
        }
        ref_.record = record;
        if (code_.spec.drop && code_.spec.drop(ref_)) {
          dropped_ += ItemsOf(record);
          continue;
        }
        std::string_view field(at, static_cast<size_t>(r.pos() - at));
        bool wrote = true;
        if (!Record(record, field, &wrote)) return false;
        kept += wrote;
      } else if (tag == Tag(field::scope_items::kScope, kLength) && scope_.active) {
        std::string_view message = r.Bytes();
        if (!r.ok() || !Edit(scope_, field::scope_items::kScope, message, field::scope::kAttributes)) return false;
      } else {
        r.Skip(tag);
        CopyField(r, at);
      }
    }
    *records += kept;
    if (drops_ && kept == 0) {
      out_.Cancel(mark);
    } else {
      out_.End(mark);
    }
    return r.ok();
  }

  bool Visit(std::string_view record, std::string_view field, uint64_t* kept) {
    using Verdict = RecordPass::Verdict;
    Writer::Mark mark = out_.Begin(field::scope_items::kRecords, record.size());
    Verdict verdict = pass_->Visit(record, out_);
    if (verdict == Verdict::kReplace) {
      out_.End(mark);
    } else {
      out_.Cancel(mark);
      if (verdict == Verdict::kKeep) out_.Raw(field);
    }
    if (verdict == Verdict::kDrop) {
      ++dropped_;
    } else {
      ++*kept;
    }
    return verdict != Verdict::kMalformed;
  }

  bool Record(std::string_view record, std::string_view field, bool* wrote) {
    bool edit = record_.active && (!code_.spec.select || code_.spec.select(ref_));
    switch (code_.signal) {
      case Signal::kTraces:
        if (edit) return Edit(record_, field::scope_items::kRecords, record, field::span::kAttributes);
        break;
      case Signal::kLogs:
        if (edit) return Edit(record_, field::scope_items::kRecords, record, field::log_record::kAttributes);
        break;
      case Signal::kMetrics:
        if (edit || code_.spec.drop_point) return OneMetric(record, edit, wrote);
        break;
      case Signal::kProfiles:
        break;
    }
    out_.Raw(field);
    return true;
  }

  bool OneMetric(std::string_view record, bool edit, bool* wrote) {
    Writer::Mark mark = out_.Begin(field::scope_items::kRecords, record.size());
    uint64_t kept = 0, dropped = 0;
    Reader r(record);
    for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
      uint32_t number = wire::FieldOf(tag);
      if (wire::TypeOf(tag) != kLength || !field::metric::IsData(number)) {
        r.Skip(tag);
        CopyField(r, at);
        continue;
      }
      kept = dropped = 0;  // the last data field is the one that counts
      std::string_view data = r.Bytes();
      if (!r.ok()) return false;
      Writer::Mark data_mark = out_.Begin(number, data.size());
      Reader d(data);
      for (const char* from = d.pos(); uint32_t t = d.Next(); from = d.pos()) {
        if (t != Tag(field::metric_data::kPoints, kLength)) {
          d.Skip(t);
          CopyField(d, from);
          continue;
        }
        std::string_view point = d.Bytes();
        if (!d.ok()) return false;
        if (code_.spec.drop_point && code_.spec.drop_point(ref_, PointKind(number), point)) {
          ++dropped;
          continue;
        }
        ++kept;
        if (!edit) {
          CopyField(d, from);
        } else if (!Edit(record_, field::metric_data::kPoints, point, PointAttributes(number))) {
          return false;
        }
      }
      if (!d.ok()) return false;
      out_.End(data_mark);
    }
    dropped_ += dropped;
    *wrote = !(code_.spec.drop_point && kept == 0);
    if (*wrote) {
      out_.End(mark);
    } else {
      out_.Cancel(mark);
    }
    return r.ok();
  }

  uint64_t ItemsOf(std::string_view record) const {
    if (code_.signal == Signal::kMetrics) return Metric::Parse(record).point_count();
    if (code_.signal == Signal::kProfiles) return Repeated<std::string_view>(record, field::profile::kSamples).size();
    return 1;
  }

  const EditProgram::Code& code_;
  Writer out_;
  ListEditor editor_;
  RecordRef ref_;
  BoundList resource_, scope_, record_;
  std::unique_ptr<RecordPass> pass_;
  bool tests_ = false, drops_ = false, inside_ = false;
  uint64_t dropped_ = 0;
};

}  // namespace

Result<EditProgram> EditProgram::Compile(Signal signal, EditSpec spec) {
  auto code = std::make_shared<Code>();
  code->signal = signal;
  bool can_hash = static_cast<bool>(spec.hash);
  struct {
    const char* name;
    std::vector<Action>* actions;
    ActionList* list;
  } lists[] = {{"resource", &spec.resource, &code->resource},
               {"scope", &spec.scope, &code->scope},
               {"record", &spec.record, &code->record}};
  for (auto& l : lists) {
    if (Status s = CompileList(std::move(*l.actions), can_hash, l.list); !s) return Unexpected(s.error());
  }
  if (signal == Signal::kProfiles && !code->record.empty()) {
    return Fail(naru::Code::kInvalidArgument,
                "samples of profiles keep their attributes in a dictionary, which actions cannot edit");
  }
  if (spec.pass) {
    if (signal != Signal::kTraces && signal != Signal::kLogs)
      return Fail(naru::Code::kInvalidArgument, "a pass over records is for traces and logs only");
    if (!code->record.empty() || spec.select || spec.drop || spec.drop_point)
      return Fail(naru::Code::kInvalidArgument, "a pass over records goes with no actions on records and no tests");
  }
  code->spec = std::move(spec);
  return EditProgram(std::move(code));
}

Signal EditProgram::signal() const {
  return code_->signal;
}

bool EditProgram::empty() const {
  return code_->resource.empty() && code_->scope.empty() && code_->record.empty() && !code_->spec.drop &&
         !code_->spec.drop_point && !code_->spec.pass;
}

Result<Edited> EditProgram::Apply(const Slice& request, const ContextLookup& context, Budget& budget) const {
  Edited edited;
  if (empty()) {
    edited.bytes = request;
    return edited;
  }
  Pass pass(*code_, request.view(), context, budget);
  if (!pass.Request(request.view()))
    return Fail(naru::Code::kInvalidArgument, "malformed {} request", Names(code_->signal).name);
  edited.bytes = pass.Finish();
  edited.dropped = pass.dropped();
  return edited;
}

}  // namespace naru::otlp
