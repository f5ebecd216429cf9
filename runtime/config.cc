#include "runtime/config.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <sstream>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "google/protobuf/descriptor.h"

namespace mvmd {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr size_t kErrorsMax = 100;
constexpr size_t kNodesMax = 100'000;
constexpr char kDurationType[] = "google.protobuf.Duration";

// ---- YAML -> tree with lines
// -----------------------------------------------------------------------------------------

struct Node {
  enum class Kind { kNothing, kScalar, kSequence, kMapping };
  Kind kind = Kind::kNothing;
  int line = 0;
  std::string scalar;
  std::vector<std::unique_ptr<Node>> items;                                      // of a sequence
  std::vector<std::pair<std::unique_ptr<Node>, std::unique_ptr<Node>>> members;  // of a mapping
};

// Builds the tree from the parser's events. yaml-cpp's own nodes lose duplicate keys and expand aliases.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(ConfigErrors* errors) : errors_(errors) {}

  std::unique_ptr<Node> TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Add(Node::Kind::kNothing, mark, "", anchor, "");
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Refuse(mark, "expected a value, got an alias (*name); write the value again");
    Add(Node::Kind::kNothing, mark, "", 0, "");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Add(Node::Kind::kScalar, mark, tag, anchor, value);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open_.push_back({Add(Node::Kind::kSequence, mark, tag, anchor, ""), nullptr});
  }
  void OnSequenceEnd() override { open_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open_.push_back({Add(Node::Kind::kMapping, mark, tag, anchor, ""), nullptr});
  }
  void OnMapEnd() override { open_.pop_back(); }

 private:
  struct Open {
    Node* node;
    std::unique_ptr<Node> key;  // of the member whose value comes next
  };

  void Refuse(const YAML::Mark& mark, absl::string_view message) { errors_->AddAtLine(mark.line + 1, "", message); }

  Node* Add(Node::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            const std::string& scalar) {
    if (++count_ > kNodesMax) {
      throw YAML::ParserException(mark, absl::StrCat("more than ", kNodesMax, " values"));
    }
    if (anchor != 0) Refuse(mark, "expected a value, got an anchor (&name); anchors and aliases are not supported");
    // "?" and "!" are the parser's own names for plain and quoted.
    if (!tag.empty() && tag != "?" && tag != "!") {
      Refuse(mark, absl::StrCat("expected a plain value, got the tag ", tag, "; tags are not supported"));
    }
    auto node = std::make_unique<Node>();
    node->kind = kind;
    node->line = mark.line + 1;
    node->scalar = scalar;
    Node* const raw = node.get();
    if (open_.empty()) {
      root_ = std::move(node);
    } else if (open_.back().node->kind == Node::Kind::kSequence) {
      open_.back().node->items.push_back(std::move(node));
    } else if (open_.back().key == nullptr) {
      open_.back().key = std::move(node);
    } else {
      open_.back().node->members.emplace_back(std::move(open_.back().key), std::move(node));
    }
    return raw;
  }

  ConfigErrors* const errors_;
  std::unique_ptr<Node> root_;
  std::vector<Open> open_;
  size_t count_ = 0;
};

// Null when the text is no YAML; the error is added.
std::unique_ptr<Node> ParseTree(absl::string_view yaml, ConfigErrors* errors) {
  std::istringstream stream{std::string(yaml)};
  try {
    YAML::Parser parser(stream);
    TreeBuilder builder(errors);
    if (!parser.HandleNextDocument(builder)) return std::make_unique<Node>();
    TreeBuilder second(errors);
    if (parser.HandleNextDocument(second)) {
      const std::unique_ptr<Node> more = second.TakeRoot();
      errors->AddAtLine(more == nullptr ? 0 : more->line, "", "expected one document, got a second one after ---");
    }
    std::unique_ptr<Node> root = builder.TakeRoot();
    return root == nullptr ? std::make_unique<Node>() : std::move(root);
  } catch (const YAML::Exception& e) {
    errors->AddAtLine(e.mark.line + 1, "", absl::StrCat("not YAML: ", e.msg, " (column ", e.mark.column + 1, ")"));
    return nullptr;
  }
}

// ---- texts of errors
// -------------------------------------------------------------------------------------------------

