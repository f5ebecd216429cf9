#include "bridge/topic_pattern.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace mvmd {
namespace {

constexpr size_t kFilterBytesMax = 65535;  // MQTT 3.1.1, section 1.5.3

bool IsName(absl::string_view name) {
  if (name.empty() || (!absl::ascii_isalpha(name[0]) && name[0] != '_')) return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return absl::ascii_isalnum(c) || c == '_'; });
}

}  // namespace

absl::StatusOr<TopicPattern> TopicPattern::Parse(absl::string_view text) {
  if (text.empty()) return absl::InvalidArgumentError("expected a topic filter, got nothing");
  if (text.size() > kFilterBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected a topic filter of at most ", kFilterBytesMax, " bytes, got ", text.size()));
  }
  if (absl::StrContains(text, absl::string_view("\0", 1))) {
    return absl::InvalidArgumentError("expected a topic filter without NUL characters");
  }
  TopicPattern pattern;
  std::vector<std::string> filter;
  const std::vector<absl::string_view> levels = absl::StrSplit(text, '/');
  for (size_t i = 0; i < levels.size(); ++i) {
    absl::string_view level = levels[i];
    const bool last = i + 1 == levels.size();
    auto wrong = [&](absl::string_view what) {
      return absl::InvalidArgumentError(absl::StrCat("level ", i + 1, " `", level, "`: ", what));
    };
    if (level == "+") {
      pattern.levels_.push_back({Kind::kOne, ""});
      filter.emplace_back("+");
    } else if (level == "#") {
      if (!last) return wrong("`#` must be the last level");
      pattern.levels_.push_back({Kind::kRest, ""});
      filter.emplace_back("#");
    } else if (absl::StartsWith(level, "{") && absl::EndsWith(level, "}") && level.size() > 2) {
      absl::string_view name = level.substr(1, level.size() - 2);
      const bool rest = absl::ConsumeSuffix(&name, "...");
      if (!IsName(name)) return wrong("expected a name of letters, digits and `_` in braces");
      if (name == "reading") return wrong("`reading` is taken: it is the name that the decoder gives");
      if (rest && !last) return wrong("`{name...}` must be the last level");
      if (std::find(pattern.names_.begin(), pattern.names_.end(), name) != pattern.names_.end()) {
        return wrong("this name is used twice");
      }
      pattern.names_.emplace_back(name);
      pattern.levels_.push_back({rest ? Kind::kNamedRest : Kind::kNamed, ""});
      filter.emplace_back(rest ? "#" : "+");
    } else if (level.find_first_of("+#{}") != absl::string_view::npos) {
      return wrong("`+`, `#` and `{name}` must stand for a whole level");
    } else {
      pattern.levels_.push_back({Kind::kLiteral, std::string(level)});
      filter.emplace_back(level);
    }
  }
  pattern.filter_ = absl::StrJoin(filter, "/");
  return pattern;
}

bool TopicPattern::Match(absl::string_view topic, std::vector<absl::string_view>* captures) const {
  captures->clear();
  if (absl::StartsWith(topic, "$") && levels_.front().kind != Kind::kLiteral) return false;
  size_t begin = 0;  // of the topic's next level; past the end when there is none
  for (const Level& level : levels_) {
    const bool none_left = begin > topic.size();
    if (level.kind == Kind::kRest) return true;  // `a/#` also matches `a`
    if (none_left) return false;
    if (level.kind == Kind::kNamedRest) {
      captures->push_back(topic.substr(begin));
      return !captures->back().empty();
    }
    const size_t end = std::min(topic.find('/', begin), topic.size());
    const absl::string_view part = topic.substr(begin, end - begin);
    if (level.kind == Kind::kLiteral && part != level.text) return false;
    if (level.kind == Kind::kNamed) {
      if (part.empty()) return false;
      captures->push_back(part);
    }
    begin = end + 1;
  }
  return begin > topic.size();
}

absl::StatusOr<NameTemplate> NameTemplate::Parse(absl::string_view text, const std::vector<std::string>& names) {
  if (text.empty()) return absl::InvalidArgumentError("expected a text, for example `{reading}`, got nothing");
  NameTemplate result;
  while (!text.empty()) {
    const size_t open = text.find('{');
    if (open != 0) {
      const absl::string_view literal = text.substr(0, open);
      if (absl::StrContains(literal, "}")) return absl::InvalidArgumentError("`}` without `{`");
      result.parts_.push_back({std::string(literal), kNone});
      text.remove_prefix(literal.size());
      continue;
    }
    const size_t close = text.find('}');
    if (close == absl::string_view::npos) return absl::InvalidArgumentError("`{` without `}`");
    const absl::string_view name = text.substr(1, close - 1);
    text.remove_prefix(close + 1);
    if (name == "reading") {
      result.uses_reading_ = true;
      result.parts_.push_back({"", kReading});
      continue;
    }
    auto it = std::find(names.begin(), names.end(), name);
    if (it == names.end()) {
      return absl::InvalidArgumentError(absl::StrCat("unknown name `{", name,
                                                     "}`; the topic has: ", absl::StrJoin(names, ", "),
                                                     names.empty() ? "none" : "", "; and `{reading}`"));
    }
    result.parts_.push_back({"", static_cast<int>(it - names.begin())});
  }
  return result;
}

void NameTemplate::Fill(const std::vector<absl::string_view>& captures, absl::string_view reading,
                        std::string* out) const {
  out->clear();
  for (const Part& part : parts_) {
    absl::string_view text = part.text;
    if (part.capture == kReading) {
      text = reading;
    } else if (part.capture >= 0) {
      text = captures[static_cast<size_t>(part.capture)];
    }
    out->append(text.data(), text.size());
  }
}

}  // namespace mvmd
