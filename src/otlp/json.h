// OTLP/JSON (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding) to and from the wire form, and the small
// messages of the OTLP services in both encodings. Pure functions, safe on any thread; all work is proportional to the
// bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "base/result.h"
#include "otlp/signal.h"

namespace naru::otlp {

struct FromJson {
  /// An Export request that Validate accepts; empty when nothing was in it.
  Slice bytes;
  uint64_t items = 0;  // spans, log records, data points, samples in `bytes`
  /// Records that were left out: those whose own identity or value could not be understood (a span's ids, a data
  /// point's number or counts), and elements in their place that are no objects.
  uint64_t rejected_items = 0;
  /// Everything that was left out, records included.
  uint64_t odd_values = 0;
  /// What was left out, each with its path, for the partial success answer; the first kMaxNamed of them. Empty when
  /// odd_values is 0.
  std::string message;

  static constexpr uint64_t kMaxNamed = 8;
};

/// Reads a request. Accepted beyond the letter of the specification: snake_case keys, 64-bit integers as numbers,
/// integers as 1.0 or 1e3, enum names, ids in either case or in base64, base64 of either alphabet with or without
/// padding, NaN and Infinity as words, null for absent, bytes that are not UTF-8 (U+FFFD in the output). Unknown keys
/// are ignored. A value that cannot be understood never costs more than its record. The output is charged to `budget`,
/// the index over the text (4 bytes a byte, while it is read) to the process's.
///
/// Errors: kInvalidArgument when the text is not JSON (the message names the byte) or not an object; kUnavailable,
/// retryable, at the budget's hard limit.
Result<FromJson> RequestFromJson(Signal signal, std::string_view json, Budget& budget = Budget::Process());

/// Writes the request that `parts` are the pieces of (a batch: each is a request, together they are one) in the shape
/// and field order of the reference: lower-case hex ids, 64-bit integers as strings, enums as numbers, defaults left
/// out, no white space. Strings become valid UTF-8. Profiles carry one dictionary a request, so of them there may be
/// one part only.
///
/// Errors: kInvalidArgument when a part is malformed (Validate tells where, Sanitize mends it) or there are several
/// parts of profiles; kUnavailable, retryable, at the budget's hard limit.
Result<Slice> RequestToJson(Signal signal, std::span<const Slice> parts, Budget& budget = Budget::Process());

// -- Answers of the services ------------------------------------------------------------------------------------------

/// Of an Export*ServiceResponse. Both empty: everything was accepted. A message with 0 rejected is a warning.
struct ExportOutcome {
  int64_t rejected = 0;
  std::string message;
};
/// As the reference answers: the partial success is always present, empty when all is well.
std::string EncodeExportResponse(const ExportOutcome& outcome);
std::string ExportResponseToJson(Signal signal, const ExportOutcome& outcome);
/// Tolerant: unknown fields are ignored, an empty body means success. kInvalidArgument when it is no such message.
Result<ExportOutcome> DecodeExportResponse(std::string_view bytes);
Result<ExportOutcome> ExportResponseFromJson(Signal signal, std::string_view json);

/// google.rpc.Status with, of its details, the RetryInfo.
struct RpcStatus {
  Code code = Code::kOk;
  std::string message;
  std::optional<Duration> retry_after;
};
/// The body of an error answer over HTTP, and the value of grpc-status-details-bin (before base64).
std::string EncodeRpcStatus(const RpcStatus& status);
std::string RpcStatusToJson(const RpcStatus& status);
/// Tolerant as above; details of other types are ignored. Codes outside gRPC's become kUnknown.
Result<RpcStatus> DecodeRpcStatus(std::string_view bytes);
Result<RpcStatus> RpcStatusFromJson(std::string_view json);

}  // namespace naru::otlp
