// Server and client against each other on the real loop, and the server against curl and h2load.
#include <sys/wait.h>

#include <cstdio>
#include <future>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/epoll_loop.h"
#include "net/http_client.h"
#include "net/http_server.h"

namespace naru::net {
namespace {

using ::testing::HasSubstr;

// Answers with what it got: "METHOD path bytes"; /later answers from a timer, /small refuses bodies over 10 bytes, /no
// answers at once.
class EchoService : public Service {
 public:
  struct Handler : RequestHandler, std::enable_shared_from_this<Handler> {
    ServerCall* call = nullptr;
    std::string head, body;
    std::vector<uint8_t> memory;
    bool grpc = false, later = false, small = false;
    Timer timer;
    bool OnMessage(bool compressed, uint32_t length) override {
      if (length > 1000000) {
        call->RespondGrpc({Code::kResourceExhausted, "too large", {}}, Slice());
        return false;
      }
      head += compressed ? " compressed" : "";
      return true;
    }
    std::span<uint8_t> Reserve(size_t) override {
      if (small && body.size() > 10) {
        call->Respond(413, {}, Slice::Static("too large"));
        return {};
      }
      memory.resize(4096);
      return memory;
    }
    void Commit(size_t n) override { body.append(reinterpret_cast<char*>(memory.data()), n); }
    void Answer() {
      std::string text = head + " " + std::to_string(body.size());
      if (grpc)
        call->RespondGrpc({}, Slice::CopyOf(text));
      else
        call->Respond(200, {{"content-type", "text/plain"}}, Slice::CopyOf(text));
    }
    void OnEnd() override {
      if (!later) return Answer();
      timer = call->loop().AddTimer(std::chrono::milliseconds(5), [self = shared_from_this()] {
        if (self->call) self->Answer();
      });
    }
    void OnAbort() override {
      call = nullptr;
      timer.Cancel();
    }
  };
  std::shared_ptr<RequestHandler> OnRequest(const RequestHead& head, ServerCall& call) override {
    if (head.path == "/no") {
      call.Respond(404, {{"x-reason", "none"}}, Slice::Static("nothing here"));
      return nullptr;
    }
    if (head.path == "/fail") {
      call.RespondGrpc({Code::kUnavailable, "try 100% later\n", "\x08\x0e"}, Slice());
      return nullptr;
    }
    auto h = std::make_shared<Handler>();
    h->call = &call;
    h->head = std::string(head.method) + " " + std::string(head.path);
    h->grpc = head.grpc;
    h->later = head.path == "/later";
    h->small = head.path == "/small";
    return h;
  }
};

class HttpTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_ = std::make_unique<HttpServer>(world_.loops(), HttpServerOptions(), service_);
    auto l = world_.loops()[0]->Listen(
        *Address::Parse("127.0.0.1:0"), {},
        [this](Loop& loop, std::unique_ptr<Stream> s) { server_->Accept(loop, std::move(s)); });
    ASSERT_TRUE(l) << l.error().message;
    listener_ = std::move(*l);
    address_ = listener_->local();
    thread_ = std::thread([this] { world_.Run(); });
  }
  void TearDown() override {
    std::promise<void> done;
    OnLoop([&] {
      listener_.reset();
      clients_.clear();
      server_->Shutdown(world_.loops()[0]->Now() + std::chrono::seconds(2), [&] { done.set_value(); });
    });
    done.get_future().wait();
    world_.Stop();
    thread_.join();
  }
  void OnLoop(std::function<void()> fn) {
    std::promise<void> ran;
    world_.loops()[0]->Post([&] {
      fn();
      ran.set_value();
    });
    ran.get_future().wait();
  }
  std::unique_ptr<HttpClient> MakeClient(bool http2) {
    HttpClientOptions o;
    o.authority = address_.ToString();
    o.http2_prior_knowledge = http2;
    return std::make_unique<HttpClient>(*world_.loops()[0], o, [this](Loop& loop, Duration timeout, auto done) {
      return loop.Connect(address_, timeout, std::move(done));
    });
  }
  Result<ClientResponse> Call(HttpClient* client, ClientRequest request) {
    std::promise<Result<ClientResponse>> p;
    world_.loops()[0]->Post(
        [&] { client->Send(std::move(request), [&](Result<ClientResponse> r) { p.set_value(std::move(r)); }); });
    return p.get_future().get();
  }
  HttpClient* Client(bool http2) {
    OnLoop([&] { clients_.push_back(MakeClient(http2)); });
    return clients_.back().get();
  }
  static std::string Run(const std::string& command) {
    FILE* f = popen((command + " 2>&1").c_str(), "r");
    std::string out;
    char buf[4096];
    size_t n;
    while ((n = fread(buf, 1, sizeof buf, f)) > 0) out.append(buf, n);
    pclose(f);
    return out;
  }
  std::string Url(const std::string& path) { return "http://" + address_.ToString() + path; }

