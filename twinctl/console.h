// Where twinctl prints: tables for people, JSON for programs.
#ifndef MVMD_TWINCTL_CONSOLE_H_
#define MVMD_TWINCTL_CONSOLE_H_

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "twin/json.h"
#include "twin/sample.h"

namespace mvmd {

enum class OutputFormat { kTable, kJson, kJsonLines };

enum class Colour { kNone, kDim, kGreen, kYellow, kRed };

// Standard output and error of one run. Not thread-safe.
class Console {
 public:
  // `terminal`: a person looks at `out`, which can be redrawn. `colour`: escape sequences for colour may be used.
  Console(std::ostream& out, std::ostream& err, bool terminal, bool colour)
      : out_(out), err_(err), terminal_(terminal), colour_(colour) {}

  // On std::cout and std::cerr; colour on a terminal unless NO_COLOR is set (https://no-color.org) or TERM is `dumb`.
  static Console Standard();

  std::ostream& out() { return out_; }
  std::ostream& err() { return err_; }
  bool terminal() const { return terminal_; }
  // `text` in this colour, where colour may be used.
  std::string Paint(Colour colour, absl::string_view text) const;

  // Rows and columns of the terminal; 24 and 80 when they are not known.
  int rows() const;
  int columns() const;

 private:
  std::ostream& out_;
  std::ostream& err_;
  bool terminal_;
  bool colour_;
};

// Columns that are as wide as their widest cell.
//
//   Table table({"SENSOR", "VALUE"});
//   table.AddRow({"temp-1", "42.3"});
//   console.out() << table.Render();
class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
  // As many cells as the header has. Texts from outside are made printable.
  void AddRow(std::vector<std::string> cells);
  // Lines without trailing blanks, each with its end; header first.
  std::vector<std::string> Lines() const;
  std::string Render() const;
  // For long tables: the lines of the rows since the last call, the header with the first ones only.
  std::string Drain();

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<size_t> widths_;  // of what was drained
};

// `text` with control characters (C0, DEL, C1) as `\xNN`, so that nothing from outside can drive the terminal.
std::string Printable(absl::string_view text);

// JSON with the members in the tree's order: on one line, or indented by two blanks. No line end.
std::string CompactJson(const Json& value);
std::string PrettyJson(const Json& value);

// A value as a person reads it, and as JSON.
std::string ValueText(const SampleValue& value);
Json ValueJson(const SampleValue& value);

}  // namespace mvmd

#endif  // MVMD_TWINCTL_CONSOLE_H_
