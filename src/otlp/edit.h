// Edits of attributes and removal of records, spliced into the wire form in one forward pass: what the attributes,
// resource and filter processors do; and the replacing of whole records, for samplers. The actions are those of the
// reference (its `attributes` and `resource` processors).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "otlp/signal.h"
#include "otlp/views.h"
#include "wire/proto.h"

namespace naru::otlp {

/// One step on one list of attributes. Steps run in order; later ones see what earlier ones did.
struct Action {
  enum class Kind : uint8_t {
    kInsert,   // sets the key where it is absent
    kUpdate,   // sets the key where it is present
    kUpsert,   // sets the key
    kDelete,   // removes `key`, and every key that `pattern` is found in
    kHash,     // replaces the value of `key`, and of every key that `pattern` is found in, by its hash
    kExtract,  // sets one attribute for each (named) group of `pattern`, when it is found in the string value of `key`
    kConvert,  // changes the type of the value of `key`, when it can be changed
  };
  enum class Type : uint8_t { kNone, kInt, kDouble, kString };

  Kind kind = Kind::kInsert;
  std::string key;
  /// The value to set, for kInsert, kUpdate, kUpsert: one of the first three; the default when those have none. Without
  /// any value nothing is done.
  std::optional<std::string> value;  // encoded AnyValue (EncodeValue in otlp/build.h)
  std::string from_attribute;        // copied from this attribute of the same list
  std::string from_context;          // asked of the ContextLookup, once for each Apply
  std::optional<std::string> default_value;
  std::string pattern;
  Type convert_to = Type::kNone;
};

/// A record where it stands, all encoded: for tests that decide about it. `record` is a Span, LogRecord or Metric. The
/// containers are those of the input: edits of the same program do not show. Records of one scope have equal pointers,
/// so that an answer about their resource or scope can be remembered.
struct RecordRef {
  Signal signal = Signal::kTraces;
  std::string_view resource, resource_schema_url, scope, scope_schema_url;
  std::string_view record;
};
using RecordTest = std::function<bool(const RecordRef&)>;
using PointTest = std::function<bool(const RecordRef&, Metric::Kind, std::string_view point)>;
/// The value of a context key ("metadata.x", "auth.x", "client.address"); false when there is none.
using ContextLookup = std::function<bool(std::string_view key, std::string* value)>;

/// Goes over the records of one request and says what becomes of each. Made for each Apply, used by one thread, so that
/// it can count and keep memory from record to record.
class RecordPass {
 public:
  enum class Verdict : uint8_t {
    kKeep,       // as it is
    kDrop,       // removed
    kReplace,    // `out` has the content of the record that stands there instead
    kMalformed,  // cannot be read: Apply fails
  };
  virtual ~RecordPass() = default;
  /// `record` is an encoded Span or LogRecord. What is written to `out` for a verdict other than kReplace is thrown
  /// away; what was in it before is not to be touched.
  virtual Verdict Visit(std::string_view record, wire::Writer& out) = 0;
  /// The whole request was well-formed, and what was said of its records holds. A pass over a malformed one is
  /// destroyed without this call.
  virtual void Done() = 0;
};

struct EditSpec {
  /// Actions on the attributes of resources, scopes, and records: spans (not their events and links), log records, and
  /// of metrics the data points.
  std::vector<Action> resource, scope, record;
  /// Records that the `record` actions apply to; all when null.
  RecordTest select;
  /// Records to remove, with everything in them; none when null. Asked before any action. Scopes and resources that
  /// have no records then are removed too.
  RecordTest drop;
  /// Data points to remove; metrics without points then are removed too.
  PointTest drop_point;
  /// Makes the pass that judges each record; none when null. Traces and logs only, and not together with actions on
  /// records or with tests; scopes and resources that have no records then are removed.
  std::function<std::unique_ptr<RecordPass>()> pass;
  /// Hash of the bytes, as text (the reference: SHA-256 in hexadecimal, wire::Sha256Hex; SHA-1 in its older releases);
  /// needed when there is a kHash action. The bytes are those of a string, 8 bytes little-endian of an integer or
  /// double, one byte 0 or 1 of a boolean; other values are replaced by the empty string without asking.
  std::function<std::string(std::string_view)> hash;
};

struct Edited {
  Slice bytes;           // empty when nothing is left
  uint64_t dropped = 0;  // items (spans, log records, data points, samples) that were removed
};

/// A compiled EditSpec. Immutable; Apply may run on any thread, as far as the spec's functions allow it.
///
/// Semantics beyond the reference's: of a key that occurs twice in one list (which OTLP forbids) kDelete removes all,
/// the other actions see the first. New attributes are placed behind the last one; removing one keeps the order of the
/// others (the reference moves the last one into its place).
class EditProgram {
 public:
  /// Errors (kInvalidArgument) say which action is wrong and why: a missing key or value, a pattern that does not
  /// compile, groups without names.
  static Result<EditProgram> Compile(Signal signal, EditSpec spec);

  Signal signal() const;
  /// True when Apply cannot change anything.
  bool empty() const;

  /// Rewrites a request. The output has shortest varints; everything that is not touched is copied byte by byte. Error
  /// kInvalidArgument when the walked part of the input is malformed: Sanitize it and apply again, for passing it on
  /// unedited would let through what the edits are to remove.
  Result<Edited> Apply(const Slice& request, const ContextLookup& context = nullptr,
                       Budget& budget = Budget::Process()) const;

  struct Code;

 private:
  explicit EditProgram(std::shared_ptr<const Code> code) : code_(std::move(code)) {}
  std::shared_ptr<const Code> code_;
};

}  // namespace naru::otlp
