#include "testkit/sim_network.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace naru::testkit {

using net::Address;
using net::IoResult;

class SimStream final : public net::Stream {
 public:
  SimStream(SimNet& net, int loop, std::shared_ptr<SimWire> wire, int end, Address local, Address peer)
      : net_(net),
        loop_(loop),
        wire_(std::move(wire)),
        end_(end),
        local_(std::move(local)),
        peer_(std::move(peer)),
        number_(++net.last_stream_) {
    wire_->end[end_] = this;
    net_.streams_.emplace(number_, this);
    ++net_.streams_of_loop_[static_cast<size_t>(loop_)];
  }
  ~SimStream() override {
    net_.streams_.erase(number_);
    --net_.streams_of_loop_[static_cast<size_t>(loop_)];
    if (!cut_) Leave();
  }

  void SetHandler(net::StreamHandler* handler) override { handler_ = handler; }

  IoResult Read(std::span<uint8_t> into) override {
    SimDirection& d = in();
    if (into.empty()) return {IoResult::kEof, 0, 0};  // as recv() does
    if (cut_) return {IoResult::kError, 0, ECONNRESET};
    if (!d.pieces.empty() && !(Arrived(d.reset) && d.pieces.front().at > d.reset)) {
      if (!Arrived(d.pieces.front().at) || net_.random().Chance(net_.network().would_block))
        return {IoResult::kWouldBlock, 0, 0};
      size_t limit = Chunk(into.size()), n = 0;
      while (n < limit && !d.pieces.empty() && Arrived(d.pieces.front().at)) {
        std::string& piece = d.pieces.front().bytes;
        size_t k = std::min(limit - n, piece.size() - d.front);
        std::memcpy(into.data() + n, piece.data() + d.front, k);
        n += k;
        d.front += k;
        if (d.front == piece.size()) {
          d.pieces.pop_front();
          d.front = 0;
        }
      }
      d.bytes -= n;
      return {IoResult::kBytes, n, 0};
    }
    if (Arrived(d.reset)) return {IoResult::kError, 0, ECONNRESET};
    if (Arrived(d.fin)) return {IoResult::kEof, 0, 0};
    return {IoResult::kWouldBlock, 0, 0};
  }

  IoResult Writev(const iovec* vectors, int count) override {
    if (write_shut_) return {IoResult::kError, 0, EPIPE};
    if (cut_ || Arrived(in().reset)) return {IoResult::kError, 0, ECONNRESET};
    if (net_.random().Chance(net_.network().reset)) {
      Break();
      return {IoResult::kError, 0, ECONNRESET};
    }
    size_t total = 0;
    for (int i = 0; i < std::min(count, 1024); ++i) total += vectors[i].iov_len;
    if (total == 0) return {IoResult::kBytes, 0, 0};
    if (!wire_->end[1 - end_]) {
      // Nobody is there any more, which the answer to these bytes will say.
      in().reset = std::min(in().reset, net_.clock().Now() + net_.Delay() + net_.Delay());
      return {IoResult::kBytes, total, 0};
    }
    SimDirection& d = out();
    size_t room = d.bytes < net_.network().buffer ? net_.network().buffer - d.bytes : 0;
    if (room == 0 || net_.random().Chance(net_.network().would_block)) return {IoResult::kWouldBlock, 0, 0};
    size_t n = std::min(total, Chunk(room));
    SimDirection::Piece piece{Arrival(d), {}};
    piece.bytes.reserve(n);
    for (int i = 0; piece.bytes.size() < n; ++i) {
      piece.bytes.append(static_cast<const char*>(vectors[i].iov_base),
                         std::min(vectors[i].iov_len, n - piece.bytes.size()));
    }
    d.bytes += n;
    d.pieces.push_back(std::move(piece));
    return {IoResult::kBytes, n, 0};
  }

  void WantRead(bool on) override { want_read_ = on; }
  void WantWrite(bool on) override { want_write_ = on; }
  void ShutdownWrite() override {
    if (write_shut_ || cut_) return;
    write_shut_ = true;
    out().fin = std::min(out().fin, Arrival(out()));
  }
  const Address& peer() const override { return peer_; }
  const Address& local() const override { return local_; }

  int loop() const { return loop_; }
  uint64_t number() const { return number_; }
  bool gone_peer() const { return !wire_->end[1 - end_]; }