  EpollWorld world_{2};
  EchoService service_;
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<Listener> listener_;
  Address address_;
  std::thread thread_;
  std::vector<std::unique_ptr<HttpClient>> clients_;
};

TEST_F(HttpTest, ClientAndServerAgree) {
  for (bool http2 : {false, true}) {
    HttpClient* c = Client(http2);
    for (size_t size : {size_t{0}, size_t{1}, size_t{5000}, size_t{300000}}) {
      for (const char* path : {"/now", "/later"}) {
        ClientRequest r;
        r.path = path;
        r.body = {Slice::CopyOf(std::string(size / 2, 'a')), Slice::CopyOf(std::string(size - size / 2, 'b'))};
        auto got = Call(c, std::move(r));
        ASSERT_TRUE(got) << got.error().message;
        EXPECT_EQ(got->status, 200);
        EXPECT_EQ(got->body, fmt::format("POST {} {}", path, size));
      }
    }
    ClientRequest no;
    no.path = "/no";
    no.body = {Slice::CopyOf(std::string(100000, 'x'))};
    auto got = Call(c, std::move(no));
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(got->status, 404);
    EXPECT_EQ(*got->Header("x-reason"), "none");
    ClientRequest after;
    after.method = "GET";
    after.path = "/now";
    got = Call(c, std::move(after));
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(got->body, "GET /now 0");
  }
}

TEST_F(HttpTest, Grpc) {
  HttpClient* c = Client(true);
  ClientRequest r;
  r.grpc = true;
  r.path = "/pkg.Service/Method";
  r.body = {Slice::CopyOf(std::string(200000, 'z'))};
  auto got = Call(c, std::move(r));
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->grpc_code, Code::kOk);
  EXPECT_EQ(got->body, "POST /pkg.Service/Method 200000");
  ClientRequest fail;
  fail.grpc = true;
  fail.path = "/fail";
  fail.body = {Slice::CopyOf(std::string(10, 'z'))};
  got = Call(c, std::move(fail));
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->grpc_code, Code::kUnavailable);
  EXPECT_EQ(got->grpc_message, "try 100% later\n");
  EXPECT_EQ(got->grpc_details, "\x08\x0e");
  ClientRequest large;
  large.grpc = true;
  large.path = "/large";
  large.body = {Slice::CopyOf(std::string(3000000, 'z'))};
  got = Call(c, std::move(large));
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->grpc_code, Code::kResourceExhausted);
}

