// Inside of the HTTP server: what its two kinds of connections share. Not for users of net.
#pragma once

#include <deque>
#include <list>

#include "net/http_server.h"

namespace naru::net {

class Connection;

/// What a server keeps on one loop.
struct LoopState {
  Loop* loop = nullptr;
  std::unique_ptr<uint8_t[]> read_buffer;  // shared by all connections of the loop: nothing stays in it between turns
  std::list<std::unique_ptr<Connection>> connections;
  Timer sweep;
  bool draining = false;
  MonoTime deadline{};
};

inline constexpr size_t kReadBuffer = 256 << 10;

struct HttpServer::Shared : std::enable_shared_from_this<HttpServer::Shared> {
  Shared(HttpServerOptions o, Service& s, Budget& b) : options(std::move(o)), service(s), budget(b) {}
  HttpServerOptions options;
  Service& service;
  Budget& budget;
  HttpServerStats stats;
  std::vector<Loop*> loops;
  std::vector<LoopState> states;  // by loop index
  std::function<void()> drained;
  std::atomic<size_t> open_loops{0};
  bool shut_down = false;

  void Sweep(LoopState& state);
  void Remove(LoopState& state, Connection* connection);
  void FinishLoop(LoopState& state);
};

/// Whether a connection still exists: answering, draining and sending may destroy it under the feet of a caller, who
/// holds a Guard and asks afterwards. Outlives the connection as long as Guards are on the stack. One loop's thread.
struct ConnectionLife {
  uint32_t guards = 0;
  bool gone = false;
};

/// One connection; owned by its LoopState.
class Connection : public StreamHandler {
 public:
  Connection(HttpServer::Shared& server, LoopState& state, std::unique_ptr<Stream> stream)
      : server_(server), state_(state), stream_(std::move(stream)), charge_(server.budget, kConnectionCost) {
    opened_ = active_ = state.loop->Now();
    stream_->SetHandler(this);
  }
  ~Connection() override {
    if (life_->guards == 0) {
      delete life_;
    } else {
      life_->gone = true;  // the last Guard frees it
    }
  }
  Connection(const Connection&) = delete;

  /// Looks at the clock: closes what has waited too long. Returns false when the connection is to be removed.
  virtual bool Check(MonoTime now) = 0;
  /// No further requests. Returns false when there is nothing to wait for.
  virtual bool Drain() = 0;

  std::list<std::unique_ptr<Connection>>::iterator self;

 protected:
  class Guard {
   public:
    explicit Guard(Connection& c) : life_(c.life_) { ++life_->guards; }
    ~Guard() {
      if (--life_->guards == 0 && life_->gone) delete life_;
    }
    Guard(const Guard&) = delete;
    bool gone() const { return life_->gone; }

   private:
    ConnectionLife* life_;
  };

  // An idle HTTP/1.1 connection is small; an HTTP/2 session holds two header tables.
  static constexpr size_t kConnectionCost = 4096;

  Loop& loop() { return *state_.loop; }
  /// The connection is destroyed by the end of the current turn at the latest; touch nothing afterwards.
  void Close() { server_.Remove(state_, this); }
  /// Sends what is in out_ as far as the peer takes it. False when the connection is broken.
  bool FlushOut();
  bool out_empty() const { return out_at_ == out_.size(); }

  HttpServer::Shared& server_;
  LoopState& state_;
  std::unique_ptr<Stream> stream_;
  std::string out_;
  size_t out_at_ = 0;
  bool writing_ = false;  // write interest is on
  MonoTime opened_, active_, wrote_{};
  Charge charge_;

 private:
  ConnectionLife* life_ = new ConnectionLife;
};

std::unique_ptr<Connection> NewHttp1Connection(HttpServer::Shared& server, LoopState& state,
                                               std::unique_ptr<Stream> stream);
std::unique_ptr<Connection> NewHttp2Connection(HttpServer::Shared& server, LoopState& state,
                                               std::unique_ptr<Stream> stream);
/// Reads the first bytes of a plain connection and turns into one of the two above.
std::unique_ptr<Connection> NewSniffingConnection(HttpServer::Shared& server, LoopState& state,
                                                  std::unique_ptr<Stream> stream);
/// Feeds bytes that were read before the connection was made.
void FeedHttp1(Connection& connection, std::string_view bytes);
void FeedHttp2(Connection& connection, std::string_view bytes);

}  // namespace naru::net