  // A hang-up or an error is told whether it is wanted or not, as epoll does.
  bool HangUp() const { return cut_ || Arrived(in().reset) || (Arrived(in().fin) && write_shut_); }
  bool Readable() const {
    const SimDirection& d = in();
    if (cut_ || Arrived(d.reset)) return true;  // what was to come after it is lost
    return Arrived(d.pieces.empty() ? d.fin : d.pieces.front().at);
  }
  bool Writable() const {
    return wire_->way[1 - end_].bytes < net_.network().buffer || gone_peer() || Arrived(in().reset);
  }
  bool Event() const { return handler_ && (HangUp() || (want_read_ && Readable()) || (want_write_ && Writable())); }
  net::StreamHandler* handler() const { return handler_; }
  bool wants_read() const { return want_read_; }
  bool wants_write() const { return want_write_; }

  MonoTime NextArrival() const {
    const SimDirection& d = in();
    MonoTime now = net_.clock().Now(), next = MonoTime::max();
    auto look = [&](MonoTime t) {
      if (t > now) next = std::min(next, t);
    };
    if (!d.pieces.empty()) look(d.pieces.front().at);
    look(d.fin);
    look(d.reset);
    return next;
  }

  /// Its process is parted from the network.
  void Cut(bool silent) {
    if (silent) {
      wire_->end[end_] = nullptr;
    } else {
      Leave();
    }
    cut_ = true;
  }
  void Break() {
    MonoTime now = net_.clock().Now();
    for (auto& d : wire_->way) d.reset = std::min(d.reset, now);
  }

 private:
  void Leave() {
    wire_->end[end_] = nullptr;
    MonoTime at = Arrival(out());
    // Closing with bytes unread tells the peer that they are lost.
    if (in().bytes > 0) {
      out().reset = std::min(out().reset, at);
    } else {
      out().fin = std::min(out().fin, at);
    }
  }
  SimDirection& in() { return wire_->way[end_]; }
  const SimDirection& in() const { return wire_->way[end_]; }
  SimDirection& out() { return wire_->way[1 - end_]; }
  bool Arrived(MonoTime t) const { return t <= net_.clock().Now() && !net_.deaf(loop_); }
  MonoTime Arrival(SimDirection& d) {
    d.last = std::max(d.last, net_.clock().Now() + net_.Delay());
    return d.last;
  }
  size_t Chunk(size_t n) {
    size_t max = net_.network().max_chunk;
    return max ? std::min<size_t>(n, 1 + net_.random().Below(max)) : n;
  }

  SimNet& net_;
  const int loop_;
  std::shared_ptr<SimWire> wire_;
  const int end_;
  Address local_, peer_;
  const uint64_t number_;
  net::StreamHandler* handler_ = nullptr;
  bool want_read_ = true, want_write_ = false, write_shut_ = false;
  bool cut_ = false;  // nothing comes or goes any more
};

class SimListener final : public net::Listener {
 public:
  using OnAccept = std::function<void(net::Loop&, std::unique_ptr<net::Stream>)>;
  SimListener(SimNet& net, int loop, Address local, size_t backlog, OnAccept on_accept)
      : net_(net),
        loop_(loop),
        local_(std::move(local)),
        limit_(backlog),
        on_accept_(std::make_shared<OnAccept>(std::move(on_accept))) {}
  ~SimListener() override { net_.Forget(this); }
  const Address& local() const override { return local_; }
  int loop() const { return loop_; }
  void Pause(bool on) override {
    paused_ = on;
    while (!paused_ && !backlog_.empty()) {
      auto stream = std::move(backlog_.front());
      backlog_.pop_front();
      Hand(std::move(stream));
    }
  }
  /// False when the backlog is full: the connection is refused.
  bool Offer(int loop, std::unique_ptr<net::Stream> stream) {
    if (paused_) {
      if (backlog_.size() >= limit_) return false;
      backlog_.push_back({loop, std::move(stream)});
      return true;
    }
    Hand({loop, std::move(stream)});
    return true;
  }

 private:
  using Waiting = std::pair<int, std::unique_ptr<net::Stream>>;
  void Hand(Waiting w) {
    net::Loop& target = net_.loop(w.first);
    auto stream = std::make_shared<std::unique_ptr<net::Stream>>(std::move(w.second));
    target.Post([&target, stream, on_accept = on_accept_] { (*on_accept)(target, std::move(*stream)); });
  }

