#include "common/mq/curve.h"

#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "common/file.h"
#include "common/json/json.h"

namespace tocsin::mq {
namespace {

constexpr std::size_t kTextSize = 40;

Error io_error(const std::string& path) { return {Errc::io, path + ": " + std::strerror(errno)}; }

Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return io_error(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

bool is_key(std::string_view text) {
  std::array<std::uint8_t, 32> raw{};
  return text.size() == kTextSize && zmq_z85_decode(raw.data(), std::string(text).c_str()) != nullptr;
}

Result<CurveKeys> parse_keys(const std::string& path, const std::string& text) {
  const Error bad{Errc::invalid_argument,
                  path + " is not a CURVE key file; make one with `tocsinctl up` or copy it again"};
  const auto doc = json::parse(text);
  if (!doc) return bad;
  const auto pub = json::string_member(*doc, "public");
  const auto sec = json::string_member(*doc, "secret");
  if (!pub || !*pub || !is_key(**pub)) return bad;
  CurveKeys keys{std::string(**pub), ""};
  if (sec && *sec) keys.secret_key = **sec;
  return keys;
}

}  // namespace

Result<CurveKeys> curve_keypair() {
  std::array<char, kTextSize + 1> pub{};
  std::array<char, kTextSize + 1> sec{};
  if (zmq_curve_keypair(pub.data(), sec.data()) != 0) return Error{Errc::io, "this ZeroMQ has no CURVE"};
  return CurveKeys{pub.data(), sec.data()};
}

Status save_keys(const std::string& path, const CurveKeys& keys) {
  const std::string text =
      "{\"public\":" + json::quoted(keys.public_key) + ",\"secret\":" + json::quoted(keys.secret_key) + "}\n";
  return write_atomically(path, text, 0600);
}

Result<CurveKeys> load_keys(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return io_error(path);
  // What root owns and gives to this process's group only is no secret of others: a mounted Secret is so.
  const bool given = info.st_uid == 0 && ::geteuid() != 0;
  if ((info.st_mode & (given ? 037U : 077U)) != 0)
    return Error{Errc::forbidden, path + " may be read by others; run chmod 600 on it"};
  const auto text = read_file(path);
  if (!text) return text.error();
  auto keys = parse_keys(path, *text);
  if (keys && !is_key(keys->secret_key)) return Error{Errc::invalid_argument, path + " holds no secret key"};
  return keys;
}

Result<std::vector<std::string>> load_public_keys(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return text.error();
  std::vector<std::string> keys;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (line.empty()) continue;
    if (!is_key(line)) {
      const auto pair = parse_keys(path, *text);
      if (!pair) return pair.error();
      return std::vector<std::string>{pair->public_key};
    }
    keys.push_back(std::move(line));
  }
  if (keys.empty()) return Error{Errc::invalid_argument, path + " holds no CURVE key"};
  return keys;
}

Result<std::string> load_public_key(const std::string& path) {
  const auto keys = load_public_keys(path);
  if (!keys) return keys.error();
  return keys->front();
}

}  // namespace tocsin::mq
