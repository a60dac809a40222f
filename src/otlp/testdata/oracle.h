// Random OTLP messages made by libprotobuf, for tests: what naru's code says about their bytes is compared with what
// libprotobuf says.
#pragma once

#include <string>
#include <string_view>

#include "otlp/signal.h"
#include "otlp/testdata/oracle.pb.h"

namespace naru::otlp {

/// A small generator with a seed (splitmix64).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /// 0 ... n - 1.
  size_t Below(size_t n) { return n == 0 ? 0 : Next() % n; }
  bool Chance(int percent) { return static_cast<int>(Next() % 100) < percent; }

 private:
  uint64_t state_;
};

inline const std::string kKeys[] = {"service.name",
                                    "k1",
                                    "k2",
                                    "http.method",
                                    "a",
                                    "user.email",
                                    "user.id",
                                    "card",
                                    "x.y.z",
                                    "long.attribute.key.with.many.parts",
                                    "é",
                                    std::string(130, 'k')};

inline std::string RandomText(Random& random) {
  static const std::string kTexts[] = {"",
                                       "a",
                                       "GET",
                                       "12",
                                       "-7",
                                       "1.5",
                                       "true",
                                       "alice@example.com",
                                       "héllo wörld",
                                       std::string(150, 'x'),
                                       "0x1p-2",
                                       "/v1/a/b?c=d"};
  return kTexts[random.Below(std::size(kTexts))];
}

inline uint64_t RandomNumber(Random& random) {
  switch (random.Below(4)) {
    case 0:
      return random.Below(3);
    case 1:
      return random.Below(1000);
    case 2:
      return -random.Below(100000);
    default:
      return random.Next();
  }
}

/// Sets fields of `message` at random, to a depth where values nest no further.
inline void Fill(google::protobuf::Message* message, Random& random, int depth = 0) {
  using google::protobuf::FieldDescriptor;
  const auto* descriptor = message->GetDescriptor();
  const auto* reflection = message->GetReflection();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor* f = descriptor->field(i);
    if (f->real_containing_oneof() && reflection->HasOneof(*message, f->real_containing_oneof())) continue;
    if (!random.Chance(f->message_type() ? 75 : 60)) continue;
    int count = f->is_repeated() ? static_cast<int>(random.Below(5)) : 1;
    for (int n = 0; n < count; ++n) {
      switch (f->cpp_type()) {
        case FieldDescriptor::CPPTYPE_MESSAGE: {
          bool value = f->message_type()->name() == "AnyValue";
          if (depth > 9 && !value) break;
          if (depth > 12) break;
          Fill(f->is_repeated() ? reflection->AddMessage(message, f) : reflection->MutableMessage(message, f), random,
               depth + 1);
          break;
        }
        case FieldDescriptor::CPPTYPE_STRING: {
          std::string s = f->name() == "key" ? kKeys[random.Below(std::size(kKeys))] : RandomText(random);
          size_t id = f->name() == "trace_id" ? 16 : f->name() == "span_id" || f->name() == "parent_span_id" ? 8 : 0;
          if (id > 0) {
            s.assign(id, '\0');
            for (char& c : s) c = static_cast<char>(random.Next());
          }
          if (f->is_repeated()) {
            reflection->AddString(message, f, s);
          } else {
            reflection->SetString(message, f, s);
          }
          break;
        }
        case FieldDescriptor::CPPTYPE_INT32:
          f->is_repeated() ? reflection->AddInt32(message, f, static_cast<int32_t>(RandomNumber(random)))
                           : reflection->SetInt32(message, f, static_cast<int32_t>(RandomNumber(random)));
          break;
        case FieldDescriptor::CPPTYPE_UINT32:
          reflection->SetUInt32(message, f, static_cast<uint32_t>(RandomNumber(random)));
          break;
        case FieldDescriptor::CPPTYPE_INT64:
          f->is_repeated() ? reflection->AddInt64(message, f, static_cast<int64_t>(RandomNumber(random)))
                           : reflection->SetInt64(message, f, static_cast<int64_t>(RandomNumber(random)));
          break;
        case FieldDescriptor::CPPTYPE_UINT64:
          f->is_repeated() ? reflection->AddUInt64(message, f, RandomNumber(random))
                           : reflection->SetUInt64(message, f, RandomNumber(random));
          break;
        case FieldDescriptor::CPPTYPE_DOUBLE: {
          double d = static_cast<double>(static_cast<int64_t>(RandomNumber(random))) / 8;
          f->is_repeated() ? reflection->AddDouble(message, f, d) : reflection->SetDouble(message, f, d);
          break;
        }
        case FieldDescriptor::CPPTYPE_BOOL:
          reflection->SetBool(message, f, random.Chance(50));
          break;
        default:
          break;
      }
    }
  }
}

template <class M>
std::string Encode(const M& message) {
  return message.SerializeAsString();
}

/// A random request of that signal, encoded.
inline std::string RandomRequest(Signal signal, Random& random) {
  auto make = [&](auto request) {
    Fill(&request, random);
    return Encode(request);
  };
  switch (signal) {
    case Signal::kTraces:
      return make(oracle::TracesRequest());
    case Signal::kMetrics:
      return make(oracle::MetricsRequest());
    case Signal::kLogs:
      return make(oracle::LogsRequest());
    case Signal::kProfiles:
      return make(oracle::ProfilesRequest());
  }
  return {};
}

// Items of a message.
inline uint64_t ItemsOf(const oracle::Span&) {
  return 1;
}
inline uint64_t ItemsOf(const oracle::LogRecord&) {
  return 1;
}
inline uint64_t ItemsOf(const oracle::Profile& p) {
  return static_cast<uint64_t>(p.samples_size());
}
inline uint64_t ItemsOf(const oracle::Metric& m) {
  return static_cast<uint64_t>(m.gauge().points_size() + m.sum().points_size() + m.histogram().points_size() +
                               m.exp_histogram().points_size() + m.summary().points_size());
}
template <class R>
uint64_t ItemsOfRequest(const R& request) {
  uint64_t n = 0;
  for (const auto& r : request.resources()) {
    for (const auto& s : r.scopes()) {
      for (const auto& record : s.records()) n += ItemsOf(record);
    }
  }
  return n;
}

/// Calls visit with the encoded request as a message of its type; false when libprotobuf refuses the bytes.
template <class F>
bool WithMessage(Signal signal, std::string_view bytes, F visit) {
  google::protobuf::SetLogHandler(nullptr);  // it writes a line for every string that is not UTF-8
  auto run = [&](auto request) {
    if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return false;
    visit(request);
    return true;
  };
  switch (signal) {
    case Signal::kTraces:
      return run(oracle::TracesRequest());
    case Signal::kMetrics:
      return run(oracle::MetricsRequest());
    case Signal::kLogs:
      return run(oracle::LogsRequest());
    case Signal::kProfiles:
      return run(oracle::ProfilesRequest());
  }
  return false;
}

inline uint64_t OracleItems(Signal signal, std::string_view bytes) {
  uint64_t n = 0;
  WithMessage(signal, bytes, [&](const auto& request) { n = ItemsOfRequest(request); });
  return n;
}

}  // namespace naru::otlp
