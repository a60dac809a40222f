#include "codec/loki/push.h"

#include <algorithm>

#include "otlp/value_text.h"

namespace naru::codec::loki {
namespace {

using otlp::AnyValue;
using Kind = AnyValue::Kind;

constexpr std::string_view kAttributeLabels = "loki.attribute.labels", kResourceLabels = "loki.resource.labels",
                           kFormat = "loki.format", kTenant = "loki.tenant", kLevel = "level";

// logproto.PushRequest (github.com/grafana/loki/pkg/push/push.proto).
namespace field {
constexpr uint32_t kStreams = 1;
constexpr uint32_t kLabels = 1, kEntries = 2;  // of a stream
constexpr uint32_t kTime = 1, kLine = 2;       // of an entry
constexpr uint32_t kSeconds = 1, kNanos = 2;   // of a time
}  // namespace field

constexpr uint32_t kNoEntry = UINT32_MAX;
constexpr size_t kKept = 4096;       // attributes that there is memory for between rounds
constexpr size_t kTenantNumber = 2;  // bytes of it in front of a stream's key

// By severity number.
constexpr std::string_view kLevels[] = {"TRACE", "TRACE2", "TRACE3", "TRACE4", "DEBUG", "DEBUG2", "DEBUG3", "DEBUG4",
                                        "INFO",  "INFO2",  "INFO3",  "INFO4",  "WARN",  "WARN2",  "WARN3",  "WARN4",
                                        "ERROR", "ERROR2", "ERROR3", "ERROR4", "FATAL", "FATAL2", "FATAL3", "FATAL4"};

bool IsHint(std::string_view key) {
  return key == kAttributeLabels || key == kResourceLabels || key == kFormat || key == kTenant;
}

const AnyValue* Find(const LineAttributes& attributes, std::string_view key) {
  for (const LineAttribute& a : attributes) {
    if (a.key == key) return &a.value;
  }
  return nullptr;
}

std::string_view Trimmed(std::string_view s) {
  constexpr std::string_view kBlanks = " \t\n\r\v\f";
  size_t from = s.find_first_not_of(kBlanks);
  if (from == std::string_view::npos) return {};
  return s.substr(from, s.find_last_not_of(kBlanks) + 1 - from);
}

}  // namespace

std::string_view UnfitName(Unfit unfit) {
  constexpr std::string_view kNames[kUnfits] = {"no_labels", "unknown_format", "bad_tenant", "labels_too_large",
                                                "line_too_large"};
  return kNames[static_cast<size_t>(unfit)];
}

Cursor::Cursor(std::string_view request)
    : resources_(otlp::Resources(request).begin()),
      scopes_(otlp::Repeated<otlp::ScopeItems>().begin()),
      records_(otlp::Repeated<otlp::LogRecord>().begin()) {
  if (at_end()) return;
  scopes_ = resources_->scopes.begin();
  if (!(scopes_ == otlp::ViewEnd())) records_ = scopes_->records<otlp::LogRecord>().begin();
  Settle();
}

void Cursor::Advance() {
  ++records_;
  Settle();
}

// On to the next record when the place is behind the last one of its scope.
void Cursor::Settle() {
  while (records_ == otlp::ViewEnd()) {
    if (!(scopes_ == otlp::ViewEnd())) ++scopes_;
    while (scopes_ == otlp::ViewEnd()) {
      ++resources_;
      ++resource_number_;
      if (at_end()) return;
      scopes_ = resources_->scopes.begin();
    }
    records_ = scopes_->records<otlp::LogRecord>().begin();
  }
}

std::pair<Push, Push> Cut(const Push& push, uint64_t n) {
  wire::Writer halves[2] = {wire::Writer(push.body.size()), wire::Writer(push.body.size())};
  uint64_t record = 0;
  wire::Reader request(push.body.view());
  while (uint32_t tag = request.Next()) {
    if (tag != wire::Tag(field::kStreams, wire::kLength)) {
      request.Skip(tag);
      continue;
    }
    wire::Reader stream = request.Message();
    std::string_view labels;
    int open = -1;  // the half that the stream was begun in
    wire::Writer::Mark mark{};
    while (uint32_t inner = stream.Next()) {
      if (inner == wire::Tag(field::kLabels, wire::kLength)) {
        labels = stream.Bytes();
      } else if (inner == wire::Tag(field::kEntries, wire::kLength)) {
        std::string_view entry = stream.Bytes();
        int half = record++ < n ? 0 : 1;
        if (half != open) {
          if (open >= 0) halves[open].End(mark);
          open = half;
          mark = halves[half].Begin(field::kStreams, 1024);
          halves[half].BytesField(field::kLabels, labels);
        }
        halves[half].BytesField(field::kEntries, entry);
      } else {
        stream.Skip(inner);
      }
    }
    if (open >= 0) halves[open].End(mark);
  }
  return {{push.tenant, n, halves[0].Finish()}, {push.tenant, push.records - n, halves[1].Finish()}};
}

Translator::Translator(const DefaultLabels& defaults, const Limits& limits) : defaults_(defaults), limits_(limits) {}

void Translator::Begin() {
  round_ = Round();
  stream_by_key_.clear();
  tenant_by_name_.clear();
  streams_.clear();
  entry_list_.clear();
  entries_.Truncate(0);
}

bool Translator::full() const {
  return entries_.size() >= limits_.round_bytes || streams_.size() >= limits_.streams ||
         round_.pushes.size() >= limits_.tenants;
}

size_t Translator::Take(Cursor& cursor, uint64_t now) {
  resource_number_ = UINT64_MAX;  // of another cursor perhaps
  const size_t before = round_.push_of.size();
  for (; !cursor.at_end() && !full(); cursor.Advance()) Add(cursor, now);
  return round_.push_of.size() - before;
}

// Text of a value; lies in the request or in the arena.
std::string_view Translator::Text(const AnyValue& value) {
  if (value.kind == Kind::kString) return value.bytes;
  text_.clear();
  otlp::AppendText(value, &text_);
  return arena_.Join(text_);
}

void Translator::TakeResource(const otlp::ResourceItems& resource) {
  resource_.clear();
  resource_arena_.Clear();
  object_known_ = false;
  for (const otlp::KeyValue& kv : resource.resource.attributes) resource_.push_back({kv.key, kv.value, false});
  auto keep = [this](std::string_view text, std::string_view more = {}) { return resource_arena_.Join(text, more); };
  job_ = {};
  if (const AnyValue* name = Find(resource_, "service.name")) {
    job_ = keep(Text(*name));
    if (const AnyValue* space = Find(resource_, "service.namespace")) job_ = keep(keep(Text(*space), "/"), job_);
  }
  const AnyValue* instance = Find(resource_, "service.instance.id");
  has_instance_ = instance != nullptr;
  if (instance) instance_ = keep(Text(*instance));
}

void Translator::TakeAttributes(const otlp::LogRecord& record) {
  attributes_.clear();
  for (const otlp::KeyValue& kv : record.attributes) attributes_.push_back({kv.key, kv.value, false});
}

// The attribute `name`, or, when there is none, the one in nested maps that the parts of a dotted name lead to.
void Translator::PromoteOne(const LineAttributes& from, std::string_view name) {
  if (++asked_ > limits_.labels) return;
  if (const AnyValue* value = Find(from, name)) return SetLabel(name, *value);
  size_t dot = name.find('.');
  if (dot == std::string_view::npos) return;
  const AnyValue* outer = Find(from, name.substr(0, dot));
  if (!outer) return;
  AnyValue value = *outer;
  for (std::string_view rest = name.substr(dot + 1); !rest.empty();) {
    dot = std::min(rest.find('.'), rest.size());
    bool found = false;
    value = value.kind == Kind::kKvlist ? otlp::FindAttribute(value.kvlist(), rest.substr(0, dot), &found) : AnyValue();
    if (!found) return;
    rest.remove_prefix(std::min(dot + 1, rest.size()));
  }
  SetLabel(name, value);
}

void Translator::SetLabel(std::string_view name, const AnyValue& value) {
  std::string_view text = Text(value);
  // A list or map without a text has a number that JSON lacks. In the line it has a form, so it stays there.
  if (text.empty() && (value.kind == Kind::kArray || value.kind == Kind::kKvlist)) return;
  labels_.Set(name, text);
}

// The attributes that a hint names: a text with commas, or a list; what else it is counts as one name.
void Translator::Promote(const LineAttributes& from, const AnyValue& hint) {
  if (hint.kind == Kind::kArray) {
    for (const AnyValue& name : hint.array()) PromoteOne(from, Trimmed(Text(name)));
  } else if (hint.kind == Kind::kString) {
    std::string_view names = hint.bytes;
    for (size_t comma; (comma = names.find(',')) != std::string_view::npos; names.remove_prefix(comma + 1))
      PromoteOne(from, Trimmed(names.substr(0, comma)));
    PromoteOne(from, Trimmed(names));
  } else {
    PromoteOne(from, Trimmed(Text(hint)));
  }
}

// Later ones overwrite.
void Translator::FindLabels(int32_t severity) {
  if (defaults_.exporter) labels_.Set("exporter", "OTLP");
  if (defaults_.job && !job_.empty()) labels_.Set("job", job_);
  if (defaults_.instance && has_instance_) labels_.Set("instance", instance_);
  if (const AnyValue* hint = Find(resource_, kResourceLabels)) Promote(resource_, *hint);
  if (const AnyValue* hint = Find(attributes_, kResourceLabels)) Promote(resource_, *hint);

  const bool leveled = defaults_.level && severity > 0 && static_cast<size_t>(severity) <= std::size(kLevels);
  if (leveled && !Find(attributes_, kLevel)) {
    AnyValue level;
    level.kind = Kind::kString;
    level.bytes = kLevels[severity - 1];
    attributes_.push_back({kLevel, level, false});
  }
  const AnyValue* hint = Find(attributes_, kAttributeLabels);
  if (hint) Promote(attributes_, *hint);
  // The level is one more name in the hint, which can take it only when it is a text or a list.
  if (leveled && (!hint || hint->kind == Kind::kString || hint->kind == Kind::kArray)) PromoteOne(attributes_, kLevel);
}

// The tenant is the text that the attribute named by the hint has, of the resource or else of the record.
bool Translator::FindTenant(std::string_view* tenant) {
  const AnyValue* hint = Find(resource_, kTenant);
  bool of_resource = hint != nullptr;
  if (!hint) hint = Find(attributes_, kTenant);
  if (!hint) return true;
  Promote(of_resource ? resource_ : attributes_, *hint);
  std::string_view name = hint->kind == Kind::kString ? hint->bytes : std::string_view();
  const AnyValue* value = Find(resource_, name);
  if (!value) value = Find(attributes_, name);
  if (value && value->kind == Kind::kString) *tenant = value->bytes;
  return tenant->size() <= limits_.tenant_bytes &&
         std::all_of(tenant->begin(), tenant->end(), [](char c) { return c > ' ' && c < 0x7f; });
}

void Translator::Remove(LineAttributes& attributes) {
  for (LineAttribute& a : attributes) a.gone = IsHint(a.key) || labels_.Has(a.key);
}

void Translator::Line(Format format, const Cursor& cursor, wire::Writer& out) {
  const otlp::LogRecord& record = cursor.record();
  const otlp::InstrumentationScope& scope = cursor.scope().scope;
  switch (format) {
    case Format::kRaw:
      return lines_.Raw(record, out);
    case Format::kLogfmt:
      return lines_.Logfmt(record, attributes_, resource_, scope, arena_, out);
    case Format::kJson:
      break;
  }
  // Records of one resource mostly leave the same of it in their lines.
  bool same = object_known_;
  for (size_t i = 0; same && i < resource_.size(); ++i) same = object_gone_[i] == resource_[i].gone;
  if (!same) {
    object_gone_.assign(resource_.size(), false);
    for (size_t i = 0; i < resource_.size(); ++i) object_gone_[i] = resource_[i].gone;
    object_known_ = true;
    resource_object_.Truncate(0);
    lines_.Object(resource_, resource_object_);
  }
  lines_.Json(record, attributes_, resource_object_.view(), scope, out);
}

void Translator::Refuse(Unfit unfit, std::string_view example) {
  auto i = static_cast<size_t>(unfit);
  if (round_.unfit[i]++ == 0) round_.example[i] = example.substr(0, 100);
  round_.push_of.push_back(static_cast<uint16_t>(Round::kUnfitFrom + i));
}

void Translator::Add(const Cursor& cursor, uint64_t now) {
  const otlp::LogRecord& record = cursor.record();
  arena_.Clear();
  labels_.Clear();
  asked_ = 0;
  if (cursor.resource_number() != resource_number_) {
    resource_number_ = cursor.resource_number();
    TakeResource(cursor.resource());
  }
  TakeAttributes(record);

  const AnyValue* format_hint = Find(resource_, kFormat);
  if (!format_hint) format_hint = Find(attributes_, kFormat);
  auto format = format_hint ? FormatByName(Text(*format_hint)) : Format::kJson;
  if (!format) return Refuse(Unfit::kUnknownFormat, Text(*format_hint));

  FindLabels(record.severity_number);
  std::string_view tenant;
  if (!FindTenant(&tenant)) return Refuse(Unfit::kBadTenant, tenant);
  if (asked_ > limits_.labels) return Refuse(Unfit::kLabelsTooLarge);
  auto known = tenant_by_name_.find(tenant);
  size_t number = known == tenant_by_name_.end() ? round_.pushes.size() : known->second;
  key_.Truncate(0);
  const char prefix[kTenantNumber] = {static_cast<char>(number & 0xff), static_cast<char>(number >> 8)};
  key_.Raw({prefix, sizeof prefix});
  if (labels_.Write(key_, arena_) == 0) return Refuse(Unfit::kNoLabels);
  if (key_.size() > limits_.label_bytes) return Refuse(Unfit::kLabelsTooLarge, key_.view().substr(kTenantNumber));

  Remove(attributes_);
  Remove(resource_);
  const size_t offset = entries_.size();
  const uint64_t time = record.time ? record.time : record.observed_time ? record.observed_time : now;
  if (!WriteEntry(*format, cursor, time)) {
    entries_.Truncate(offset);
    return Refuse(Unfit::kLineTooLarge, key_.view().substr(kTenantNumber));
  }
  File(tenant, offset);
}

// False when the line is too long.
bool Translator::WriteEntry(Format format, const Cursor& cursor, uint64_t time) {
  auto entry = entries_.Begin(field::kEntries, 256);
  auto stamp = entries_.Begin(field::kTime, 12);
  if (uint64_t seconds = time / 1'000'000'000) entries_.VarintField(field::kSeconds, seconds);
  if (uint64_t nanos = time % 1'000'000'000) entries_.VarintField(field::kNanos, nanos);
  entries_.End(stamp);
  auto line = entries_.Begin(field::kLine, 256);
  const size_t begin = entries_.size();
  Line(format, cursor, entries_);
  const size_t size = entries_.size() - begin;
  entries_.End(line);
  entries_.End(entry);
  return size <= limits_.line_bytes;
}

// Puts the entry that was written from `offset` on into its stream, whose key is in key_.
void Translator::File(std::string_view tenant, size_t offset) {
  auto owner = tenant_by_name_.find(tenant);
  if (owner == tenant_by_name_.end()) {
    owner = tenant_by_name_.emplace(tenant, static_cast<uint16_t>(round_.pushes.size())).first;
    round_.pushes.push_back({std::string(tenant), 0, {}});
  }
  auto at = stream_by_key_.find(key_.view());
  if (at == stream_by_key_.end()) {
    at = stream_by_key_.emplace(key_.view(), static_cast<uint32_t>(streams_.size())).first;
    std::string_view labels = std::string_view(at->first).substr(kTenantNumber);
    streams_.push_back({labels, owner->second, 0, kNoEntry, kNoEntry});
  }
  Stream& stream = streams_[at->second];
  auto index = static_cast<uint32_t>(entry_list_.size());
  entry_list_.push_back({offset, static_cast<uint32_t>(entries_.size() - offset), kNoEntry});
  (stream.last == kNoEntry ? stream.first : entry_list_[stream.last].next) = index;
  stream.last = index;
  stream.bytes += entries_.size() - offset;
  ++round_.pushes[owner->second].records;
  round_.push_of.push_back(owner->second);
}

// Puts the entries of each stream together.
Round Translator::Finish() {
  std::string_view entries = entries_.view();
  auto size_of = [](const Stream& s) { return wire::FieldSize(field::kLabels, s.labels.size()) + s.bytes; };
  round_.places.resize(entry_list_.size());
  std::vector<size_t> totals(round_.pushes.size());
  for (const Stream& s : streams_) totals[s.tenant] += wire::FieldSize(field::kStreams, size_of(s));
  for (size_t tenant = 0; tenant < totals.size(); ++tenant) {
    wire::Writer out(totals[tenant]);
    uint32_t place = 0;
    for (const Stream& s : streams_) {
      if (s.tenant != tenant) continue;
      out.Varint(wire::Tag(field::kStreams, wire::kLength));
      out.Varint(size_of(s));
      out.BytesField(field::kLabels, s.labels);
      for (uint32_t e = s.first; e != kNoEntry; e = entry_list_[e].next) {
        out.Raw(entries.substr(entry_list_[e].offset, entry_list_[e].size));
        round_.places[e] = place++;
      }
    }
    round_.pushes[tenant].body = out.Finish();
  }
  // What a single large record needed goes; the rest serves the next round.
  if (entries_.size() > 2 * limits_.round_bytes) entries_.Finish();
  if (resource_object_.size() > limits_.round_bytes) resource_object_.Finish();
  if (attributes_.capacity() > kKept) attributes_ = {};
  if (resource_.capacity() > kKept) resource_ = {};
  object_known_ = false;
  return std::move(round_);
}

}  // namespace naru::codec::loki