std::string Quoted(absl::string_view text) {
  constexpr size_t kShown = 60;
  if (text.size() <= kShown) return absl::StrCat("\"", absl::Utf8SafeCHexEscape(text), "\"");
  return absl::StrCat("\"", absl::Utf8SafeCHexEscape(text.substr(0, kShown)), "...\"");
}

std::string Shown(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNothing:
      return "nothing";
    case Node::Kind::kSequence:
      return "a sequence";
    case Node::Kind::kMapping:
      return "a mapping";
    case Node::Kind::kScalar:
      break;
  }
  return Quoted(node.scalar);
}

std::string Child(absl::string_view path, absl::string_view name) {
  return path.empty() ? std::string(name) : absl::StrCat(path, ".", name);
}

// Edits that turn one text into the other: a character more, less or different, or two neighbours swapped.
size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

std::string UnknownKey(absl::string_view key, const Descriptor& type) {
  const std::string message = absl::StrCat("unknown key ", Quoted(key));
  if (key.size() <= 64) {
    const std::string normal = absl::StrReplaceAll(absl::AsciiStrToLower(key), {{"-", "_"}});
    const FieldDescriptor* nearest = nullptr;
    size_t nearest_distance = std::numeric_limits<size_t>::max();
    for (int i = 0; i < type.field_count(); ++i) {
      // camelCase is nearest to its own name once the underscores are gone.
      const std::string& name = type.field(i)->name();
      const size_t distance =
          std::min(Distance(normal, name), Distance(normal, absl::StrReplaceAll(name, {{"_", ""}})));
      if (distance < nearest_distance) {
        nearest = type.field(i);
        nearest_distance = distance;
      }
    }
    if (nearest != nullptr && nearest_distance <= std::max<size_t>(1, key.size() / 3)) {
      return absl::StrCat(message, ", did you mean ", nearest->name(), "?");
    }
  }
  std::vector<absl::string_view> names;
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  return absl::StrCat(message, ", expected one of ", absl::StrJoin(names, ", "));
}

// ---- tree -> message
// -------------------------------------------------------------------------------------------------

// Decimal without leading zeros (YAML 1.1 would read them as octal), plus sign or spaces.
bool IsDecimal(absl::string_view text) {
  absl::ConsumePrefix(&text, "-");
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); });
}

bool IsBytesField(const FieldDescriptor& field) {
  return absl::EndsWith(field.name(), "_bytes") &&
         (field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64 || field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32);
}

class Filler {
 public:
  explicit Filler(ConfigErrors* errors) : errors_(errors) {}

  void FillMessage(const Node& node, const std::string& path, Message* message) {
    if (node.kind != Node::Kind::kMapping) {
      Wrong(node, path, node.kind == Node::Kind::kNothing ? "a mapping ({} for all defaults)" : "a mapping");
      return;
    }
    const Descriptor& type = *message->GetDescriptor();
    std::map<std::string, int> seen;
    for (const auto& [key, value] : node.members) {
      if (key->kind != Node::Kind::kScalar) {
        errors_->AddAtLine(key->line, path, absl::StrCat("expected a key, got ", Shown(*key)));
        continue;
      }
      const FieldDescriptor* const field = type.FindFieldByName(key->scalar);
      if (field == nullptr) {
        errors_->AddAtLine(key->line, path, UnknownKey(key->scalar, type));
        continue;
      }
      const std::string field_path = Child(path, field->name());
      if (const auto [it, is_new] = seen.emplace(key->scalar, key->line); !is_new) {
        errors_->AddAtLine(key->line, field_path, absl::StrCat("duplicate key, first on line ", it->second));
        continue;
      }
      errors_->SetLine(field_path, key->line);
      FillField(*value, field_path, *field, message);
    }
  }

 private:
  void Wrong(const Node& node, const std::string& path, absl::string_view expected) {
    // The parser notices that a value is missing only on a later line.
    const int line = node.kind == Node::Kind::kNothing ? errors_->LineOf(path) : node.line;
    errors_->AddAtLine(line, path, absl::StrCat("expected ", expected, ", got ", Shown(node)));
  }

