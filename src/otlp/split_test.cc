#include "otlp/split.h"

#include <gtest/gtest.h>

#include "otlp/build.h"
#include "otlp/scan.h"
#include "otlp/testdata/oracle.h"
#include "otlp/validate.h"

namespace naru::otlp {
namespace {

constexpr Signal kAll[] = {Signal::kTraces, Signal::kMetrics, Signal::kLogs, Signal::kProfiles};

// What a request says, item by item, each with everything that stands above it.
template <class Points, class Metric>
void EachPoint(const Metric& metric, const Points& points, std::string above, std::vector<std::string>* out) {
  above += metric.name() + metric.description() + metric.unit();
  for (const auto& kv : metric.metadata()) above += kv.SerializeAsString();
  for (const auto& p : points) out->push_back(above + p.SerializeAsString());
}
void EachItem(const oracle::Span& s, const std::string& above, std::vector<std::string>* out) {
  out->push_back(above + s.SerializeAsString());
}
void EachItem(const oracle::LogRecord& l, const std::string& above, std::vector<std::string>* out) {
  out->push_back(above + l.SerializeAsString());
}
void EachItem(const oracle::Profile& p, std::string above, std::vector<std::string>* out) {
  oracle::Profile header = p;
  header.clear_samples();
  above += header.SerializeAsString();
  for (const auto& s : p.samples()) out->push_back(above + s.SerializeAsString());
}
void EachItem(const oracle::Metric& m, const std::string& above, std::vector<std::string>* out) {
  EachPoint(m, m.gauge().points(), above + "gauge", out);
  EachPoint(m, m.sum().points(),
            above + "sum" + std::to_string(m.sum().temporality()) + std::to_string(m.sum().monotonic()), out);
  EachPoint(m, m.histogram().points(), above + "hist" + std::to_string(m.histogram().temporality()), out);
  EachPoint(m, m.exp_histogram().points(), above + "exp" + std::to_string(m.exp_histogram().temporality()), out);
  EachPoint(m, m.summary().points(), above + "summary", out);
}
std::string Dictionary(const oracle::ProfilesRequest& r) {
  return r.dictionary().SerializeAsString();
}
template <class R>
std::string Dictionary(const R&) {
  return {};
}
std::vector<std::string> Items(Signal signal, std::string_view bytes) {
  std::vector<std::string> out;
  bool ok = WithMessage(signal, bytes, [&](const auto& request) {
    for (const auto& r : request.resources()) {
      for (const auto& s : r.scopes()) {
        std::string above = Dictionary(request) + r.resource().SerializeAsString() + "|" + r.schema_url() + "|" +
                            s.scope().SerializeAsString() + "|" + s.schema_url() + "|";
        for (const auto& record : s.records()) EachItem(record, above, &out);
      }
    }
  });
  EXPECT_TRUE(ok);
  return out;
}

void CheckPieces(Signal signal, const std::vector<Slice>& inputs, const SplitLimits& limits) {
  std::vector<std::string> want, got;
  for (const Slice& in : inputs) {
    for (std::string& s : Items(signal, in.view())) want.push_back(std::move(s));
  }
  auto pieces = Split(signal, inputs, limits);
  ASSERT_TRUE(pieces) << pieces.error().message;
  uint32_t input = 0;
  for (size_t i = 0; i < pieces->size(); ++i) {
    const SplitPiece& piece = (*pieces)[i];
    uint64_t items = 0, bytes = 0;
    ASSERT_FALSE(piece.parts.empty());
    for (const SplitPart& part : piece.parts) {
      ASSERT_TRUE(Validate(signal, part.bytes.view()).ok());
      ASSERT_EQ(Count(signal, part.bytes.view()).items, part.items);
      ASSERT_GE(part.input, input);  // in order
      input = part.input;
      items += part.items;
      bytes += part.bytes.size();
      for (std::string& s : Items(signal, part.bytes.view())) got.push_back(std::move(s));
    }
    ASSERT_EQ(piece.items, items);
    ASSERT_EQ(piece.bytes, bytes);
    if (!piece.oversized) {
      if (limits.max_items > 0) {
        ASSERT_LE(items, limits.max_items);
      }
      if (limits.max_bytes > 0) {
        ASSERT_LE(bytes, limits.max_bytes);
      }
    }
    // Without a byte limit every piece but the last is full, as the reference's batches are; profiles are not mixed.
    if (limits.max_items > 0 && limits.max_bytes == 0 && signal != Signal::kProfiles && i + 1 < pieces->size()) {
      ASSERT_EQ(items, limits.max_items);
    }
  }
  ASSERT_EQ(got.size(), want.size());
  ASSERT_TRUE(got == want);
}

TEST(Split, EveryItemIsInOnePieceUnderItsOwnHeaders) {
  Random random(31);
  for (Signal signal : kAll) {
    for (int i = 0; i < 60; ++i) {
      std::vector<Slice> inputs;
      for (size_t n = 1 + random.Below(3); n > 0; --n) inputs.push_back(Slice::CopyOf(RandomRequest(signal, random)));
      SplitLimits limits;
      if (random.Chance(70)) limits.max_items = 1 + random.Below(20);
      if (random.Chance(60)) limits.max_bytes = 1000 + random.Below(6000);
      CheckPieces(signal, inputs, limits);
      if (HasFatalFailure()) return;
    }
  }
}

Slice Spans(int resources, int spans, size_t name) {
  RequestBuilder b(Signal::kTraces);
  std::string text(name, 'n');
  for (int r = 0; r < resources; ++r) {
    b.Resource({{"service.name", "shop"}, {"r", r}}, "https://example.com/schema");
    b.Scope("scope", "1");
    for (int i = 0; i < spans; ++i) b.Add(SpanData{.name = text, .kind = i});
  }
  return b.Finish();
}

TEST(Split, WholeResourcesStaySlicesOfTheInput) {
  Slice in = Spans(8, 10, 20);
  auto pieces = Split(Signal::kTraces, std::vector<Slice>{in, in}, {.max_items = 40});
  ASSERT_TRUE(pieces);
  ASSERT_EQ(pieces->size(), 4u);
  for (const SplitPiece& p : *pieces) {
    ASSERT_EQ(p.parts.size(), 1u);
    EXPECT_EQ(p.parts[0].bytes.buffer().get(), in.buffer().get());
    EXPECT_EQ(p.items, 40u);
  }
  EXPECT_EQ((*pieces)[2].parts[0].input, 1u);
}

TEST(Split, CutsInsideOfAResource) {
  Slice in = Spans(1, 100, 20);
  auto pieces = Split(Signal::kTraces, std::vector<Slice>{in}, {.max_items = 30});
  ASSERT_TRUE(pieces);
  ASSERT_EQ(pieces->size(), 4u);
  int next = 0;
  for (const SplitPiece& p : *pieces) {
    for (const ResourceItems& r : Resources(p.parts[0].bytes.view())) {
      EXPECT_EQ(r.schema_url, "https://example.com/schema");
      EXPECT_EQ(FindAttribute(r.resource.attributes, "service.name").bytes, "shop");
      for (const ScopeItems& s : r.scopes) {
        EXPECT_EQ(s.scope.version, "1");
        for (const Span& span : s.records<Span>()) EXPECT_EQ(span.kind, next++);
      }
    }
  }
  EXPECT_EQ(next, 100);
}

TEST(Split, FillsToTheByte) {
  Slice in = Spans(1, 50, 100);
  for (uint64_t bytes : {400, 1000, 1001, 1002, 1003, 5000}) {
    auto pieces = Split(Signal::kTraces, std::vector<Slice>{in}, {.max_bytes = bytes});
    ASSERT_TRUE(pieces);
    for (size_t i = 0; i < pieces->size(); ++i) {
      const SplitPiece& p = (*pieces)[i];
      EXPECT_LE(p.bytes, bytes);
      // One more span (some 106 bytes) would not have fitted.
      if (i + 1 < pieces->size()) {
        EXPECT_GT(p.bytes + 110, bytes);
      }
    }
  }
}

TEST(Split, OneLargeRecordStandsAlone) {
  RequestBuilder b(Signal::kLogs);
  b.Resource({{"service.name", "shop"}});
  b.Add(LogData{.body = "small"});
  std::string large(10000, 'x');
  b.Add(LogData{.body = large});
  b.Add(LogData{.body = "small"});
  Slice in = b.Finish();
  auto pieces = Split(Signal::kLogs, std::vector<Slice>{in}, {.max_bytes = 1000});
  ASSERT_TRUE(pieces);
  ASSERT_EQ(pieces->size(), 3u);
  EXPECT_FALSE((*pieces)[0].oversized);
  EXPECT_TRUE((*pieces)[1].oversized);
  EXPECT_EQ((*pieces)[1].items, 1u);
  EXPECT_FALSE((*pieces)[2].oversized);
}

TEST(Split, LargeHeadersAreNotMultiplied) {
  RequestBuilder b(Signal::kTraces);
  std::string large(3000, 'x');
  b.Resource({{"large", large}});
  for (int i = 0; i < 1000; ++i) b.Add(SpanData{.kind = i});
  Slice in = b.Finish();
  auto pieces = Split(Signal::kTraces, std::vector<Slice>{in}, {.max_bytes = 4000});
  ASSERT_TRUE(pieces);
  ASSERT_EQ(pieces->size(), 1u);
  EXPECT_TRUE((*pieces)[0].oversized);
  EXPECT_EQ((*pieces)[0].items, 1000u);

  std::string huge(1 << 20, 'x');
  b.Resource({{"huge", huge}});
  for (int i = 0; i < 1000; ++i) b.Add(SpanData{.kind = i});
  auto refused = Split(Signal::kTraces, std::vector<Slice>{b.Finish()}, {.max_items = 1});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kResourceExhausted);
}

TEST(Split, RefusesWhatIsMalformed) {
  Slice in = Spans(1, 10, 20);
  auto pieces = Split(Signal::kTraces, std::vector<Slice>{in.Sub(0, in.size() - 1)}, {.max_items = 3});
  ASSERT_FALSE(pieces);
  EXPECT_EQ(pieces.error().code, Code::kInvalidArgument);
}

TEST(Split, NothingMakesNoPieces) {
  auto pieces = Split(Signal::kTraces, std::vector<Slice>{Slice(), Slice()}, {.max_items = 3});
  ASSERT_TRUE(pieces);
  EXPECT_TRUE(pieces->empty());
}

TEST(Split, ReleasesWhatItAllocated) {
  Budget budget;
  {
    Slice in = Spans(1, 100, 20);
    auto pieces = Split(Signal::kTraces, std::vector<Slice>{in}, {.max_items = 7}, budget);
    ASSERT_TRUE(pieces);
    EXPECT_GT(budget.used(), 0);
  }
  EXPECT_EQ(budget.used(), 0);
}

}  // namespace
}  // namespace naru::otlp
