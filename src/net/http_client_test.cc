// What backends may answer that they should not: too much of it, and how each ends for the request.
#include "net/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testkit/sim_world.h"

namespace naru::net {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

// Says its text to whoever has sent something.
struct Says final : StreamHandler {
  Says(std::unique_ptr<Stream> s, std::string_view text) : stream(std::move(s)), out(text) { stream->SetHandler(this); }
  void OnReadable() override {
    uint8_t b[4096];
    IoResult r = stream->Read(b);
    if (r.kind == IoResult::kEof || r.kind == IoResult::kError) return stream.reset();
    stream->WantWrite(true);
  }
  void OnWritable() override {
    iovec v{const_cast<char*>(out.data()), out.size()};
    IoResult r = stream->Writev(&v, 1);
    if (r.kind == IoResult::kError) return stream.reset();
    if (r.kind == IoResult::kBytes) out.remove_prefix(r.n);
    if (out.empty()) stream->WantWrite(false);
  }
  std::unique_ptr<Stream> stream;
  std::string_view out;
};

enum class Kind : uint8_t { kHttp1, kHttp2, kGrpc };

Result<ClientResponse> AnswerTo(Kind kind, std::string_view text) {
  testkit::SimWorld world(1);
  std::vector<std::unique_ptr<Says>> peers;
  HttpClientOptions options;
  options.authority = "backend:4318";
  options.http2_prior_knowledge = kind != Kind::kHttp1;
  Result<ClientResponse> out = Fail(Code::kInternal, "no callback");
  bool done = false;
  {
    HttpClient client(world.loop(), options, [&](Loop& loop, Duration, auto connected) {
      auto [near, far] = world.Pair();
      peers.push_back(std::make_unique<Says>(std::move(far), text));
      auto stream = std::make_shared<std::unique_ptr<Stream>>(std::move(near));
      loop.Post([stream, connected] { connected(std::move(*stream)); });
      return std::make_unique<Connecting>();
    });
    world.On(0, [&] {
      ClientRequest r;
      r.grpc = kind == Kind::kGrpc;
      r.timeout = 5s;
      r.body = {Slice::CopyOf("body")};
      client.Send(std::move(r), [&](Result<ClientResponse> got) {
        out = std::move(got);
        done = true;
      });
    });
    world.RunUntil([&] { return done; }, 1min);
    world.On(0, [&] { peers.clear(); });
  }
  return out;
}

std::string Frame(uint8_t type, uint8_t flags, uint32_t stream, const std::string& payload) {
  size_t n = payload.size();
  return std::string{static_cast<char>(n >> 16),      static_cast<char>(n >> 8),      static_cast<char>(n),
                     static_cast<char>(type),         static_cast<char>(flags),       0,
                     static_cast<char>(stream >> 16), static_cast<char>(stream >> 8), static_cast<char>(stream)} +
         payload;
}
const std::string kSettings = Frame(4, 0, 0, ""), kOk = "\x88", kGrpcStatus = std::string("\0\x0bgrpc-status\1", 14);
std::string Large(const std::string& name, size_t bytes) {  // below 16 KiB
  std::string out = '\0' + std::string(1, static_cast<char>(name.size())) + name;
  bytes -= 127;
  return out + '\x7f' + static_cast<char>(bytes % 128 | 128) + static_cast<char>(bytes / 128) +
         std::string(bytes + 127, 'h');
}
std::string Data(size_t bytes, bool end) {
  std::string out;
  for (; bytes > 16384; bytes -= 16384) out += Frame(0, 0, 1, std::string(16384, 'd'));
  return out + Frame(0, end, 1, std::string(bytes, 'd'));
}
std::string Repeat(size_t n, const std::string& what) {
  std::string out;
  for (size_t i = 0; i < n; ++i) out += what;
  return out;
}

TEST(HttpClient, AnswersAfterInterimOnes) {
  auto got = AnswerTo(Kind::kHttp1,
                      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"
                      "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->status, 200);
  EXPECT_EQ(got->body, "hi");
  EXPECT_EQ(got->Header("link"), nullptr);
}

TEST(HttpClient, StatusOfGrpc) {
  struct Case {
    std::string value;
    Code code;
  };
  for (auto& c : std::initializer_list<Case>{{"0", Code::kOk},
                                             {"00", Code::kOk},
                                             {"14", Code::kUnavailable},
                                             {"17", Code::kUnknown},
                                             {"4294967296", Code::kUnknown},
                                             {"99999999999999999999", Code::kUnknown},
                                             {"-1", Code::kUnknown},
                                             {"OK", Code::kUnknown},
                                             {"0x", Code::kUnknown},
                                             {"", Code::kUnknown}}) {
    std::string status = kGrpcStatus;
    status.back() = static_cast<char>(c.value.size());
    auto got = AnswerTo(Kind::kGrpc, kSettings + Frame(1, 5, 1, kOk + status + c.value));
    ASSERT_TRUE(got) << c.value << ": " << got.error().message;
    EXPECT_EQ(got->grpc_code, c.code) << c.value;
  }
}

TEST(HttpClient, WhatIsTooMuch) {
  struct Case {
    const char* what;
    Kind kind;
    std::string says;
    int status;    // 0: no answer
    bool cut_off;  // or what the error says
    const char* error;
  };
  const std::string ok1 = "HTTP/1.1 200 OK\r\n", many(5 << 20, 'x');
  const Case cases[] = {
      {"content-length of 4 GiB", Kind::kHttp1, ok1 + "content-length: 4294967296\r\n\r\nab", 200, true, ""},
      {"content-length of 16 EiB", Kind::kHttp1, ok1 + "content-length: 18446744073709551615\r\n\r\nab", 200, true, ""},
      {"content-length that is none", Kind::kHttp1, ok1 + "content-length: 18446744073709551616\r\n\r\n", 0, false,
       "malformed"},
      {"a body without end", Kind::kHttp1, "HTTP/1.1 503 Busy\r\n\r\n" + many, 503, true, ""},
      {"a chunk of 4 GiB", Kind::kHttp1, ok1 + "transfer-encoding: chunked\r\n\r\n100000000\r\nab", 200, true, ""},
      {"a chunk of 16 EiB behind another", Kind::kHttp1,
       ok1 + "transfer-encoding: chunked\r\n\r\n1\r\na\r\nffffffffffffffff\r\nab", 200, true, ""},
      {"a chunk of 17 digits", Kind::kHttp1, ok1 + "transfer-encoding: chunked\r\n\r\n10000000000000000\r\n", 0, false,
       "malformed"},
      {"chunks without end", Kind::kHttp1,
       ok1 + "transfer-encoding: chunked\r\n\r\n" + Repeat(6, "100000\r\n" + std::string(1 << 20, 'x') + "\r\n"), 200,
       true, ""},
      {"a head without end", Kind::kHttp1, ok1 + Repeat(300, "x: " + std::string(1000, 'h') + "\r\n"), 0, false,
       "head too large"},
      {"one line without end", Kind::kHttp1, many, 0, false, "head too large"},
      {"interim answers without end", Kind::kHttp1,
       Repeat(4000, "HTTP/1.1 103 Early\r\nlink: " + std::string(100, 'h') + "\r\n\r\n"), 0, false, "head too large"},
      {"a large head", Kind::kHttp2,
       kSettings + Frame(1, 0, 1, kOk + Large("a", 15000)) + Repeat(7, Frame(9, 0, 1, Large("a", 15000))) +
           Frame(9, 4, 1, "") + Frame(0, 1, 1, ""),
       200, false, ""},
      {"interim heads without end", Kind::kHttp2,
       kSettings + Repeat(40, Frame(1, 4, 1, std::string("\x08\x03", 2) + "103" + Large("a", 15000))), 0, false,
       "head of the answer is too large"},
      {"the same over gRPC", Kind::kGrpc,
       kSettings + Repeat(40, Frame(1, 4, 1, std::string("\x08\x03", 2) + "103" + Large("a", 15000))), 0, false,
       "head of the answer is too large"},
      {"a body without end over HTTP/2", Kind::kHttp2,
       kSettings + Frame(1, 4, 1, kOk) + Data(4 << 20, false) + Data(100, false), 200, true, ""},
      {"a body that just fits", Kind::kHttp2, kSettings + Frame(1, 4, 1, kOk) + Data(1000, true), 200, false, ""},
      {"a message without end", Kind::kGrpc, kSettings + Frame(1, 4, 1, kOk) + Data(4 << 20, false) + Data(100, false),
       0, false, "answer is too large"},
      {"a message of 4 GiB that does not come", Kind::kGrpc,
       kSettings + Frame(1, 4, 1, kOk) + Frame(0, 0, 1, std::string("\0\xff\xff\xff\xff", 5)) +
           Frame(1, 5, 1, kGrpcStatus + "0"),
       200, false, ""},
  };
  for (auto& c : cases) {
    auto got = AnswerTo(c.kind, c.says);
    if (!c.status) {
      ASSERT_FALSE(got) << c.what;
      EXPECT_THAT(got.error().message, HasSubstr(c.error)) << c.what;
      EXPECT_TRUE(got.error().retryable) << c.what;
      continue;
    }
    ASSERT_TRUE(got) << c.what << ": " << got.error().message;
    EXPECT_EQ(got->status, c.status) << c.what;
    EXPECT_EQ(got->cut_off, c.cut_off) << c.what;
    if (c.cut_off) {
      EXPECT_EQ(got->body, "") << c.what;
    }
  }
}

}  // namespace
}  // namespace naru::net
