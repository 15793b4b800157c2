#include "common/crypto/certificate.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <memory>

#include "common/crypto/crypto.h"

namespace tocsin::crypto {
namespace {

template <typename T, void (*kFree)(T*)>
struct Freed {
  void operator()(T* p) const noexcept { kFree(p); }
};
using Certificate = std::unique_ptr<X509, Freed<X509, X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;
using Store = std::unique_ptr<X509_STORE, Freed<X509_STORE, X509_STORE_free>>;
using StoreContext = std::unique_ptr<X509_STORE_CTX, Freed<X509_STORE_CTX, X509_STORE_CTX_free>>;
using Bio = std::unique_ptr<BIO, Freed<BIO, BIO_free_all>>;
using Chain = std::vector<Certificate>;

Bio reading(std::string_view text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string written(BIO* out) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  return {data, static_cast<std::size_t>(size)};
}

Chain read_chain(std::string_view pem) {
  Chain out;
  const Bio in = reading(pem);
  while (X509* one = PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)) out.emplace_back(one);
  ERR_clear_error();
  return out;
}

/// Never asks at the terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

std::string text_of(const X509_NAME* name) {
  const Bio out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253);
  return written(out.get());
}

std::int64_t seconds_of(const ASN1_TIME* time) {
  std::tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? static_cast<std::int64_t>(timegm(&parts)) : 0;
}

std::string date_of(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  gmtime_r(&time, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d", &parts);
  return text.data();
}

std::string address_of(const ASN1_OCTET_STRING* bytes) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int size = ASN1_STRING_length(bytes);
  if (size != 4 && size != 16) return {};
  inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(bytes), text.data(), text.size());
  return text.data();
}

std::vector<std::string> names_of(const X509* certificate) {
  std::vector<std::string> out;
  auto* names =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_DNS)
      out.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                       static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
    else if (name->type == GEN_IPADD)
      out.push_back(address_of(name->d.iPAddress));
  }
  GENERAL_NAMES_free(names);
  return out;
}

std::string key_text(const X509* certificate) {
  const EVP_PKEY* key = X509_get0_pubkey(certificate);
  if (key == nullptr) return "unknown";
  std::array<char, 64> group{};
  std::size_t size = 0;
  if (EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) == 1 && EVP_PKEY_is_a(key, "EC") == 1) {
    const std::string_view name(group.data(), size);
    return "EC " + std::string(name == "prime256v1" ? "P-256" : name == "secp384r1" ? "P-384" : name);
  }
  const char* type = EVP_PKEY_get0_type_name(key);
  return std::string(type != nullptr ? type : "unknown") + " " + std::to_string(EVP_PKEY_get_bits(key));
}

CertificateFacts facts_of(const X509* certificate) {
  return {text_of(X509_get_subject_name(certificate)),
          text_of(X509_get_issuer_name(certificate)),
          names_of(certificate),
          key_text(certificate),
          seconds_of(X509_get0_notBefore(certificate)),
          seconds_of(X509_get0_notAfter(certificate))};
}

void check_times(const CertificateFacts& facts, std::int64_t now, std::vector<std::string>& problems) {
  if (facts.not_after_s <= now)
    problems.push_back(facts.subject + " ended on " + date_of(facts.not_after_s) +
                       ": clients refuse it; get a new one");
  else if (facts.not_before_s > now)
    problems.push_back(facts.subject + " counts from " + date_of(facts.not_before_s) +
                       " only: wait, or look at this host's clock");
}

void check_order(const Chain& chain, std::vector<std::string>& problems) {
  for (std::size_t i = 0; i + 1 < chain.size(); ++i)
    if (X509_check_issued(chain[i + 1].get(), chain[i].get()) != X509_V_OK)
      problems.push_back("certificate " + std::to_string(i + 2) + " of the file (" +
                         text_of(X509_get_subject_name(chain[i + 1].get())) +
                         ") did not issue the one before it (" +
                         text_of(X509_get_subject_name(chain[i].get())) +
                         "): the order is the server's own, then each issuer");
}

void check_key(const X509* certificate, std::string_view pem, std::vector<std::string>& problems) {
  const Bio in = reading(pem);
  const Key key(PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, nullptr));
  if (!key)
    problems.emplace_back("the key file holds no private key in PEM form without a passphrase");
  else if (X509_check_private_key(certificate, key.get()) != 1)
    problems.emplace_back("the key is not this certificate's: the files of one pair belong together");
  ERR_clear_error();
}

void check_host(X509* certificate, const std::string& host, std::vector<std::string>& problems) {
  if (X509_check_host(certificate, host.c_str(), host.size(), 0, nullptr) == 1) return;
  if (X509_check_ip_asc(certificate, host.c_str(), 0) == 1) return;
  problems.push_back("it is not for " + host + ": clients that come under that name refuse it");
}

