#include "pipeline/config/listener.h"

#include <list>

#include "net/tls.h"

namespace naru::pipeline {
namespace {

constexpr Duration kHandshakeTimeout = std::chrono::seconds(20);
constexpr size_t kMaxHandshakes = 4096;

// Handshakes under way on one loop; each is dropped when it ends.
struct Handshakes {
  std::list<std::unique_ptr<net::Connecting>> list;
};

// A listener whose connections pass a TLS handshake before anybody sees them. Reads its files again at the interval.
class TlsListener final : public net::Listener, public std::enable_shared_from_this<TlsListener> {
 public:
  using Accept = std::function<void(net::Loop&, std::unique_ptr<net::Stream>)>;

  static Result<std::unique_ptr<net::Listener>> Open(Host& host, const net::Address& address,
                                                     std::shared_ptr<net::TlsContext> context, Duration reload,
                                                     Accept accept) {
    auto state = std::make_shared<State>(host.loops().size());
    state->context = context;
    state->accept = std::move(accept);
    auto inner = host.control_loop().Listen(
        address, {}, [state](net::Loop& loop, std::unique_ptr<net::Stream> s) { Take(state, loop, std::move(s)); });
    if (!inner) return tl::unexpected(inner.error());
    return std::unique_ptr<net::Listener>(new TlsListener(host, std::move(*inner), state, reload));
  }
  ~TlsListener() override {
    state_->closed = true;
    reload_timer_.Cancel();
    inner_.reset();
    auto state = state_;
    host_.ForEachLoop([state](net::Loop& loop) { state->handshakes.slot(loop.index()).reset(); }, [] {});
  }
  const net::Address& local() const override { return inner_->local(); }
  void Pause(bool on) override { inner_->Pause(on); }

 private:
  struct State {
    explicit State(size_t loops) : handshakes(loops) {}
    std::shared_ptr<net::TlsContext> context;
    Accept accept;
    PerLoop<Handshakes> handshakes;
    std::atomic<bool> closed{false};
  };

  TlsListener(Host& host, std::unique_ptr<net::Listener> inner, std::shared_ptr<State> state, Duration reload)
      : host_(host), inner_(std::move(inner)), state_(std::move(state)), reload_(reload) {
    if (reload_ > Duration(0)) Schedule();
  }

  void Schedule() {
    reload_timer_ = host_.control_loop().AddTimer(reload_, [this] {
      // Files that are being replaced may be half there: the old ones stay until the new ones are whole.
      if (auto s = state_->context->Reload(); !s)
        Logger().Warn("TLS files cannot be read again; the old ones stay in use", {{"error", s.error().message}});
      Schedule();
    });
  }

  static void Take(const std::shared_ptr<State>& state, net::Loop& loop, std::unique_ptr<net::Stream> stream) {
    if (state->closed) return;
    auto& slot = state->handshakes.slot(loop.index());
    if (!slot) slot = std::make_unique<Handshakes>();
    if (slot->list.size() >= kMaxHandshakes) return;  // closing is all that can be said to a flood
    slot->list.emplace_back();
    auto place = std::prev(slot->list.end());
    std::weak_ptr<State> weak = state;
    net::Loop* l = &loop;
    *place = state->context->Handshake(
        loop, std::move(stream), kHandshakeTimeout, [weak, l, place](Result<std::unique_ptr<net::Stream>> done) {
          auto s = weak.lock();
          if (!s || s->closed) return;
          auto& slot = s->handshakes.slot(l->index());
          auto handle = std::make_shared<std::unique_ptr<net::Connecting>>(std::move(*place));
          slot->list.erase(place);
          l->Post([handle] { handle->reset(); });
          if (done) s->accept(*l, std::move(*done));
        });
  }

  Host& host_;
  std::unique_ptr<net::Listener> inner_;
  std::shared_ptr<State> state_;
  Duration reload_;
  net::Timer reload_timer_;
};

}  // namespace

Status CheckMiddlewares(Host& host, const std::vector<MiddlewareConfig>& middlewares, bool server) {
  for (auto& m : middlewares) {
    Extension* x = host.FindExtension(m.id);
    if (x && server && x->limits_servers()) continue;
    return Fail(Code::kInvalidArgument, "failed to resolve middleware \"{}\": {}", m.id,
                !x       ? "it is not in service::extensions"
                : server ? "the extension is no middleware of servers"
                         : "the extension is no middleware of clients");
  }
  return {};
}

void WarnIfExposed(const Logger& log, const net::Address& address) {
  if (!address.IsUnspecified()) return;
  log.Warn(
      "Using the 0.0.0.0 address exposes this server to every network interface, which may facilitate Denial of "
      "Service attacks.",
      {{"endpoint", address.ToString()}});
}

namespace {

Result<std::unique_ptr<net::Listener>> Open(Host& host, const ListenerSettings& settings, std::vector<std::string> alpn,
                                            std::function<void(net::Loop&, std::unique_ptr<net::Stream>)> accept) {
  if (auto s = CheckMiddlewares(host, settings.middlewares, true); !s) return Unexpected(s.error());
  auto address = ListenAddress(settings.endpoint, settings.transport);
  if (!address) return tl::unexpected(address.error());
  if (!settings.tls) return host.control_loop().Listen(*address, {}, std::move(accept));
  auto context = net::TlsContext::Make(Settings(*settings.tls, std::move(alpn)), true);
  if (!context) return tl::unexpected(context.error());
  Duration reload = settings.tls->tls.reload_interval;
  // The client CA is watched by reading it every ten seconds: a file that is replaced, not written to, has no other
  // sign.
  if (settings.tls->client_ca_file_reload && reload == Duration(0)) reload = std::chrono::seconds(10);
  return TlsListener::Open(host, *address, std::move(*context), reload, std::move(accept));
}

}  // namespace

Result<std::unique_ptr<net::Listener>> Listen(Host& host, const Logger& log, const ListenerSettings& settings,
                                              std::vector<std::string> alpn,
                                              std::function<void(net::Loop&, std::unique_ptr<net::Stream>)> accept) {
  auto listener = Open(host, settings, std::move(alpn), std::move(accept));
  if (listener) WarnIfExposed(log, (*listener)->local());
  return listener;
}

}  // namespace naru::pipeline
