#include "net/epoll_loop.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <unordered_map>

#include "base/buffer.h"
#include "net/socket_address.h"

namespace naru::net {
namespace {

constexpr int kMaxEvents = 128;
constexpr size_t kStack = 512 * 1024;  // a loop's thread; OpenSSL's handshakes are the deepest calls
constexpr Duration kIdleTrim = std::chrono::seconds(5);

// Reads "max 100000" (v2) or a lone number (v1).
bool ReadNumbers(const char* path, long long& a, long long& b) {
  FILE* f = std::fopen(path, "re");
  if (!f) return false;
  char word[64] = {};
  b = 0;
  int n = std::fscanf(f, "%63s %lld", word, &b);
  std::fclose(f);
  if (n < 1) return false;
  a = std::strcmp(word, "max") == 0 ? -1 : std::atoll(word);
  return true;
}

}  // namespace

int UsableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  long long quota = -1, period = 0, ignored = 0;
  if (!ReadNumbers("/sys/fs/cgroup/cpu.max", quota, period)) {
    if (ReadNumbers("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota, ignored)) {
      ReadNumbers("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period, ignored);
    }
  }
  if (quota > 0 && period > 0)
    cores = std::min<long long>(cores, std::max<long long>(1, (quota + period - 1) / period));
  return std::max(cores, 1);
}

namespace {

// Something that epoll tells about. Owned by whoever made it, on one loop.
class Source {
 public:
  virtual ~Source() = default;
  virtual void OnEvents(uint32_t events) = 0;
};

class EpollLoop;

// Sockets of listeners that went while KeepListeners was on, by the address that was asked for. Loop 0's thread.
class KeptListeners {
 public:
  ~KeptListeners() { Keep(false); }
  void Keep(bool on) {
    on_ = on;
    while (!on && !sockets_.empty()) Close(sockets_.begin());
  }
  /// True when the socket is taken over.
  bool Put(const Address& asked, int fd) {
    bool named = asked.kind == Address::Kind::kUnix || asked.port != 0;
    if (!on_ || !named) return false;
    sockets_.emplace(asked.ToString(), Kept{asked, fd});
    return true;
  }
  /// The socket that listens there, or -1.
  int Take(const Address& asked) {
    auto it = sockets_.find(asked.ToString());
    if (it == sockets_.end()) return -1;
    int fd = it->second.fd;
    sockets_.erase(it);
    return fd;
  }
  /// Closes those that could stand in the way of another address with this port (all interfaces instead of one). True
  /// when there were any.
  bool MakeRoom(uint16_t port) {
    bool any = false;
    for (auto it = sockets_.begin(); it != sockets_.end();) {
      auto next = std::next(it);
      if (it->second.asked.kind != Address::Kind::kUnix && it->second.asked.port == port) {
        Close(it);
        any = true;
      }
      it = next;
    }
    return any;
  }
  static void RemoveFile(const Address& a) {
    if (a.kind == Address::Kind::kUnix && !a.host.empty() && a.host[0] != '@') unlink(a.host.c_str());
  }

 private:
  struct Kept {
    Address asked;
    int fd;
  };
  void Close(std::map<std::string, Kept>::iterator it) {
    close(it->second.fd);
    RemoveFile(it->second.asked);
    sockets_.erase(it);
  }
  bool on_ = false;
  std::map<std::string, Kept> sockets_;
};

struct Peers {
  std::vector<EpollLoop*> loops;
  KeptListeners kept;
};

class EpollLoop final : public Loop {
 public:
  EpollLoop(int index, Peers& peers, Logger log) : index_(index), peers_(peers), log_(std::move(log)) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    epoll_event e{};
    e.events = EPOLLIN;
    e.data.ptr = nullptr;  // the wake-up
    epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &e);
  }
  ~EpollLoop() override {
    // A small world may live and die on the thread of another one's loop.
    Loop* before = Current();
    SetCurrent(this);
    // What timers and posted functions hold may cancel timers when it goes.
    timer_times_.clear();
    auto timers = std::move(timers_);
    timers_.clear();
    timers.clear();
    std::vector<std::function<void()>> rest;
    {
      std::lock_guard lock(mutex_);
      rest.swap(posted_);
    }
    rest.clear();
    SetCurrent(before == this ? nullptr : before);
    close(epoll_);
    close(wake_);
  }

  int index() const override { return index_; }
  Clock& clock() override { return Clock::System(); }
  Random& random() override { return Random::System(); }
  bool InLoop() const override { return Current() == this; }

  Timer AddTimer(Duration delay, std::function<void()> fn) override {
    uint64_t id = ++last_timer_;
    MonoTime at = Now() + std::max(delay, Duration(0));
    timers_.emplace(std::make_pair(at, id), std::move(fn));
    timer_times_.emplace(id, at);
    return Timer(this, id);
  }

  void Post(std::function<void()> fn) override {
    bool wake;
    {
      std::lock_guard lock(mutex_);
      if (stopped_) return;
      wake = posted_.empty();
      posted_.push_back(std::move(fn));
    }
    if (wake) Wake();
  }

  Result<std::unique_ptr<Listener>> Listen(const Address& address, const ListenOptions& options,
                                           std::function<void(Loop&, std::unique_ptr<Stream>)> on_accept) override;
  std::unique_ptr<Connecting> Connect(const Address& address, Duration timeout,
                                      std::function<void(Result<std::unique_ptr<Stream>>)> done) override;

  void Run() {
    SetCurrent(this);
    epoll_event events[kMaxEvents];
    MonoTime busy = Now();
    while (!stop_.load(std::memory_order_acquire)) {
      int wait = -1;
      MonoTime now = Now();
      if (!timers_.empty()) wait = Milliseconds(timers_.begin()->first.first - now);
      if (Buffer::ThreadCacheBytes() > 0) {
        int trim = Milliseconds(busy + kIdleTrim - now);
        if (wait < 0 || trim < wait) wait = trim;
      }
      int n = epoll_wait(epoll_, events, kMaxEvents, wait);
      if (n > 0) {
        busy = Now();
      } else if (Buffer::ThreadCacheBytes() > 0 && Now() - busy >= kIdleTrim) {
        Buffer::TrimThreadCache();
      }
      events_ = events;
      events_left_ = n > 0 ? n : 0;
      for (int i = 0; i < n; ++i) {
        events_ = events + i + 1;
        events_left_ = n - i - 1;
        if (events[i].data.ptr == nullptr) {
          uint64_t x;
          [[maybe_unused]] auto r = read(wake_, &x, sizeof x);
        } else if (events[i].data.ptr != &gone_) {
          static_cast<Source*>(events[i].data.ptr)->OnEvents(events[i].events);
        }
      }
      events_left_ = 0;
      RunPosted();
      RunTimers();
    }
    {
      std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    SetCurrent(nullptr);
  }

  void Stop() {
    stop_.store(true, std::memory_order_release);
    Wake();
  }

  void Register(int fd, Source* source, uint32_t events) {
    epoll_event e{};
    e.events = events;
    e.data.ptr = source;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &e);
  }
  void Modify(int fd, Source* source, uint32_t events) {
    epoll_event e{};
    e.events = events;
    e.data.ptr = source;
    epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &e);
  }
  void Unregister(int fd, Source* source) {
    epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
    // Events of this turn that are still to be looked at must not reach a source that is gone.
    for (int i = 0; i < events_left_; ++i) {
      if (events_[i].data.ptr == source) events_[i].data.ptr = &gone_;
    }
  }

