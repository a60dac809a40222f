#include "pipeline/config/client.h"

#include "net/dialer.h"
#include "net/proxy.h"
#include "net/tls.h"
#include "pipeline/config/listener.h"

namespace naru::pipeline {
namespace {

// TLS for a client's connections. A context that cannot be made (a missing file) fails each connection with that
// reason, and is tried again with the next: the file may come.
net::StreamWrapper WrapTls(net::TlsSettings settings, Duration reload) {
  struct State {
    net::TlsSettings settings;
    Duration reload;
    std::shared_ptr<net::TlsContext> context;
    MonoTime loaded{};
  };
  auto state = std::make_shared<State>(State{std::move(settings), reload, nullptr, {}});
  return [state](net::Loop& loop, std::unique_ptr<net::Stream> stream, Duration timeout,
                 std::function<void(Result<std::unique_ptr<net::Stream>>)> done) -> std::unique_ptr<net::Connecting> {
    if (state->context && state->reload > Duration(0) && loop.Now() - state->loaded >= state->reload) {
      state->loaded = loop.Now();
      (void)state->context->Reload();  // on failure the old files stay in use
    }
    if (!state->context) {
      auto made = net::TlsContext::Make(state->settings, false);
      if (!made) {
        class Failed final : public net::Connecting {
         public:
          net::Timer timer;
        };
        auto failed = std::make_unique<Failed>();
        failed->timer = loop.AddTimer(Duration(0), [done = std::move(done), e = made.error()] {
          Error error = e;
          error.retryable = true;
          done(Unexpected(error));
        });
        return failed;
      }
      state->context = std::move(*made);
      state->loaded = loop.Now();
    }
    return state->context->Handshake(loop, std::move(stream), timeout, std::move(done));
  };
}

net::TlsSettings ProxyTls(const net::Url& proxy) {
  return Settings(TlsClientConfig(), proxy.host, {"http/1.1"});
}

// What to do with a stream to a proxy so that it leads to the server.
net::StreamWrapper ToProxy(const net::Url& proxy, const std::string& host, uint16_t port, const std::string& agent) {
  net::StreamWrapper tls;
  if (proxy.scheme == "https") tls = WrapTls(ProxyTls(proxy), Duration(0));
  return net::Chain(std::move(tls), net::Tunnel(proxy, host, port, agent));
}

}  // namespace

Attributes Destination(const GrpcTarget& target) {
  if (target.unix_path) return {{"server.address", target.host}};
  return {{"server.address", target.host}, {"server.port", std::to_string(target.port)}};
}

std::unique_ptr<net::HttpClient> MakeGrpcClient(Host& host, const GrpcClientConfig& c, net::Loop& loop) {
  auto target = GrpcTarget::Parse(c.endpoint);
  bool tls = !target->unix_path && !target->plain && (target->tls || !c.tls.insecure);
  net::HttpClientOptions o;
  o.scheme = tls ? "https" : "http";
  o.http2_prior_knowledge = true;
  std::string host_port = target->host.find(':') != std::string::npos
                              ? fmt::format("[{}]:{}", target->host, target->port)
                              : fmt::format("{}:{}", target->host, target->port);
  o.authority = !c.authority.empty() ? c.authority : target->unix_path ? "localhost" : host_port;
  o.user_agent = !c.user_agent.empty() ? c.user_agent : host.user_agent();
  o.idle_timeout = std::chrono::minutes(30);
  if (c.keepalive) {
    o.keepalive_time = std::max(c.keepalive->time, Duration(std::chrono::seconds(10)));
    o.keepalive_timeout = c.keepalive->timeout;
    o.keepalive_without_streams = c.keepalive->permit_without_stream;
  }
  o.wait_for_ready = c.wait_for_ready;
  net::DialTarget dial{target->host, target->port, target->unix_path, c.balancer_name == "round_robin"};
  net::StreamWrapper wrap;
  if (tls) wrap = WrapTls(Settings(c.tls, target->host, {"h2"}), c.tls.tls.reload_interval);
  // As gRPC does it: HTTPS_PROXY, with TLS or without, and the proxy finds the address.
  std::optional<net::Url> proxy;
  if (!target->unix_path)
    proxy = net::ProxyEnvironment::Process().For("https", target->host, target->port).value_or(std::nullopt);
  if (proxy) {
    wrap = net::Chain(ToProxy(*proxy, target->host, target->port, o.user_agent), std::move(wrap));
    dial = net::DialTarget{proxy->host, proxy->port, false, true};
  } else if (dial.round_robin && !dial.unix_path) {
    o.dial = std::make_shared<net::DialState>();
  }
  auto state = o.dial;
  return std::make_unique<net::HttpClient>(loop, std::move(o),
                                           net::MakeConnector(std::move(dial), std::move(wrap), std::move(state)));
}

std::unique_ptr<net::HttpClient> MakeHttpClient(Host& host, const HttpClientConfig& c, const net::Url& url,
                                                net::Loop& loop) {
  net::HttpClientOptions o;
  o.scheme = url.scheme;
  o.authority = url.Authority();
  o.user_agent = host.user_agent();
  o.keep_alives = !c.disable_keep_alives;
  o.idle_timeout = c.idle_conn_timeout;
  o.max_connections = static_cast<size_t>(c.max_conns_per_host);
  // A client has one host: the tighter limit holds.
  int64_t idle = c.max_idle_conns, per_host = c.max_idle_conns_per_host;
  o.max_idle_connections = static_cast<size_t>(per_host && (!idle || per_host < idle) ? per_host : idle);
  o.keepalive_time = c.http2_read_idle_timeout;
  if (c.http2_ping_timeout > Duration(0)) o.keepalive_timeout = c.http2_ping_timeout;
  net::StreamWrapper wrap;
  if (url.scheme == "https") {
    std::vector<std::string> alpn =
        c.force_attempt_http2 ? std::vector<std::string>{"h2", "http/1.1"} : std::vector<std::string>{"http/1.1"};
    wrap = WrapTls(Settings(c.tls, url.host, std::move(alpn)), c.tls.tls.reload_interval);
  }
  o.cookies = c.cookies && c.cookies->enabled;
  net::DialTarget dial{url.host, url.port, false, true};
  std::optional<net::Url> proxy;
  if (!c.proxy_url.empty()) {
    if (auto given = net::ParseProxy(c.proxy_url)) proxy = *given;
  } else {
    proxy = net::ProxyEnvironment::Process().For(url.scheme, url.host, url.port).value_or(std::nullopt);
  }
  if (proxy) {
    dial = net::DialTarget{proxy->host, proxy->port, false, true};
    if (url.scheme == "http" && proxy->scheme != "socks5") {
      // Plain requests are given to the proxy itself.
      o.target_prefix = "http://" + url.Authority();
      o.proxy_authorization = net::ProxyAuthorization(*proxy);
      if (proxy->scheme == "https") wrap = WrapTls(ProxyTls(*proxy), Duration(0));
    } else {
      wrap = net::Chain(ToProxy(*proxy, url.host, url.port, o.user_agent), std::move(wrap));
    }
  }
  return std::make_unique<net::HttpClient>(loop, std::move(o), net::MakeConnector(std::move(dial), std::move(wrap)));
}

ClientAuth* FindClientAuth(Host& host, const conf::Optional<ClientAuthConfig>& config) {
  if (!config) return nullptr;
  Extension* x = host.FindExtension(config->authenticator);
  return x ? x->client_auth() : nullptr;
}

namespace {

Status CheckAuth(Host& host, const conf::Optional<ClientAuthConfig>& config) {
  if (!config || FindClientAuth(host, config)) return {};
  return Fail(Code::kInvalidArgument,
              "failed to resolve authenticator \"{}\": it is no client authenticator in service::extensions",
              config->authenticator);
}

}  // namespace

Status CheckClient(Host& host, const GrpcClientConfig& c) {
  if (auto s = CheckAuth(host, c.auth); !s) return s;
  if (auto s = CheckMiddlewares(host, c.middlewares, false); !s) return s;
  auto target = GrpcTarget::Parse(c.endpoint);
  if (!target) return tl::unexpected(target.error());
  if (target->unix_path) return {};
  auto proxy = net::ProxyEnvironment::Process().For("https", target->host, target->port);
  if (!proxy) return Fail(Code::kInvalidArgument, "HTTPS_PROXY: {}", proxy.error().message);
  return {};
}

Status CheckClient(Host& host, const HttpClientConfig& c) {
  if (auto s = CheckAuth(host, c.auth); !s) return s;
  if (auto s = CheckMiddlewares(host, c.middlewares, false); !s) return s;
  auto url = net::Url::Parse(c.endpoint);
  if (!url || !c.proxy_url.empty()) return {};
  auto proxy = net::ProxyEnvironment::Process().For(url->scheme, url->host, url->port);
  if (!proxy)
    return Fail(Code::kInvalidArgument, "{}: {}", url->scheme == "https" ? "HTTPS_PROXY" : "HTTP_PROXY",
                proxy.error().message);
  return {};
}

}  // namespace naru::pipeline
