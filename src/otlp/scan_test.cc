#include "otlp/scan.h"

#include <gtest/gtest.h>

#include "otlp/testdata/oracle.h"

namespace naru::otlp {
namespace {

using namespace std::string_view_literals;

constexpr Signal kAll[] = {Signal::kTraces, Signal::kMetrics, Signal::kLogs, Signal::kProfiles};

ScanResult InPieces(Signal signal, std::string_view bytes, Random& random, size_t most) {
  Scanner scanner(signal);
  while (!bytes.empty()) {
    size_t n = std::min(bytes.size(), 1 + random.Below(most));
    // A copy of its own, so that reading beyond the chunk is seen.
    std::string chunk(bytes.substr(0, n));
    scanner.Feed(chunk);
    bytes.remove_prefix(n);
  }
  return scanner.Finish();
}

TEST(Scan, CountsWhatTheOracleCounts) {
  Random random(1);
  uint64_t total = 0;
  for (Signal signal : kAll) {
    for (int i = 0; i < 150; ++i) {
      std::string bytes = RandomRequest(signal, random);
      ScanResult whole = Count(signal, bytes);
      ASSERT_TRUE(whole.ok);
      ASSERT_EQ(whole.items, OracleItems(signal, bytes));
      total += whole.items;
      for (size_t most : {1, 3, 40, 1500}) {
        ScanResult cut = InPieces(signal, bytes, random, most);
        ASSERT_TRUE(cut.ok);
        ASSERT_EQ(cut.items, whole.items);
      }
    }
  }
  EXPECT_GT(total, 1000u);
}

TEST(Scan, AgreesWithItselfOnDamagedBytes) {
  Random random(2);
  int refused = 0;
  for (Signal signal : kAll) {
    for (int i = 0; i < 300; ++i) {
      std::string bytes = RandomRequest(signal, random);
      if (bytes.empty()) continue;
      for (size_t n = 1 + random.Below(3); n > 0; --n)
        bytes[random.Below(bytes.size())] = static_cast<char>(random.Next());
      if (random.Chance(30)) bytes.resize(random.Below(bytes.size()));
      ScanResult whole = Count(signal, bytes);
      refused += !whole.ok;
      for (size_t most : {1, 7, 300}) {
        ScanResult cut = InPieces(signal, bytes, random, most);
        ASSERT_EQ(cut.ok, whole.ok);
        ASSERT_EQ(cut.items, whole.items);
      }
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(Scan, EveryTruncationIsSeen) {
  Random random(3);
  for (Signal signal : kAll) {
    std::string bytes;
    while (bytes.size() < 200 || OracleItems(signal, bytes) < 3) bytes = RandomRequest(signal, random);
    for (size_t n = 1; n < bytes.size() && n < 3000; ++n) {
      ScanResult cut = Count(signal, std::string(bytes.substr(0, n)));
      // Between two resources a prefix is a request of its own.
      bool whole = WithMessage(signal, std::string_view(bytes).substr(0, n), [](const auto&) {});
      ASSERT_EQ(cut.ok, whole) << n;
    }
  }
}

TEST(Scan, EdgesOfTheFormat) {
  struct {
    const char* what;
    Signal signal;
    std::string_view bytes;
    bool ok;
    uint64_t items;
  } const kCases[] = {
      {"nothing", Signal::kTraces, ""sv, true, 0},
      {"an empty resource", Signal::kTraces, "\x0a\x00"sv, true, 0},
      {"empty messages at the end of each other", Signal::kTraces, "\x0a\x04\x12\x02\x12\x00"sv, true, 1},
      {"overlong lengths", Signal::kLogs, "\x0a\x86\x80\x00\x12\x82\x80\x80\x00\x12\x00"sv, false, 0},
      {"overlong lengths that fit", Signal::kLogs, "\x0a\x87\x80\x00\x12\x82\x80\x80\x00\x12\x00"sv, true, 1},
      {"a record beyond its scope", Signal::kTraces, "\x0a\x05\x12\x02\x12\x01\x00"sv, false, 0},
      {"unknown fields everywhere", Signal::kTraces, "\x78\x05\x0a\x09\x78\x01\x12\x05\x12\x00\x7d\x00\x00"sv, false,
       1},
      {"another wire type for field 1", Signal::kTraces, "\x08\x05"sv, true, 0},
      {"a group", Signal::kTraces, "\x0b\x0c"sv, false, 0},
      {"of two data fields of a metric the last", Signal::kMetrics,
       "\x0a\x0e\x12\x0c\x12\x0a\x2a\x04\x0a\x00\x0a\x00\x3a\x02\x0a\x00"sv, true, 1},
      {"a metric without data", Signal::kMetrics, "\x0a\x07\x12\x05\x12\x03\x0a\x01x"sv, true, 0},
      {"samples", Signal::kProfiles, "\x0a\x08\x12\x06\x12\x04\x12\x00\x12\x00"sv, true, 2},
  };
  for (const auto& c : kCases) {
    ScanResult r = Count(c.signal, c.bytes);
    EXPECT_EQ(r.ok, c.ok) << c.what;
    EXPECT_EQ(r.items, c.items) << c.what;
  }
}

TEST(Scan, ResetStartsOver) {
  Scanner scanner(Signal::kTraces);
  EXPECT_FALSE(scanner.Feed("\x0b"));
  EXPECT_FALSE(scanner.Feed("\x0a"));
  scanner.Reset();
  EXPECT_TRUE(scanner.Feed("\x0a\x04\x12\x02\x12"sv));
  EXPECT_FALSE(scanner.Finish().ok);
  EXPECT_TRUE(scanner.Feed("\x00"sv));
  EXPECT_TRUE(scanner.Finish().ok);
  EXPECT_EQ(scanner.items(), 1u);
}

}  // namespace
}  // namespace naru::otlp
