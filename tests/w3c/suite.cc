#include "tests/w3c/suite.h"

#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"

namespace mvmd {

absl::StatusOr<std::string> W3cFolder::ReadText(absl::string_view name) const {
  const std::string path = absl::StrCat(path_, "/", name);
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  return text.str();
}

absl::StatusOr<Json> W3cFolder::ReadJson(absl::string_view name) const {
  absl::StatusOr<std::string> text = ReadText(name);
  if (!text.ok()) return text.status();
  return ParseJson(*text);
}

std::string IdOf(const Json& entry) {
  const std::string id = TextAt(entry, entry.Find("@id") != nullptr ? "@id" : "id");
  return id.substr(id.find('#') == std::string::npos ? 0 : id.find('#') + 1);
}

std::string TextAt(const Json& object, absl::string_view name) {
  const Json* text = object.Find(name);
  return text != nullptr && text->is_string() ? text->string() : std::string();
}

}  // namespace mvmd
