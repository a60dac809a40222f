// TLS on the real loop: our client against our server, and the server against openssl and curl.
#include <cstdio>
#include <cstdlib>
#include <future>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/dialer.h"
#include "net/epoll_loop.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/tls.h"

namespace naru::net {
namespace {

using ::testing::HasSubstr;

std::string Shell(const std::string& command) {
  FILE* f = popen((command + " 2>&1").c_str(), "r");
  std::string out;
  char buf[4096];
  size_t n;
  while ((n = fread(buf, 1, sizeof buf, f)) > 0) out.append(buf, n);
  pclose(f);
  return out;
}

// A CA, a server certificate for localhost and 127.0.0.1, a client certificate, and a CA of strangers; made once by
// openssl.
class TlsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    char name[] = "/tmp/naru-tls-XXXXXX";
    dir_ = mkdtemp(name);
    auto ca = [](const std::string& n) {
      Shell("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=" + n +
            " -keyout " + dir_ + "/" + n + ".key -out " + dir_ + "/" + n + ".crt");
    };
    ca("ca");
    ca("strangers");
    for (std::string n : {"server", "client"}) {
      Shell("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=" + n + " -keyout " + dir_ + "/" +
            n + ".key -out " + dir_ + "/" + n + ".csr");
      Shell("printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' > " + dir_ + "/ext; openssl x509 -req -days 2 -in " +
            dir_ + "/" + n + ".csr -CA " + dir_ + "/ca.crt -CAkey " + dir_ + "/ca.key -CAcreateserial -extfile " +
            dir_ + "/ext -out " + dir_ + "/" + n + ".crt");
    }
  }
  static void TearDownTestSuite() { Shell("rm -rf " + dir_); }
  static std::string Path(const std::string& f) { return dir_ + "/" + f; }

  struct Echo : Service {
    std::shared_ptr<RequestHandler> OnRequest(const RequestHead& head, ServerCall& call) override {
      struct H : RequestHandler {
        ServerCall* call;
        size_t n = 0;
        std::string who;
        std::vector<uint8_t> memory = std::vector<uint8_t>(8192);
        std::span<uint8_t> Reserve(size_t) override { return memory; }
        void Commit(size_t k) override { n += k; }
        void OnEnd() override { call->Respond(200, {}, Slice::CopyOf(std::to_string(n) + " " + who)); }
        void OnAbort() override {}
      };
      auto h = std::make_shared<H>();
      h->call = &call;
      h->who = head.tls ? head.tls->peer_subject : "plain";
      return h;
    }
  };

  void Start(TlsSettings server_settings) {
    auto context = TlsContext::Make(std::move(server_settings), true);
    ASSERT_TRUE(context) << context.error().message;
    context_ = *context;
    server_ = std::make_unique<HttpServer>(world_.loops(), HttpServerOptions(), service_);
    auto l =
        world_.loops()[0]->Listen(*Address::Parse("127.0.0.1:0"), {}, [this](Loop& loop, std::unique_ptr<Stream> s) {
          auto slot = std::make_shared<std::unique_ptr<Connecting>>();
          *slot = context_->Handshake(loop, std::move(s), std::chrono::seconds(5),
                                      [this, &loop, slot](Result<std::unique_ptr<Stream>> done) {
                                        auto handle = std::make_shared<std::unique_ptr<Connecting>>(std::move(*slot));
                                        loop.Post([handle] { handle->reset(); });
                                        if (done) server_->Accept(loop, std::move(*done));
                                      });
        });
    ASSERT_TRUE(l) << l.error().message;
    listener_ = std::move(*l);
    thread_ = std::thread([this] { world_.Run(); });
  }
  void TearDown() override {
    if (!thread_.joinable()) return;
    std::promise<void> done;
    world_.loops()[0]->Post([&] {
      listener_.reset();
      client_.reset();
      server_->Shutdown(world_.loops()[0]->Now() + std::chrono::seconds(1), [&] { done.set_value(); });
    });
    done.get_future().wait();
    world_.Stop();
    thread_.join();
  }
  Result<ClientResponse> Call(TlsSettings settings, size_t bytes) {
    auto context = TlsContext::Make(std::move(settings), false);
    EXPECT_TRUE(context) << context.error().message;
    std::promise<Result<ClientResponse>> p;
    world_.loops()[0]->Post([&] {
      HttpClientOptions o;
      o.scheme = "https";
      o.authority = "localhost";
      auto c = *context;
      client_ =
          std::make_unique<HttpClient>(*world_.loops()[0], o,
                                       MakeConnector(DialTarget{"127.0.0.1", listener_->local().port, false, true},
                                                     [c](Loop& loop, std::unique_ptr<Stream> s, Duration t, auto done) {
                                                       return c->Handshake(loop, std::move(s), t, std::move(done));
                                                     }));
      ClientRequest r;
      r.body = {Slice::CopyOf(std::string(bytes, 'x'))};
      client_->Send(std::move(r), [&](Result<ClientResponse> got) { p.set_value(std::move(got)); });
    });
    return p.get_future().get();
  }
  TlsSettings Server(std::vector<std::string> alpn = {"h2", "http/1.1"}) {
    TlsSettings s;
    s.cert_file = Path("server.crt");
    s.key_file = Path("server.key");
    s.alpn = std::move(alpn);
    return s;
  }
  TlsSettings Client(std::vector<std::string> alpn = {"h2", "http/1.1"}) {
    TlsSettings s;
    s.ca_file = Path("ca.crt");
    s.server_name = "localhost";
    s.alpn = std::move(alpn);
    return s;
  }

