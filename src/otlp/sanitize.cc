#include <string>

#include "otlp/fields.h"
#include "otlp/scan.h"
#include "otlp/validate.h"
#include "otlp/walk.h"
#include "wire/proto.h"

namespace naru::otlp {
namespace {

using wire::kLength;
using wire::Reader;
using wire::Tag;
using wire::Writer;

class Sanitizer {
 public:
  Sanitizer(Signal signal, std::string_view request, const ValidateOptions& options, Budget& budget)
      : signal_(signal), request_(request), options_(options), out_(request.size(), budget) {}

  Sanitized Run() {
    Container(static_cast<Shape>(signal_), request_, 0);
    result_.bytes = out_.Finish();
    result_.items = Count(signal_, result_.bytes.view()).items;
    return result_;
  }

 private:
  void Note(Flaw flaw, const char* at) {
    if (result_.first != Flaw::kNone) return;
    result_.first = flaw;
    result_.first_offset = static_cast<size_t>(at - request_.data());
  }
  bool Good(Shape shape, std::string_view bytes, int depth) {
    const char* at = nullptr;
    Flaw flaw = CheckMessage(shape, bytes, depth, options_, &at);
    if (flaw != Flaw::kNone) Note(flaw, at);
    return flaw == Flaw::kNone;
  }
  // Calls visit(tag, field, content) for each field of a message until its framing breaks; false when it does. `field`
  // is the whole field, `content` what is inside of a length-delimited one.
  template <class F>
  bool EachField(Shape shape, std::string_view message, int depth, F visit) {
    Reader r(message);
    for (const char* start = r.pos(); uint32_t tag = r.Next(); start = r.pos()) {
      std::string_view content;
      if (wire::TypeOf(tag) == kLength) {
        content = r.Bytes();
      } else {
        r.Skip(tag);
      }
      if (!r.ok()) break;
      visit(tag, std::string_view(start, static_cast<size_t>(r.pos() - start)), content);
    }
    if (r.ok()) return true;
    Good(shape, message, depth);  // to learn the reason
    return false;
  }

  // The request, a Resource* or a Scope*: keeps what is good, and reports how many records it wrote.
  uint64_t Container(Shape shape, std::string_view content, int depth) {
    uint64_t kept = 0;
    EachField(shape, content, depth, [&](uint32_t tag, std::string_view field, std::string_view inside) {
      uint32_t children = depth == 0 ? field::request::kResources : field::resource_items::kScopes;
      static_assert(field::resource_items::kScopes == field::scope_items::kRecords);
      Shape sub = ShapeOf(shape, wire::FieldOf(tag));
      if (tag == Tag(children, kLength)) {
        if (Good(sub, inside, depth + 1)) {
          out_.Raw(field);
          ++kept;
        } else if (depth < 2) {
          Writer::Mark mark = out_.Begin(wire::FieldOf(tag), inside.size());
          uint64_t n = Container(sub, inside, depth + 1);
          kept += n;
          if (n > 0) {
            out_.End(mark);
          } else {
            out_.Cancel(mark);
          }
        } else if (signal_ == Signal::kMetrics) {
          kept += CutMetric(inside, depth + 1);
        } else {
          result_.items_cut += ItemsOf(field);
        }
      } else if (Good(shape, field, depth)) {
        out_.Raw(field);
      } else if (sub == Shape::kResource || sub == Shape::kScope) {
        Writer::Mark mark = out_.Begin(wire::FieldOf(tag), inside.size());
        EachField(sub, inside, depth + 1, [&](uint32_t, std::string_view part, std::string_view) {
          if (Good(sub, part, depth + 1)) {
            out_.Raw(part);
          } else {
            ++result_.fields_cut;
          }
        });
        out_.End(mark);
      } else {
        ++result_.fields_cut;
      }
    });
    return kept;
  }

  // A metric that is malformed somewhere: its good points under its header, when that is good.
  uint64_t CutMetric(std::string_view metric, int depth) {
    uint64_t kept = 0, cut = 0;
    Writer::Mark mark = out_.Begin(field::scope_items::kRecords, metric.size());
    bool header = true;
    bool framed =
        EachField(Shape::kMetric, metric, depth, [&](uint32_t tag, std::string_view field, std::string_view inside) {
          if (!field::metric::IsData(wire::FieldOf(tag)) || wire::TypeOf(tag) != kLength) {
            header = header && Good(Shape::kMetric, field, depth);
            out_.Raw(field);
            return;
          }
          kept = cut = 0;  // of a second data field the first one's points do not count
          Shape data = ShapeOf(Shape::kMetric, wire::FieldOf(tag));
          Writer::Mark points = out_.Begin(wire::FieldOf(tag), inside.size());
          EachField(data, inside, depth + 1, [&](uint32_t t, std::string_view part, std::string_view) {
            bool good = Good(data, part, depth + 1);
            bool point = t == Tag(field::metric_data::kPoints, kLength);
            if (good) {
              out_.Raw(part);
            } else if (!point) {
              header = false;
            }
            kept += point && good;
            cut += point && !good;
          });
          out_.End(points);
        });
    if (!header || !framed || kept == 0) {
      result_.items_cut += kept + cut;
      out_.Cancel(mark);
      return 0;
    }
    result_.items_cut += cut;
    out_.End(mark);
    return kept;
  }

  // The items of one record, which is a field of a scope.
  uint64_t ItemsOf(std::string_view field) {
    if (signal_ != Signal::kProfiles) return 1;
    uint64_t n = 0;
    Reader r(field);
    r.Next();
    Reader profile = r.Message();
    while (uint32_t tag = profile.Next()) {
      profile.Skip(tag);
      n += profile.ok() && tag == Tag(field::profile::kSamples, kLength);
    }
    return n;
  }

  Signal signal_;
  std::string_view request_;
  ValidateOptions options_;
  Writer out_;
  Sanitized result_;
};

}  // namespace

Sanitized Sanitize(Signal signal, const Slice& request, const ValidateOptions& options, Budget& budget) {
  if (Validate(signal, request.view(), options).ok()) {
    Sanitized same;
    same.bytes = request;
    same.items = Count(signal, request.view()).items;
    return same;
  }
  return Sanitizer(signal, request.view(), options, budget).Run();
}

}  // namespace naru::otlp
