#include "twinctl/request_texts.h"

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "twin/utf8.h"

namespace mvmd {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

bool IsUtf8(absl::string_view text) {
  const char* const end = text.data() + text.size();
  for (const char* p = text.data(); p < end;) {
    const size_t length = static_cast<unsigned char>(*p) < 0x80 ? 1 : Utf8SequenceLength(p, end);
    if (length == 0) return false;
    p += length;
  }
  return true;
}

absl::Status CheckText(const FieldDescriptor& field, const std::string& text) {
  if (IsUtf8(text)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field.name(), ": expected UTF-8, got \"", absl::CHexEscape(text), "\""));
}

}  // namespace

absl::Status CheckTexts(const Message& request) {
  const google::protobuf::Reflection* const reflection = request.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(request, &fields);
  for (const FieldDescriptor* field : fields) {
    const bool is_text = field->type() == FieldDescriptor::TYPE_STRING;
    if (!is_text && field->type() != FieldDescriptor::TYPE_MESSAGE) continue;
    const int count = field->is_repeated() ? reflection->FieldSize(request, field) : 1;
    for (int i = 0; i < count; ++i) {
      absl::Status status;
      if (is_text) {
        status = CheckText(*field, field->is_repeated() ? reflection->GetRepeatedString(request, field, i)
                                                        : reflection->GetString(request, field));
      } else {
        status = CheckTexts(field->is_repeated() ? reflection->GetRepeatedMessage(request, field, i)
                                                 : reflection->GetMessage(request, field));
      }
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace mvmd