  std::atomic<int> streams{0};
  const Logger& log() const { return log_; }
  Peers& peers() { return peers_; }

 protected:
  void CancelTimer(uint64_t id) override {
    auto it = timer_times_.find(id);
    if (it == timer_times_.end()) return;
    auto node = timers_.extract(std::make_pair(it->second, id));
    timer_times_.erase(it);
    // The function is destroyed here, after the books are right: it may cancel other timers.
  }
  bool TimerPending(uint64_t id) const override { return timer_times_.count(id) != 0; }

 private:
  void Wake() {
    uint64_t one = 1;
    [[maybe_unused]] auto r = write(wake_, &one, sizeof one);
  }

  // Rounded up, so that a timer is due when epoll_wait returns for it.
  static int Milliseconds(Duration d) {
    if (d <= Duration(0)) return 0;
    auto ms = (d.count() + 999'999) / 1'000'000;
    return static_cast<int>(std::min<int64_t>(ms, 60'000));
  }

  void RunPosted() {
    std::vector<std::function<void()>> run;
    {
      std::lock_guard lock(mutex_);
      run.swap(posted_);
    }
    for (auto& fn : run) {
      fn();
      fn = nullptr;  // what it holds goes now, in order
    }
  }

  void RunTimers() {
    if (timers_.empty()) return;
    MonoTime now = Now();
    uint64_t newest = last_timer_;  // timers made by timers wait for the next turn
    while (!timers_.empty() && timers_.begin()->first.first <= now) {
      if (timers_.begin()->first.second > newest) break;
      auto node = timers_.extract(timers_.begin());
      timer_times_.erase(node.key().second);
      node.mapped()();
    }
  }

  const int index_;
  Peers& peers_;
  Logger log_;
  int epoll_ = -1, wake_ = -1;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;  // guards posted_ and stopped_
  std::vector<std::function<void()>> posted_;
  bool stopped_ = false;
  std::map<std::pair<MonoTime, uint64_t>, std::function<void()>> timers_;
  std::unordered_map<uint64_t, MonoTime> timer_times_;
  uint64_t last_timer_ = 0;
  epoll_event* events_ = nullptr;
  int events_left_ = 0;
  char gone_ = 0;
};

IoResult FromReturn(ssize_t n) {
  if (n > 0) return {IoResult::kBytes, static_cast<size_t>(n), 0};
  if (n == 0) return {IoResult::kEof, 0, 0};
  if (errno == EAGAIN || errno == EINTR) return {IoResult::kWouldBlock, 0, 0};
  return {IoResult::kError, 0, errno};
}

class SocketStream final : public Stream, public Source {
 public:
  SocketStream(EpollLoop& loop, int fd, Address local, Address peer)
      : loop_(loop), fd_(fd), local_(std::move(local)), peer_(std::move(peer)) {
    loop_.streams.fetch_add(1, std::memory_order_relaxed);
  }
  ~SocketStream() override {
    if (gone_) *gone_ = true;
    if (registered_) loop_.Unregister(fd_, this);
    close(fd_);
    loop_.streams.fetch_sub(1, std::memory_order_relaxed);
  }
  void SetHandler(StreamHandler* handler) override {
    handler_ = handler;
    if (!registered_) {
      registered_ = true;
      loop_.Register(fd_, this, events_);
    }
  }
  IoResult Read(std::span<uint8_t> into) override { return FromReturn(recv(fd_, into.data(), into.size(), 0)); }
  IoResult Writev(const iovec* vectors, int count) override {
    msghdr m{};
    m.msg_iov = const_cast<iovec*>(vectors);
    m.msg_iovlen = static_cast<size_t>(std::min(count, 1024));
    ssize_t n = sendmsg(fd_, &m, MSG_NOSIGNAL);
    if (n == 0) return {IoResult::kBytes, 0, 0};
    return FromReturn(n);
  }
  void WantRead(bool on) override { Want(EPOLLIN, on); }
  void WantWrite(bool on) override { Want(EPOLLOUT, on); }
  void ShutdownWrite() override { shutdown(fd_, SHUT_WR); }
  const Address& peer() const override { return peer_; }
  const Address& local() const override { return local_; }

  void OnEvents(uint32_t events) override {
    bool gone = false;
    gone_ = &gone;
    // A hang-up or an error is found by the read or write that it makes ready, wanted or not.
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) handler_->OnReadable();
    if (gone) return;
    if (events & EPOLLOUT) handler_->OnWritable();
    if (gone) return;
    gone_ = nullptr;
  }

 private:
  void Want(uint32_t bit, bool on) {
    uint32_t now = on ? events_ | bit : events_ & ~bit;
    if (now == events_) return;
    events_ = now;
    if (registered_) loop_.Modify(fd_, this, events_);
  }

  EpollLoop& loop_;
  int fd_;
  Address local_, peer_;
  StreamHandler* handler_ = nullptr;
  uint32_t events_ = EPOLLIN;
  bool registered_ = false;
  bool* gone_ = nullptr;  // set while a handler runs: tells it that the stream was destroyed
};

// errno as Go's standard library words it in network errors.
std::string Reason(int error) {
  std::string text = std::strerror(error);
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z' && !(text.size() > 1 && text[1] >= 'A' && text[1] <= 'Z')) {
    text[0] = static_cast<char>(text[0] | 0x20);
  }
  return text;
}

std::string_view NetworkName(const Address& a) {
  return a.kind == Address::Kind::kUnix ? "unix" : "tcp";
}

void PrepareTcp(int fd, const Address& a) {
  if (a.kind == Address::Kind::kUnix) return;
  int one = 1, idle = 15, interval = 15, count = 9;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

Address LocalOf(int fd) {
  sockaddr_storage s{};
  socklen_t n = sizeof s;
  getsockname(fd, reinterpret_cast<sockaddr*>(&s), &n);
  return FromSockaddr(s, n);
}

class SocketListener final : public Listener, public Source {
 public:
  SocketListener(EpollLoop& loop, int fd, Address asked, Address local,
                 std::function<void(Loop&, std::unique_ptr<Stream>)> on_accept)
      : loop_(loop),
        fd_(fd),
        asked_(std::move(asked)),
        local_(std::move(local)),
        on_accept_(std::make_shared<std::function<void(Loop&, std::unique_ptr<Stream>)>>(std::move(on_accept))) {
    loop_.Register(fd_, this, EPOLLIN);
  }
  ~SocketListener() override {
    loop_.Unregister(fd_, this);
    if (loop_.index() == 0 && loop_.peers().kept.Put(asked_, fd_)) return;
    close(fd_);
    KeptListeners::RemoveFile(asked_);
  }
  const Address& local() const override { return local_; }
  void Pause(bool on) override {
    paused_ = on;
    loop_.Modify(fd_, this, on ? 0u : static_cast<uint32_t>(EPOLLIN));
  }

  void OnEvents(uint32_t) override {
    for (int i = 0; i < 64; ++i) {
      sockaddr_storage s{};
      socklen_t n = sizeof s;
      int fd = accept4(fd_, reinterpret_cast<sockaddr*>(&s), &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) Rest();
        return;
      }
      PrepareTcp(fd, local_);
      EpollLoop* target = &loop_;
      for (EpollLoop* l : loop_.peers().loops) {
        if (l->streams.load(std::memory_order_relaxed) < target->streams.load(std::memory_order_relaxed)) target = l;
      }
      Address peer = FromSockaddr(s, n);
      if (target == &loop_) {
        (*on_accept_)(loop_, std::make_unique<SocketStream>(loop_, fd, local_, std::move(peer)));
        continue;
      }
      // Counted at once, so that a burst of connections spreads; the stream counts itself when it is made. An fd that
      // the target never takes (it stopped) is closed with the process.
      target->streams.fetch_add(1, std::memory_order_relaxed);
      target->Post([target, fd, local = local_, peer = std::move(peer), on_accept = on_accept_]() mutable {
        auto stream = std::make_unique<SocketStream>(*target, fd, std::move(local), std::move(peer));
        target->streams.fetch_sub(1, std::memory_order_relaxed);
        (*on_accept)(*target, std::move(stream));
      });
    }
  }

 private:
  // Out of descriptors: the backlog waits; trying again at once would only burn the core.
  void Rest() {
    if (!warned_)
      loop_.log().Warn("cannot accept connections: out of file descriptors or memory",
                       {{"address", local_.ToString()}});
    warned_ = true;
    loop_.Modify(fd_, this, 0);
    retry_ = loop_.AddTimer(std::chrono::milliseconds(100), [this] {
      if (!paused_) loop_.Modify(fd_, this, EPOLLIN);
    });
  }

  EpollLoop& loop_;
  int fd_;
  Address asked_, local_;
  std::shared_ptr<std::function<void(Loop&, std::unique_ptr<Stream>)>> on_accept_;
  bool paused_ = false, warned_ = false;
  Timer retry_;
};

class SocketConnecting final : public Connecting, public Source {
 public:
  SocketConnecting(EpollLoop& loop, Address address, std::function<void(Result<std::unique_ptr<Stream>>)> done)
      : loop_(loop), address_(std::move(address)), done_(std::move(done)) {}
  ~SocketConnecting() override { Close(); }

