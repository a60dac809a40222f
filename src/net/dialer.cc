#include "net/dialer.h"

#include <netdb.h>

#include <algorithm>
#include <cstring>

#include "base/workers.h"
#include "net/socket_address.h"

namespace naru::net {
namespace {

constexpr Duration kKeepAddresses = std::chrono::seconds(10);

class Lookup final : public Connecting {
 public:
  ~Lookup() override { *cancelled_ = true; }
  std::shared_ptr<bool> cancelled_ = std::make_shared<bool>(false);  // loop thread only
};

Result<std::vector<Address>> Ask(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  int r = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (r == EAI_BADFLAGS || r == EAI_NONAME || r == EAI_ADDRFAMILY) {
    // Machines with loopback only have no configured address of either family.
    hints.ai_flags = 0;
    r = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  }
  if (r != 0) return Unavailable("lookup {}: {}", host, r == EAI_NONAME ? "no such host" : gai_strerror(r));
  std::vector<Address> out;
  for (addrinfo* a = list; a && out.size() < 64; a = a->ai_next) {
    sockaddr_storage s{};
    if (a->ai_addrlen > sizeof s) continue;
    std::memcpy(&s, a->ai_addr, a->ai_addrlen);
    out.push_back(FromSockaddr(s, a->ai_addrlen));
  }
  freeaddrinfo(list);
  if (out.empty()) return Unavailable("lookup {}: no addresses", host);
  return out;
}

}  // namespace

Result<std::vector<Address>> ResolveNow(const std::string& host, uint16_t port) {
  auto all = Ask(host, port);
  if (all) {
    std::stable_sort(all->begin(), all->end(), [](auto& a, auto& b) { return a.kind < b.kind; });
  }
  return all;
}

std::unique_ptr<Connecting> ResolveName(Loop& loop, const std::string& host, uint16_t port,
                                        std::function<void(Result<std::vector<Address>>)> done) {
  auto lookup = std::make_unique<Lookup>();
  auto tell = [cancelled = lookup->cancelled_, done = std::move(done)](Result<std::vector<Address>> r) {
    if (!*cancelled) done(std::move(r));
  };
  std::string literal = host.find(':') != std::string::npos ? "[" + host + "]" : host;
  if (auto numeric = Address::Parse(literal + ":" + std::to_string(port))) {
    loop.Post([tell, a = std::vector<Address>{*numeric}] { tell(a); });
    return lookup;
  }
  bool taken = Workers::Shared().Submit([&loop, host, port, tell] {
    auto r = std::make_shared<Result<std::vector<Address>>>(Ask(host, port));
    loop.Post([tell, r] { tell(std::move(*r)); });
  });
  if (!taken) loop.Post([tell, host] { tell(Unavailable("lookup {}: too many look-ups wait", host)); });
  return lookup;
}

namespace {

struct Known {
  DialTarget target;
  StreamWrapper wrap;
  std::shared_ptr<DialState> state;
  std::vector<Address> addresses;
  MonoTime at{};
  size_t next = 0;
};

// One call of a connector: resolve, connect, wrap.
class Attempt final : public Connecting {
 public:
  Attempt(Loop& loop, std::shared_ptr<Known> known, Duration timeout,
          std::function<void(Result<std::unique_ptr<Stream>>)> done)
      : loop_(loop), known_(std::move(known)), timeout_(timeout), done_(std::move(done)) {}

  void Begin() {
    if (known_->target.unix_path) {
      addresses_ = {Address{Address::Kind::kUnix, known_->target.host, 0}};
      return Connect(0);
    }
    if (!known_->addresses.empty() && loop_.Now() - known_->at < kKeepAddresses) return Use();
    step_ = ResolveName(loop_, known_->target.host, known_->target.port, [this](Result<std::vector<Address>> r) {
      if (!r) return Finish(Unexpected(r.error()));
      known_->addresses = std::move(*r);
      known_->at = loop_.Now();
      Use();
    });
  }

 private:
  void Use() {
    addresses_ = known_->addresses;
    if (known_->target.round_robin && known_->state) {
      known_->state->addresses = addresses_.size();
      auto& connected = known_->state->connected;
      auto load = [&](const Address& a) { return std::count(connected.begin(), connected.end(), a.ToString()); };
      std::stable_sort(addresses_.begin(), addresses_.end(),
                       [&](const Address& a, const Address& b) { return load(a) < load(b); });
    } else if (known_->target.round_robin)
      std::rotate(addresses_.begin(), addresses_.begin() + static_cast<ptrdiff_t>(known_->next++ % addresses_.size()),
                  addresses_.end());
    Connect(0);
  }

  void Connect(size_t i) {
    step_ = loop_.Connect(addresses_[i], timeout_, [this, i](Result<std::unique_ptr<Stream>> s) {
      if (!s) {
        if (i + 1 < addresses_.size()) {
          // The handle of this attempt is on the stack: it goes at the next turn, when the next attempt takes its
          // place.
          timer_ = loop_.AddTimer(Duration(0), [this, i] { Connect(i + 1); });
          return;
        }
        known_->at = MonoTime();  // ask again next time: the addresses may have moved
        return Finish(Unexpected(s.error()));
      }
      if (!known_->wrap) return Finish(std::move(s));
      auto stream = std::make_shared<std::unique_ptr<Stream>>(std::move(*s));
      timer_ = loop_.AddTimer(Duration(0), [this, stream] {
        step_ = known_->wrap(loop_, std::move(*stream), timeout_,
                             [this](Result<std::unique_ptr<Stream>> w) { Finish(std::move(w)); });
      });
    });
  }

  void Finish(Result<std::unique_ptr<Stream>> r) {
    auto done = std::move(done_);
    done(std::move(r));  // may destroy this
  }

  Loop& loop_;
  std::shared_ptr<Known> known_;
  Duration timeout_;
  std::function<void(Result<std::unique_ptr<Stream>>)> done_;
  std::vector<Address> addresses_;
  std::unique_ptr<Connecting> step_;
  Timer timer_;
};

}  // namespace

Connector MakeConnector(DialTarget target, StreamWrapper wrap, std::shared_ptr<DialState> state) {
  auto known = std::make_shared<Known>();
  known->target = std::move(target);
  known->wrap = std::move(wrap);
  known->state = std::move(state);
  return [known](Loop& loop, Duration timeout,
                 std::function<void(Result<std::unique_ptr<Stream>>)> done) -> std::unique_ptr<Connecting> {
    auto a = std::make_unique<Attempt>(loop, known, timeout, std::move(done));
    a->Begin();
    return a;
  };
}

}  // namespace naru::net