  void FillField(const Node& node, const std::string& path, const FieldDescriptor& field, Message* message) {
    const Reflection& reflection = *message->GetReflection();
    if (field.is_repeated()) {
      if (node.kind != Node::Kind::kSequence) {
        Wrong(node, path, "a sequence");
        return;
      }
      for (size_t i = 0; i < node.items.size(); ++i) {
        const std::string item_path = absl::StrCat(path, "[", i, "]");
        errors_->SetLine(item_path, node.items[i]->line);
        FillValue(*node.items[i], item_path, field, message);
      }
      return;
    }
    if (const auto* oneof = field.real_containing_oneof(); oneof != nullptr) {
      if (const FieldDescriptor* other = reflection.GetOneofFieldDescriptor(*message, oneof); other != nullptr) {
        errors_->AddAtLine(errors_->LineOf(path), path,
                           absl::StrCat("expected one ", oneof->name(), " only, got this beside ", other->name()));
        return;
      }
    }
    FillValue(node, path, field, message);
  }

  // Sets the field, or appends to it when it is repeated.
  void FillValue(const Node& node, const std::string& path, const FieldDescriptor& field, Message* message) {
    const Reflection& reflection = *message->GetReflection();
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      Message* const part =
          field.is_repeated() ? reflection.AddMessage(message, &field) : reflection.MutableMessage(message, &field);
      if (field.message_type()->full_name() == kDurationType) {
        FillDuration(node, path, static_cast<google::protobuf::Duration*>(part));
      } else {
        FillMessage(node, path, part);
      }
      return;
    }
    if (node.kind != Node::Kind::kScalar) {
      Wrong(node, path, ExpectedOf(field));
      return;
    }
    if (!SetScalar(node.scalar, field, message)) Wrong(node, path, ExpectedOf(field));
  }

  void FillDuration(const Node& node, const std::string& path, google::protobuf::Duration* duration) {
    absl::Duration value;
    if (node.kind != Node::Kind::kScalar || !ParseConfigDuration(node.scalar, &value)) {
      Wrong(node, path, "a duration such as 50ms");
      return;
    }
    *duration = ToProtoDuration(value);
  }

  static std::string ExpectedOf(const FieldDescriptor& field) {
    if (IsBytesField(field)) return "a size in bytes such as 65536 or 64KiB";
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        return "a text";
      case FieldDescriptor::CPPTYPE_BOOL:
        return "true or false";
      case FieldDescriptor::CPPTYPE_INT32:
        return "a number from -2147483648 to 2147483647";
      case FieldDescriptor::CPPTYPE_UINT32:
        return "a number from 0 to 4294967295";
      case FieldDescriptor::CPPTYPE_INT64:
        return "a whole number";
      case FieldDescriptor::CPPTYPE_UINT64:
        return "a whole number, not negative";
      case FieldDescriptor::CPPTYPE_FLOAT:
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return "a number";
      case FieldDescriptor::CPPTYPE_ENUM: {
        std::vector<std::string> names;
        for (int i = 0; i < field.enum_type()->value_count(); ++i) {
          const EnumValueDescriptor& value = *field.enum_type()->value(i);
          if (value.number() != 0) names.push_back(EnumName(value));
        }
        return absl::StrCat("one of ", absl::StrJoin(names, ", "));
      }
      case FieldDescriptor::CPPTYPE_MESSAGE:
        break;
    }
    return "a mapping";
  }

  // `LANE_LIVE` of `enum Lane` -> `live`.
  static std::string EnumName(const EnumValueDescriptor& value) {
    std::string prefix;
    for (const char c : value.type()->name()) {
      if (absl::ascii_isupper(static_cast<unsigned char>(c)) && !prefix.empty()) prefix.push_back('_');
      prefix.push_back(absl::ascii_toupper(static_cast<unsigned char>(c)));
    }
    absl::string_view name = value.name();
    absl::ConsumePrefix(&name, absl::StrCat(prefix, "_"));
    return absl::AsciiStrToLower(name);
  }

  template <typename T>
  static bool Integer(const std::string& text, const FieldDescriptor& field, T* value) {
    if (IsBytesField(field)) {
      uint64_t bytes = 0;
      if (!ParseConfigBytes(text, &bytes) || bytes > static_cast<uint64_t>(std::numeric_limits<T>::max())) return false;
      *value = static_cast<T>(bytes);
      return true;
    }
    return IsDecimal(text) && absl::SimpleAtoi(text, value);
  }

  static bool Number(const std::string& text, double* value) {
    const bool plain = text.find_first_not_of("0123456789.eE+-") == std::string::npos;
    return plain && absl::SimpleAtod(text, value) && std::isfinite(*value);
  }

  static bool SetScalar(const std::string& text, const FieldDescriptor& field, Message* message) {
    const Reflection& reflection = *message->GetReflection();
    const auto put = [&](auto value, auto set, auto add) {
      if (field.is_repeated()) {
        (reflection.*add)(message, &field, value);
      } else {
        (reflection.*set)(message, &field, value);
      }
      return true;
    };
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        if (field.is_repeated()) {
          reflection.AddString(message, &field, text);
        } else {
          reflection.SetString(message, &field, text);
        }
        return true;
      case FieldDescriptor::CPPTYPE_BOOL:
        return (text == "true" || text == "false") && put(text == "true", &Reflection::SetBool, &Reflection::AddBool);
      case FieldDescriptor::CPPTYPE_INT32: {
        int32_t value = 0;
        return Integer(text, field, &value) && put(value, &Reflection::SetInt32, &Reflection::AddInt32);
      }
      case FieldDescriptor::CPPTYPE_UINT32: {
        uint32_t value = 0;
        return Integer(text, field, &value) && put(value, &Reflection::SetUInt32, &Reflection::AddUInt32);
      }
      case FieldDescriptor::CPPTYPE_INT64: {
        int64_t value = 0;
        return Integer(text, field, &value) && put(value, &Reflection::SetInt64, &Reflection::AddInt64);
      }
      case FieldDescriptor::CPPTYPE_UINT64: {
        uint64_t value = 0;
        return Integer(text, field, &value) && put(value, &Reflection::SetUInt64, &Reflection::AddUInt64);
      }
      case FieldDescriptor::CPPTYPE_DOUBLE: {
        double value = 0;
        return Number(text, &value) && put(value, &Reflection::SetDouble, &Reflection::AddDouble);
      }
      case FieldDescriptor::CPPTYPE_FLOAT: {
        double value = 0;
        return Number(text, &value) && std::abs(value) <= double{std::numeric_limits<float>::max()} &&
               put(static_cast<float>(value), &Reflection::SetFloat, &Reflection::AddFloat);
      }
      case FieldDescriptor::CPPTYPE_ENUM:
        for (int i = 0; i < field.enum_type()->value_count(); ++i) {
          const EnumValueDescriptor* value = field.enum_type()->value(i);
          if (value->number() != 0 && (text == value->name() || text == EnumName(*value))) {
            return put(value->number(), &Reflection::SetEnumValue, &Reflection::AddEnumValue);
          }
        }
        return false;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        break;
    }
    return false;
  }

  ConfigErrors* const errors_;
};