  void Begin(Duration timeout) {
    sockaddr_storage s{};
    socklen_t n = 0;
    int family = ToSockaddr(address_, s, n);
    if (family < 0) return Later(EINVAL);
    fd_ = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) return Later(errno);
    PrepareTcp(fd_, address_);
    int r = connect(fd_, reinterpret_cast<sockaddr*>(&s), n);
    if (r < 0 && errno != EINPROGRESS && errno != EAGAIN) return Later(errno);
    loop_.Register(fd_, this, EPOLLOUT);
    registered_ = true;
    if (timeout > Duration(0)) timer_ = loop_.AddTimer(timeout, [this] { Finish(ETIMEDOUT); });
  }

  void OnEvents(uint32_t) override {
    int error = 0;
    socklen_t n = sizeof error;
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &n);
    Finish(error);
  }

 private:
  void Later(int error) {
    timer_ = loop_.AddTimer(Duration(0), [this, error] { Finish(error); });
  }
  void Close() {
    if (registered_) loop_.Unregister(fd_, this);
    registered_ = false;
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  // Calls the owner last: it may destroy this.
  void Finish(int error) {
    auto done = std::move(done_);
    timer_.Cancel();
    if (error) {
      Close();
      std::string what =
          fmt::format("dial {} {}: connect: {}", NetworkName(address_),
                      address_.kind == Address::Kind::kUnix ? address_.host : address_.ToString(), Reason(error));
      done(Unexpected(Error{error == ETIMEDOUT ? Code::kDeadlineExceeded : Code::kUnavailable, true, Duration(0),
                            std::move(what)}));
      return;
    }
    loop_.Unregister(fd_, this);
    registered_ = false;
    int fd = std::exchange(fd_, -1);
    Address local = LocalOf(fd);
    done(Result<std::unique_ptr<Stream>>(std::make_unique<SocketStream>(loop_, fd, std::move(local), address_)));
  }

  EpollLoop& loop_;
  Address address_;
  std::function<void(Result<std::unique_ptr<Stream>>)> done_;
  int fd_ = -1;
  bool registered_ = false;
  Timer timer_;
};

