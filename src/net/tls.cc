#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <system_error>

namespace naru::net {
namespace {

constexpr size_t kChunk = 16 << 10;

// OpenSSL's reason for the last failure, and its queue emptied.
std::string LastError() {
  unsigned long e = ERR_get_error();
  ERR_clear_error();
  if (!e) return "unknown error";
  if (ERR_SYSTEM_ERROR(e)) return std::generic_category().message(ERR_GET_REASON(e));
  const char* reason = ERR_reason_error_string(e);
  return reason ? reason : "error " + std::to_string(e);
}

struct Suite {
  std::string_view iana, openssl;
};
constexpr Suite kSuites[] = {
    {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"},
    {"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA"},
    {"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA"},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "ECDHE-RSA-AES128-SHA256"},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "ECDHE-ECDSA-AES128-SHA256"},
    {"TLS_RSA_WITH_AES_128_CBC_SHA256", "AES128-SHA256"},
    {"TLS_RSA_WITH_AES_128_GCM_SHA256", "AES128-GCM-SHA256"},
    {"TLS_RSA_WITH_AES_256_GCM_SHA384", "AES256-GCM-SHA384"},
    {"TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA"},
    {"TLS_RSA_WITH_AES_256_CBC_SHA", "AES256-SHA"},
};

int Version(const std::string& v) {
  if (v == "1.0") return TLS1_VERSION;
  if (v == "1.1") return TLS1_1_VERSION;
  if (v == "1.3") return TLS1_3_VERSION;
  return v.empty() ? 0 : TLS1_2_VERSION;
}

struct BioDeleter {
  void operator()(BIO* b) const { BIO_free(b); }
};
struct X509Deleter {
  void operator()(X509* x) const { X509_free(x); }
};
using BioPtr = std::unique_ptr<BIO, BioDeleter>;
using X509Ptr = std::unique_ptr<X509, X509Deleter>;

BioPtr OpenPem(const std::string& file, const std::string& pem) {
  return BioPtr(pem.empty() ? BIO_new_file(file.c_str(), "r")
                            : BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// Name of a certificate as RFC 2253 writes it.
std::string Subject(X509* x) {
  char text[512] = {};
  BioPtr out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), X509_get_subject_name(x), 0, XN_FLAG_RFC2253);
  int n = BIO_read(out.get(), text, sizeof text - 1);
  return n > 0 ? std::string(text, static_cast<size_t>(n)) : "";
}

// Tells the connection (its text is the SSL's app data) which certificate was not good enough.
int NoteVerdict(int ok, X509_STORE_CTX* store) {
  if (ok) return ok;
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* text = ssl ? static_cast<std::string*>(SSL_get_app_data(ssl)) : nullptr;
  X509* x = X509_STORE_CTX_get_current_cert(store);
  if (text && x) *text = Subject(x);
  return ok;
}

}  // namespace

struct TlsContext::Loaded {
  SSL_CTX* ctx = nullptr;
  std::string alpn;  // in wire form
  ~Loaded() { SSL_CTX_free(ctx); }