  static inline std::string dir_;
  EpollWorld world_{1};
  Echo service_;
  std::shared_ptr<TlsContext> context_;
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<HttpClient> client_;
  std::thread thread_;
};

TEST_F(TlsTest, ServesHttp1AndHttp2ByAlpn) {
  Start(Server());
  for (auto alpn : {std::vector<std::string>{"h2"}, std::vector<std::string>{"http/1.1"}}) {
    for (size_t n : {size_t{10}, size_t{1000000}}) {
      auto r = Call(Client(alpn), n);
      ASSERT_TRUE(r) << r.error().message;
      EXPECT_EQ(r->body, std::to_string(n) + " ");
    }
  }
  std::string url = "https://localhost:" + std::to_string(listener_->local().port) + "/";
  for (std::string flag : {"--http1.1", "--http2"}) {
    EXPECT_EQ(Shell("head -c 300000 /dev/zero | curl -sS " + flag + " --cacert " + Path("ca.crt") +
                    " --data-binary @- " + url),
              "300000 ");
  }
  EXPECT_THAT(
      Shell("echo | openssl s_client -connect 127.0.0.1:" + std::to_string(listener_->local().port) + " -tls1_1"),
      HasSubstr("alert"));
}

TEST_F(TlsTest, ClientsJudgeTheServersCertificate) {
  Start(Server());
  auto stranger = Client();
  stranger.ca_file = Path("strangers.crt");
  auto r = Call(stranger, 1);
  ASSERT_FALSE(r);
  EXPECT_THAT(r.error().message, HasSubstr("failed to verify certificate"));
  EXPECT_THAT(r.error().message, HasSubstr("CN=server"));
  auto other_name = Client();
  other_name.server_name = "example.org";
  r = Call(other_name, 1);
  ASSERT_FALSE(r);
  EXPECT_THAT(r.error().message, HasSubstr("hostname mismatch"));
  stranger.skip_verify = true;
  EXPECT_TRUE(Call(stranger, 1));
}

TEST_F(TlsTest, MutualTls) {
  auto s = Server();
  s.client_ca_file = Path("ca.crt");
  Start(s);
  EXPECT_FALSE(Call(Client({"http/1.1"}), 1));
  auto c = Client();
  c.cert_file = Path("client.crt");
  c.key_file = Path("client.key");
  auto r = Call(c, 5);
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(r->body, "5 CN=client");
}

TEST_F(TlsTest, MissingAndBrokenFilesAreNamed) {
  struct Case {
    const char* what;
    void (*change)(TlsSettings&);
    const char* want;
  };
  Shell("openssl pkcs8 -topk8 -in " + Path("server.key") + " -passout pass:open-sesame -out " + Path("locked.key"));
  Shell("openssl ec -aes128 -in " + Path("server.key") + " -passout pass:open-sesame -out " + Path("locked-old.key"));
  const Case cases[] = {
      {"missing certificate", [](TlsSettings& s) { s.cert_file = "/nonexistent.crt"; },
       "failed to load TLS cert /nonexistent.crt"},
      {"key of another certificate", [](TlsSettings& s) { s.key_file = Path("client.key"); }, "failed to load TLS key"},
      {"encrypted key", [](TlsSettings& s) { s.key_file = Path("locked.key"); }, "it is encrypted, and no passphrase"},
      {"encrypted key of the old form", [](TlsSettings& s) { s.key_file = Path("locked-old.key"); },
       "it is encrypted, and no passphrase"},
      {"CA without certificates", [](TlsSettings& s) { s.client_ca_file = Path("server.key"); },
       "no certificate in it"},
      {"unknown suite", [](TlsSettings& s) { s.cipher_suites = {"TLS_NOPE"}; },
       "invalid TLS cipher suite: \"TLS_NOPE\""},
  };
  for (auto& c : cases) {
    auto s = Server();
    c.change(s);
    auto made = TlsContext::Make(s, true);
    ASSERT_FALSE(made) << c.what;
    EXPECT_THAT(made.error().message, HasSubstr(c.want));
  }
}

TEST_F(TlsTest, PlainBytesEndTheHandshake) {
  Start(Server());
  std::string out = Shell("bash -c \"exec 3<>/dev/tcp/127.0.0.1/" + std::to_string(listener_->local().port) +
                          "; printf 'GET / HTTP/1.1\\r\\n\\r\\n' >&3; timeout 3 cat <&3 | wc -c\"");
  EXPECT_LT(std::atoi(out.c_str()), 100);
}

}  // namespace
}  // namespace naru::net