// A unix socket's file that nobody answers on is a leftover.
void RemoveStale(const Address& address, const sockaddr_storage& s, socklen_t n) {
  if (address.kind != Address::Kind::kUnix || address.host.empty() || address.host[0] == '@') return;
  struct stat st {};
  if (stat(address.host.c_str(), &st) != 0 || !S_ISSOCK(st.st_mode)) return;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&s), n) < 0 && errno == ECONNREFUSED) unlink(address.host.c_str());
  close(fd);
}

Result<std::unique_ptr<Listener>> EpollLoop::Listen(const Address& address, const ListenOptions& options,
                                                    std::function<void(Loop&, std::unique_ptr<Stream>)> on_accept) {
  auto fail = [&](const char* step, int error) {
    return Fail(Code::kFailedPrecondition, "listen {} {}: {}: {}", NetworkName(address),
                address.kind == Address::Kind::kUnix ? address.host : address.ToString(), step, Reason(error));
  };
  sockaddr_storage s{};
  socklen_t n = 0;
  int family = ToSockaddr(address, s, n);
  if (family < 0) return fail("address", EINVAL);
  auto listening = [&](int fd) {
    Address local = address.kind == Address::Kind::kUnix ? address : LocalOf(fd);
    return std::unique_ptr<Listener>(
        std::make_unique<SocketListener>(*this, fd, address, std::move(local), std::move(on_accept)));
  };
  KeptListeners& kept = peers_.kept;
  if (index_ == 0) {
    if (int fd = kept.Take(address); fd >= 0) return listening(fd);
  }
  RemoveStale(address, s, n);
  int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail("socket", errno);
  int one = 1, zero = 0;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (options.reuse_port) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  if (family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
  auto bind_socket = [&] { return bind(fd, reinterpret_cast<sockaddr*>(&s), n) == 0; };
  bool bound = bind_socket();
  if (!bound && errno == EADDRINUSE && index_ == 0 && kept.MakeRoom(address.port)) bound = bind_socket();
  if (!bound) {
    int error = errno;
    close(fd);
    return fail("bind", error);
  }
  if (listen(fd, options.backlog) < 0) {
    int error = errno;
    close(fd);
    return fail("listen", error);
  }
  return listening(fd);
}

std::unique_ptr<Connecting> EpollLoop::Connect(const Address& address, Duration timeout,
                                               std::function<void(Result<std::unique_ptr<Stream>>)> done) {
  auto c = std::make_unique<SocketConnecting>(*this, address, std::move(done));
  c->Begin(timeout);
  return c;
}

}  // namespace