Status check_trust(const Chain& chain, const CertificateQuestion& question,
                   std::vector<std::string>& problems) {
  const Store store(X509_STORE_new());
  const StoreContext context(X509_STORE_CTX_new());
  if (!store || !context) return Error{Errc::internal, "OpenSSL does not start"};
  if (question.ca_file.empty())
    X509_STORE_set_default_paths(store.get());
  else if (X509_STORE_load_file(store.get(), question.ca_file.c_str()) != 1) {
    ERR_clear_error();
    return Error{Errc::invalid_argument, question.ca_file + " holds no certificates in PEM form"};
  }
  STACK_OF(X509)* others = sk_X509_new_null();
  for (std::size_t i = 1; i < chain.size(); ++i) sk_X509_push(others, chain[i].get());
  if (X509_STORE_CTX_init(context.get(), store.get(), chain.front().get(), others) == 1) {
    X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(context.get());
    X509_VERIFY_PARAM_set_purpose(rules, X509_PURPOSE_SSL_SERVER);
    X509_VERIFY_PARAM_set_auth_level(rules, 1);
    X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_NO_CHECK_TIME);  // said already, of each by its name
    if (X509_verify_cert(context.get()) != 1)
      problems.push_back(
          "it leads to no authority that " +
          (question.ca_file.empty() ? "this system knows (--ca gives others)" : question.ca_file + " holds") +
          ": " + X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get())));
  }
  sk_X509_free(others);
  ERR_clear_error();
  return Done{};
}

bool add_extension(X509* certificate, int nid, const std::string& value) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  const bool added = extension != nullptr && X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

/// "DNS:a,IP:127.0.0.1"; nothing when one of them is neither.
Result<std::string> alternative_names(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) {
    in6_addr any{};
    const bool address =
        inet_pton(AF_INET, name.c_str(), &any) == 1 || inet_pton(AF_INET6, name.c_str(), &any) == 1;
    const bool fits = !name.empty() && name.size() < 254 && std::all_of(name.begin(), name.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
             c == '-' || c == '*' || c == '_';
    });
    if (!address && !fits)
      return Error{Errc::invalid_argument, "\"" + name + "\" is neither a host name nor an address"};
    out.append(out.empty() ? "" : ",").append(address ? "IP:" : "DNS:").append(name);
  }
  if (out.empty()) return Error{Errc::invalid_argument, "give at least one name"};
  return out;
}

}  // namespace

Result<CertificateAnswer> examine(const CertificateQuestion& question) {
  const Chain chain = read_chain(question.chain_pem);
  if (chain.empty())
    return Error{Errc::invalid_argument, "it holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"};
  CertificateAnswer out;
  out.not_after_s = INT64_MAX;
  for (const auto& certificate : chain) {
    out.chain.push_back(facts_of(certificate.get()));
    out.not_after_s = std::min(out.not_after_s, out.chain.back().not_after_s);
    check_times(out.chain.back(), question.now_s, out.problems);
  }
  check_order(chain, out.problems);
  if (!question.key_pem.empty()) check_key(chain.front().get(), question.key_pem, out.problems);
  for (const auto& host : question.hosts) check_host(chain.front().get(), host, out.problems);
  if (auto asked = check_trust(chain, question, out.problems); !asked) return asked.error();
  return out;
}

Result<SelfSigned> self_signed(const std::vector<std::string>& names, std::int64_t days) {
  const auto alternatives = alternative_names(names);
  if (!alternatives) return alternatives.error();
  const Key key(EVP_EC_gen("P-256"));
  const Certificate certificate(X509_new());
  const Error failed{Errc::internal, "OpenSSL makes no certificate"};
  if (!key || !certificate) return failed;
  X509* c = certificate.get();
  X509_set_version(c, 2);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(c), random_u64() >> 1U);
  X509_gmtime_adj(X509_getm_notBefore(c), -3'600);  // clocks differ
  X509_time_adj_ex(X509_getm_notAfter(c), static_cast<int>(days), 0, nullptr);
  const std::string common_name = names.front().substr(0, 64);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
  X509_set_issuer_name(c, X509_get_subject_name(c));
  const bool made =
      X509_set_pubkey(c, key.get()) == 1 && add_extension(c, NID_subject_alt_name, *alternatives) &&
      add_extension(c, NID_basic_constraints, "critical,CA:FALSE") &&
      add_extension(c, NID_key_usage, "critical,digitalSignature") &&
      add_extension(c, NID_ext_key_usage, "serverAuth") && X509_sign(c, key.get(), EVP_sha256()) > 0;
  if (!made) return ERR_clear_error(), failed;
  const Bio certificate_out(BIO_new(BIO_s_mem()));
  const Bio key_out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(certificate_out.get(), c);
  PEM_write_bio_PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return SelfSigned{written(certificate_out.get()), written(key_out.get())};
}

}  // namespace tocsin::crypto
