#include "receivers/otlp/endpoint.h"

#include "otlp/json.h"
#include "pipeline/config/page_server.h"
#include "receivers/otlp/request.h"

namespace naru::receivers::otlp {

using naru::otlp::Signal;

namespace {

// Anything else that a client makes up is one method (HTTP semantic conventions).
std::string_view KnownMethod(std::string_view method) {
  for (std::string_view known : {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}) {
    if (method == known) return known;
  }
  return "_OTHER";
}

std::string Lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return out;
}

}  // namespace

std::shared_ptr<Endpoint> Endpoint::Grpc(const pipeline::GrpcServerConfig& c,
                                         const pipeline::ReceiverContext& context) {
  std::shared_ptr<Endpoint> e(new Endpoint(context));
  e->transport_ = "grpc";
  e->grpc_only_ = true;
  e->max_bytes_ = static_cast<size_t>(c.max_recv_msg_size_mib ? c.max_recv_msg_size_mib << 20 : 4 << 20);
  e->include_metadata_ = c.include_metadata;
  e->auth_config_ = c.auth;
  e->options_ = c.Options();
  e->listen_ = pipeline::ListenerSettings::Of(c);
  for (auto codec : {wire::Codec::kIdentity, wire::Codec::kGzip, wire::Codec::kZstd, wire::Codec::kSnappyFramed})
    e->codecs_[static_cast<size_t>(codec)] = true;
  return e;
}

std::shared_ptr<Endpoint> Endpoint::Http(const HttpProtocol& p, const pipeline::ReceiverContext& context) {
  std::shared_ptr<Endpoint> e(new Endpoint(context));
  auto& c = p.server;
  e->transport_ = "http";
  e->max_bytes_ = c.max_request_body_size > 0 ? static_cast<size_t>(c.max_request_body_size) : 20u << 20;
  e->include_metadata_ = c.include_metadata;
  e->auth_config_ = c.auth;
  e->cors_ = pipeline::Cors(c.cors);
  e->options_ = c.Options();
  e->listen_ = pipeline::ListenerSettings::Of(c);
  e->paths_ = {p.traces_url_path, p.metrics_url_path, p.logs_url_path, p.profiles_url_path};
  for (auto& path : e->paths_) {
    if (!path.empty() && path[0] != '/') path.insert(path.begin(), '/');
  }
  for (auto& [k, v] : c.response_headers.entries) e->response_headers_.emplace_back(Lower(k), v.value());
  e->codecs_[static_cast<size_t>(wire::Codec::kIdentity)] = true;
  for (auto& name : c.compression_algorithms) {
    if (auto codec = wire::CodecByHttpName(name)) e->codecs_[static_cast<size_t>(*codec)] = true;
    if (name == "snappy") e->codecs_[static_cast<size_t>(wire::Codec::kSnappyFramed)] = true;
  }
  return e;
}

Status Endpoint::Open(pipeline::Host& host) {
  gate_ = &host.gate();
  auto auth = pipeline::FindServerAuth(host, auth_config_);
  if (!auth) return Unexpected(auth.error());
  auth_ = *auth;
  for (int i = 0; i < naru::otlp::kSignals; ++i) {
    auto& l = host.ledger();
    pipeline::Owner owner{"receiver", context_.id, std::string(naru::otlp::Names(static_cast<Signal>(i)).name), "",
                          transport_};
    using pipeline::Entry;
    accounts_[static_cast<size_t>(i)] = {l.Open(owner, Entry::kOffered),
                                         l.Open(owner, Entry::kAccepted),
                                         l.Open(owner, Entry::kRefused),
                                         l.Open(owner, Entry::kFailed),
                                         l.Open(owner, Entry::kRequests, "malformed"),
                                         l.Open(owner, Entry::kRequests, "refused_memory"),
                                         l.Open(owner, Entry::kRequests, "success"),
                                         l.Open(owner, Entry::kRequests, "failure")};
  }
  server_ = std::make_unique<net::HttpServer>(host.loops(), options_, *this, gate_->budget());
  auto self = weak_from_this();
  auto listener =
      pipeline::Listen(host, context_.log, listen_,
                       grpc_only_ ? std::vector<std::string>{"h2"} : std::vector<std::string>{"h2", "http/1.1"},
                       [self](net::Loop& loop, std::unique_ptr<net::Stream> stream) {
                         if (auto e = self.lock()) e->server_->Accept(loop, std::move(stream));
                       });
  if (!listener) return tl::unexpected(listener.error());
  listener_ = std::move(*listener);
  local_ = listener_->local();
  context_.log.Info(grpc_only_ ? "Starting GRPC server" : "Starting HTTP server",
                    {{"endpoint", listener_->local().ToString()}});
  return {};
}

void Endpoint::Shutdown(MonoTime deadline, std::function<void()> done) {
  listener_.reset();
  if (!server_) return done();
  auto self = shared_from_this();
  server_->Shutdown(deadline, [self, done = std::move(done)] { done(); });
}

