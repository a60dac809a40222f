// Everything that is done with the bytes of a request, on any bytes: the parts must agree with each other and with
// libprotobuf. The first byte chooses the signal and the second the program of edits; the request follows.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "otlp/build.h"
#include "otlp/edit.h"
#include "otlp/scan.h"
#include "otlp/split.h"
#include "otlp/testdata/oracle.h"
#include "otlp/validate.h"
#include "otlp/value_text.h"

namespace naru::otlp {
namespace {

void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

size_t WalkAttributes(const Attributes& attributes, int depth);

size_t WalkValue(const AnyValue& v, int depth) {
  size_t n = 1;
  if (depth > kMaxDepth) return n;
  for (const AnyValue& e : v.array()) n += WalkValue(e, depth + 1);
  return n + WalkAttributes(v.kvlist(), depth + 1);
}

size_t WalkAttributes(const Attributes& attributes, int depth) {
  size_t n = 0;
  for (const KeyValue& kv : attributes) n += WalkValue(kv.value, depth);
  return n;
}

template <class P>
size_t WalkPoints(const Metric& metric) {
  size_t n = 0;
  for (const P& p : metric.points<P>()) {
    WalkAttributes(p.attributes, 0);
    ++n;
  }
  return n;
}

// The items that the views see.
uint64_t Walk(Signal signal, std::string_view request) {
  uint64_t items = 0;
  for (const ResourceItems& r : Resources(request)) {
    WalkAttributes(r.resource.attributes, 0);
    for (const ScopeItems& s : r.scopes) {
      WalkAttributes(s.scope.attributes, 0);
      switch (signal) {
        case Signal::kTraces:
          for (const Span& span : s.records<Span>()) {
            WalkAttributes(span.attributes, 0);
            for (const SpanEvent& e : span.events) WalkAttributes(e.attributes, 0);
            for (const SpanLink& l : span.links) WalkAttributes(l.attributes, 0);
            ++items;
          }
          break;
        case Signal::kLogs:
          for (const LogRecord& l : s.records<LogRecord>()) {
            std::string text;
            AppendText(l.body, &text);
            WalkAttributes(l.attributes, 0);
            ++items;
          }
          break;
        case Signal::kMetrics:
          for (const Metric& m : s.records<Metric>()) {
            switch (m.kind) {
              case Metric::Kind::kHistogram:
                items += WalkPoints<HistogramPoint>(m);
                break;
              case Metric::Kind::kExpHistogram:
                items += WalkPoints<ExpHistogramPoint>(m);
                break;
              case Metric::Kind::kSummary:
                items += WalkPoints<SummaryPoint>(m);
                break;
              default:
                items += WalkPoints<NumberPoint>(m);
            }
          }
          break;
        case Signal::kProfiles:
          for (std::string_view p : s.raw_records)
            items += Repeated<std::string_view>(p, field::profile::kSamples).size();
          break;
      }
    }
  }
  return items;
}

const EditProgram& Program(Signal signal, int which) {
  static std::vector<EditProgram>* programs = [] {
    auto* list = new std::vector<EditProgram>;
    using Kind = Action::Kind;
    std::string value = EncodeValue("x");
    std::vector<Action> plain = {{.kind = Kind::kInsert, .key = "new", .value = value},
                                 {.kind = Kind::kUpsert, .key = "k1", .value = value},
                                 {.kind = Kind::kUpdate, .key = "k2", .value = value},
                                 {.kind = Kind::kDelete, .key = "a"}};
    std::vector<Action> general = {
        {.kind = Kind::kExtract, .key = "http.method", .pattern = "(?P<first>.)(?P<rest>.*)"},
        {.kind = Kind::kConvert, .key = "a", .convert_to = Action::Type::kString},
        {.kind = Kind::kConvert, .key = "k1", .convert_to = Action::Type::kDouble},
        {.kind = Kind::kHash, .pattern = "^user"},
        {.kind = Kind::kUpsert, .key = "copy", .from_attribute = "a"},
        {.kind = Kind::kDelete, .pattern = "x"}};
    auto hash = [](std::string_view bytes) { return std::to_string(bytes.size()); };
    for (int s = 0; s < kSignals; ++s) {
      Signal signal = static_cast<Signal>(s);
      bool profiles = signal == Signal::kProfiles;
      auto none = std::vector<Action>();
      list->push_back(*EditProgram::Compile(
          signal, {.resource = plain, .scope = plain, .record = profiles ? none : plain, .hash = hash}));
      list->push_back(*EditProgram::Compile(
          signal, {.resource = general, .scope = general, .record = profiles ? none : general, .hash = hash}));
      list->push_back(*EditProgram::Compile(
          signal, {.resource = plain,
                   .select = [](const RecordRef& r) { return r.record.size() % 2 == 0; },
                   .drop = [](const RecordRef& r) { return (r.record.size() + r.resource.size()) % 3 == 0; },
                   .drop_point = [](const RecordRef&, Metric::Kind,
                                    std::string_view point) { return point.size() % 2 == 0; }}));
    }
    return list;
  }();
  return (*programs)[static_cast<size_t>(signal) * 3 + static_cast<size_t>(which)];
}

void One(Signal signal, int which, std::string_view request) {
  ScanResult whole = Count(signal, request);
  for (size_t step : {size_t{1}, size_t{3}, request.size() / 2 + 1}) {
    Scanner scanner(signal);
    for (size_t at = 0; at < request.size(); at += step) scanner.Feed(request.substr(at, step));
    ScanResult cut = scanner.Finish();
    Require(cut.ok == whole.ok && cut.items == whole.items, "the scan depends on how the bytes were cut");
  }
  uint64_t walked = Walk(signal, request);

  Verdict verdict = Validate(signal, request);
  Require(verdict.offset <= request.size(), "a flaw beyond the end");
  if (signal != Signal::kProfiles) {
    bool oracle = WithMessage(signal, request, [](const auto&) {});
    Require(oracle || !verdict.ok(), "accepted what libprotobuf refuses");
    bool stricter = verdict.flaw == Flaw::kId || verdict.flaw == Flaw::kGroup || verdict.flaw == Flaw::kWireType ||
                    verdict.flaw == Flaw::kTag;
    Require(!oracle || verdict.ok() || stricter, "refused what libprotobuf accepts");
  }
  if (verdict.ok()) {
    Require(whole.ok, "valid, but the scan refuses it");
    Require(walked == whole.items, "views and scan count differently");
  }

  Slice bytes = Slice::CopyOf(request);
  Sanitized clean = Sanitize(signal, bytes);
  Require(Validate(signal, clean.bytes.view()).ok(), "sanitized, but not valid");
  Require((clean.first == Flaw::kNone) == verdict.ok(), "sanitize and validate disagree");
  Require(Count(signal, clean.bytes.view()).items == clean.items, "sanitize counts wrongly");

  auto pieces = Split(signal, std::vector<Slice>{bytes, bytes}, {.max_items = 3, .max_bytes = 200});
  if (verdict.ok()) Require(pieces || pieces.error().code == Code::kResourceExhausted, "valid, but cannot be split");
  if (pieces) {
    uint64_t items = 0;
    for (const SplitPiece& piece : *pieces) {
      uint64_t in_piece = 0, size = 0;
      for (const SplitPart& part : piece.parts) {
        Require(Count(signal, part.bytes.view()).items == part.items, "a part counts wrongly");
        if (verdict.ok()) Require(Validate(signal, part.bytes.view()).ok(), "a part is not valid");
        in_piece += part.items;
        size += part.bytes.size();
      }
      Require(in_piece == piece.items && size == piece.bytes, "a piece counts wrongly");
      Require(piece.oversized || (in_piece <= 3 && size <= 200), "a piece is too large");
      items += in_piece;
    }
    Require(items == 2 * whole.items, "split lost or made items");
  }

  auto edited = Program(signal, which).Apply(bytes);
  if (verdict.ok()) Require(edited.has_value(), "valid, but cannot be edited");
  if (edited && verdict.ok()) {
    Require(Validate(signal, edited->bytes.view(), {.utf8 = true}).ok(), "edited, but not valid");
    Require(Count(signal, edited->bytes.view()).items + edited->dropped == whole.items, "edit lost items");
  }
}

}  // namespace
}  // namespace naru::otlp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 1 << 16) return 0;
  std::string_view request(reinterpret_cast<const char*>(data) + 2, size - 2);
  naru::otlp::One(static_cast<naru::otlp::Signal>(data[0] % naru::otlp::kSignals), data[1] % 3, request);
  return 0;
}