  Status Load(const TlsSettings& s, bool server) {
    ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (!ctx) return Fail(Code::kInternal, "TLS: {}", LastError());
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_min_proto_version(ctx, s.min_version.empty() ? TLS1_2_VERSION : Version(s.min_version));
    if (Version(s.min_version) && Version(s.min_version) < TLS1_2_VERSION) SSL_CTX_set_security_level(ctx, 0);
    if (!s.max_version.empty()) SSL_CTX_set_max_proto_version(ctx, Version(s.max_version));
    if (!s.cipher_suites.empty()) {
      std::string list;
      for (auto& name : s.cipher_suites) {
        auto it = std::find_if(std::begin(kSuites), std::end(kSuites), [&](auto& x) { return x.iana == name; });
        if (it == std::end(kSuites)) {
          if (name.rfind("TLS_AES_", 0) == 0 || name.rfind("TLS_CHACHA20_", 0) == 0) continue;  // TLS 1.3: always on
          return Fail(Code::kInvalidArgument, "invalid TLS cipher suite: \"{}\"", name);
        }
        list += (list.empty() ? "" : ":") + std::string(it->openssl);
      }
      if (list.empty()) {
        // Only suites of TLS 1.3 are named, so nothing older can be spoken.
        if (Version(s.max_version) && Version(s.max_version) < TLS1_3_VERSION) {
          return Fail(Code::kInvalidArgument, "TLS cipher suites: none of those named is of TLS {} (max_version)",
                      s.max_version);
        }
        SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
      } else if (!SSL_CTX_set_cipher_list(ctx, list.c_str())) {
        return Fail(Code::kInvalidArgument, "TLS cipher suites: {}", LastError());
      }
    }
    if (!s.curves.empty()) {
      std::string list;
      for (auto& c : s.curves) {
        // A newer OpenSSL than Debian 12's may know it; where it does not, the other groups of the list are offered.
        if (c == "X25519MLKEM768" && !SSL_CTX_set1_groups_list(ctx, c.c_str())) continue;
        list += (list.empty() ? "" : ":") + (c == "P256" ? "P-256" : c == "P384" ? "P-384" : c == "P521" ? "P-521" : c);
      }
      if (list.empty()) {
        return Fail(Code::kInvalidArgument,
                    "TLS curves: the OpenSSL in use does not know X25519MLKEM768; name another curve beside it");
      }
      if (!SSL_CTX_set1_groups_list(ctx, list.c_str()))
        return Fail(Code::kInvalidArgument, "TLS curves: {}", LastError());
    }
    if (!s.cert_file.empty() || !s.cert_pem.empty()) {
      if (auto r = Certificate(s); !r) return r;
    }
    bool own_cas = !s.ca_file.empty() || !s.ca_pem.empty();
    if (own_cas) {
      if (auto r = Authorities(s.ca_file, s.ca_pem); !r) return r;
    }
    if (!own_cas || s.include_system_cas) SSL_CTX_set_default_verify_paths(ctx);
    for (auto& p : s.alpn) {
      alpn += static_cast<char>(p.size());
      alpn += p;
    }
    if (server) {
      SSL_CTX_set_session_id_context(ctx, reinterpret_cast<const unsigned char*>("naru"), 4);
      if (!s.client_ca_file.empty()) {
        if (auto r = Authorities(s.client_ca_file, {}); !r) return r;
        STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(s.client_ca_file.c_str());
        if (names) SSL_CTX_set_client_CA_list(ctx, names);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NoteVerdict);
      }
      SSL_CTX_set_alpn_select_cb(ctx, SelectAlpn, this);
    } else {
      SSL_CTX_set_verify(ctx, s.skip_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NoteVerdict);
      if (!alpn.empty())
        SSL_CTX_set_alpn_protos(ctx, reinterpret_cast<const unsigned char*>(alpn.data()),
                                static_cast<unsigned>(alpn.size()));
    }
    ERR_clear_error();
    return {};
  }

 private:
  static int SelectAlpn(SSL*, const unsigned char** out, unsigned char* n, const unsigned char* in, unsigned in_size,
                        void* self) {
    auto& mine = static_cast<Loaded*>(self)->alpn;
    int r =
        SSL_select_next_proto(const_cast<unsigned char**>(out), n, reinterpret_cast<const unsigned char*>(mine.data()),
                              static_cast<unsigned>(mine.size()), in, in_size);
    return r == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
  }

  Status Certificate(const TlsSettings& s) {
    BioPtr cert = OpenPem(s.cert_file, s.cert_pem);
    std::string from = s.cert_pem.empty() ? s.cert_file : "cert_pem";
    if (!cert) return Fail(Code::kFailedPrecondition, "failed to load TLS cert {}: {}", from, LastError());
    X509Ptr leaf(PEM_read_bio_X509(cert.get(), nullptr, nullptr, nullptr));
    if (!leaf || !SSL_CTX_use_certificate(ctx, leaf.get()))
      return Fail(Code::kFailedPrecondition, "failed to load TLS cert {}: {}", from, LastError());
    while (X509* next = PEM_read_bio_X509(cert.get(), nullptr, nullptr, nullptr)) SSL_CTX_add0_chain_cert(ctx, next);
    ERR_clear_error();  // the end of the file is reported as an error
    BioPtr key = OpenPem(s.key_file, s.key_pem);
    from = s.key_pem.empty() ? s.key_file : "key_pem";
    if (!key) return Fail(Code::kFailedPrecondition, "failed to load TLS key {}: {}", from, LastError());
    // Without a function of our own OpenSSL asks whoever sits at the terminal, and waits.
    bool encrypted = false;
    auto no_passphrase = [](char*, int, int, void* seen) {
      *static_cast<bool*>(seen) = true;
      return -1;
    };
    EVP_PKEY* k = PEM_read_bio_PrivateKey(key.get(), nullptr, no_passphrase, &encrypted);
    if (encrypted) {
      EVP_PKEY_free(k);
      ERR_clear_error();
      return Fail(
          Code::kFailedPrecondition,
          "failed to load TLS key {}: it is encrypted, and no passphrase can be given; \"openssl pkey\" decrypts it",
          from);
    }
    bool ok = k && SSL_CTX_use_PrivateKey(ctx, k) && SSL_CTX_check_private_key(ctx);
    EVP_PKEY_free(k);
    if (!ok) return Fail(Code::kFailedPrecondition, "failed to load TLS key {}: {}", from, LastError());
    return {};
  }

  Status Authorities(const std::string& file, const std::string& pem) {
    BioPtr in = OpenPem(file, pem);
    std::string from = pem.empty() ? file : "ca_pem";
    if (!in) return Fail(Code::kFailedPrecondition, "failed to load CA {}: {}", from, LastError());
    int n = 0;
    while (X509* x = PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)) {
      X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), x);
      X509_free(x);
      ++n;
    }
    ERR_clear_error();
    if (n == 0) return Fail(Code::kFailedPrecondition, "failed to parse CA {}: no certificate in it", from);
    return {};
  }
};

