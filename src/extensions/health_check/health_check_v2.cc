#include "extensions/health_check/health_check_v2.h"

#include "extensions/health_check/component_states.h"
#include "pipeline/config/listener.h"
#include "wire/proto.h"

namespace naru::extensions::health_check {

namespace {

constexpr std::string_view kCheckPath = "/grpc.health.v1.Health/Check";
constexpr std::string_view kWatchPath = "/grpc.health.v1.Health/Watch";
constexpr int kServiceUnknown = 3;
constexpr Duration kLookInterval = std::chrono::milliseconds(500);

}  // namespace

// https://github.com/grpc/grpc/blob/master/doc/health-checking.md: HealthCheckRequest has the service's name as field
// 1, HealthCheckResponse the status.
class HealthCheckV2::Call final : public net::RequestHandler, public std::enable_shared_from_this<Call> {
 public:
  Call(HealthCheckV2& owner, net::ServerCall& call, bool watch)
      : owner_(owner), call_(&call), loop_(call.loop()), watch_(watch) {}
  bool OnMessage(bool compressed, uint32_t length) override {
    if (!compressed && length <= sizeof body_) return true;
    Fail(compressed ? Code::kUnimplemented : Code::kResourceExhausted,
         compressed ? "requests must not be compressed" : "the request is too large");
    return false;
  }
  std::span<uint8_t> Reserve(size_t) override {
    if (size_ < sizeof body_) return {body_ + size_, sizeof body_ - size_};
    Fail(Code::kResourceExhausted, "the request is too large");
    return {};
  }
  void Commit(size_t n) override { size_ += n; }
  void OnEnd() override {
    wire::Reader in(std::string_view(reinterpret_cast<const char*>(body_), size_));
    while (uint32_t tag = in.Next()) {
      if (tag == wire::Tag(1, wire::kLength))
        service_ = in.Bytes();
      else
        in.Skip(tag);
    }
    if (!in.ok()) return Fail(Code::kInvalidArgument, "the request is no HealthCheckRequest");
    if (watch_) {
      owner_.AddWatcher(shared_from_this());
      return Look();
    }
    auto serving = owner_.Serving(service_, loop_.clock());
    if (!serving) return Fail(Code::kNotFound, "unknown service");
    std::exchange(call_, nullptr)->RespondGrpc({}, Response(*serving));
  }
  void OnAbort() override {
    call_ = nullptr;
    look_.Cancel();
  }
  /// The end of the server: the client is told to ask elsewhere. Any thread.
  void End() {
    loop_.Post([self = shared_from_this()] {
      self->look_.Cancel();
      self->Fail(Code::kCancelled, "Server shutting down.");
    });
  }