TEST_F(HttpTest, ManyAtOnce) {
  HttpClient* c = Client(true);
  std::atomic<int> ok{0};
  std::promise<void> all;
  world_.loops()[0]->Post([&] {
    for (int i = 0; i < 2000; ++i) {
      ClientRequest r;
      r.path = i % 3 ? "/now" : "/later";
      r.body = {Slice::CopyOf(std::string(static_cast<size_t>(i), 'x'))};
      c->Send(std::move(r), [&, i](Result<ClientResponse> got) {
        EXPECT_TRUE(got && got->status == 200 && got->body.ends_with(" " + std::to_string(i)));
        if (++ok == 2000) all.set_value();
      });
    }
  });
  ASSERT_EQ(all.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
}

TEST_F(HttpTest, TimeoutsAndRefusedConnectionsAreRetryableErrors) {
  HttpClientOptions o;
  o.authority = "127.0.0.1:1";
  std::unique_ptr<HttpClient> c;
  OnLoop([&] {
    c = std::make_unique<HttpClient>(*world_.loops()[0], o, [](Loop& loop, Duration t, auto done) {
      return loop.Connect(*Address::Parse("127.0.0.1:1"), t, std::move(done));
    });
  });
  auto got = Call(c.get(), ClientRequest());
  ASSERT_FALSE(got);
  EXPECT_TRUE(got.error().retryable);
  EXPECT_THAT(got.error().message, HasSubstr("127.0.0.1:1: connect: connection refused"));
  OnLoop([&] { c.reset(); });
}

TEST_F(HttpTest, Curl) {
  std::string big = "head -c 500000 /dev/zero | curl -s -S --data-binary @- ";
  EXPECT_EQ(Run("curl -s -S " + Url("/now")), "GET /now 0");
  EXPECT_EQ(Run(big + Url("/now")), "POST /now 500000");
  EXPECT_EQ(Run(big + "-H 'Expect: 100-continue' " + Url("/later")), "POST /later 500000");
  EXPECT_EQ(Run(big + "-H 'Transfer-Encoding: chunked' " + Url("/now")), "POST /now 500000");
  EXPECT_EQ(Run(big + "--http2-prior-knowledge " + Url("/now")), "POST /now 500000");
  EXPECT_EQ(Run(big + "--http1.0 " + Url("/later")), "POST /later 500000");
  EXPECT_EQ(Run(big + "-o /dev/null -w '%{http_code}' " + Url("/small")), "413");
  EXPECT_EQ(Run("curl -s -S -I -o /dev/null -w '%{http_code}' " + Url("/now")), "200");
}

TEST_F(HttpTest, MalformedRequestsAreAnsweredAndClosed) {
  const std::pair<const char*, const char*> cases[] = {
      {"GET / HTTP/1.1\\r\\n\\r\\n", "400"},
      {"GET / HTTP/1.1\\r\\nHost: a\\r\\nHost: b\\r\\n\\r\\n", "400"},
      {"POST / HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 3\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n", "400"},
      {"POST / HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 3\\r\\nContent-Length: 4\\r\\n\\r\\n", "400"},
      {"POST / HTTP/1.1\\r\\nHost: a\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nzz\\r\\n", "400"},
      {"GET / HTTP/3.0\\r\\nHost: a\\r\\n\\r\\n", "505"},
      {"GET / HTTP/1.1\\r\\nHost : a\\r\\n\\r\\n", "400"},
      {"nonsense\\r\\n\\r\\n", "400"},
      {"nonsense\\n\\n", "400"},
      {"GET /a\\rb HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n", "400"},
      {"GET / HTTP/1.1\\r\\nHost: a\\rb\\r\\n\\r\\n", "400"},
      {"POST / HTTP/1.1\\nHost: a\\nTransfer-Encoding: chunked\\n\\n3\\nabc\\n0\\n\\n", "400"},
  };
  for (auto& [request, status] : cases) {
    std::string out = Run(fmt::format("bash -c \"exec 3<>/dev/tcp/127.0.0.1/{}; printf '{}' >&3; timeout 3 cat <&3\"",
                                      address_.port, request));
    EXPECT_THAT(out, HasSubstr(fmt::format("HTTP/1.1 {} ", status))) << request;
    EXPECT_THAT(out, HasSubstr("connection: close"));
  }
}

TEST_F(HttpTest, LinesOfAHeadMayEndWithLineFeedAlone) {
  const std::pair<const char*, const char*> cases[] = {
      {"GET /now HTTP/1.1\\nHost: a\\nConnection: close\\n\\n", "GET /now 0"},
      {"GET /now HTTP/1.1\\r\\nHost: a\\nConnection: close\\r\\n\\n", "GET /now 0"},
      {"GET /now HTTP/1.1\\nHost: a\\r\\nConnection: close\\n\\r\\n", "GET /now 0"},
      {"GET /now HTTP/1.0\\n\\n", "GET /now 0"},
      {"POST /now HTTP/1.1\\nHost: a\\nContent-Length: 4\\nConnection: close\\n\\n\\n\\na\\n", "POST /now 4"},
  };
  for (auto& [request, body] : cases) {
    std::string out = Run(fmt::format("bash -c \"exec 3<>/dev/tcp/127.0.0.1/{}; printf '{}' >&3; timeout 3 cat <&3\"",
                                      address_.port, request));
    EXPECT_THAT(out, HasSubstr("HTTP/1.1 200 ")) << request;
    EXPECT_THAT(out, HasSubstr(body)) << request;
  }
}

TEST_F(HttpTest, PipelinedRequestsAreAnsweredInOrder) {
  std::string two =
      "POST /later HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 3\\r\\n\\r\\nabcGET /now HTTP/1.1\\r\\nHost: "
      "a\\r\\nConnection: close\\r\\n\\r\\n";
  std::string out = Run(
      fmt::format("bash -c \"exec 3<>/dev/tcp/127.0.0.1/{}; printf '{}' >&3; timeout 3 cat <&3\"", address_.port, two));
  EXPECT_THAT(out, HasSubstr("POST /later 3HTTP/1.1 200"));
  EXPECT_THAT(out, HasSubstr("GET /now 0"));
}

TEST(Url, Parses) {
  auto u = Url::Parse("https://user:pw@[::1]:8443/a/b?c=d#e");
  ASSERT_TRUE(u);
  EXPECT_EQ(u->HostPort(), "[::1]:8443");
  EXPECT_EQ(u->path, "/a/b?c=d");
  EXPECT_EQ(u->userinfo, "user:pw");
  EXPECT_EQ(Url::Parse("http://h")->port, 80);
  EXPECT_EQ(Url::Parse("http://h")->Authority(), "h");
  for (const char* bad : {"h:1", "http://", "http://h:0", "http://h:99999", "http://[::1", "http://a:b:1",
                          "http://[::1]]:1", "http://h/a\r\nb", "http://h x/"})
    EXPECT_FALSE(Url::Parse(bad)) << bad;
}

TEST(RetryAfter, SecondsAndDates) {
  EXPECT_EQ(ParseRetryAfter("7", 0), std::chrono::seconds(7));
  EXPECT_EQ(ParseRetryAfter("Thu, 01 Jan 1970 00:01:00 GMT", 20), std::chrono::seconds(40));
  EXPECT_EQ(ParseRetryAfter("soon", 0), Duration(0));
}

TEST(Url, ResolvesReferences) {
  auto base = Url::Parse("http://u:p@a:1/v1/traces?x=y");
  ASSERT_TRUE(base);
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"http://b/c", "http b:80 /c"},
      {"https://b:2/c?d=http://e/f", "https b:2 /c?d=http://e/f"},
      {"//b:3/final", "http b:3 /final"},
      {"/final?next=http://h/x", "http a:1 /final?next=http://h/x"},
      {"final", "http a:1 /v1/final"},
      {"./final", "http a:1 /v1/final"},
      {"../final/x", "http a:1 /final/x"},
      {"../../..", "http a:1 /"},
      {"?final", "http a:1 /v1/traces?final"},
      {"", "http a:1 /v1/traces?x=y"},
      {"#part", "http a:1 /v1/traces?x=y"},
      {"/a/./b/../c/", "http a:1 /a/c/"},
      {"ftp://b/c", "ftp b:80 /c"},
      {"http://b:99999/", ""},
      {"/a b", ""},
  };
  for (auto& [reference, want] : cases) {
    auto got = base->Resolve(reference);
    EXPECT_EQ(got ? fmt::format("{} {} {}", got->scheme, got->HostPort(), got->path) : "", want) << reference;
  }
}

}  // namespace
}  // namespace naru::net
