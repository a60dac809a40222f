#include <optional>

#include "otlp/fields.h"
#include "otlp/value_text.h"
#include "processors/probabilistic_sampler/sampler.h"

namespace naru::processors::probabilistic_sampler {
namespace {

using otlp::AnyValue;
using wire::kLength;
using wire::Reader;
using wire::Tag;
using wire::Writer;
namespace field = otlp::field;

constexpr std::string_view kPriorityKey = "sampling.priority";  // of spans
constexpr std::string_view kThresholdKey = "sampling.threshold", kRandomnessKey = "sampling.randomness";

struct EncodedAttribute {
  std::string_view key, value;
  bool ok = false;
};
EncodedAttribute ReadAttribute(std::string_view bytes) {
  EncodedAttribute a;
  Reader r(bytes);
  while (uint32_t tag = r.Next()) {
    if (tag == Tag(field::key_value::kKey, kLength)) {
      a.key = r.Bytes();
    } else if (tag == Tag(field::key_value::kValue, kLength)) {
      a.value = r.Bytes();
    } else {
      r.Skip(tag);
    }
  }
  a.ok = r.ok();
  return a;
}

// The first attribute with a key, encoded.
struct Wanted {
  std::string_view key;
  std::optional<std::string_view> value;
  void Meet(const EncodedAttribute& a) {
    if (!value && a.key == key) value = a.value;
  }
};

bool IsTraceId(std::string_view id) {
  return id.size() == 16 && id.find_first_not_of('\0') != std::string_view::npos;
}

std::string_view Between(const char* begin, const char* end) {
  return {begin, static_cast<size_t>(end - begin)};
}

class Pass : public otlp::RecordPass {
 public:
  explicit Pass(std::shared_ptr<Sampler> sampler) : sampler_(std::move(sampler)), decider_(sampler_->decider()) {}
  void Done() override { sampler_->Report(tally_); }

 protected:
  // The random value of a trace id, by the mode.
  void ReadSource(std::string_view trace_id, Reading* reading) const {
    if (decider_.mode() == Decider::Mode::kNever || !IsTraceId(trace_id)) return;
    bool hashed = decider_.mode() == Decider::Mode::kHash;
    reading->source = hashed ? sampler_->hash()(trace_id) : RandomnessOfTraceId(trace_id);
    reading->source_policy = hashed ? Policy::kTraceIdHash : Policy::kTraceIdW3c;
  }
  Decision Decide(const Reading& reading) {
    Decision d = decider_.Decide(reading);
    ++tally_.decisions[static_cast<size_t>(d.policy)][d.sampled];
    ++tally_.faults[static_cast<size_t>(d.fault)];
    if (tally_.flaw == Flaw::kNone) tally_.flaw = reading.flaw;
    return d;
  }

  const std::shared_ptr<Sampler> sampler_;
  const Decider& decider_;

 private:
  Sampler::Tally tally_;
};

class SpanPass final : public Pass {
 public:
  using Pass::Pass;

  Verdict Visit(std::string_view record, Writer& out) override {
    Wanted priority{kPriorityKey, {}};
    std::string_view trace_id, trace_state;
    const char* end = record.data() + record.size();
    const char* at_state = nullptr;     // where the tracestate stands, or would stand: no other one is before
    const char* after_state = nullptr;  // the end of it, if it stands there
    int states = 0;
    Reader r(record);
    for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
      if (!at_state && wire::FieldOf(tag) >= field::span::kTraceState) at_state = at;
      switch (tag) {
        case Tag(field::span::kTraceId, kLength):
          trace_id = r.Bytes();
          break;
        case Tag(field::span::kTraceState, kLength):
          trace_state = r.Bytes();
          ++states;
          if (at == at_state) after_state = r.pos();
          break;
        case Tag(field::span::kAttributes, kLength): {
          EncodedAttribute a = ReadAttribute(r.Bytes());
          if (!a.ok) return Verdict::kMalformed;
          priority.Meet(a);
          break;
        }
        default:
          r.Skip(tag);
      }
    }
    if (!r.ok()) return Verdict::kMalformed;

    Reading reading;
    reading.flaw = state_.Parse(trace_state);
    reading.threshold = state_.threshold();
    reading.randomness = state_.randomness();
    ReadSource(trace_id, &reading);
    if (priority.value) reading.priority = PriorityOf(AnyValue::Parse(*priority.value));
    Decision d = Decide(reading);
    if (!d.sampled) return Verdict::kDrop;
    if (!d.rewrite) return Verdict::kKeep;