namespace {

// TLS as a stream: what OpenSSL wants to send and receive goes through two memory buffers.
class TlsStream final : public Stream, public StreamHandler {
 public:
  TlsStream(SSL* ssl, std::shared_ptr<void> context, std::unique_ptr<Stream> inner)
      : ssl_(ssl), context_(std::move(context)), inner_(std::move(inner)) {
    BIO* in = BIO_new(BIO_s_mem());
    BIO* out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(in, -1);
    SSL_set_bio(ssl_, in, out);
    SSL_set_app_data(ssl_, &refused_);
    inner_->SetHandler(this);
  }
  ~TlsStream() override {
    if (established_ && !failed_) {
      SSL_shutdown(ssl_);  // a best effort: the alert goes out if the socket takes it
      Push();
    }
    SSL_free(ssl_);
    ERR_clear_error();
  }

  // ---- the handshake

  enum class Step { kMore, kDone, kFailed };
  Step Handshake() {
    Pull();
    int r = SSL_do_handshake(ssl_);
    Push();
    if (r == 1) {
      established_ = true;
      Describe();
      return Step::kDone;
    }
    int e = SSL_get_error(ssl_, r);
    if (e == SSL_ERROR_WANT_READ && !eof_ && !failed_) return Step::kMore;
    long verify = SSL_get_verify_result(ssl_);
    if (verify != X509_V_OK && verify != X509_V_ERR_UNSPECIFIED) {
      why_ = fmt::format("tls: failed to verify certificate: x509: {}", X509_verify_cert_error_string(verify));
      if (!refused_.empty()) why_ += fmt::format(" (subject {})", refused_);
      ERR_clear_error();
    } else {
      std::string reason = LastError();
      why_ = eof_ && reason == "unknown error" ? "tls: the peer closed the connection during the handshake"
                                               : "tls: " + reason;
    }
    failed_ = true;
    return Step::kFailed;
  }
  const std::string& why() const { return why_; }
  std::function<void()> on_progress;  // during the handshake

  // ---- Stream

  void SetHandler(StreamHandler* handler) override {
    handler_ = handler;
    // Bytes that came with the handshake's last flight are waiting already.
    inner_->WantRead(want_read_);
    if (SSL_pending(ssl_) > 0 || BIO_pending(SSL_get_rbio(ssl_)) > 0) Poke();
  }

  IoResult Read(std::span<uint8_t> into) override {
    if (into.empty()) return {IoResult::kBytes, 0, 0};
    for (;;) {
      size_t n = 0;
      int r = SSL_read_ex(ssl_, into.data(), into.size(), &n);
      if (r == 1) {
        if (SSL_pending(ssl_) > 0 || BIO_pending(SSL_get_rbio(ssl_)) > 0) Poke();
        return {IoResult::kBytes, n, 0};
      }
      int e = SSL_get_error(ssl_, r);
      if (e == SSL_ERROR_ZERO_RETURN) return {IoResult::kEof, 0, 0};
      if (e != SSL_ERROR_WANT_READ) {
        why_ = "tls: " + LastError();
        failed_ = true;
        return {IoResult::kError, 0, EPROTO};
      }
      auto before = BIO_pending(SSL_get_rbio(ssl_));
      PullOnce();
      Push();
      if (BIO_pending(SSL_get_rbio(ssl_)) > before) continue;
      if (eof_) return error_ ? IoResult{IoResult::kError, 0, error_} : IoResult{IoResult::kEof, 0, 0};
      return {IoResult::kWouldBlock, 0, 0};
    }
  }

