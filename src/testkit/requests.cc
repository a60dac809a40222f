#include "testkit/requests.h"

#include <algorithm>

#include <fmt/core.h>

#include "otlp/build.h"
#include "otlp/scan.h"

namespace naru::testkit {
namespace {

constexpr std::string_view kMark = "record";
constexpr size_t kDigits = 10;

std::string Mark(uint64_t number) {
  return fmt::format("{}{:0{}}", kMark, number, kDigits);
}

void AddRecord(otlp::RequestBuilder& b, uint64_t number) {
  constexpr uint64_t kTime = 1'700'000'000'000'000'000u;
  std::string mark = Mark(number), trace_id = fmt::format("{:016x}", number),
              span_id = fmt::format("{:08x}", number % 0x100000000u);
  switch (b.signal()) {
    case otlp::Signal::kTraces:
      b.Add(otlp::SpanData{.trace_id = trace_id,
                           .span_id = span_id,
                           .name = mark,
                           .start = kTime,
                           .end = kTime + 1000,
                           .attributes = {{"number", number}, {"path", "/a"}}});
      break;
    case otlp::Signal::kMetrics:
      b.Metric({.name = mark, .unit = "1"});
      b.Add(otlp::NumberPointData{.attributes = {{"path", "/a"}}, .time = kTime, .number = number});
      break;
    case otlp::Signal::kLogs:
      b.Add(otlp::LogData{.time = kTime,
                          .severity_number = 9,
                          .severity_text = "INFO",
                          .body = mark,
                          .attributes = {{"number", number}},
                          .trace_id = trace_id});
      break;
    case otlp::Signal::kProfiles: {
      // Profile: samples = 2, time_unix_nano = 3 (fixed64), profile_id = 7.
      wire::Writer w(64);
      w.BytesField(2, "");
      w.BytesField(7, mark);
      b.AddEncoded(w.Finish().view());
      break;
    }
  }
}

std::string Text(const Slice& s) {
  return std::string(s.view());
}

// Messages in messages, each with the next one as field 1.
std::string Nested(int depth) {
  std::string inner;
  for (int i = 0; i < depth; ++i) {
    wire::Writer w(inner.size() + 16);
    w.BytesField(1, inner);
    inner = std::string(w.Finish().view());
  }
  return inner;
}

}  // namespace

Slice NumberedRequest(otlp::Signal signal, uint64_t first, uint64_t n) {
  otlp::RequestBuilder b(signal);
  for (uint64_t i = 0; i < n; ++i) {
    if (i == 0 || i == n / 2) {
      b.Resource({{"service.name", i ? "second" : "first"}});
      b.Scope("testkit", "1");
    }
    AddRecord(b, first + i);
  }
  return b.Finish();
}

std::vector<uint64_t> NumbersIn(std::string_view request) {
  std::vector<uint64_t> out;
  for (size_t at = request.find(kMark); at != std::string_view::npos; at = request.find(kMark, at)) {
    at += kMark.size();
    std::string_view digits = request.substr(at, kDigits);
    if (digits.size() < kDigits || digits.find_first_not_of("0123456789") != std::string_view::npos) continue;
    uint64_t number = 0;
    for (char c : digits) number = number * 10 + static_cast<uint64_t>(c - '0');
    out.push_back(number);
  }
  return out;
}

std::vector<HostileRequest> HostileRequests(otlp::Signal signal, SimRandom& random) {
  std::vector<HostileRequest> out;
  auto add = [&](std::string name, const std::string& bytes) {
    HostileRequest h{std::move(name), Slice::CopyOf(bytes), 1};
    h.items = std::max<uint64_t>(1, otlp::Count(signal, h.bytes.view()).items);
    out.push_back(std::move(h));
  };
  const std::string good = Text(NumberedRequest(signal, 1, 4));
  add("nothing", "");
  add("zeros", std::string(64, '\0'));
  add("a varint without end", std::string(64, '\xff'));
  add("a length beyond the end", std::string("\x0a\xff\xff\xff\xff\x0f", 6));
  add("a length that wraps", std::string("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11));
  add("groups", std::string("\x0b\x0b\x0b\x0c", 4));
  add("nested", Nested(400));
  for (size_t i = 0; i < 12; ++i) {
    size_t cut = 1 + static_cast<size_t>(random.Below(good.size() - 1));
    add(fmt::format("cut after {} bytes", cut), good.substr(0, cut));
  }
  // A bent byte inside a record: the scan passes over it by its length.
  for (size_t i = 0; i < 48; ++i) {
    std::string bent = good;
    size_t at = static_cast<size_t>(random.Below(bent.size()));
    bent[at] = static_cast<char>(random.Next());
    add(fmt::format("byte {} bent", at), bent);
  }
  // Records whose inside is no message at all, between good ones.
  otlp::RequestBuilder b(signal);
  for (uint64_t i = 0; i < 3; ++i) {
    AddRecord(b, 10 + i);
    if (signal != otlp::Signal::kMetrics) b.AddEncoded(i ? "\x1b" : "\xff\xff\xff");
  }
  add("records that are none", Text(b.Finish()));
  std::string noise(300, 0);
  for (char& c : noise) c = static_cast<char>(random.Next());
  add("noise", noise);
  return out;
}

}  // namespace naru::testkit
