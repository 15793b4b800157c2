#include "ops/ctl/csv_reader.h"

#include <doctest/doctest.h>
#include <lzma.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace tocsin::ops {
namespace {

/// Gives `text` in parts of `step` bytes, so that records cross block borders.
class TextSource final : public ByteSource {
 public:
  explicit TextSource(std::string text, std::size_t step = 3) : text_(std::move(text)), step_(step) {}
  Result<std::size_t> read(char* into, std::size_t size) override {
    const std::size_t n = std::min({size, step_, text_.size() - at_});
    std::memcpy(into, text_.data() + at_, n);
    at_ += n;
    return n;
  }

 private:
  std::string text_;
  std::size_t step_;
  std::size_t at_ = 0;
};

/// "a|b;c" for two records; an error is shown with its detail.
std::string records(const std::string& text) {
  TextSource source(text);
  CsvReader reader(source);
  std::vector<std::string> fields;
  std::string out;
  for (;;) {
    const auto more = reader.next(fields);
    if (!more) return out + "error: " + more.error().detail;
    if (!*more) return out;
    for (const auto& f : fields) out += f + "|";
    out += ";";
  }
}

std::string packed(const std::string& text) {
  std::string out(text.size() + 1024, '\0');
  std::size_t size = 0;
  REQUIRE(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, nullptr,
                                  reinterpret_cast<const std::uint8_t*>(text.data()), text.size(),
                                  reinterpret_cast<std::uint8_t*>(out.data()), &size, out.size()) == LZMA_OK);
  out.resize(size);
  return out;
}

Result<std::string> drain(ByteSource& source) {
  std::string out;
  char part[100];
  for (;;) {
    const auto n = source.read(part, sizeof part);
    if (!n) return n.error();
    if (*n == 0) return out;
    out.append(part, *n);
  }
}

TEST_SUITE("CsvReader") {
  TEST_CASE("records come as RFC 4180 says") {
    struct Row {
      const char* name;
      const char* text;
      const char* expect;
    };
    const Row rows[] = {
        {"plain", "a,b\nc,d\n", "a|b|;c|d|;"},
        {"no newline at the end", "a,b", "a|b|;"},
        {"CRLF", "a,b\r\nc,d\r\n", "a|b|;c|d|;"},
        {"quoted comma, quote and line break", "\"a,1\",\"say \"\"hi\"\"\",\"x\ny\"\n",
         "a,1|say \"hi\"|x\ny|;"},
        {"empty fields", ",\na,,\n", "||;a|||;"},
        {"an empty quoted field alone", "\"\"\n", "|;"},
        {"blank lines are passed over", "\n\na\n\n", "a|;"},
        {"byte order mark",
         "\xEF\xBB\xBF"
         "a\n",
         "a|;"},
        {"nothing", "", ""},
        {"quote never closed", "a\n\"b,c\n",
         "a|;error: line 2: a quote is not closed before the end of the file"},
        {"text behind a quote", "\"a\"b\n", "error: line 1: text behind a closing quote"},
    };
    for (const Row& row : rows) {
      CAPTURE(row.name);
      CHECK(records(row.text) == row.expect);
    }
  }
  TEST_CASE("the line of a record counts the breaks inside quotes") {
    TextSource source("\"a\nb\"\nc\n");
    CsvReader reader(source);
    std::vector<std::string> fields;
    REQUIRE(*reader.next(fields));
    CHECK(reader.line() == 1);
    REQUIRE(*reader.next(fields));
    CHECK(reader.line() == 3);
  }
  TEST_CASE("a record without end is refused, not collected") {
    CHECK(records("\"" + std::string(CsvReader::kMaxRecord + 10, 'x')) ==
          "error: line 1: longer than 1 MiB; is a quote missing?");
  }
}

TEST_SUITE("xz") {
  TEST_CASE("what was packed comes back, from one stream or several") {
    const std::string text(100'000, 'q');
    auto one = unpack_xz(std::make_unique<TextSource>(packed(text), 1000));
    CHECK(*drain(*one) == text);
    auto two = unpack_xz(std::make_unique<TextSource>(packed("first") + packed("second"), 7));
    CHECK(*drain(*two) == "firstsecond");
  }
  TEST_CASE("damage is an error, never a short file") {
    const std::string whole = packed("some text that matters");
    auto cut = unpack_xz(std::make_unique<TextSource>(whole.substr(0, whole.size() - 5)));
    CHECK(drain(*cut).error().code == Errc::corrupt);
    std::string flipped = whole;
    flipped[whole.size() / 2] = static_cast<char>(~flipped[whole.size() / 2]);
    auto damaged = unpack_xz(std::make_unique<TextSource>(flipped));
    CHECK(drain(*damaged).error().code == Errc::corrupt);
    auto other = unpack_xz(std::make_unique<TextSource>("number,incident_state"));
    CHECK(drain(*other).error().detail == "not xz data");
  }
}

}  // namespace
}  // namespace tocsin::ops
