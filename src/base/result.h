// Errors are values. A Result<T> holds a T or an Error; an Error carries what a caller needs to decide (retry or not,
// after how long) and what a person needs to act (what, where, what to do).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include <fmt/core.h>
#include <tl/expected.hpp>

namespace naru {

/// Every length of time in naru. Configuration, timers and deadlines all count nanoseconds.
using Duration = std::chrono::nanoseconds;

/// gRPC's status codes, which are also OTLP's. Numbers are those on the wire
/// (https://github.com/grpc/grpc/blob/master/doc/statuscodes.md).
enum class Code : uint8_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

/// The name as gRPC libraries print it: "Unavailable", "InvalidArgument", ...
const char* CodeName(Code code);

/// Why an operation did not happen.
struct Error {
  Code code = Code::kInternal;
  /// True when the same operation can succeed later without any change: the caller keeps the data and tries again.
  bool retryable = false;
  /// The delay that the refusing side asked for before the next try; zero when it named none. Only with `retryable`.
  Duration retry_after{0};
  std::string message;
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = tl::expected<void, Error>;
using Unexpected = tl::unexpected<Error>;

/// A permanent error: trying again cannot help.
template <class... A>
Unexpected Fail(Code code, fmt::format_string<A...> format, A&&... args) {
  return Unexpected(Error{code, false, Duration{0}, fmt::format(format, std::forward<A>(args)...)});
}

/// A retryable error (code kUnavailable).
template <class... A>
Unexpected Unavailable(fmt::format_string<A...> format, A&&... args) {
  return Unexpected(Error{Code::kUnavailable, true, Duration{0}, fmt::format(format, std::forward<A>(args)...)});
}

}  // namespace naru
