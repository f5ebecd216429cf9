// MQTT topic filters with names, and templates filled from them.
#ifndef MVMD_BRIDGE_TOPIC_PATTERN_H_
#define MVMD_BRIDGE_TOPIC_PATTERN_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mvmd {

// `plant/{machine}/sensors/{sensor}`, `umh/v1/{path...}`, `a/+/b/#`. A `{name}` stands for one whole level, `{name...}`
// as the last level for one level or more, `+` and `#` as in MQTT 3.1.1, section 4.7. Immutable, thread-safe.
class TopicPattern {
 public:
  // INVALID_ARGUMENT says what is wrong and where.
  static absl::StatusOr<TopicPattern> Parse(absl::string_view text);

  // The values of names(), in their order, as views of `topic`; false when the topic does not match. `captures` is
  // overwritten. A topic that begins with `$` is not matched by a wildcard at the first level.
  bool Match(absl::string_view topic, std::vector<absl::string_view>* captures) const;

  // What to subscribe to.
  const std::string& filter() const { return filter_; }
  const std::vector<std::string>& names() const { return names_; }

 private:
  enum class Kind { kLiteral, kOne, kNamed, kRest, kNamedRest };
  struct Level {
    Kind kind;
    std::string text;  // of a literal
  };
  std::string filter_;
  std::vector<Level> levels_;
  std::vector<std::string> names_;
};

// `press-{machine}` or `{reading}`: text with names of a TopicPattern, or `{reading}`. Immutable, thread-safe.
class NameTemplate {
 public:
  // `names` are those that may be used beside `reading`. INVALID_ARGUMENT names the unknown one and the known ones.
  static absl::StatusOr<NameTemplate> Parse(absl::string_view text, const std::vector<std::string>& names);

  // `out` is overwritten.
  void Fill(const std::vector<absl::string_view>& captures, absl::string_view reading, std::string* out) const;

  bool uses_reading() const { return uses_reading_; }

 private:
  struct Part {
    std::string text;
    int capture = kNone;  // index into captures, kReading or kNone
  };
  static constexpr int kNone = -1;
  static constexpr int kReading = -2;
  std::vector<Part> parts_;
  bool uses_reading_ = false;
};

}  // namespace mvmd

#endif  // MVMD_BRIDGE_TOPIC_PATTERN_H_
