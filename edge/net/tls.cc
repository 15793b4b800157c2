#include "edge/net/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <utility>

#include "common/log/log.h"

namespace tocsin::edge {
namespace {

constexpr const char* kSuites13 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* kGroups = "X25519:P-256:P-384";
constexpr int kWarnDays = 14;

int least_version(const Config& config) noexcept {
  return config.tls_min_version == TlsVersion::v1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
}

int verify_mode(const Config& config) noexcept {
  switch (config.tls_client_certs) {
    case ClientCertificates::none:
      return SSL_VERIFY_NONE;
    case ClientCertificates::optional:
      return SSL_VERIFY_PEER;
    case ClientCertificates::required:
      break;
  }
  return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
}

/// What OpenSSL says of the root of its latest failure; its queue is empty afterwards.
std::string reason() {
  const unsigned long code = ERR_peek_error();
  ERR_clear_error();
  const char* text = ERR_reason_error_string(code);
  return text != nullptr ? text : "no reason given";
}

Error wrong(std::string_view setting, const std::string& file, std::string_view what) {
  return {Errc::invalid_argument, std::string(setting) + ": " + file + " " + std::string(what)};
}

/// A file that cannot be opened is the most common mistake, and the one OpenSSL describes worst.
Status readable(std::string_view setting, const std::string& file) {
  std::FILE* opened = std::fopen(file.c_str(), "re");
  if (opened == nullptr) return wrong(setting, file, std::string("cannot be read: ") + std::strerror(errno));
  std::fclose(opened);
  return Done{};
}

/// Never asks at the terminal for the passphrase of an encrypted key.
int no_passphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

Status load_certificate(SSL_CTX* context, const std::string& file) {
  if (auto there = readable("tls.cert_file", file); !there) return there;
  if (SSL_CTX_use_certificate_chain_file(context, file.c_str()) == 1) return Done{};
  const bool no_pem = ERR_GET_REASON(ERR_peek_error()) == PEM_R_NO_START_LINE;
  const std::string why = reason();
  if (no_pem)
    return wrong(
        "tls.cert_file", file,
        "holds no certificate in PEM form; it begins with -----BEGIN CERTIFICATE-----, the server's own first");
  return wrong("tls.cert_file", file, "holds no usable certificate: " + why);
}

Status load_key(SSL_CTX* context, const Config& config) {
  const std::string& file = config.tls_key_file;
  if (auto there = readable("tls.key_file", file); !there) return there;
  const std::unique_ptr<BIO, decltype(&BIO_free)> in(BIO_new_file(file.c_str(), "r"), BIO_free);
  bool encrypted = false;
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      in ? PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, &encrypted) : nullptr, EVP_PKEY_free);
  if (!key && encrypted)
    return wrong(
        "tls.key_file", file,
        "is protected by a passphrase, which nobody can type here; store it without: openssl pkey -in KEY -out NEW");
  if (!key) {
    ERR_clear_error();
    return wrong("tls.key_file", file,
                 "holds no private key in PEM form; it begins with -----BEGIN PRIVATE KEY-----");
  }
  if (X509_check_private_key(SSL_CTX_get0_certificate(context), key.get()) != 1) {
    ERR_clear_error();
    return wrong("tls.key_file", file,
                 "is not the key of the certificate in " + config.tls_cert_file +
                     "; the files of one pair belong together");
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) == 1) return Done{};
  return wrong("tls.key_file", file, "cannot be used: " + reason());
}

/// The first end of a certificate that is served: the server's own and those up to its root.
std::int64_t end_of(SSL_CTX* context) {
  std::int64_t first = INT64_MAX;
  const auto look = [&first](const X509* certificate) {
    std::tm parts{};
    if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1) return;
    first = std::min(first, static_cast<std::int64_t>(timegm(&parts)));
  };
  look(SSL_CTX_get0_certificate(context));
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(context, &chain);
  for (int i = 0; i < sk_X509_num(chain); ++i) look(sk_X509_value(chain, i));
  return first;
}

void warn_of_the_end(double days, const std::string& file) {
  if (days < 0)
    log::warn("the certificate has ended, clients will refuse it",
              {{"file", file}, {"days_ago", std::floor(-days)}});
  else if (days < kWarnDays)
    log::warn("the certificate ends soon", {{"file", file}, {"days", std::floor(days)}});
}

/// Whose certificates clients may show.
Status load_authorities(SSL_CTX* context, const Config& config) {
  SSL_CTX_set_verify(context, verify_mode(config), nullptr);
  const std::string& file = config.tls_ca_file;
  if (config.tls_client_certs == ClientCertificates::none) return Done{};
  if (file.empty())
    return Error{
        Errc::invalid_argument,
        "tls.ca_file is missing: tls.client_certs needs the authorities that clients' certificates are from"};
  if (auto there = readable("tls.ca_file", file); !there) return there;
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(file.c_str());
  if (names == nullptr || SSL_CTX_load_verify_file(context, file.c_str()) != 1) {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    ERR_clear_error();
    return wrong("tls.ca_file", file,
                 "holds no certificates in PEM form; it begins with -----BEGIN CERTIFICATE-----");
  }
  SSL_CTX_set_client_CA_list(context, names);  // which it owns from now on
  return Done{};
}