    if (d.set_randomness) state_.SetRandomness(*d.set_randomness);
    if (d.clear_threshold) state_.SetThreshold(std::nullopt);
    if (d.set_threshold) state_.SetThreshold(*d.set_threshold);
    std::string_view text = state_.Serialize();
    if (text == trace_state && states <= 1) return Verdict::kKeep;
    if (!at_state) at_state = end;
    out.Raw(Between(record.data(), at_state));
    if (!text.empty()) out.BytesField(field::span::kTraceState, text);
    std::string_view rest = Between(after_state ? after_state : at_state, end);
    if (states == (after_state ? 1 : 0)) {
      out.Raw(rest);
      return Verdict::kReplace;
    }
    Reader copy(rest);
    for (const char* at = copy.pos(); uint32_t tag = copy.Next(); at = copy.pos()) {
      copy.Skip(tag);
      if (tag != Tag(field::span::kTraceState, kLength)) out.Raw(Between(at, copy.pos()));
    }
    return Verdict::kReplace;
  }

 private:
  // A span is kept or removed. Values of other types or below zero, and texts that are no number, decide nothing.
  static std::optional<Threshold> PriorityOf(const AnyValue& value) {
    double number = 0;
    switch (value.kind) {
      case AnyValue::Kind::kInt:
        number = static_cast<double>(value.integer);
        break;
      case AnyValue::Kind::kDouble:
        number = value.real;
        break;
      case AnyValue::Kind::kString:
        if (!otlp::ParseFloat(value.bytes, &number)) return std::nullopt;
        break;
      default:
        return std::nullopt;
    }
    if (number == 0) return kNever;
    if (number > 0) return kAlways;
    return std::nullopt;
  }

  TraceState state_;
};

class LogPass final : public Pass {
 public:
  using Pass::Pass;

  Verdict Visit(std::string_view record, Writer& out) override {
    const Config& config = sampler_->config();
    Wanted threshold{kThresholdKey, {}}, randomness{kRandomnessKey, {}};
    Wanted hashed{config.from_attribute, {}}, priority{config.sampling_priority, {}};
    std::string_view trace_id;
    const char* end = record.data() + record.size();
    const char* behind = nullptr;  // the last attribute; or where attributes would stand
    const char* beyond = nullptr;
    Reader r(record);
    for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
      if (tag == Tag(field::log_record::kAttributes, kLength)) {
        EncodedAttribute a = ReadAttribute(r.Bytes());
        if (!a.ok) return Verdict::kMalformed;
        threshold.Meet(a);
        randomness.Meet(a);
        hashed.Meet(a);
        priority.Meet(a);
        behind = r.pos();
        continue;
      }
      if (!beyond && wire::FieldOf(tag) > field::log_record::kAttributes) beyond = at;
      if (tag == Tag(field::log_record::kTraceId, kLength)) {
        trace_id = r.Bytes();
      } else {
        r.Skip(tag);
      }
    }
    if (!r.ok()) return Verdict::kMalformed;

    Reading reading;
    bool hash = decider_.mode() == Decider::Mode::kHash;
    ReadExplicit(threshold, Flaw::kThreshold, ParseThreshold, &reading.flaw, &reading.threshold);
    ReadExplicit(randomness, Flaw::kRandomness, ParseRandomness, &reading.flaw, &reading.randomness);
    if (!hash || config.attribute_source == "traceID") ReadSource(trace_id, &reading);
    if (hash && !reading.source && !config.from_attribute.empty() && hashed.value) {
      if (std::string_view bytes = BytesOf(AnyValue::Parse(*hashed.value)); !bytes.empty()) {
        reading.source = sampler_->hash()(bytes);
        reading.source_policy = Policy::kAttribute;
      }
    }
    // Where the hash is written down, that comes before priorities are looked at: then this attribute has no number.
    bool covered = hash && reading.source && reading.flaw == Flaw::kNone && !reading.threshold &&
                   config.sampling_priority == kRandomnessKey;
    if (!config.sampling_priority.empty() && priority.value && !covered)
      reading.priority = PriorityOf(AnyValue::Parse(*priority.value), config.sampling_precision);
    Decision d = Decide(reading);
    if (!d.sampled) return Verdict::kDrop;
    if (!d.rewrite || !(d.set_randomness || d.clear_threshold || d.set_threshold)) return Verdict::kKeep;

