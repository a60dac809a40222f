#include "pipeline/config/page_server.h"

#include "pipeline/config/listener.h"

namespace naru::pipeline {

Result<ServerAuth*> FindServerAuth(Host& host, const conf::Optional<ServerAuthConfig>& config) {
  if (!config) return static_cast<ServerAuth*>(nullptr);
  Extension* x = host.FindExtension(config->authenticator);
  if (ServerAuth* auth = x ? x->server_auth() : nullptr) return auth;
  return Fail(Code::kInvalidArgument,
              "failed to resolve authenticator \"{}\": it is no server authenticator in service::extensions",
              config->authenticator);
}

Result<std::map<std::string, std::string, std::less<>>> Authenticate(ServerAuth& auth, const ServerAuthConfig& config,
                                                                     const net::RequestHead& head) {
  std::vector<std::pair<std::string, std::string>> params;
  for (auto& p : config.request_params) {
    std::string v = net::QueryValue(head.query, p), name = p;
    for (char& c : name) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
    }
    if (!v.empty()) params.emplace_back(std::move(name), std::move(v));
  }
  return auth.Authenticate([&](std::string_view name) -> std::string_view {
    std::string_view v = head.headers.Get(name);
    if (!v.empty()) return v;
    for (auto& [k, value] : params) {
      if (k == name) return value;
    }
    return {};
  });
}

Status PageServer::Start(Host& host, const Logger& log) {
  auto auth = FindServerAuth(host, config_.auth);
  if (!auth) return Unexpected(auth.error());
  auth_ = *auth;
  server_ = std::make_unique<net::HttpServer>(host.loops(), config_.Options(), *this, host.gate().budget());
  auto listener =
      Listen(host, log, ListenerSettings::Of(config_), {"h2", "http/1.1"},
             [this](net::Loop& loop, std::unique_ptr<net::Stream> s) { server_->Accept(loop, std::move(s)); });
  if (!listener) return tl::unexpected(listener.error());
  listener_ = std::move(*listener);
  return {};
}

void PageServer::Shutdown(MonoTime deadline, std::function<void()> done) {
  listener_.reset();
  if (!server_) return done();
  server_->Shutdown(deadline, std::move(done));
}

std::shared_ptr<net::RequestHandler> PageServer::OnRequest(const net::RequestHead& head, net::ServerCall& call) {
  std::string origin(head.headers.Get("origin"));
  if (cors_.Preflight(head, call, origin)) return nullptr;
  std::vector<net::Header> headers;
  PageAnswer answer{0, "text/plain; charset=utf-8", ""};
  if (auth_) {
    if (auto known = Authenticate(*auth_, *config_.auth, head); !known) {
      answer.status = 401;
      answer.body = known.error().message + "\n";
      headers.push_back({"www-authenticate", "Basic, Bearer"});
    }
  }
  if (!answer.status && head.method != "GET" && head.method != "HEAD") {
    answer.status = 405;
    answer.body = "405 method not allowed\n";
    headers.push_back({"allow", "GET, HEAD"});
  }
  if (!answer.status) answer = handler_(head, call.loop().clock());
  headers.push_back({"content-type", answer.type});
  for (auto& [k, v] : config_.response_headers.entries) headers.push_back({k, v.value()});
  cors_.AddHeaders(headers, origin);
  call.Respond(answer.status, headers, Slice::CopyOf(answer.body));
  return nullptr;
}

}  // namespace naru::pipeline