/// HTTP/1.1 or nothing: raw frames must never meet HTTP/2.
int on_alpn(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
            unsigned int offered_size, void*) {
  static constexpr unsigned char kOurs[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* out = nullptr;
  if (SSL_select_next_proto(&out, size, kOurs, sizeof kOurs, offered, offered_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *chosen = out;
  return SSL_TLSEXT_ERR_OK;
}

void tune(SSL_CTX* context) {
  SSL_CTX_set_alpn_select_cb(context, on_alpn, nullptr);
  // Idle connections are what there is most of: their record buffers (2 x 17 KiB) go back after each record.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // A cached session costs memory per client. Tickets cost a signature's worth per handshake (9 % measured)
  // and save a returning TLS 1.3 client next to nothing, since the key exchange is done anyway.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF);
  // All ciphers that are left are strong: the client knows best which one its hardware likes.
  SSL_CTX_clear_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
}

Status set_up(SSL_CTX* context, const Config& config) {
  if (config.tls_key_file.empty())
    return Error{Errc::invalid_argument,
                 "tls.key_file is missing: tls.cert_file needs the certificate's private key"};
  if (config.tls_cert_file.empty())
    return Error{Errc::invalid_argument, "tls.cert_file is missing: tls.key_file needs its certificate"};
  ERR_clear_error();
  tune(context);
  SSL_CTX_set_min_proto_version(context, least_version(config));
  if (SSL_CTX_set_cipher_list(context, config.tls_ciphers.c_str()) != 1) {
    ERR_clear_error();
    return Error{Errc::invalid_argument,
                 "tls.ciphers: OpenSSL knows none of \"" + config.tls_ciphers + "\"; see openssl ciphers"};
  }
  if (SSL_CTX_set_ciphersuites(context, kSuites13) != 1 || SSL_CTX_set1_groups_list(context, kGroups) != 1)
    return Error{Errc::internal, "OpenSSL refuses TLS 1.3: " + reason()};
  if (auto loaded = load_certificate(context, config.tls_cert_file); !loaded) return loaded;
  if (auto loaded = load_key(context, config); !loaded) return loaded;
  return load_authorities(context, config);
}

}  // namespace

Status Tls::prepare(const Config& config) {
  prepared_.reset();
  if (running_ && wanted(config) != (shell_ != nullptr))
    return Error{
        Errc::invalid_argument,
        "tls.cert_file: TLS is switched on and off by a restart (tocsinctl restart --rolling), not by a reload"};
  if (!wanted(config)) return Done{};
  Context made(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!made) return Error{Errc::internal, "OpenSSL does not start: " + reason()};
  if (auto ready = set_up(made.get(), config); !ready) return ready;
  prepared_ = std::move(made);
  return Done{};
}

void Tls::take(const Config& config) {
  if (!prepared_) return;
  current_ = std::exchange(prepared_, nullptr);
  metrics_.tls_not_after_s = end_of(current_.get());
  warn_of_the_end(metrics_.tls_days_left(), config.tls_cert_file);
  if (shell_ == nullptr) return;
  metrics_.tls_reloads.add();
  // These are read before a handshake comes to on_server_name(); all of them were just accepted by the other
  // context.
  SSL_CTX_set_min_proto_version(shell_, least_version(config));
  (void)SSL_CTX_set_cipher_list(shell_, config.tls_ciphers.c_str());
  SSL_CTX_set_verify(shell_, verify_mode(config), nullptr);
}

Status Tls::adopt(ssl_ctx_st* shell, const Config& config) {
  if (auto ready = set_up(shell, config); !ready) return ready;
  shell_ = shell;
  return Done{};
}

void Tls::steer() {
  running_ = true;
  if (shell_ == nullptr) return;
  // The library's own looks for another virtual host of that name, of which there is none.
  SSL_CTX_callback_ctrl(
      shell_, SSL_CTRL_SET_TLSEXT_SERVERNAME_CB,
      reinterpret_cast<void (*)()>(&Tls::on_server_name));  // its macro, without the old cast
  SSL_CTX_set_tlsext_servername_arg(shell_, this);
}

int Tls::on_server_name(ssl_st* ssl, int*, void* self) {
  SSL_CTX* const current = static_cast<Tls*>(self)->current_.get();
  if (current == nullptr || SSL_get_SSL_CTX(ssl) == current) return SSL_TLSEXT_ERR_OK;
  SSL_set_SSL_CTX(ssl, current);
  SSL_set_verify(ssl, SSL_CTX_get_verify_mode(current), nullptr);
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace tocsin::edge
