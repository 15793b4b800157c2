#include "broker/backup/tar.h"

#include <algorithm>

namespace tocsin::broker::backup {
namespace {

struct Place {
  std::size_t at;
  std::size_t size;
};
constexpr Place kName{0, 100}, kMode{100, 8}, kUid{108, 8}, kGid{116, 8}, kSize{124, 12}, kTime{136, 12},
    kChecksum{148, 8}, kType{156, 1}, kMagic{257, 8};
constexpr std::string_view kUstar{"ustar\00000", 8};

void put(std::string& block, Place place, std::string_view text) {
  block.replace(place.at, text.size(), text);
}

/// Octal digits and a zero byte; above what they hold, the number itself with the first bit set (GNU).
void put_number(std::string& block, Place place, std::uint64_t n) {
  std::string digits;
  for (std::uint64_t rest = n; rest > 0 || digits.empty(); rest >>= 3U)
    digits.insert(digits.begin(), static_cast<char>('0' + (rest & 7U)));
  if (digits.size() < place.size) {
    digits.insert(0, place.size - 1 - digits.size(), '0');
    return put(block, place, digits);
  }
  std::string raw(place.size, '\0');
  for (std::size_t i = place.size; i-- > 1; n >>= 8U) raw[i] = static_cast<char>(n & 0xffU);
  raw[0] = static_cast<char>(0x80);
  put(block, place, raw);
}

Result<std::uint64_t> number(std::string_view block, Place place) {
  const std::string_view field = block.substr(place.at, place.size);
  const Error bad{Errc::corrupt, "a tar header has a bad number"};
  std::uint64_t n = 0;
  if ((static_cast<unsigned char>(field[0]) & 0x80U) != 0) {
    for (std::size_t i = field.size() - 8; i < field.size(); ++i)
      n = (n << 8U) | static_cast<unsigned char>(field[i]);
    return n >> 62U == 0 ? Result<std::uint64_t>(n) : bad;
  }
  for (const char c : field) {
    if (c == '\0' || c == ' ') break;
    if (c < '0' || c > '7') return bad;
    n = n * 8 + static_cast<std::uint64_t>(c - '0');
  }
  return n;
}

std::uint64_t checksum(std::string_view block) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kTarBlock; ++i) {
    const bool own = i >= kChecksum.at && i < kChecksum.at + kChecksum.size;
    sum += own ? static_cast<unsigned char>(' ') : static_cast<unsigned char>(block[i]);
  }
  return sum;
}

}  // namespace

std::string tar_header(std::string_view name, std::uint64_t size, std::int64_t modified_s) {
  std::string block(kTarBlock, '\0');
  put(block, kName, name.substr(0, kName.size - 1));
  put_number(block, kMode, 0600);
  put_number(block, kUid, 0);
  put_number(block, kGid, 0);
  put_number(block, kSize, size);
  put_number(block, kTime, static_cast<std::uint64_t>(std::max<std::int64_t>(0, modified_s)));
  put(block, kType, "0");
  put(block, kMagic, kUstar);
  put_number(block, {kChecksum.at, 7}, checksum(block));
  block[kChecksum.at + 7] = ' ';
  return block;
}

Result<TarMember> parse_tar_header(std::string_view block) {
  if (block.size() != kTarBlock || block.substr(kMagic.at, 5) != "ustar")
    return Error{Errc::corrupt, "it is no tar file"};
  const auto sum = number(block, kChecksum);
  if (!sum || *sum != checksum(block)) return Error{Errc::corrupt, "a tar header is damaged"};
  const auto size = number(block, kSize);
  if (!size) return size.error();
  const char type = block[kType.at];
  if (type != '0' && type != '\0') return Error{Errc::corrupt, "a member of the tar is no plain file"};
  const std::string_view name = block.substr(kName.at, kName.size);
  return TarMember{std::string(name.substr(0, std::min(name.find('\0'), name.size()))), *size};
}

}  // namespace tocsin::broker::backup