// ---- file
// ------------------------------------------------------------------------------------------------------------

absl::Status FileError(const std::string& path, int error) {
  return absl::ErrnoToStatus(error, absl::StrCat(path, ": expected a readable file, got"));
}

absl::StatusOr<std::string> ReadConfigFile(const std::string& path) {
  // O_NONBLOCK: a FIFO must not hang the start.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return FileError(path, errno);
  struct stat info {};
  std::string text;
  absl::Status status;
  if (fstat(fd, &info) != 0) {
    status = FileError(path, errno);
  } else if (!S_ISREG(info.st_mode)) {
    status = absl::InvalidArgumentError(absl::StrCat(path, ": expected a regular file, got something else"));
  } else {
    char buffer[65536];
    ssize_t n = 0;
    while (text.size() <= kConfigBytesMax && (n = read(fd, buffer, sizeof buffer)) > 0) {
      text.append(buffer, static_cast<size_t>(n));
    }
    if (n < 0) status = FileError(path, errno);
  }
  close(fd);
  if (!status.ok()) return status;
  return text;
}

}  // namespace

// ---- ConfigErrors
// ----------------------------------------------------------------------------------------------------

void ConfigErrors::Add(absl::string_view path, absl::string_view message) { AddAtLine(LineOf(path), path, message); }

