#include "twinctl/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "twin/canonical.h"

namespace mvmd {
namespace {

// Code points, which is the width of everything but wide East Asian text.
size_t Width(absl::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

bool HasText(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

void AppendJson(const Json& value, bool pretty, size_t depth, std::string* out) {
  const auto new_line = [&](size_t level) {
    if (!pretty) return;
    out->push_back('\n');
    out->append(2 * level, ' ');
  };
  if (value.is_array() && !value.elements().empty()) {
    const char* separator = "[";
    for (const Json& element : value.elements()) {
      out->append(separator);
      new_line(depth + 1);
      AppendJson(element, pretty, depth + 1, out);
      separator = ",";
    }
    new_line(depth);
    out->push_back(']');
  } else if (value.is_object() && !value.members().empty()) {
    const char* separator = "{";
    for (const auto& [name, member] : value.members()) {
      out->append(separator);
      new_line(depth + 1);
      AppendCanonicalString(name, out);
      out->append(pretty ? ": " : ":");
      AppendJson(member, pretty, depth + 1, out);
      separator = ",";
    }
    new_line(depth);
    out->push_back('}');
  } else {
    AppendCanonical(value, out);
  }
}

winsize TerminalSize() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) {
    size.ws_row = 24;
    size.ws_col = 80;
  }
  return size;
}

}  // namespace

Console Console::Standard() {
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  const char* kind = std::getenv("TERM");
  const bool dumb = kind == nullptr || absl::string_view(kind) == "dumb";
  return Console(std::cout, std::cerr, terminal && !dumb, terminal && !dumb && !HasText("NO_COLOR"));
}

std::string Console::Paint(Colour colour, absl::string_view text) const {
  static constexpr const char* kCodes[] = {"", "\x1b[2m", "\x1b[32m", "\x1b[33m", "\x1b[31m"};
  if (!colour_ || colour == Colour::kNone) return std::string(text);
  return absl::StrCat(kCodes[static_cast<int>(colour)], text, "\x1b[0m");
}

int Console::rows() const { return TerminalSize().ws_row; }
int Console::columns() const { return TerminalSize().ws_col; }

void Table::AddRow(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = Printable(cell);
  cells.resize(rows_.front().size());
  rows_.push_back(std::move(cells));
}

std::vector<std::string> Table::Lines() const {
  std::vector<size_t> widths = widths_;
  widths.resize(rows_.front().size());
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  std::vector<std::string> lines;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      line.append(widths[i] - Width(row[i]) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    lines.push_back(line + "\n");
  }
  return lines;
}

std::string Table::Render() const { return absl::StrJoin(Lines(), ""); }

std::string Table::Drain() {
  std::vector<std::string> lines = Lines();
  if (!widths_.empty()) lines.erase(lines.begin());
  widths_.resize(rows_.front().size());
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths_[i] = std::max(widths_[i], Width(row[i]));
  }
  rows_.resize(1);
  return absl::StrJoin(lines, "");
}

std::string Printable(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool c1 = byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (c1) {
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<unsigned char>(text[++i]));
    } else if (byte < 0x20 || byte == 0x7F) {
      absl::StrAppendFormat(&out, "\\x%02x", byte);
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::string CompactJson(const Json& value) {
  std::string out;
  AppendJson(value, /*pretty=*/false, 0, &out);
  return out;
}

std::string PrettyJson(const Json& value) {
  std::string out;
  AppendJson(value, /*pretty=*/true, 0, &out);
  return out;
}

Json ValueJson(const SampleValue& value) {
  if (const auto* number = std::get_if<double>(&value)) return Json::Number(*number);
  if (const auto* boolean = std::get_if<bool>(&value)) return Json::Bool(*boolean);
  return Json::String(std::get<std::string>(value));
}

std::string ValueText(const SampleValue& value) {
  const auto* text = std::get_if<std::string>(&value);
  return text != nullptr ? *text : CompactJson(ValueJson(value));
}

}  // namespace mvmd