  IoResult Writev(const iovec* v, int count) override {
    if (error_) return {IoResult::kError, 0, error_};
    size_t total = 0;
    Push();
    for (int i = 0; i < count && !blocked_; ++i) {
      size_t at = 0;
      while (at < v[i].iov_len && !blocked_) {
        size_t n = 0;
        size_t want = std::min(v[i].iov_len - at, kChunk);
        if (SSL_write_ex(ssl_, static_cast<const char*>(v[i].iov_base) + at, want, &n) != 1) {
          why_ = "tls: " + LastError();
          failed_ = true;
          if (total) return {IoResult::kBytes, total, 0};
          return {IoResult::kError, 0, EPROTO};
        }
        at += n;
        total += n;
        if (static_cast<size_t>(BIO_pending(SSL_get_wbio(ssl_))) >= 4 * kChunk) Push();
      }
    }
    Push();
    if (total == 0 && count > 0 && blocked_) return {IoResult::kWouldBlock, 0, 0};
    return {IoResult::kBytes, total, 0};
  }

  void WantRead(bool on) override {
    want_read_ = on;
    inner_->WantRead(on);
    if (on && (SSL_pending(ssl_) > 0 || BIO_pending(SSL_get_rbio(ssl_)) > 0)) Poke();
  }
  void WantWrite(bool on) override {
    want_write_ = on;
    inner_->WantWrite(on || blocked_);
  }
  void ShutdownWrite() override {
    SSL_shutdown(ssl_);
    ERR_clear_error();
    Push();
    inner_->ShutdownWrite();
  }
  const Address& peer() const override { return inner_->peer(); }
  const Address& local() const override { return inner_->local(); }
  std::string Reason() const override { return failed_ ? why_ : std::string(); }
  const TlsInfo* tls() const override { return established_ ? &info_ : nullptr; }

  // ---- StreamHandler of the socket

  void OnReadable() override {
    if (!established_) {
      if (on_progress) on_progress();
      return;
    }
    if (handler_) handler_->OnReadable();
  }
  void OnWritable() override {
    Push();
    if (!established_) {
      if (on_progress) on_progress();
      return;
    }
    if (!blocked_ && !want_write_) inner_->WantWrite(false);
    if (want_write_ && !blocked_ && handler_) handler_->OnWritable();
  }

 private:
  void Describe() {
    const unsigned char* alpn = nullptr;
    unsigned n = 0;
    SSL_get0_alpn_selected(ssl_, &alpn, &n);
    if (n) info_.alpn.assign(reinterpret_cast<const char*>(alpn), n);
    info_.version = SSL_get_version(ssl_);
    X509Ptr peer(SSL_get1_peer_certificate(ssl_));
    if (peer) info_.peer_subject = Subject(peer.get());
  }

  // One read of the socket into OpenSSL's input: at most a record or two, so that backpressure reaches the peer.
  void PullOnce() {
    uint8_t buffer[kChunk + 2048];
    IoResult r = inner_->Read(buffer);
    if (r.kind == IoResult::kBytes) {
      BIO_write(SSL_get_rbio(ssl_), buffer, static_cast<int>(r.n));
    } else if (r.kind != IoResult::kWouldBlock) {
      eof_ = true;
      if (r.kind == IoResult::kError) error_ = r.error;
    }
  }
  void Pull() {
    if (!eof_) PullOnce();
  }

  // What OpenSSL has to send, as far as the socket takes it.
  void Push() {
    BIO* out = SSL_get_wbio(ssl_);
    blocked_ = false;
    for (;;) {
      char* data = nullptr;
      long n = BIO_get_mem_data(out, &data);
      if (n <= 0) break;
      iovec v{data, static_cast<size_t>(n)};
      IoResult r = inner_->Writev(&v, 1);
      if (r.kind != IoResult::kBytes || r.n == 0) {
        if (r.kind == IoResult::kError) {
          error_ = r.error;
          eof_ = true;
          (void)BIO_reset(out);
          break;
        }
        blocked_ = true;
        inner_->WantWrite(true);
        return;
      }
      // Reading from the memory is how its front is dropped.
      char sink[4096];
      size_t left = r.n;
      while (left > 0) {
        int k = BIO_read(out, sink, static_cast<int>(std::min(left, sizeof sink)));
        if (k <= 0) break;
        left -= static_cast<size_t>(k);
      }
    }
    if (!want_write_ && established_) inner_->WantWrite(false);
  }