std::shared_ptr<net::RequestHandler> Endpoint::OnRequest(const net::RequestHead& head, net::ServerCall& call) {
  if (grpc_only_) return OnGrpc(head, call);
  return OnHttp(head, call);
}

Result<std::shared_ptr<pipeline::ClientInfo>> Endpoint::Client(const net::RequestHead& head) {
  bool traced = context_.host->tracer().on();
  if (!auth_ && !include_metadata_ && !traced && !context_.host->client_info_wanted())
    return std::shared_ptr<pipeline::ClientInfo>();
  auto info = std::make_shared<pipeline::ClientInfo>();
  info->address = head.peer->ToString();
  if (include_metadata_) {
    for (auto& h : head.headers.all()) info->metadata[std::string(h.name)].emplace_back(h.value);
    if (!head.authority.empty()) info->metadata[head.http2 ? ":authority" : "host"] = {std::string(head.authority)};
  }
  if (auth_) {
    auto known = pipeline::Authenticate(*auth_, *auth_config_, head);
    if (!known) return tl::unexpected(known.error());
    info->auth = std::move(*known);
  }
  if (traced) info->span = context_.host->tracer().Extract([&](std::string_view n) { return head.headers.Get(n); });
  return info;
}

std::shared_ptr<net::RequestHandler> Endpoint::OnGrpc(const net::RequestHead& head, net::ServerCall& call) {
  if (!head.http2) {
    call.Respond(415, {{"content-type", "text/plain; charset=utf-8"}},
                 Slice::Static("this port speaks OTLP/gRPC; OTLP/HTTP is on another one (4318 by default)\n"));
    return nullptr;
  }
  if (head.method != "POST") {
    call.Respond(405, {{"content-type", "text/plain; charset=utf-8"}, {"allow", "POST"}},
                 Slice::Static("gRPC uses POST\n"));
    return nullptr;
  }
  if (!head.grpc) {
    call.Respond(415, {{"content-type", "text/plain; charset=utf-8"}},
                 Slice::Static("invalid gRPC request content-type\n"));
    return nullptr;
  }
  int signal = -1;
  for (int i = 0; i < naru::otlp::kSignals; ++i) {
    if (head.path == naru::otlp::Names(static_cast<Signal>(i)).grpc_path) signal = i;
  }
  if (signal < 0 || !context_.next[static_cast<size_t>(signal)]) {
    std::string_view path = head.path.substr(std::min<size_t>(1, head.path.size()));
    size_t slash = path.rfind('/');
    FailGrpc(call,
             Error{Code::kUnimplemented, false, Duration{0},
                   fmt::format("unknown service {}", slash == std::string_view::npos ? path : path.substr(0, slash))});
    return nullptr;
  }
  std::string_view encoding = head.headers.Get("grpc-encoding");
  auto codec = wire::CodecByGrpcName(encoding);
  if (!codec || !codecs_[static_cast<size_t>(*codec)]) {
    static const net::Header kAccept{"grpc-accept-encoding", "gzip,zstd,snappy"};
    std::string message =
        fmt::format("grpc: Decompressor is not installed for grpc-encoding \"{}\"", encoding.substr(0, 64));
    call.RespondGrpc({Code::kUnimplemented, message, {}}, Slice(), {&kAccept, 1});
    return nullptr;
  }
  auto client = Client(head);
  if (!client) {
    FailGrpc(call, client.error());
    return nullptr;
  }
  return std::make_shared<Request>(shared_from_this(), call, static_cast<Signal>(signal), true, false, true, *codec,
                                   std::move(*client), std::string());
}

void Endpoint::AddHeaders(std::vector<net::Header>& headers, const std::string& origin) const {
  for (auto& [k, v] : response_headers_) headers.push_back({k, v});
  cors_.AddHeaders(headers, origin);
}