void ConfigErrors::AddAtLine(int line, absl::string_view path, absl::string_view message) {
  if (errors_.size() == kErrorsMax) errors_.push_back({"", 0, "more errors are not shown"});
  if (errors_.size() > kErrorsMax) return;
  errors_.push_back({std::string(path), line, std::string(message)});
}

bool ConfigErrors::Has(absl::string_view path) const {
  return std::any_of(errors_.begin(), errors_.end(), [path](const ConfigError& error) {
    absl::string_view rest = error.path;
    return absl::ConsumePrefix(&rest, path) && (rest.empty() || rest[0] == '.' || rest[0] == '[');
  });
}

std::vector<ConfigError> ConfigErrors::errors() const {
  std::vector<ConfigError> sorted = errors_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const ConfigError& a, const ConfigError& b) {
    // Those without a line last.
    return (a.line == 0 ? std::numeric_limits<int>::max() : a.line) <
           (b.line == 0 ? std::numeric_limits<int>::max() : b.line);
  });
  return sorted;
}

std::string ConfigErrors::ToString() const {
  std::vector<std::string> lines;
  for (const ConfigError& error : errors()) {
    std::string line = origin_;
    if (error.line > 0) absl::StrAppend(&line, line.empty() ? "line " : ":", error.line);
    if (!line.empty()) line.append(": ");
    if (!error.path.empty()) absl::StrAppend(&line, error.path, ": ");
    lines.push_back(absl::StrCat(line, error.message));
  }
  return absl::StrJoin(lines, "\n");
}

absl::Status ConfigErrors::ToStatus() const { return ok() ? absl::OkStatus() : absl::InvalidArgumentError(ToString()); }

int ConfigErrors::LineOf(absl::string_view path) const {
  for (;;) {
    const auto it = lines_.find(std::string(path));
    if (it != lines_.end()) return it->second;
    const size_t cut = path.find_last_of(".[");
    if (cut == absl::string_view::npos) return 0;
    path = path.substr(0, cut);
  }
}

// ---- reading
// ---------------------------------------------------------------------------------------------------------

bool ParseYamlConfig(absl::string_view yaml, absl::string_view origin, Message* config, ConfigErrors* errors) {
  config->Clear();
  errors->set_origin(origin);
  if (yaml.size() > kConfigBytesMax) {
    errors->Add("", absl::StrCat("expected at most ", kConfigBytesMax, " bytes, got more"));
    return false;
  }
  const std::unique_ptr<Node> root = ParseTree(yaml, errors);
  // An empty file is a configuration of nothing but defaults.
  if (root != nullptr && root->kind != Node::Kind::kNothing) Filler(errors).FillMessage(*root, "", config);
  return errors->ok();
}

bool LoadYamlConfig(const std::string& path, Message* config, ConfigErrors* errors) {
  const absl::StatusOr<std::string> text = ReadConfigFile(path);
  if (text.ok()) return ParseYamlConfig(*text, path, config, errors);
  config->Clear();
  errors->set_origin(path);
  absl::string_view message = text.status().message();
  absl::ConsumePrefix(&message, absl::StrCat(path, ": "));
  errors->Add("", message);
  return false;
}

absl::Status ParseYamlConfig(absl::string_view yaml, absl::string_view origin, Message* config) {
  ConfigErrors errors;
  ParseYamlConfig(yaml, origin, config, &errors);
  return errors.ToStatus();
}

absl::Status LoadYamlConfig(const std::string& path, Message* config) {
  const absl::StatusOr<std::string> text = ReadConfigFile(path);
  if (!text.ok()) return text.status();
  return ParseYamlConfig(*text, path, config);
}

std::string ResolvePath(absl::string_view config_path, absl::string_view file) {
  if (file.empty() || file[0] == '/') return std::string(file);
  const size_t slash = config_path.rfind('/');
  if (slash == absl::string_view::npos) return std::string(file);
  return absl::StrCat(config_path.substr(0, slash + 1), file);
}

// ---- values
// ----------------------------------------------------------------------------------------------------------