  // The socket will not tell about bytes that are here already: the loop is asked to come back.
  void Poke() {
    if (poke_.pending() || !want_read_) return;
    poke_ = Loop::Current()->AddTimer(Duration(0), [this] {
      if (handler_ && want_read_) handler_->OnReadable();
    });
  }

  SSL* ssl_;
  std::shared_ptr<void> context_;
  std::unique_ptr<Stream> inner_;
  StreamHandler* handler_ = nullptr;
  bool established_ = false, failed_ = false, eof_ = false, blocked_ = false, want_read_ = true, want_write_ = false;
  int error_ = 0;
  TlsInfo info_;
  std::string why_, refused_;
  Timer poke_;
};

class Handshaking final : public Connecting {
 public:
  Handshaking(Loop& loop, std::unique_ptr<TlsStream> stream, Duration timeout,
              std::function<void(Result<std::unique_ptr<Stream>>)> done)
      : loop_(loop), stream_(std::move(stream)), done_(std::move(done)) {
    stream_->on_progress = [this] { Go(); };
    if (timeout > Duration(0)) deadline_ = loop_.AddTimer(timeout, [this] { Finish("tls: handshake timed out"); });
    first_ = loop_.AddTimer(Duration(0), [this] { Go(); });
  }

 private:
  void Go() {
    if (!stream_) return;
    switch (stream_->Handshake()) {
      case TlsStream::Step::kMore:
        return;
      case TlsStream::Step::kFailed:
        return Finish(stream_->why());
      case TlsStream::Step::kDone:
        break;
    }
    deadline_.Cancel();
    stream_->on_progress = nullptr;
    // Handed over at the next turn: this runs inside the stream's own callback.
    first_ = loop_.AddTimer(Duration(0), [this] {
      auto done = std::move(done_);
      done(Result<std::unique_ptr<Stream>>(std::move(stream_)));
    });
  }

  void Finish(std::string why) {
    deadline_.Cancel();
    stream_->on_progress = [] {};
    stream_->WantRead(false);
    first_ = loop_.AddTimer(Duration(0), [this, why = std::move(why)] {
      auto done = std::move(done_);
      // Who cannot be trusted today may have a new certificate tomorrow: as in gRPC, a failed handshake is retryable.
      done(Unexpected(Error{Code::kUnavailable, true, Duration(0), why}));
    });
  }

  Loop& loop_;
  std::unique_ptr<TlsStream> stream_;
  std::function<void(Result<std::unique_ptr<Stream>>)> done_;
  Timer deadline_, first_;
};

}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::Make(TlsSettings settings, bool server) {
  std::shared_ptr<TlsContext> c(new TlsContext(std::move(settings), server));
  if (auto s = c->Reload(); !s) return Unexpected(s.error());
  return c;
}

TlsContext::~TlsContext() = default;

Status TlsContext::Reload() {
  auto fresh = std::make_shared<Loaded>();
  if (auto s = fresh->Load(settings_, server_); !s) return s;
  std::atomic_store(&loaded_, std::move(fresh));
  return {};
}

std::unique_ptr<Connecting> TlsContext::Handshake(Loop& loop, std::unique_ptr<Stream> stream, Duration timeout,
                                                  std::function<void(Result<std::unique_ptr<Stream>>)> done) {
  std::shared_ptr<Loaded> loaded = std::atomic_load(&loaded_);
  SSL* ssl = SSL_new(loaded->ctx);
  if (server_) {
    SSL_set_accept_state(ssl);
  } else {
    SSL_set_connect_state(ssl);
    if (!settings_.server_name.empty()) {
      unsigned char ip[16];
      bool numeric = inet_pton(AF_INET, settings_.server_name.c_str(), ip) == 1 ||
                     inet_pton(AF_INET6, settings_.server_name.c_str(), ip) == 1;
      X509_VERIFY_PARAM* p = SSL_get0_param(ssl);
      if (numeric) {
        X509_VERIFY_PARAM_set1_ip_asc(p, settings_.server_name.c_str());
      } else {
        SSL_set_tlsext_host_name(ssl, settings_.server_name.c_str());
        X509_VERIFY_PARAM_set1_host(p, settings_.server_name.c_str(), settings_.server_name.size());
        X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
      }
    }
  }
  auto tls = std::make_unique<TlsStream>(ssl, loaded, std::move(stream));
  return std::make_unique<Handshaking>(loop, std::move(tls), timeout, std::move(done));
}

}  // namespace naru::net
