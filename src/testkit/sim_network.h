// Inside of the simulated world: connections, listeners and attempts to connect. Tests use testkit/sim_world.h.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "testkit/sim_world.h"

namespace naru::testkit {

class SimStream;
class SimListener;

/// The bytes on their way in one direction of a connection.
struct SimDirection {
  struct Piece {
    MonoTime at;  // when it arrives
    std::string bytes;
  };
  std::deque<Piece> pieces;
  size_t front = 0;  // bytes of the first piece that were read
  size_t bytes = 0;  // unread
  MonoTime last{};   // arrival of the newest piece: nothing overtakes
  MonoTime fin = MonoTime::max(), reset = MonoTime::max();
};

/// A connection: what end i reads is way[i].
struct SimWire {
  SimDirection way[2];
  SimStream* end[2] = {};
};

class SimNet {
 public:
  SimNet(SimClock& clock, SimRandom& random, SimNetwork& network) : clock_(clock), random_(random), network_(network) {}
  /// The loops of one process; they are numbered on.
  void AddLoops(std::vector<net::Loop*> loops);
  /// Of the process of a loop, as SimProcess says.
  void SetDeaf(int loop, bool on);
  void Cut(int loop, bool silent);

  Result<std::unique_ptr<net::Listener>> Listen(
      int by, const net::Address& address, const net::ListenOptions& options,
      std::function<void(net::Loop&, std::unique_ptr<net::Stream>)> on_accept);
  std::unique_ptr<net::Connecting> Connect(net::Loop& loop, int number, const net::Address& address, Duration timeout,
                                           std::function<void(Result<std::unique_ptr<net::Stream>>)> done);
  std::pair<std::unique_ptr<net::Stream>, std::unique_ptr<net::Stream>> MakePair(int a, int b);
  void ResetAll();
  size_t open_streams() const { return streams_.size(); }
  std::vector<net::Address> listening() const;

  /// Whether a stream of this loop has an event now.
  bool Ready(int loop) const;
  /// Tells the handlers of this loop's streams, each at most once, in an order by chance.
  void Dispatch(int loop);
  /// When the next bytes (or ends) arrive, after now.
  MonoTime NextArrival() const;
  /// Streams that have events now, for people.
  std::string Describe() const;

  // For streams, listeners and attempts.
  SimClock& clock() { return clock_; }
  SimRandom& random() { return random_; }
  SimNetwork& network() { return network_; }
  Duration Delay();
  /// The number of the loop with the fewest streams, of the process of `loop`.
  int LeastLoaded(int loop);
  net::Loop& loop(int i) { return *loops_[static_cast<size_t>(i)]; }
  bool deaf(int loop) const { return network_.partitioned || process_of(loop).deaf; }
  bool cut(int loop) const { return process_of(loop).cut; }
  bool Same(int loop, int other) const { return &process_of(loop) == &process_of(other); }
  SimListener* FindListener(const net::Address& address);
  void Forget(SimListener* listener);
  std::pair<std::unique_ptr<SimStream>, std::unique_ptr<SimStream>> Join(int a, net::Address local_a, int b,
                                                                         net::Address local_b);
  net::Address Ephemeral(const net::Address& like);

 private:
  friend class SimStream;
  struct Process {
    int first, last;  // loops
    bool deaf = false, cut = false;
  };
  const Process& process_of(int loop) const { return processes_[process_of_loop_[static_cast<size_t>(loop)]]; }
  SimClock& clock_;
  SimRandom& random_;
  SimNetwork& network_;
  std::vector<net::Loop*> loops_;
  std::vector<Process> processes_;
  std::vector<size_t> process_of_loop_;
  std::map<uint64_t, SimStream*> streams_;  // by number, so that order does not follow addresses of memory
  std::vector<int> streams_of_loop_;
  uint64_t last_stream_ = 0;
  std::vector<SimListener*> listeners_;
  uint16_t last_port_ = 30000;
};

}  // namespace naru::testkit
