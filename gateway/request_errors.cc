#include "gateway/request_errors.h"

#include <algorithm>
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

size_t CheckPageSize(int32_t asked, size_t when_not_set, size_t max, RequestErrors* errors) {
  if (asked < 0) {
    errors->Add("page_size", absl::StrCat("expected 1 to ", max, ", or 0 for ", when_not_set, ", got ", asked));
    return when_not_set;
  }
  if (asked == 0) return when_not_set;
  // AIP-158: a larger one is cut, not refused.
  return std::min(static_cast<size_t>(asked), max);
}

void CheckView(mvmd::twin::v1alpha1::TwinView view, RequestErrors* errors) {
  if (!mvmd::twin::v1alpha1::TwinView_IsValid(view)) {
    errors->Add("view", absl::StrCat("expected a TwinView, got ", static_cast<int>(view)));
  }
}

}  // namespace mvmd