 private:
  static Slice Response(int status) {
    const char answer[2] = {0x08, static_cast<char>(status)};
    return Slice::CopyOf(std::string_view(answer, 2));
  }
  // Tells a watcher when the status is another one. Looked for in an interval: states also change with time alone.
  void Look() {
    if (!call_) return;
    auto self = shared_from_this();  // sending may end the connection, and with it the last other owner
    int status = owner_.Serving(service_, loop_.clock()).value_or(kServiceUnknown);
    if (status != told_ && call_->SendGrpc(Response(status))) told_ = status;
    if (call_) {
      look_ = loop_.AddTimer(kLookInterval, [weak = weak_from_this()] {
        if (auto self = weak.lock()) self->Look();
      });
    }
  }
  void Fail(Code code, std::string_view message) {
    if (call_) std::exchange(call_, nullptr)->RespondGrpc({code, message, {}}, Slice());
  }
  HealthCheckV2& owner_;
  net::ServerCall* call_;
  net::Loop& loop_;
  const bool watch_;
  std::string service_;
  int told_ = -1;
  net::Timer look_;
  uint8_t body_[1024];
  size_t size_ = 0;
};

HealthCheckV2::HealthCheckV2(const Config& config, pipeline::ExtensionContext context)
    : config_(config), context_(std::move(context)) {
  if (config_.http) {
    pages_ = std::make_unique<pipeline::PageServer>(config_.http->server,
                                                    [this](auto& head, Clock& clock) { return Page(head, clock); });
  }
}

Status HealthCheckV2::Start(pipeline::Host& host) {
  if (pages_) {
    if (auto s = pages_->Start(host, context_.log); !s) return s;
    context_.log.Info("Starting health_check extension", {{"endpoint", pages_->address()}});
  }
  if (!config_.grpc) return {};
  auto& c = config_.grpc->server;
  auto auth = pipeline::FindServerAuth(host, c.auth);
  if (!auth) return Unexpected(auth.error());
  grpc_auth_ = *auth;
  grpc_ = std::make_unique<net::HttpServer>(host.loops(), c.Options(), *this, host.gate().budget());
  auto listener =
      pipeline::Listen(host, context_.log, pipeline::ListenerSettings::Of(c), {"h2"},
                       [this](net::Loop& loop, std::unique_ptr<net::Stream> s) { grpc_->Accept(loop, std::move(s)); });
  if (!listener) return tl::unexpected(listener.error());
  grpc_listener_ = std::move(*listener);
  context_.log.Info("Starting health_check gRPC service", {{"endpoint", grpc_listener_->local().ToString()}});
  return {};
}

void HealthCheckV2::Shutdown(MonoTime deadline, std::function<void()> done) {
  auto grpc = [this, deadline, done = std::move(done)] {
    grpc_listener_.reset();
    if (!grpc_) return done();
    EndWatchers();
    grpc_->Shutdown(deadline, done);
  };
  if (!pages_) return grpc();
  pages_->Shutdown(deadline, std::move(grpc));
}

void HealthCheckV2::AddWatcher(const std::shared_ptr<Call>& call) {
  std::lock_guard lock(mutex_);
  std::erase_if(watchers_, [](auto& w) { return w.expired(); });
  if (closing_) return call->End();
  watchers_.push_back(call);
}

void HealthCheckV2::EndWatchers() {
  std::lock_guard lock(mutex_);
  closing_ = true;
  for (auto& w : watchers_) {
    if (auto call = w.lock()) call->End();
  }
}

pipeline::PageAnswer HealthCheckV2::Page(const net::RequestHead& head, Clock& clock) const {
  auto& http = *config_.http;
  auto view = context_.host->View();
  if (http.config.enabled && head.path == http.config.path)
    return {200, "application/json", view->config ? view->config() : "{}"};
  if (!http.status.enabled || head.path != http.status.path)
    return {404, "text/plain; charset=utf-8", "404 page not found\n"};
  auto board = context_.host->status().Read();
  States states(board, *view, config_.component_health, clock.UnixNano());
  std::string pipeline = net::QueryValue(head.query, "pipeline");
  const State* state = pipeline.empty() ? &states.whole() : states.Pipeline(pipeline);
  if (!state) return {404, "text/plain; charset=utf-8", ""};
  // Given without a value it is meant too.
  std::string verbose = net::QueryValue(head.query, "verbose");
  bool parts = head.query.find("verbose") != std::string_view::npos && verbose != "false" && verbose != "0";
  return {HttpStatusOf(*state), "application/json", ToJson(*state, view->start_unix_nano, parts)};
}

std::optional<int> HealthCheckV2::Serving(const std::string& service, Clock& clock) const {
  auto view = context_.host->View();
  auto board = context_.host->status().Read();
  States states(board, *view, config_.component_health, clock.UnixNano());
  const State* state = service.empty() ? &states.whole() : states.Pipeline(service);
  if (!state) return std::nullopt;
  return state->healthy ? 1 : 2;
}

std::shared_ptr<net::RequestHandler> HealthCheckV2::OnRequest(const net::RequestHead& head, net::ServerCall& call) {
  auto fail = [&](Code code, std::string_view message) {
    call.RespondGrpc({code, message, {}}, Slice());
    return nullptr;
  };
  if (!head.grpc) {
    call.Respond(415, {{"content-type", "text/plain; charset=utf-8"}}, Slice::Static("this port speaks gRPC\n"));
    return nullptr;
  }
  if (grpc_auth_) {
    if (auto known = pipeline::Authenticate(*grpc_auth_, *config_.grpc->server.auth, head); !known)
      return fail(Code::kUnauthenticated, known.error().message);
  }
  bool watch = head.path == kWatchPath;
  if (head.path != kCheckPath && !watch) return fail(Code::kUnimplemented, "grpc.health.v1.Health has Check and Watch");
  return std::make_shared<Call>(*this, call, watch);
}

}  // namespace naru::extensions::health_check
