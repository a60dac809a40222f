#include "pipeline/config/client.h"

#include "net/dialer.h"

namespace naru::pipeline {

std::unique_ptr<net::HttpClient> MakeGrpcClient(Host& host, const GrpcClientConfig& c, net::Loop& loop) {
  auto target = GrpcTarget::Parse(c.endpoint);
  bool tls = !target->unix_path && !target->plain && (target->tls || !c.tls.insecure);
  net::HttpClientOptions o;
  o.scheme = tls ? "https" : "http";
  o.http2_prior_knowledge = true;
  std::string host_port = target->host.find(':') != std::string::npos ? fmt::format("[{}]:{}", target->host, target->port)
                                                                      : fmt::format("{}:{}", target->host, target->port);
  o.authority = !c.authority.empty() ? c.authority : target->unix_path ? "localhost" : host_port;
  o.user_agent = !c.user_agent.empty() ? c.user_agent : host.user_agent();
  o.idle_timeout = std::chrono::minutes(30);
  if (c.keepalive) {
    o.keepalive_time = std::max(c.keepalive->time, Duration(std::chrono::seconds(10)));
    o.keepalive_timeout = c.keepalive->timeout;
    o.keepalive_without_streams = c.keepalive->permit_without_stream;
  }
  net::DialTarget dial{target->host, target->port, target->unix_path, c.balancer_name == "round_robin"};
  return std::make_unique<net::HttpClient>(loop, std::move(o), net::MakeConnector(std::move(dial)));
}

std::unique_ptr<net::HttpClient> MakeHttpClient(Host& host, const HttpClientConfig& c, const net::Url& url, net::Loop& loop) {
  net::HttpClientOptions o;
  o.scheme = url.scheme;
  o.authority = url.Authority();
  o.user_agent = host.user_agent();
  o.keep_alives = !c.disable_keep_alives;
  o.idle_timeout = c.idle_conn_timeout;
  o.max_connections = static_cast<size_t>(c.max_conns_per_host);
  o.max_idle_connections = static_cast<size_t>(c.max_idle_conns);
  o.keepalive_time = c.http2_read_idle_timeout;
  if (c.http2_ping_timeout > Duration(0)) o.keepalive_timeout = c.http2_ping_timeout;
  return std::make_unique<net::HttpClient>(loop, std::move(o), net::MakeConnector(net::DialTarget{url.host, url.port, false, true}));
}

ClientAuth* FindClientAuth(Host& host, const conf::Optional<ClientAuthConfig>& config) {
  if (!config) return nullptr;
  Extension* x = host.FindExtension(config->authenticator);
  return x ? x->client_auth() : nullptr;
}

Status CheckClientAuth(Host& host, const conf::Optional<ClientAuthConfig>& config) {
  if (!config || FindClientAuth(host, config)) return {};
  return Fail(Code::kInvalidArgument, "failed to resolve authenticator \"{}\": it is no client authenticator in service::extensions", config->authenticator);
}

}  // namespace naru::pipeline
