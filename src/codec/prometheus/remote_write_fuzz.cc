// OTLP metrics of any bytes to remote write: what comes out is well-formed, its labels are sorted and there once, and
// every point is either in it or has a reason not to be.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "codec/prometheus/remote_write.h"
#include "codec/testdata/remote_write.pb.h"

namespace {

namespace p = naru::codec::prometheus;

void Check(bool ok) {
  if (!ok) std::abort();
}

void Translate(std::string_view request, const p::RemoteWriteRules& rules) {
  p::Translator t(rules);
  p::Cursor cursor(request);
  while (!cursor.at_end()) {
    uint64_t passed = t.Take(cursor);
    p::Round round = t.Finish();
    Check(round.points == passed);
    uint64_t unfit = 0;
    for (uint64_t n : round.unfit) unfit += n;
    Check(unfit <= passed);
    auto body = round.request.body.view();
    naru::codec::oracle::PromWriteRequest v1;
    naru::codec::oracle::Prom2Request v2;
    // Texts that are no UTF-8 pass through; that aside libprotobuf takes it.
    bool ok = rules.v2 ? v2.ParseFromArray(body.data(), static_cast<int>(body.size()))
                       : v1.ParseFromArray(body.data(), static_cast<int>(body.size()));
    if (!ok) continue;
    for (auto& s : v1.timeseries()) {
      std::string last;
      for (auto& l : s.labels()) {
        Check(last < l.name());
        last = l.name();
      }
    }
    for (auto& s : v2.timeseries()) {
      Check(s.labels_refs_size() % 2 == 0);
      for (uint32_t ref : s.labels_refs()) Check(ref < static_cast<uint32_t>(v2.symbols_size()));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view request(reinterpret_cast<const char*>(data), size);
  Translate(request, {.external_labels = {{"cluster", "c"}}, .metadata = true, .request_bytes = 200});
  Translate(request, {.v2 = true, .names = {"ns", true, true}, .resource_labels = true});
  return 0;
}