bool ParseConfigDuration(absl::string_view text, absl::Duration* duration) {
  static const std::pair<absl::string_view, absl::Duration> kUnits[] = {
      {"ns", absl::Nanoseconds(1)}, {"us", absl::Microseconds(1)}, {"ms", absl::Milliseconds(1)},
      {"s", absl::Seconds(1)},      {"m", absl::Minutes(1)},       {"h", absl::Hours(1)},
      {"d", absl::Hours(24)}};
  const absl::Duration max = absl::Hours(24) * 36'525;
  if (text == "0") {
    *duration = absl::ZeroDuration();
    return true;
  }
  absl::Duration sum = absl::ZeroDuration();
  absl::Duration last_unit = absl::InfiniteDuration();
  if (text.empty() || text.size() > 64) return false;
  while (!text.empty()) {
    const size_t number_end = text.find_first_not_of("0123456789.");
    if (number_end == 0 || number_end == absl::string_view::npos) return false;
    const absl::string_view number = text.substr(0, number_end);
    text.remove_prefix(number_end);
    const size_t unit_end = std::min(text.find_first_of("0123456789."), text.size());
    const absl::string_view unit_name = text.substr(0, unit_end);
    text.remove_prefix(unit_end);
    const auto* unit = std::find_if(std::begin(kUnits), std::end(kUnits),
                                    [unit_name](const auto& candidate) { return candidate.first == unit_name; });
    // Larger units first, each at most once.
    if (unit == std::end(kUnits) || unit->second >= last_unit) return false;
    last_unit = unit->second;

    const size_t point = number.find('.');
    const absl::string_view whole = number.substr(0, point);
    const absl::string_view fraction = point == absl::string_view::npos ? "" : number.substr(point + 1);
    if (whole.empty() || whole.size() > 18 || fraction.size() > 9) return false;
    if (point != absl::string_view::npos && (fraction.empty() || fraction.find('.') != absl::string_view::npos)) {
      return false;
    }
    int64_t value = 0;
    if (!absl::SimpleAtoi(whole, &value)) return false;
    sum += value * unit->second;
    if (!fraction.empty()) {
      int64_t scale = 1;
      for (size_t i = 0; i < fraction.size(); ++i) scale *= 10;
      if (!absl::SimpleAtoi(fraction, &value)) return false;
      sum += value * unit->second / scale;
    }
    if (sum > max) return false;
  }
  *duration = sum;
  return true;
}

bool ParseConfigBytes(absl::string_view text, uint64_t* bytes) {
  static const std::pair<absl::string_view, uint64_t> kUnits[] = {
      {"", 1},          {"B", 1},         {"KB", 1'000},    {"MB", 1'000'000},         {"GB", 1'000'000'000},
      {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", uint64_t{1} << 40}};
  const size_t number_end = std::min(text.find_first_not_of("0123456789"), text.size());
  const absl::string_view number = text.substr(0, number_end);
  const absl::string_view unit_name = text.substr(number_end);
  const auto* unit = std::find_if(std::begin(kUnits), std::end(kUnits),
                                  [unit_name](const auto& candidate) { return candidate.first == unit_name; });
  uint64_t value = 0;
  if (unit == std::end(kUnits) || !IsDecimal(number) || !absl::SimpleAtoi(number, &value)) return false;
  if (value > std::numeric_limits<uint64_t>::max() / unit->second) return false;
  *bytes = value * unit->second;
  return true;
}

bool ParseHostPort(absl::string_view text, std::string* host, int* port) {
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return false;
  absl::string_view name = text.substr(0, colon);
  const absl::string_view number = text.substr(colon + 1);
  const bool bracketed = name.size() >= 2 && name.front() == '[' && name.back() == ']';
  if (bracketed) {
    name = name.substr(1, name.size() - 2);
    if (name.find(':') == absl::string_view::npos) return false;
  }
  if (name.find_first_of(bracketed ? "[]/ \t" : "[]:/ \t") != absl::string_view::npos) return false;
  int value = 0;
  if (!IsDecimal(number) || !absl::SimpleAtoi(number, &value) || value < 0 || value > 65535) return false;
  *host = std::string(name);
  *port = value;
  return true;
}

absl::Duration ToAbslDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

google::protobuf::Duration ToProtoDuration(absl::Duration duration) {
  google::protobuf::Duration proto;
  absl::Duration rest;
  proto.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &rest));
  proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
  return proto;
}

}  // namespace mvmd
