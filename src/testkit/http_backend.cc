#include "testkit/http_backend.h"

#include "wire/compress.h"

namespace naru::testkit {

class HttpBackend::Body final : public net::RequestHandler {
 public:
  Body(HttpBackend& backend, net::ServerCall& call, Request request)
      : backend_(backend), call_(call), request_(std::move(request)) {}
  std::span<uint8_t> Reserve(size_t) override {
    piece_.resize(4096);
    return {reinterpret_cast<uint8_t*>(piece_.data()), piece_.size()};
  }
  void Commit(size_t n) override { request_.body.append(piece_, 0, n); }
  void OnEnd() override {
    if (auto at = request_.headers.find("content-encoding"); at != request_.headers.end()) {
      auto codec = wire::CodecByHttpName(at->second);
      auto plain = wire::Decompress(codec.value_or(wire::Codec::kIdentity), request_.body, 256 << 20, backend_.budget_);
      if (!codec || !plain) backend_.faults += "a body is not in its encoding " + at->second + "\n";
      if (plain) request_.body = plain->view();
    }
    request_.at = call_.loop().Now();
    Answer a = backend_.answer(request_);
    request_.status = a.status;
    backend_.requests.push_back(std::move(request_));
    std::vector<net::Header> headers;
    if (!a.retry_after.empty()) headers.push_back({"retry-after", a.retry_after});
    call_.Respond(a.status, headers, Slice::CopyOf(a.body, backend_.budget_));
  }
  void OnAbort() override {}

 private:
  HttpBackend& backend_;
  net::ServerCall& call_;
  Request request_;
  std::string piece_;
};

HttpBackend::HttpBackend(SimWorld& world, uint16_t port) : world_(world), process_(world.AddProcess(1)) {
  process_->On(0, [this, port] {
    server_ = std::make_unique<net::HttpServer>(process_->loops(), net::HttpServerOptions(), *this, budget_);
    auto l = process_->loops()[0]->Listen(
        {net::Address::Kind::kIpv4, "127.0.0.1", port}, {},
        [this](net::Loop& loop, std::unique_ptr<net::Stream> s) { server_->Accept(loop, std::move(s)); });
    if (!l) {
      faults += l.error().message + "\n";
    } else {
      listener_ = std::move(*l);
    }
  });
}

HttpBackend::~HttpBackend() {
  bool done = false;
  process_->On(0, [&] {
    listener_.reset();
    server_->Shutdown(process_->loops()[0]->Now(), [&] { done = true; });
  });
  world_.RunUntil([&] { return done; }, std::chrono::minutes(1));
  process_->On(0, [this] { server_.reset(); });
}

std::shared_ptr<net::RequestHandler> HttpBackend::OnRequest(const net::RequestHead& head, net::ServerCall& call) {
  Request r;
  r.path = head.path;
  for (auto& h : head.headers.all()) r.headers[std::string(h.name)] = h.value;
  return std::make_shared<Body>(*this, call, std::move(r));
}

}  // namespace naru::testkit
