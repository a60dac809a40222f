// Records of any bytes become push requests that libprotobuf reads, with as many entries as the translator says. The
// first byte chooses default labels and limits; the request follows.
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "codec/loki/push.h"
#include "codec/testdata/loki_push.pb.h"

namespace {

void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace naru::codec;
  if (size == 0) return 0;
  std::string_view request(reinterpret_cast<const char*>(data) + 1, size - 1);
  loki::DefaultLabels defaults{(data[0] & 1) != 0, (data[0] & 2) != 0, (data[0] & 4) != 0, (data[0] & 8) != 0};
  loki::Limits limits;
  if (data[0] & 16) limits = {.round_bytes = 64, .streams = 2, .tenants = 2, .line_bytes = 200, .label_bytes = 100};
  loki::Translator translator(defaults, limits);
  loki::Cursor cursor(request);
  while (!cursor.at_end()) {
    translator.Begin();
    translator.Take(cursor, 1);
    loki::Round round = translator.Finish();
    Require(!round.push_of.empty(), "a round takes a record");
    uint64_t records = 0, unfit = 0;
    for (auto& push : round.pushes) {
      oracle::PushRequest read;
      Require(read.ParseFromArray(push.body.data(), static_cast<int>(push.body.size())), "libprotobuf reads it");
      uint64_t entries = 0;
      for (auto& s : read.streams()) {
        Require(s.labels().starts_with('{') && s.labels().ends_with('}'), "streams have labels");
        entries += static_cast<uint64_t>(s.entries_size());
      }
      Require(entries == push.records && entries > 0, "as many entries as records");
      records += entries;
    }
    for (uint64_t n : round.unfit) unfit += n;
    Require(records + unfit == round.push_of.size(), "every record is in a push or unfit");
  }
  return 0;
}
