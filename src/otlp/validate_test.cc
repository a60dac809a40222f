#include "otlp/validate.h"

#include <gtest/gtest.h>

#include "otlp/build.h"
#include "otlp/scan.h"
#include "otlp/testdata/oracle.h"

namespace naru::otlp {
namespace {

using namespace std::string_view_literals;

constexpr Signal kAll[] = {Signal::kTraces, Signal::kMetrics, Signal::kLogs, Signal::kProfiles};

bool HasBadIds(const google::protobuf::Message& m) {
  const auto* d = m.GetDescriptor();
  const auto* r = m.GetReflection();
  for (int i = 0; i < d->field_count(); ++i) {
    const auto* f = d->field(i);
    if (f->type() == google::protobuf::FieldDescriptor::TYPE_BYTES && !f->is_repeated() && f->name().ends_with("_id") &&
        f->name() != "profile_id") {
      size_t want = f->name() == "trace_id" ? 16 : 8;
      size_t n = r->GetString(m, f).size();
      if (n != 0 && n != want) return true;
    }
    if (!f->message_type()) continue;
    if (f->is_repeated()) {
      for (int k = 0; k < r->FieldSize(m, f); ++k) {
        if (HasBadIds(r->GetRepeatedMessage(m, f, k))) return true;
      }
    } else if (r->HasField(m, f) && HasBadIds(r->GetMessage(m, f))) {
      return true;
    }
  }
  return false;
}

TEST(Validate, AcceptsWhatTheOracleWrites) {
  Random random(21);
  for (Signal signal : kAll) {
    for (int i = 0; i < 150; ++i) {
      std::string bytes = RandomRequest(signal, random);
      Verdict v = Validate(signal, bytes);
      ASSERT_TRUE(v.ok()) << FlawText(v.flaw) << " at " << v.offset;
      ASSERT_EQ(v.offset, bytes.size());
    }
  }
}

TEST(Validate, JudgesDamageAsTheOracleDoes) {
  Random random(22);
  int refused[9] = {};
  int accepted = 0;
  for (Signal signal : {Signal::kTraces, Signal::kMetrics, Signal::kLogs}) {
    for (int i = 0; i < 1500; ++i) {
      std::string bytes = RandomRequest(signal, random);
      if (bytes.empty()) continue;
      for (size_t n = 1 + random.Below(2); n > 0; --n)
        bytes[random.Below(bytes.size())] = static_cast<char>(random.Next());
      Verdict v = Validate(signal, bytes);
      bool bad_ids = false;
      bool oracle = WithMessage(signal, bytes, [&](const auto& m) { bad_ids = HasBadIds(m); });
      ++refused[static_cast<int>(v.flaw)];
      if (v.ok()) {
        ++accepted;
        ASSERT_TRUE(oracle);
        ASSERT_FALSE(bad_ids);
      } else if (oracle) {
        // Stricter than the oracle on purpose: ids, groups, types. A tag beyond 32 bits is read by it as another field.
        ASSERT_TRUE(v.flaw == Flaw::kId || v.flaw == Flaw::kGroup || v.flaw == Flaw::kWireType || v.flaw == Flaw::kTag)
            << FlawText(v.flaw);
      }
      ASSERT_LE(v.offset, bytes.size());
    }
  }
  EXPECT_GT(accepted, 500);
  EXPECT_GT(refused[static_cast<int>(Flaw::kTruncated)], 50);
  EXPECT_GT(refused[static_cast<int>(Flaw::kWireType)], 20);
  EXPECT_GT(refused[static_cast<int>(Flaw::kUtf8)], 20);
  EXPECT_GT(refused[static_cast<int>(Flaw::kGroup)], 5);
}

std::string OneSpan(std::string_view span_fields) {
  wire::Writer w;
  auto r = w.Begin(1);
  auto s = w.Begin(2);
  w.BytesField(2, span_fields);
  w.End(s);
  w.End(r);
  return std::string(w.view());
}

TEST(Validate, NamesTheFlaw) {
  struct {
    std::string_view span;
    Flaw flaw;
    bool checks = true;  // whether it is seen without options
  } const kCases[] = {
      {""sv, Flaw::kNone},
      {"\x2a\x02hi"sv, Flaw::kNone},
      {"\x2a\x03hi"sv, Flaw::kTruncated},
      {"\x2a\x02\xff\xfe"sv, Flaw::kUtf8, false},
      {"\x2a\x03\xed\xa0\x80"sv, Flaw::kUtf8, false},
      {"\x0a\x05"
       "12345"sv,
       Flaw::kId, false},
      {"\x12\x00"sv, Flaw::kNone},
      {"\x30\x80\x80"sv, Flaw::kTruncated},
      {"\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"sv, Flaw::kVarint},
      {"\x00"sv, Flaw::kTag},
      {"\x2b\x2c"sv, Flaw::kGroup},
      {"\x28\x01"sv, Flaw::kWireType},
      {"\x4a\x02\x0a\x05"sv, Flaw::kTruncated},
      {"\x4a\x06\x0a\x01k\x12\x01\x08"sv, Flaw::kTruncated},
      {"\xa2\x06\x01x"sv, Flaw::kNone},
      {"\x2e\x01"sv, Flaw::kWireType},
  };
  for (const auto& c : kCases) {
    std::string bytes = OneSpan(c.span);
    EXPECT_EQ(Validate(Signal::kTraces, bytes).flaw, c.flaw) << FlawText(c.flaw);
    EXPECT_EQ(Validate(Signal::kTraces, bytes, {.utf8 = false, .ids = false}).flaw, c.checks ? c.flaw : Flaw::kNone)
        << FlawText(c.flaw);
  }
}

std::string Nested(int lists) {
  std::string value = EncodeValue("x");
  for (int i = 0; i < lists; ++i) {
    Value inner = Value::Encoded(value);
    value = EncodeArray({inner});
  }
  RequestBuilder b(Signal::kLogs);
  b.Add(LogData{.body = Value::Encoded(value)});
  return std::string(b.Finish().view());
}

TEST(Validate, LimitsDepthWhereTheOracleDoes) {
  // Resource, scope, record, body, then two levels a list.
  for (int lists : {1, 40, 47, 48, 49, 50, 500}) {
    std::string bytes = Nested(lists);
    bool oracle = WithMessage(Signal::kLogs, bytes, [](const auto&) {});
    EXPECT_EQ(Validate(Signal::kLogs, bytes).ok(), oracle) << lists;
    EXPECT_EQ(oracle, lists <= 48) << lists;
    if (!oracle) {
      EXPECT_EQ(Validate(Signal::kLogs, bytes).flaw, Flaw::kDepth);
    }
  }
}

TEST(Sanitize, LeavesGoodRequestsAlone) {
  Random random(23);
  for (Signal signal : kAll) {
    for (int i = 0; i < 30; ++i) {
      Slice in = Slice::CopyOf(RandomRequest(signal, random));
      Sanitized s = Sanitize(signal, in);
      EXPECT_EQ(s.bytes.data(), in.data());
      EXPECT_EQ(s.items, OracleItems(signal, in.view()));
      EXPECT_EQ(s.items_cut, 0u);
      EXPECT_EQ(s.first, Flaw::kNone);
    }
  }
}

TEST(Sanitize, WhatIsLeftIsValidWhateverWasDamaged) {
  Random random(24);
  uint64_t kept = 0, cut = 0;
  for (Signal signal : kAll) {
    for (int i = 0; i < 500; ++i) {
      std::string bytes = RandomRequest(signal, random);
      if (bytes.empty()) continue;
      for (size_t n = 1 + random.Below(4); n > 0; --n)
        bytes[random.Below(bytes.size())] = static_cast<char>(random.Next());
      Sanitized s = Sanitize(signal, Slice::CopyOf(bytes));
      Verdict v = Validate(signal, s.bytes.view());
      ASSERT_TRUE(v.ok()) << FlawText(v.flaw) << " at " << v.offset;
      // Of profiles only the containers are looked into.
      ASSERT_TRUE(signal == Signal::kProfiles || WithMessage(signal, s.bytes.view(), [](const auto&) {}));
      ASSERT_EQ(Count(signal, s.bytes.view()).items, s.items);
      ASSERT_EQ(Validate(signal, bytes).ok(), s.first == Flaw::kNone);
      ScanResult before = Count(signal, bytes);
      if (before.ok && signal != Signal::kMetrics) {
        ASSERT_EQ(before.items, s.items + s.items_cut);
      }
      kept += s.items;
      cut += s.items_cut;
    }
  }
  EXPECT_GT(kept, 1000u);
  EXPECT_GT(cut, 200u);
}

// One bad record among good ones: exactly that one goes.
TEST(Sanitize, CutsExactlyTheBadRecords) {
  std::string_view bad = "\xff\xfe";
  {
    RequestBuilder b(Signal::kTraces);
    b.Resource({{"service.name", "shop"}}, "https://example.com/1");
    b.Scope("s");
    for (int i = 0; i < 10; ++i) b.Add(SpanData{.name = i == 3 ? bad : "good", .kind = i});
    b.Resource({});
    b.Scope("only bad");
    b.Add(SpanData{.name = bad});
    Slice in = b.Finish();
    Sanitized s = Sanitize(Signal::kTraces, in);
    EXPECT_EQ(s.items, 9u);
    EXPECT_EQ(s.items_cut, 2u);
    EXPECT_EQ(s.first, Flaw::kUtf8);
    EXPECT_EQ(in.view().substr(s.first_offset, 2), bad);
    int resources = 0, sum = 0;
    for (const ResourceItems& r : Resources(s.bytes.view())) {
      ++resources;
      EXPECT_EQ(r.schema_url, "https://example.com/1");
      for (const ScopeItems& scope : r.scopes) {
        for (const Span& span : scope.records<Span>()) sum += span.kind;
      }
    }
    EXPECT_EQ(resources, 1);
    EXPECT_EQ(sum, 45 - 3);
  }
  {
    RequestBuilder b(Signal::kMetrics);
    b.Resource({{"service.name", "shop"}, {"bad", bad}, {bad, 1}});
    b.Scope("s");
    b.Metric({.name = "good", .kind = Metric::Kind::kSum, .temporality = 2, .monotonic = true});
    for (int i = 0; i < 5; ++i) b.Add(NumberPointData{.attributes = {{"k", i == 2 ? bad : "v"}}, .number = i});
    b.Metric({.name = bad});
    b.Add(NumberPointData{.number = 1});
    b.Add(NumberPointData{.number = 2});
    Sanitized s = Sanitize(Signal::kMetrics, b.Finish());
    EXPECT_EQ(s.items, 4u);
    EXPECT_EQ(s.items_cut, 3u);
    EXPECT_EQ(s.fields_cut, 2u);
    int sum = 0;
    for (const ResourceItems& r : Resources(s.bytes.view())) {
      EXPECT_EQ(r.resource.attributes.size(), 1u);
      EXPECT_EQ(FindAttribute(r.resource.attributes, "service.name").bytes, "shop");
      for (const ScopeItems& scope : r.scopes) {
        for (const Metric& m : scope.records<Metric>()) {
          EXPECT_EQ(m.name, "good");
          EXPECT_TRUE(m.monotonic);
          for (const NumberPoint& p : m.points<NumberPoint>()) sum += static_cast<int>(p.integer);
        }
      }
    }
    EXPECT_EQ(sum, 10 - 2);
  }
}

TEST(Sanitize, AMetricWithAMalformedHeaderGoesWhole) {
  // A sum with two points whose temporality (field 2) is a string.
  wire::Writer w;
  auto r = w.Begin(1);
  auto s = w.Begin(2);
  for (bool bad : {true, false}) {
    auto metric = w.Begin(2);
    auto sum = w.Begin(7);
    w.BytesField(1, "");
    w.BytesField(1, "");
    if (bad) w.BytesField(2, "x");
    w.End(sum);
    w.End(metric);
  }
  w.End(s);
  w.End(r);
  Sanitized left = Sanitize(Signal::kMetrics, w.Finish());
  EXPECT_EQ(left.first, Flaw::kWireType);
  EXPECT_EQ(left.items, 2u);
  EXPECT_EQ(left.items_cut, 2u);
}

TEST(Sanitize, WhenNothingIsLeft) {
  Sanitized s = Sanitize(Signal::kTraces, Slice::Static("\xff\xff\xff"));
  EXPECT_TRUE(s.bytes.empty());
  EXPECT_EQ(s.items, 0u);
  EXPECT_NE(s.first, Flaw::kNone);
}

}  // namespace
}  // namespace naru::otlp