std::shared_ptr<net::RequestHandler> Endpoint::OnHttp(const net::RequestHead& head, net::ServerCall& call) {
  std::string origin(head.headers.Get("origin"));
  if (cors_.Preflight(head, call, origin)) return nullptr;
  auto text = [&](int status, std::string_view body) {
    std::vector<net::Header> headers = {{"content-type", "text/plain; charset=utf-8"}};
    if (status == 405) headers.push_back({"allow", "POST"});
    AddHeaders(headers, origin);
    Measure({.method = KnownMethod(head.method),
             .version = head.http2 ? "2" : "1.1",
             .status = status,
             .response_bytes = body.size()});
    call.Respond(status, headers, Slice::CopyOf(body));
    return nullptr;
  };
  int signal = -1;
  for (int i = 0; i < naru::otlp::kSignals; ++i) {
    if (head.path == paths_[static_cast<size_t>(i)]) signal = i;
  }
  if (signal < 0 || !context_.next[static_cast<size_t>(signal)]) return text(404, "404 page not found\n");
  if (head.method != "POST") return text(405, "405 method not allowed, supported: [POST]");
  std::string_view type = head.headers.Get("content-type");
  type = type.substr(0, type.find(';'));
  while (!type.empty() && type.back() == ' ') type.remove_suffix(1);
  std::string media = Lower(type);
  bool json = media == "application/json";
  if (!json && media != "application/x-protobuf") {
    return text(415, "415 unsupported media type, supported: [application/json, application/x-protobuf]");
  }
  auto fail = [&](int status, const Error& e) {
    size_t bytes = FailHttp(call, status, e, json, origin);
    Measure({.route = head.path, .version = head.http2 ? "2" : "1.1", .status = status, .response_bytes = bytes});
    return nullptr;
  };
  auto client = Client(head);
  if (!client) return fail(HttpStatus(client.error()), client.error());
  std::string_view encoding = head.headers.Get("content-encoding");
  auto codec = wire::CodecByHttpName(encoding);
  if (!codec || !codecs_[static_cast<size_t>(*codec)]) {
    return fail(400, Error{Code::kInvalidArgument, false, Duration{0},
                           fmt::format("unsupported Content-Encoding: {}", encoding.substr(0, 64))});
  }
  if (head.content_length > 0 && static_cast<uint64_t>(head.content_length) > max_bytes_) {
    return fail(413, Error{Code::kResourceExhausted, false, Duration{0},
                           fmt::format("request body too large: the limit is {} bytes", max_bytes_)});
  }
  size_t expected = head.content_length > 0 ? static_cast<size_t>(head.content_length) : 0;
  if (auto ok = gate_->Admit(expected); !ok) {
    accounts_[static_cast<size_t>(signal)].refused_memory.Add(1);
    return fail(503, ok.error());
  }
  return std::make_shared<Request>(shared_from_this(), call, static_cast<Signal>(signal), false, json, head.http2,
                                   *codec, std::move(*client), std::move(origin));
}

// The reference's mapping of statuses that came from downstream; what is retryable is 503 (429 when something is
// exhausted).
int Endpoint::HttpStatus(const Error& e) {
  switch (e.code) {
    case Code::kInvalidArgument:
      return 400;
    case Code::kUnauthenticated:
      return 401;
    case Code::kPermissionDenied:
      return 403;
    case Code::kUnimplemented:
      return 404;
    case Code::kResourceExhausted:
      return e.retryable ? 429 : 413;
    default:
      return e.retryable ? 503 : 500;
  }
}

size_t Endpoint::FailHttp(net::ServerCall& call, int status, const Error& error, bool json, const std::string& origin) {
  naru::otlp::RpcStatus s{error.code, error.message, std::nullopt};
  if (s.code == Code::kOk) s.code = Code::kUnknown;
  std::string delay;
  std::vector<net::Header> headers = {{"content-type", json ? "application/json" : "application/x-protobuf"}};
  if (error.retryable) {
    Duration wait = std::max(error.retry_after, Duration(std::chrono::seconds(1)));
    s.retry_after = wait;
    delay = std::to_string((wait.count() + 999'999'999) / 1'000'000'000);
    headers.push_back({"retry-after", delay});
  }
  if (status == 401) headers.push_back({"www-authenticate", "Basic, Bearer"});
  AddHeaders(headers, origin);
  std::string body = json ? naru::otlp::RpcStatusToJson(s) : naru::otlp::EncodeRpcStatus(s);
  call.Respond(status, headers, Slice::CopyOf(body));
  return body.size();
}

void Endpoint::Measure(pipeline::HttpCall call) const {
  auto& metrics = context_.host->metrics();
  if (!metrics.detailed()) return;
  // Not the Host header, as in the reference: clients could fill the registry with it.
  call.server_address = local_.host;
  call.server_port = local_.port;
  call.scheme = listen_.tls ? "https" : "http";
  pipeline::RecordHttpServer(metrics, call);
}

Code Endpoint::FailGrpc(net::ServerCall& call, const Error& error) {
  naru::otlp::RpcStatus s{error.code, error.message, std::nullopt};
  if (s.code == Code::kOk) s.code = Code::kUnknown;
  // Only codes that clients try again may carry a retryable refusal.
  if (error.retryable && s.code != Code::kResourceExhausted && s.code != Code::kCancelled &&
      s.code != Code::kDeadlineExceeded && s.code != Code::kAborted) {
    s.code = Code::kUnavailable;
  }
  std::string details;
  if (error.retryable) {
    s.retry_after = std::max(error.retry_after, Duration(std::chrono::milliseconds(100)));
    details = naru::otlp::EncodeRpcStatus(s);
  }
  call.RespondGrpc({s.code, s.message, details}, Slice());
  return s.code;
}

}  // namespace naru::receivers::otlp
