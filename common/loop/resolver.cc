#include "common/loop/resolver.h"

#include <netdb.h>
#include <sys/socket.h>
#include <uv.h>

#include <algorithm>
#include <array>
#include <memory>

namespace tocsin::loop {
namespace {

std::string text_of(const addrinfo& found) {
  std::array<char, 64> text{};
  const bool named =
      (found.ai_family == AF_INET &&
       uv_ip4_name(reinterpret_cast<const sockaddr_in*>(found.ai_addr), text.data(), text.size()) == 0) ||
      (found.ai_family == AF_INET6 &&
       uv_ip6_name(reinterpret_cast<const sockaddr_in6*>(found.ai_addr), text.data(), text.size()) == 0);
  return named ? text.data() : "";
}

Result<std::vector<std::string>> answer_of(int status, const addrinfo* found) {
  if (status == UV_EAI_NONAME || status == UV_EAI_NODATA)
    return Error{Errc::not_found, "the name has no address"};
  if (status != 0) return Error{Errc::unavailable, uv_strerror(status)};
  std::vector<std::string> out;
  for (; found != nullptr; found = found->ai_next)
    if (std::string text = text_of(*found); !text.empty()) out.push_back(std::move(text));
  if (out.empty()) return Error{Errc::not_found, "the name has no address"};
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace

struct Resolver::Question {
  uv_getaddrinfo_t uv{};
  Resolver* asker = nullptr;  ///< none: it is gone
  Done done;

  static void on_uv(uv_getaddrinfo_t* uv, int status, addrinfo* found) {
    const std::unique_ptr<Question> self(static_cast<Question*>(uv->data));
    const auto answer = answer_of(status, found);
    uv_freeaddrinfo(found);
    if (self->asker == nullptr) return;
    self->asker->open_.erase(self.get());
    self->done(answer);
  }
};

Resolver::~Resolver() {
  for (Question* question : open_) {
    question->asker = nullptr;
    uv_cancel(
        reinterpret_cast<uv_req_t*>(&question->uv));  // fails when its turn has come: then it is waited for
  }
}

void Resolver::resolve(const std::string& host, Done done) {
  auto question = std::make_unique<Question>();
  question->uv.data = question.get();
  question->asker = this;
  question->done = std::move(done);
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  const int asked =
      uv_getaddrinfo(loop_.native(), &question->uv, &Question::on_uv, host.c_str(), nullptr, &hints);
  if (asked == 0) {
    open_.insert(question.release());
    return;
  }
  // A name that cannot be one, too long for example.
  question->done(Error{Errc::not_found, uv_strerror(asked)});
}

}  // namespace tocsin::loop
