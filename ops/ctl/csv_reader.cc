#include "ops/ctl/csv_reader.h"

#include <string_view>

namespace tocsin::ops {

Result<int> CsvReader::byte() {
  if (used_ == filled_) {
    auto n = source_.read(block_.data(), block_.size());
    if (!n) return n.error();
    used_ = 0;
    filled_ = *n;
    if (filled_ == 0) return -1;
    if (first_ && std::string_view(block_.data(), filled_).starts_with("\xEF\xBB\xBF")) used_ = 3;
    first_ = false;
    if (used_ == filled_) return byte();
  }
  return static_cast<unsigned char>(block_[used_++]);
}

Error CsvReader::broken(std::string_view what) const {
  return {Errc::invalid_argument, "line " + std::to_string(record_line_) + ": " + std::string(what)};
}

Result<bool> CsvReader::next(std::vector<std::string>& fields) {
  fields.clear();
  State state = State::field_start;
  std::string field;
  std::size_t size = 0;
  record_line_ = line_;
  const auto end_field = [&] {
    fields.push_back(std::move(field));
    field.clear();
    state = State::field_start;
  };
  for (;;) {
    auto got = byte();
    if (!got) return got.error();
    const int c = *got;
    if (c == '\n') ++line_;
    if (c == -1 && state == State::quoted) return broken("a quote is not closed before the end of the file");
    if (c == -1 && fields.empty() && field.empty() && state == State::field_start) return false;
    if (++size > kMaxRecord)
      return Error{Errc::too_large, broken("longer than 1 MiB; is a quote missing?").detail};

    if (state == State::quoted) {
      if (c == '"')
        state = State::quote_in_quoted;
      else
        field += static_cast<char>(c);
    } else if (c == '"' && state == State::field_start) {
      state = State::quoted;
    } else if (c == '"' && state == State::quote_in_quoted) {
      field += '"';
      state = State::quoted;
    } else if (c == ',') {
      end_field();
    } else if (c == '\n' || c == -1) {
      if (fields.empty() && field.empty() && state == State::field_start) {
        record_line_ = line_;
        size = 0;
        continue;
      }
      end_field();
      return true;
    } else if (c == '\r') {
      continue;  // the CR of CRLF; a lone one means nothing in this format
    } else if (state == State::quote_in_quoted) {
      return broken("text behind a closing quote");
    } else {
      field += static_cast<char>(c);
      state = State::plain;
    }
  }
}

}  // namespace tocsin::ops