  SimNet& net_;
  const int loop_;
  Address local_;
  size_t limit_;
  std::shared_ptr<OnAccept> on_accept_;
  std::deque<Waiting> backlog_;
  bool paused_ = false;
};

namespace {

std::string_view NetworkName(const Address& a) {
  return a.kind == Address::Kind::kUnix ? "unix" : "tcp";
}
std::string Place(const Address& a) {
  return a.kind == Address::Kind::kUnix ? a.host : a.ToString();
}

class SimConnecting final : public net::Connecting {
 public:
  SimConnecting(SimNet& net, net::Loop& loop, int number, Address address,
                std::function<void(Result<std::unique_ptr<net::Stream>>)> done)
      : net_(net), loop_(loop), number_(number), address_(std::move(address)), done_(std::move(done)) {}

  void Begin(Duration timeout) {
    if (timeout > Duration(0))
      deadline_ = loop_.AddTimer(timeout, [this] { Fail(Code::kDeadlineExceeded, "connection timed out"); });
    timer_ = loop_.AddTimer(net_.Delay() + net_.Delay(), [this] { Try(); });
  }

 private:
  void Try() {
    SimListener* listener = net_.cut(number_) ? nullptr : net_.FindListener(address_);
    if (net_.deaf(number_) || (listener && net_.deaf(listener->loop()))) {
      timer_ = loop_.AddTimer(std::chrono::seconds(1), [this] { Try(); });  // as TCP sends its SYN again
      return;
    }
    deadline_.Cancel();
    if (!listener || net_.random().Chance(net_.network().refuse)) return Fail(Code::kUnavailable, "connection refused");
    int target = net_.LeastLoaded(listener->loop());
    auto [mine, theirs] = net_.Join(number_, net_.Ephemeral(address_), target, address_);
    if (!listener->Offer(target, std::move(theirs))) return Fail(Code::kUnavailable, "connection refused");
    auto done = std::move(done_);
    done(Result<std::unique_ptr<net::Stream>>(std::move(mine)));  // may destroy this
  }
  void Fail(Code code, const char* why) {
    timer_.Cancel();
    auto done = std::move(done_);
    done(Unexpected(Error{code, true, Duration(0),
                          fmt::format("dial {} {}: connect: {}", NetworkName(address_), Place(address_), why)}));
  }

  SimNet& net_;
  net::Loop& loop_;
  const int number_;
  Address address_;
  std::function<void(Result<std::unique_ptr<net::Stream>>)> done_;
  net::Timer timer_, deadline_;
};

}  // namespace

void SimNet::AddLoops(std::vector<net::Loop*> loops) {
  auto first = static_cast<int>(loops_.size());
  processes_.push_back({first, first + static_cast<int>(loops.size())});
  process_of_loop_.resize(loops_.size() + loops.size(), processes_.size() - 1);
  loops_.insert(loops_.end(), loops.begin(), loops.end());
  streams_of_loop_.resize(loops_.size());
}

void SimNet::SetDeaf(int loop, bool on) {
  processes_[process_of_loop_[static_cast<size_t>(loop)]].deaf = on;
}

void SimNet::Cut(int loop, bool silent) {
  processes_[process_of_loop_[static_cast<size_t>(loop)]].cut = true;
  std::erase_if(listeners_, [&](auto* l) { return Same(l->loop(), loop); });
  for (auto& [number, s] : streams_) {
    if (Same(s->loop(), loop)) s->Cut(silent);
  }
}

Duration SimNet::Delay() {
  int64_t least = network_.min_delay.count(), most = std::max(network_.max_delay.count(), least);
  return Duration(least + static_cast<int64_t>(random_.Below(static_cast<uint64_t>(most - least) + 1)));
}

int SimNet::LeastLoaded(int loop) {
  const Process& p = process_of(loop);
  auto it = std::min_element(streams_of_loop_.begin() + p.first, streams_of_loop_.begin() + p.last);
  return static_cast<int>(it - streams_of_loop_.begin());
}

Address SimNet::Ephemeral(const Address& like) {
  if (like.kind == Address::Kind::kUnix) return {Address::Kind::kUnix, "", 0};
  return {like.kind, like.kind == Address::Kind::kIpv6 ? "::1" : "127.0.0.1", ++last_port_};
}

