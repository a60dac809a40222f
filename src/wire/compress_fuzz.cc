// First byte: codec. The rest: compressed bytes. Whatever they are, decompression ends within its limit, and what comes
// out survives a round trip.
#include <cstdlib>
#include <cstring>

#include "wire/compress.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace naru;
  if (size == 0) return 0;
  constexpr size_t kLimit = 1 << 20;
  auto codec = static_cast<wire::Codec>(data[0] % wire::kCodecs);
  Result<Slice> out = wire::Decompress(codec, {reinterpret_cast<const char*>(data) + 1, size - 1}, kLimit);
  if (!out) {
    if (out.error().message.empty()) abort();
    return 0;
  }
  if (out->size() > kLimit) abort();
  Slice halves[] = {out->Sub(0, out->size() / 2), out->Sub(out->size() / 2)};
  Result<Slice> packed = wire::Compress(codec, halves);
  if (!packed) abort();
  Result<Slice> back = wire::Decompress(codec, packed->view(), kLimit);
  if (!back || back->view() != out->view()) abort();
  return 0;
}
