// First byte: signal. The rest: JSON text. What is accepted must be a valid request with as many items as it says, and
// what is written of it must be read back without a word and written the same. As wire bytes the input is printed too.
#include <cstdlib>

#include "otlp/json.h"
#include "otlp/scan.h"
#include "otlp/text.h"
#include "otlp/validate.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace naru;
  using namespace naru::otlp;
  if (size == 0) return 0;
  auto signal = static_cast<Signal>(data[0] % kSignals);
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  (void)ExportResponseFromJson(signal, text);
  (void)RpcStatusFromJson(text);
  (void)DecodeRpcStatus(text);
  (void)DecodeExportResponse(text);
  // As wire bytes: written, or refused.
  Slice raw = Slice::Static(text);
  Result<Slice> written = RequestToJson(signal, {&raw, 1});
  if (written && !RequestFromJson(signal, written->view())) abort();
  constexpr size_t kText = 256 << 10;
  for (TextLayout layout : {TextLayout::kNormal, TextLayout::kDetailed}) {
    wire::Writer lines;
    bool all = AppendText(lines, signal, layout, {&raw, 1}, kText);
    if (all != (lines.size() <= kText)) abort();
  }

  Result<FromJson> in = RequestFromJson(signal, text);
  if (!in) {
    if (in.error().message.empty()) abort();
    return 0;
  }
  if (in->message.empty() != (in->odd_values == 0) || in->message.size() > 4096) abort();
  if (!Validate(signal, in->bytes.view()).ok()) abort();
  if (Count(signal, in->bytes.view()).items != in->items) abort();
  Result<Slice> out = RequestToJson(signal, {&in->bytes, 1});
  if (!out) abort();
  Result<FromJson> again = RequestFromJson(signal, out->view());
  if (!again || again->odd_values != 0 || again->items != in->items) abort();
  Result<Slice> same = RequestToJson(signal, {&again->bytes, 1});
  if (!same || same->view() != out->view()) abort();
  return 0;
}
