// Spans of any bytes become JSON and protobuf that say the same of as many spans, and that readers understand. The
// first byte chooses the limits; the request follows.
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "codec/testdata/zipkin.pb.h"
#include "codec/zipkin/spans.h"
#include "wire/json_reader.h"

namespace {

void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

bool ReadsJson(std::string_view text) {
  naru::wire::JsonReader reader;
  if (!reader.Open(text)) return false;
  reader.Skip();
  return reader.ok();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace naru::codec;
  if (size == 0) return 0;
  std::string_view request(reinterpret_cast<const char*>(data) + 1, size - 1);
  zipkin::Limits limits;
  if (data[0] & 1) limits = {.round_bytes = 300, .span_bytes = 1000};
  uint64_t spans[2] = {}, passed[2] = {};
  for (int form = 0; form < 2; ++form) {
    zipkin::Translator translator(form ? zipkin::Format::kProto : zipkin::Format::kJson, "none", limits);
    zipkin::Cursor cursor(request);
    while (!cursor.at_end()) {
      translator.Begin();
      size_t n = translator.Take(cursor);
      zipkin::Round round = translator.Finish();
      Require(n > 0 && n == round.unfit_of.size(), "a round takes a span and tells of each");
      passed[form] += n;
      spans[form] += round.spans;
      if (round.spans == 0) continue;
      if (form) {
        oracle::ListOfSpans list;
        Require(list.ParseFromArray(round.body.data(), static_cast<int>(round.body.size())), "libprotobuf reads it");
        Require(static_cast<uint64_t>(list.spans_size()) == round.spans, "as many spans as are counted");
      } else {
        Require(ReadsJson(round.body.view()), "a JSON reader reads it");
      }
    }
  }
  Require(passed[0] == passed[1], "both forms pass all spans");
  if (!(data[0] & 1)) Require(spans[0] == spans[1], "both forms have the same spans");
  return 0;
}
