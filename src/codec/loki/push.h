// From OTLP logs to Loki's push requests: which stream, tenant and line each record becomes. The rules are those of the
// Loki exporter of the OpenTelemetry Collector (its release 0.130), hints and default labels; README.md of
// src/exporters/loki lists them.
//
// A hint is an attribute: `loki.attribute.labels` and `loki.resource.labels` name attributes that become labels,
// `loki.format` the form of the line, `loki.tenant` the attribute that holds the tenant. Hints, and the attributes that
// became labels, are left out of the line.
//
// Pure: no sockets, no clock. One thread a Translator.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "codec/loki/labels.h"
#include "codec/loki/line.h"
#include "codec/loki/text_arena.h"
#include "otlp/views.h"
#include "wire/proto.h"

namespace naru::codec::loki {

/// Which labels streams get without being asked for.
struct DefaultLabels {
  bool exporter = true;  // exporter="OTLP"
  bool job = true;       // service.namespace/service.name, or service.name alone
  bool instance = true;  // service.instance.id
  bool level = true;     // the attribute `level`, or TRACE to FATAL4 by the severity number
};

/// A round of translation ends behind the record that passes one of these. What one record may be at most stands in
/// `line_bytes` and `label_bytes`; a record beyond is not translated, for Loki would refuse the whole request.
struct Limits {
  size_t round_bytes = 1 << 20;  // with line_bytes less than the 4 MiB that Loki's parts send each other by default
  size_t streams = 10000;
  size_t tenants = 64;
  size_t line_bytes = 1 << 20;
  size_t label_bytes = 64 << 10;  // of the names and values of one stream
  size_t labels = 128;            // that the hints of one record name
  size_t tenant_bytes = 150;      // as Loki
};

/// Why a record has no form in Loki.
enum class Unfit : uint8_t {
  kNoLabels,       // a stream must have one
  kUnknownFormat,  // `loki.format` is none of json, logfmt, raw
  kBadTenant,      // not fit for a header: empty bytes, control characters, other than ASCII, too long
  kLabelsTooLarge,
  kLineTooLarge,
};
inline constexpr size_t kUnfits = 5;
/// "no_labels", ...: the reason under which the ledger counts them.
std::string_view UnfitName(Unfit unfit);

/// Goes over the records of a request. The bytes must outlive it.
class Cursor {
 public:
  explicit Cursor(std::string_view request);
  bool at_end() const { return resources_ == otlp::ViewEnd(); }
  void Advance();
  const otlp::ResourceItems& resource() const { return *resources_; }
  const otlp::ScopeItems& scope() const { return *scopes_; }
  const otlp::LogRecord& record() const { return *records_; }
  /// Another number for another resource.
  uint64_t resource_number() const { return resource_number_; }

 private:
  void Settle();
  otlp::Repeated<otlp::ResourceItems>::Iterator resources_;
  otlp::Repeated<otlp::ScopeItems>::Iterator scopes_;
  otlp::Repeated<otlp::LogRecord>::Iterator records_;
  uint64_t resource_number_ = 0;
};

/// What goes out in one request.
struct Push {
  std::string tenant;  // X-Scope-OrgID; empty: no header
  uint64_t records = 0;
  Slice body;  // logproto.PushRequest, to be compressed with snappy's block format
};

struct Round {
  std::vector<Push> pushes;  // one a tenant, in the order in which the tenants came
  /// For each record that is in a push, in the order of the cursor, its place there: pushes are ordered by stream.
  std::vector<uint32_t> places;
  /// For each record that the cursor passed, the index of its push, or kUnfitFrom plus the number of an Unfit.
  std::vector<uint16_t> push_of;
  static constexpr uint16_t kUnfitFrom = UINT16_MAX - kUnfits;
  std::array<uint64_t, kUnfits> unfit{};
  std::array<std::string, kUnfits> example;  // what the first of each was about, cut to 100 bytes; may be empty
};

/// Cuts a push in two: its first `n` records (1 to records - 1), and the others.
std::pair<Push, Push> Cut(const Push& push, uint64_t n);

class Translator {
 public:
  explicit Translator(const DefaultLabels& defaults, const Limits& limits = {});

  /// A round: Begin, Take for one request after another while it is not full, Finish.
  void Begin();
  /// Translates records from the cursor on, until its end or a limit. `now` (ns since the epoch) is the time of records
  /// that have none. How many it passed.
  size_t Take(Cursor& cursor, uint64_t now);
  /// A limit is reached.
  bool full() const;
  /// What was taken. The round owns all it holds.
  Round Finish();

 private:
  struct Stream {
    std::string_view labels;  // in the key of streams_
    uint16_t tenant;
    size_t bytes = 0;              // of its entries, with their tags
    uint32_t first = 0, last = 0;  // entries
  };
  struct Entry {
    size_t offset;  // in entries_
    uint32_t size, next;
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
  };
  template <class T>
  using ByText = std::unordered_map<std::string, T, Hash, std::equal_to<>>;

  void TakeResource(const otlp::ResourceItems& resource);
  void TakeAttributes(const otlp::LogRecord& record);
  void FindLabels(int32_t severity);
  void Promote(const LineAttributes& from, const otlp::AnyValue& hint);
  void PromoteOne(const LineAttributes& from, std::string_view name);
  void SetLabel(std::string_view name, const otlp::AnyValue& value);
  std::string_view Text(const otlp::AnyValue& value);
  bool FindTenant(std::string_view* tenant);
  void Remove(LineAttributes& attributes);
  void Add(const Cursor& cursor, uint64_t now);
  bool WriteEntry(Format format, const Cursor& cursor, uint64_t time);
  void Line(Format format, const Cursor& cursor, wire::Writer& out);
  void File(std::string_view tenant, size_t offset);
  void Refuse(Unfit unfit, std::string_view example = {});

  DefaultLabels defaults_;
  Limits limits_;
  TextArena arena_, resource_arena_;
  Labels labels_;
  LineWriter lines_;
  LineAttributes attributes_, resource_;
  uint64_t resource_number_ = 0;
  std::string_view job_, instance_;
  bool has_instance_ = false;
  wire::Writer resource_object_;  // what JSON lines say of the resource, for the attributes that are in it
  std::vector<bool> object_gone_;
  bool object_known_ = false;
  wire::Writer key_;
  std::string text_;

  size_t asked_ = 0;  // names in hints of this record

  // Of the round.
  Round round_;
  ByText<uint32_t> stream_by_key_;  // tenant's number in two bytes, then the labels
  ByText<uint16_t> tenant_by_name_;
  std::vector<Stream> streams_;
  std::vector<Entry> entry_list_;
  wire::Writer entries_;
};

}  // namespace naru::codec::loki
