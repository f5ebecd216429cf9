#include "gateway/request_errors.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "runtime/status_proto.h"
#include "twin/utf8.h"

namespace mvmd {

namespace {

// Of one text, and of all violations together. Both, and the message once more, are far below kGrpcDetailsBytesMax.
constexpr size_t kTextBytesMax = 600;
constexpr size_t kViolationBytesMax = 1200;

std::string Shortened(absl::string_view text) {
  if (text.size() <= kTextBytesMax) return std::string(text);
  size_t end = kTextBytesMax;
  while (end > 0 && IsUtf8Continuation(text[end])) --end;
  return absl::StrCat(text.substr(0, end), "...");
}

}  // namespace

void RequestErrors::Add(absl::string_view field, absl::string_view what) {
  const std::string told = Shortened(what);
  if (status_.ok()) {
    status_ = MakeError(absl::StatusCode::kInvalidArgument, "REQUEST_INVALID", absl::StrCat(field, ": ", told));
  }
  violation_bytes_ += field.size() + told.size();
  if (violation_bytes_ <= kViolationBytesMax) AddFieldViolation(field, told, &status_);
}

void RequestErrors::CheckNameSize(absl::string_view field, absl::string_view name) {
  if (name.size() <= kRequestNameBytesMax) return;
  Add(field, absl::StrCat("expected at most ", kRequestNameBytesMax, " bytes, got ", name.size()));
}

}  // namespace mvmd
