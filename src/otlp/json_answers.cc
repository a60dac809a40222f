// The answers of the OTLP services: Export*ServiceResponse and google.rpc.Status, in both encodings.
#include <cstdlib>

#include "otlp/fields.h"
#include "otlp/json.h"
#include "otlp/views.h"
#include "wire/json_reader.h"
#include "wire/json_writer.h"

namespace naru::otlp {
namespace {

using wire::JsonKind;
using wire::JsonReader;
using wire::JsonText;
using wire::kLength;
using wire::kVarint;
using wire::Reader;
using wire::Tag;
using wire::Writer;

constexpr std::string_view kRetryInfo = "type.googleapis.com/google.rpc.RetryInfo";
constexpr int64_t kNanos = 1'000'000'000;

constexpr std::string_view kRejected[kSignals] = {"rejectedSpans", "rejectedDataPoints", "rejectedLogRecords",
                                                  "rejectedProfiles"};
constexpr std::string_view kRejectedSnake[kSignals] = {"rejected_spans", "rejected_data_points", "rejected_log_records",
                                                       "rejected_profiles"};

namespace rpc_status {
constexpr uint32_t kCode = 1, kMessage = 2, kDetails = 3;
}
namespace any {
constexpr uint32_t kTypeUrl = 1, kValue = 2;
}
namespace duration {
constexpr uint32_t kSeconds = 1, kNanoseconds = 2;
}
constexpr uint32_t kRetryDelay = 1;

std::string Text(const Writer& w) {
  return std::string(w.view());
}

std::string Content(const JsonText& text) {
  Writer w(text.raw.size());
  text.AppendTo(w);
  return Text(w);
}

// The string, number or word there; null and containers (which are passed over) count as empty.
std::string TokenOf(JsonReader& r) {
  switch (r.Peek()) {
    case JsonKind::kString:
      return Content(r.String());
    case JsonKind::kScalar: {
      std::string_view token = r.Scalar();
      return token == "null" ? std::string() : std::string(token);
    }
    default:
      r.Skip();
      return {};
  }
}

Code ToCode(int64_t number) {
  return number >= 0 && number <= 16 ? static_cast<Code>(number) : Code::kUnknown;
}

// Bounded, so that no peer's number overflows ours: a year is as good as forever.
Duration ToDuration(int64_t seconds, int64_t nanos) {
  constexpr int64_t kMost = 365 * 86400;
  if (seconds < 0 || nanos < 0) return Duration{0};
  if (seconds >= kMost) return Duration{kMost * kNanos};
  return Duration{seconds * kNanos + (nanos < kNanos ? nanos : kNanos - 1)};
}

std::string DurationText(Duration d) {
  int64_t n = d.count();
  std::string text = std::to_string(n / kNanos);
  if (int64_t fraction = n % kNanos; fraction != 0) {
    // Three, six or nine digits, as protobuf's JSON form has it.
    int digits = fraction % 1'000'000 == 0 ? 3 : fraction % 1000 == 0 ? 6 : 9;
    for (int i = digits; i < 9; ++i) fraction /= 10;
    text += fmt::format(".{:0{}}", fraction, digits);
  }
  return text + "s";
}

std::optional<Duration> ParseDurationText(std::string_view text) {
  if (!text.ends_with('s')) return std::nullopt;
  text.remove_suffix(1);
  size_t dot = text.find('.');
  std::optional<uint64_t> seconds = wire::ParseUint64(text.substr(0, dot));
  if (!seconds) return std::nullopt;
  int64_t nanos = 0;
  if (dot != std::string_view::npos) {
    std::string digits(text.substr(dot + 1).substr(0, 9));
    digits.resize(9, '0');
    std::optional<uint64_t> fraction = wire::ParseUint64(digits);
    if (!fraction || text.size() == dot + 1) return std::nullopt;
    nanos = static_cast<int64_t>(*fraction);
  }
  return ToDuration(*seconds > INT32_MAX ? INT32_MAX : static_cast<int64_t>(*seconds), nanos);
}

// The retry delay of an Any that holds a RetryInfo.
std::optional<Duration> RetryDelayOf(Reader detail) {
  std::string_view url, value;
  while (uint32_t tag = detail.Next()) {
    if (tag == Tag(any::kTypeUrl, kLength)) {
      url = detail.Bytes();
    } else if (tag == Tag(any::kValue, kLength)) {
      value = detail.Bytes();
    } else {
      detail.Skip(tag);
    }
  }
  if (!detail.ok() || url != kRetryInfo) return std::nullopt;
  int64_t seconds = 0, nanos = 0;
  Reader info(value);
  while (uint32_t tag = info.Next()) {
    if (tag != Tag(kRetryDelay, kLength)) {
      info.Skip(tag);
      continue;
    }
    Reader delay = info.Message();
    while (uint32_t t = delay.Next()) {
      if (t == Tag(duration::kSeconds, kVarint)) {
        seconds = static_cast<int64_t>(delay.Varint());
      } else if (t == Tag(duration::kNanoseconds, kVarint)) {
        nanos = static_cast<int32_t>(delay.Varint());
      } else {
        delay.Skip(t);
      }
    }
  }
  return ToDuration(seconds, nanos);
}

bool WellFormed(std::string_view bytes) {
  Reader r(bytes);
  while (uint32_t tag = r.Next()) r.Skip(tag);
  return r.ok();
}

// Opens a document whose top is an object.
Status OpenObject(JsonReader& r, std::string_view text) {
  if (Status s = r.Open(text); !s) return s;
  if (r.Peek() != JsonKind::kObject) return Fail(Code::kInvalidArgument, "the JSON text is not an object");
  r.Enter();
  return {};
}

}  // namespace

std::string EncodeExportResponse(const ExportOutcome& outcome) {
  Writer w(outcome.message.size() + 32);
  Writer::Mark partial = w.Begin(field::response::kPartialSuccess, outcome.message.size());
  if (outcome.rejected != 0) {
    w.VarintField(field::partial_success::kRejected, static_cast<uint64_t>(outcome.rejected));
  }
  if (!outcome.message.empty()) {
    Writer::Mark message = w.Begin(field::partial_success::kErrorMessage, outcome.message.size());
    wire::AppendValidUtf8(w, outcome.message);
    w.End(message);
  }
  w.End(partial);
  return Text(w);
}

std::string ExportResponseToJson(Signal signal, const ExportOutcome& outcome) {
  Writer w;
  wire::JsonWriter out(w);
  out.BeginObject();
  out.Key("partialSuccess");
  out.BeginObject();
  if (outcome.rejected != 0) {
    out.Key(kRejected[static_cast<int>(signal)]);
    out.QuotedInt(outcome.rejected);
  }
  if (!outcome.message.empty()) {
    out.Key("errorMessage");
    out.String(outcome.message);
  }
  out.EndObject();
  out.EndObject();
  return Text(w);
}

Result<ExportOutcome> DecodeExportResponse(std::string_view bytes) {
  if (!WellFormed(bytes)) return Fail(Code::kInvalidArgument, "the answer is no Export response");
  PartialSuccess partial = PartialSuccess::ParseResponse(bytes);
  return ExportOutcome{partial.rejected, std::string(partial.message)};
}

Result<ExportOutcome> ExportResponseFromJson(Signal signal, std::string_view text) {
  ExportOutcome outcome;
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return outcome;
  JsonReader r;
  if (Status s = OpenObject(r, text); !s) return Unexpected(s.error());
  JsonText key;
  while (r.NextKey(&key)) {
    if ((key.raw != "partialSuccess" && key.raw != "partial_success") || r.Peek() != JsonKind::kObject) {
      r.Skip();
      continue;
    }
    for (r.Enter(); r.NextKey(&key);) {
      std::string_view name = key.raw;
      std::string token = TokenOf(r);
      if (name == kRejected[static_cast<int>(signal)] || name == kRejectedSnake[static_cast<int>(signal)]) {
        outcome.rejected = wire::ParseInt64(token).value_or(0);
      } else if (name == "errorMessage" || name == "error_message") {
        outcome.message = std::move(token);
      }
    }
  }
  if (Status s = r.Close(); !s) return Unexpected(s.error());
  return outcome;
}

std::string EncodeRpcStatus(const RpcStatus& status) {
  Writer w(status.message.size() + 96);
  if (status.code != Code::kOk) w.VarintField(rpc_status::kCode, static_cast<uint64_t>(status.code));
  if (!status.message.empty()) {
    Writer::Mark message = w.Begin(rpc_status::kMessage, status.message.size());
    wire::AppendValidUtf8(w, status.message);
    w.End(message);
  }
  if (status.retry_after) {
    int64_t n = status.retry_after->count();
    Writer::Mark detail = w.Begin(rpc_status::kDetails);
    w.BytesField(any::kTypeUrl, kRetryInfo);
    Writer::Mark info = w.Begin(any::kValue);
    Writer::Mark delay = w.Begin(kRetryDelay);
    if (n / kNanos != 0) w.VarintField(duration::kSeconds, static_cast<uint64_t>(n / kNanos));
    if (n % kNanos != 0) w.VarintField(duration::kNanoseconds, static_cast<uint64_t>(n % kNanos));
    w.End(delay);
    w.End(info);
    w.End(detail);
  }
  return Text(w);
}

std::string RpcStatusToJson(const RpcStatus& status) {
  Writer w(status.message.size() + 128);
  wire::JsonWriter out(w);
  out.BeginObject();
  if (status.code != Code::kOk) {
    out.Key("code");
    out.Int(static_cast<int64_t>(status.code));
  }
  if (!status.message.empty()) {
    out.Key("message");
    out.String(status.message);
  }
  if (status.retry_after) {
    out.Key("details");
    out.BeginArray();
    out.BeginObject();
    out.Key("@type");
    out.String(kRetryInfo);
    out.Key("retryDelay");
    out.String(DurationText(*status.retry_after));
    out.EndObject();
    out.EndArray();
  }
  out.EndObject();
  return Text(w);
}

Result<RpcStatus> DecodeRpcStatus(std::string_view bytes) {
  RpcStatus status;
  Reader r(bytes);
  while (uint32_t tag = r.Next()) {
    switch (tag) {
      case Tag(rpc_status::kCode, kVarint):
        status.code = ToCode(static_cast<int32_t>(r.Varint()));
        break;
      case Tag(rpc_status::kMessage, kLength):
        status.message = std::string(r.Bytes());
        break;
      case Tag(rpc_status::kDetails, kLength):
        if (std::optional<Duration> delay = RetryDelayOf(r.Message())) status.retry_after = delay;
        break;
      default:
        r.Skip(tag);
    }
  }
  if (!r.ok()) return Fail(Code::kInvalidArgument, "the answer is no google.rpc.Status");
  return status;
}

Result<RpcStatus> RpcStatusFromJson(std::string_view text) {
  RpcStatus status;
  JsonReader r;
  if (Status s = OpenObject(r, text); !s) return Unexpected(s.error());
  JsonText key;
  while (r.NextKey(&key)) {
    if (key.raw == "code") {
      status.code = ToCode(wire::ParseInt64(TokenOf(r)).value_or(-1));
    } else if (key.raw == "message") {
      status.message = TokenOf(r);
    } else if (key.raw == "details" && r.Peek() == JsonKind::kArray) {
      for (r.Enter(); r.NextElement();) {
        if (r.Peek() != JsonKind::kObject) {
          r.Skip();
          continue;
        }
        std::string type, delay;
        for (r.Enter(); r.NextKey(&key);) {
          std::string_view name = key.raw;
          std::string token = TokenOf(r);
          if (name == "@type") type = std::move(token);
          if (name == "retryDelay" || name == "retry_delay") delay = std::move(token);
        }
        if (type == kRetryInfo) status.retry_after = ParseDurationText(delay);
      }
    } else {
      r.Skip();
    }
  }
  if (Status s = r.Close(); !s) return Unexpected(s.error());
  return status;
}

}  // namespace naru::otlp
