#include "edge/net/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "common/log/log.h"

namespace tocsin::edge::tls {
namespace {

constexpr const char* kSuites13 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* kGroups = "X25519:P-256:P-384";
constexpr int kWarnDays = 14;

using Context = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;

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

void warn_of_the_end(const SSL_CTX* context, const std::string& file) {
  const X509* certificate = SSL_CTX_get0_certificate(context);
  int days = 0;
  int seconds = 0;
  if (certificate == nullptr ||
      ASN1_TIME_diff(&days, &seconds, nullptr, X509_get0_notAfter(certificate)) != 1)
    return;
  if (days < 0 || seconds < 0)
    log::warn("the certificate has ended, clients will refuse it", {{"file", file}, {"days_ago", -days}});
  else if (days < kWarnDays)
    log::warn("the certificate ends soon", {{"file", file}, {"days", days}});
}

void tune(SSL_CTX* context) {
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

}  // namespace

Status set_up(SSL_CTX* context, const Config& config) {
  if (config.tls_key_file.empty())
    return Error{Errc::invalid_argument,
                 "tls.key_file is missing: tls.cert_file needs the certificate's private key"};
  if (config.tls_cert_file.empty())
    return Error{Errc::invalid_argument, "tls.cert_file is missing: tls.key_file needs its certificate"};
  ERR_clear_error();
  tune(context);
  SSL_CTX_set_min_proto_version(context,
                                config.tls_min_version == TlsVersion::v1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
  if (SSL_CTX_set_cipher_list(context, config.tls_ciphers.c_str()) != 1) {
    ERR_clear_error();
    return Error{Errc::invalid_argument,
                 "tls.ciphers: OpenSSL knows none of \"" + config.tls_ciphers + "\"; see openssl ciphers"};
  }
  if (SSL_CTX_set_ciphersuites(context, kSuites13) != 1 || SSL_CTX_set1_groups_list(context, kGroups) != 1)
    return Error{Errc::internal, "OpenSSL refuses TLS 1.3: " + reason()};
  if (auto loaded = load_certificate(context, config.tls_cert_file); !loaded) return loaded;
  return load_key(context, config);
}

Status check(const Config& config) {
  const Context context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) return Error{Errc::internal, "OpenSSL does not start: " + reason()};
  if (auto ready = set_up(context.get(), config); !ready) return ready;
  warn_of_the_end(context.get(), config.tls_cert_file);
  return Done{};
}

}  // namespace tocsin::edge::tls