struct EpollWorld::Impl {
  Peers peers;
  std::vector<std::unique_ptr<EpollLoop>> loops;
  std::vector<Loop*> views;
};

EpollWorld::EpollWorld(int loops, Logger log) : impl_(std::make_unique<Impl>()) {
  for (int i = 0; i < std::max(loops, 1); ++i) {
    impl_->loops.push_back(std::make_unique<EpollLoop>(i, impl_->peers, log));
    impl_->peers.loops.push_back(impl_->loops.back().get());
    impl_->views.push_back(impl_->loops.back().get());
  }
}

EpollWorld::~EpollWorld() = default;

const std::vector<Loop*>& EpollWorld::loops() const {
  return impl_->views;
}

void EpollWorld::Run() {
  std::vector<pthread_t> threads;
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, kStack);
  for (size_t i = 1; i < impl_->loops.size(); ++i) {
    pthread_t t;
    auto run = [](void* loop) -> void* {
      static_cast<EpollLoop*>(loop)->Run();
      return nullptr;
    };
    if (pthread_create(&t, &attr, run, impl_->loops[i].get()) == 0) threads.push_back(t);
  }
  pthread_attr_destroy(&attr);
  impl_->loops[0]->Run();
  for (auto t : threads) pthread_join(t, nullptr);
}

void EpollWorld::KeepListeners(bool on) {
  impl_->peers.kept.Keep(on);
}

void EpollWorld::Stop() {
  for (auto& l : impl_->loops) l->Stop();
}

}  // namespace naru::net