    HexText th = ThresholdText(d.set_threshold.value_or(kNever));
    HexText rv = RandomnessText(d.set_randomness.value_or(0));
    if (threshold.value || randomness.value) {
      Splice(record, d, th.view(), rv.view(), out);
      return Verdict::kReplace;
    }
    const char* place = behind ? behind : beyond ? beyond : end;
    out.Raw(Between(record.data(), place));
    if (d.set_randomness) WriteAttribute(kRandomnessKey, rv.view(), out);
    if (d.set_threshold) WriteAttribute(kThresholdKey, th.view(), out);
    out.Raw(Between(place, end));
    return Verdict::kReplace;
  }

 private:
  // Only strings with something in them count.
  template <class Parse>
  static void ReadExplicit(const Wanted& attribute, Flaw wrong, Parse parse, Flaw* flaw,
                           std::optional<uint64_t>* number) {
    if (!attribute.value) return;
    AnyValue value = AnyValue::Parse(*attribute.value);
    if (value.kind != AnyValue::Kind::kString || value.bytes.empty()) return;
    *number = parse(value.bytes);
    if (!*number && *flaw == Flaw::kNone) *flaw = wrong;
  }

  std::string_view BytesOf(const AnyValue& value) {
    if (value.kind == AnyValue::Kind::kString || value.kind == AnyValue::Kind::kBytes) return value.bytes;
    text_.clear();
    otlp::AppendText(value, &text_);
    return text_;
  }

  // A percentage of its own; none when it is 0 or not in range, as in the reference.
  static std::optional<Threshold> PriorityOf(const AnyValue& value, int64_t precision) {
    if (value.kind == AnyValue::Kind::kDouble) return ThresholdOf(value.real / 100, precision);
    if (value.kind == AnyValue::Kind::kInt) return ThresholdOf(static_cast<double>(value.integer) / 100, precision);
    return std::nullopt;
  }

  static void WriteAttribute(std::string_view key, std::string_view text, Writer& out) {
    size_t value = wire::FieldSize(field::any_value::kString, text.size());
    out.Varint(Tag(field::log_record::kAttributes, kLength));
    out.Varint(wire::FieldSize(field::key_value::kKey, key.size()) + wire::FieldSize(field::key_value::kValue, value));
    out.BytesField(field::key_value::kKey, key);
    out.Varint(Tag(field::key_value::kValue, kLength));
    out.Varint(value);
    out.BytesField(field::any_value::kString, text);
  }

  // The record with the first attribute of each name replaced, or taken out, or added at the end.
  static void Splice(std::string_view record, const Decision& d, std::string_view th, std::string_view rv,
                     Writer& out) {
    bool clear = d.clear_threshold, set_th = d.set_threshold.has_value(), set_rv = d.set_randomness.has_value();
    Reader r(record);
    for (const char* at = r.pos(); uint32_t tag = r.Next(); at = r.pos()) {
      if (tag != Tag(field::log_record::kAttributes, kLength)) {
        r.Skip(tag);
      } else {
        std::string_view key = ReadAttribute(r.Bytes()).key;
        if (set_rv && key == kRandomnessKey) {
          set_rv = false;
          WriteAttribute(kRandomnessKey, rv, out);
          continue;
        }
        if (clear && key == kThresholdKey) {
          clear = false;
          continue;
        }
        if (set_th && key == kThresholdKey) {
          set_th = false;
          WriteAttribute(kThresholdKey, th, out);
          continue;
        }
      }
      out.Raw(Between(at, r.pos()));
    }
    if (set_rv) WriteAttribute(kRandomnessKey, rv, out);
    if (set_th) WriteAttribute(kThresholdKey, th, out);
  }

  std::string text_;  // memory reused from record to record
};

}  // namespace

std::unique_ptr<otlp::RecordPass> NewPass(std::shared_ptr<Sampler> sampler, otlp::Signal signal) {
  if (signal == otlp::Signal::kTraces) return std::make_unique<SpanPass>(std::move(sampler));
  return std::make_unique<LogPass>(std::move(sampler));
}

}  // namespace naru::processors::probabilistic_sampler