std::pair<std::unique_ptr<SimStream>, std::unique_ptr<SimStream>> SimNet::Join(int a, Address local_a, int b,
                                                                               Address local_b) {
  auto wire = std::make_shared<SimWire>();
  auto first = std::make_unique<SimStream>(*this, a, wire, 0, local_a, local_b);
  auto second = std::make_unique<SimStream>(*this, b, wire, 1, std::move(local_b), std::move(local_a));
  return {std::move(first), std::move(second)};
}

std::pair<std::unique_ptr<net::Stream>, std::unique_ptr<net::Stream>> SimNet::MakePair(int a, int b) {
  Address near{Address::Kind::kIpv4, "127.0.0.1", ++last_port_}, far{Address::Kind::kIpv4, "127.0.0.1", ++last_port_};
  auto [first, second] = Join(a, std::move(near), b, std::move(far));
  return {std::move(first), std::move(second)};
}

Result<std::unique_ptr<net::Listener>> SimNet::Listen(
    int by, const Address& address, const net::ListenOptions& options,
    std::function<void(net::Loop&, std::unique_ptr<net::Stream>)> on_accept) {
  Address local = address;
  if (local.kind != Address::Kind::kUnix && local.port == 0) local.port = ++last_port_;
  for (auto* l : listeners_) {
    if (l->local() == local && !options.reuse_port) {
      return naru::Fail(Code::kFailedPrecondition, "listen {} {}: bind: address already in use", NetworkName(address),
                        Place(address));
    }
  }
  auto listener = std::make_unique<SimListener>(
      *this, by, std::move(local), static_cast<size_t>(std::max(options.backlog, 1)), std::move(on_accept));
  if (!cut(by)) listeners_.push_back(listener.get());
  return std::unique_ptr<net::Listener>(std::move(listener));
}

std::unique_ptr<net::Connecting> SimNet::Connect(net::Loop& loop, int number, const Address& address, Duration timeout,
                                                 std::function<void(Result<std::unique_ptr<net::Stream>>)> done) {
  auto c = std::make_unique<SimConnecting>(*this, loop, number, address, std::move(done));
  c->Begin(timeout);
  return c;
}

SimListener* SimNet::FindListener(const Address& address) {
  for (auto* l : listeners_) {
    if (l->local() == address) return l;
  }
  for (auto* l : listeners_) {
    if (address.kind != Address::Kind::kUnix && l->local().kind != Address::Kind::kUnix && l->local().IsUnspecified() &&
        l->local().port == address.port)
      return l;
  }
  return nullptr;
}

std::vector<Address> SimNet::listening() const {
  std::vector<Address> out;
  for (auto* l : listeners_) out.push_back(l->local());
  return out;
}

void SimNet::Forget(SimListener* listener) {
  std::erase(listeners_, listener);
}

void SimNet::ResetAll() {
  for (auto& [number, s] : streams_) s->Break();
}

bool SimNet::Ready(int loop) const {
  return std::any_of(streams_.begin(), streams_.end(),
                     [&](auto& e) { return e.second->loop() == loop && e.second->Event(); });
}

void SimNet::Dispatch(int loop) {
  std::vector<uint64_t> ready;
  for (auto& [number, s] : streams_) {
    if (s->loop() == loop && s->Event()) ready.push_back(number);
  }
  for (size_t i = ready.size(); i > 1; --i) std::swap(ready[i - 1], ready[random_.Below(i)]);
  for (uint64_t number : ready) {
    // Every call may destroy any stream, this one too.
    auto it = streams_.find(number);
    if (it == streams_.end()) continue;
    bool write = it->second->wants_write() && it->second->Writable();
    if (it->second->HangUp() || (it->second->wants_read() && it->second->Readable()))
      it->second->handler()->OnReadable();
    it = streams_.find(number);
    if (write && it != streams_.end()) it->second->handler()->OnWritable();
  }
}

std::string SimNet::Describe() const {
  std::string text = "streams with events:";
  for (auto& [number, s] : streams_) {
    if (!s->Event()) continue;
    text += fmt::format(" [{} to {}:{}{}{}]", s->local().ToString(), s->peer().ToString(),
                        s->HangUp() ? " hang-up" : "", s->Readable() && s->wants_read() ? " readable" : "",
                        s->Writable() && s->wants_write() ? " writable" : "");
  }
  return text;
}

MonoTime SimNet::NextArrival() const {
  MonoTime next = MonoTime::max();
  for (auto& [number, s] : streams_) next = std::min(next, s->NextArrival());
  return next;
}

}  // namespace naru::testkit
