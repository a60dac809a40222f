// A batch of telemetry on its way through a pipeline: OTLP bytes, who sent them, and the tokens of their items.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "otlp/signal.h"
#include "pipeline/ack.h"
#include "pipeline/tracer.h"

namespace naru::pipeline {

using otlp::Signal;

/// Who sent a batch: what `include_metadata`, authenticators and `from_context` need. Immutable, shared by the batches
/// of a request.
struct ClientInfo {
  std::string address;  // "127.0.0.1:53210"; empty when unknown
  /// Request headers (lower-case names) of receivers with include_metadata; multi-valued.
  std::map<std::string, std::vector<std::string>, std::less<>> metadata;
  /// What the authenticator learnt: "username", "subject", "claims.x", "raw" ...
  std::map<std::string, std::string, std::less<>> auth;
  /// The own span that the batch belongs to, when own spans are on; else not valid.
  SpanContext span;
};

/// One input of a batch: a slice that is by itself a valid OTLP Export request body, and the token for its items. Parts
/// are the memory of where inputs ended: a permanent refusal is examined part by part.
struct Part {
  Slice bytes;
  Token token;
  uint64_t items = 0;  // in the bytes; stays when the token is settled
};

/// Move-only; exactly one owner. The concatenation of the parts is a valid request, because the top level of every OTLP
/// request is one repeated field. The items are the sum of the tokens' items: a part whose token is settled counts as
/// zero.
class Batch {
 public:
  Batch() = default;
  explicit Batch(Signal signal) : signal_(signal) {}
  Batch(Signal signal, Slice bytes, Token token, std::shared_ptr<const ClientInfo> client = nullptr);
  Batch(Batch&&) = default;
  Batch& operator=(Batch&&) = default;

  Signal signal() const { return signal_; }
  uint64_t items() const { return items_; }
  uint64_t bytes() const { return bytes_; }
  bool empty() const { return parts_.empty(); }
  const std::vector<Part>& parts() const { return parts_; }
  const std::shared_ptr<const ClientInfo>& client() const { return client_; }
  void set_client(std::shared_ptr<const ClientInfo> client) { client_ = std::move(client); }

  void Append(Slice bytes, Token token);
  /// For items that somebody else answers for: no token.
  void Append(Slice bytes, uint64_t items);
  void Append(Batch&& other);
  /// Hands out the parts (for a processor that rewrites each); the batch is empty afterwards.
  std::vector<Part> TakeParts();
  /// The bytes of all parts as one slice: the part itself when there is one, else a copy.
  Slice Join() const;

  // Resolution of everything in the batch. The batch is empty afterwards.
  void Delivered();
  void Stored();
  void Refused(const Error& reason);
  void Dropped(const Error& reason);
  void Filtered();

  /// Resolves all tokens as stored; the bytes stay, and whoever calls this answers for them from here on.
  void StoreTokens();
  /// Replaces all tokens by those of one new Ack; returns the old ones, which the caller now owns. For queues and
  /// batchers that answer for the items from here on (resolve the old tokens as stored) or that try again (keep them).
  std::vector<Token> ReplaceTokens(Ack* ack);

  /// Copies for `n` consumers, sharing the bytes; this batch is empty afterwards.
  std::vector<Batch> Fork(size_t n);
  /// The same for these branches of a fan-out; see Token::Fork.
  std::vector<Batch> Fork(const std::vector<size_t>& branches, const TakenPtr& taken);
  /// The branches of the next fan-outs that have everything in this batch already; see Outcome::taken.
  TakenPtr Taken() const;
  /// Whether nobody answers for the items but senders who have all gone (Ack::Abandon).
  bool Abandoned() const;

 private:
  template <class F>
  void SettleAll(F f);

  Signal signal_ = Signal::kTraces;
  uint64_t items_ = 0;
  uint64_t bytes_ = 0;
  std::vector<Part> parts_;
  std::shared_ptr<const ClientInfo> client_;
};

/// The edge of a pipeline. Consume takes the batch for good and resolves its tokens, at once or later, on any thread.
/// Called on any loop's thread, concurrently from several.
class Consumer {
 public:
  virtual ~Consumer() = default;
  virtual void Consume(Batch&& batch) = 0;
};

/// Gives every batch to each of its consumers, which share the bytes; not again to those that have it from an earlier
/// try (Ack::SetTaken).
class FanOut final : public Consumer {
 public:
  explicit FanOut(std::vector<Consumer*> next) : next_(std::move(next)) {}
  void Consume(Batch&& batch) override;

 private:
  std::vector<Consumer*> next_;
};

}  // namespace naru::pipeline
