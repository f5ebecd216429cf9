#include "gateway/twin_fields.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/util/field_mask_util.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;
using google::protobuf::FieldMask;
using google::protobuf::util::FieldMaskUtil;

constexpr absl::string_view kLinkedData = "linked_data";
constexpr absl::string_view kTwinPrefix = "twin.";

// `field` or a field of it.
bool IsOf(absl::string_view path, absl::string_view field) {
  return absl::StartsWith(path, field) && (path.size() == field.size() || path[field.size()] == '.');
}

// FieldMaskUtil passes over empty names.
bool IsPath(absl::string_view path) {
  for (const absl::string_view name : absl::StrSplit(path, '.')) {
    if (name.empty()) return false;
  }
  return FieldMaskUtil::IsValidPath<pb::TwinDocument>(std::string(path));
}

bool HasPathOf(const FieldMask& mask, absl::string_view field) {
  for (const std::string& path : mask.paths()) {
    if (IsOf(path, field)) return true;
  }
  return false;
}

void AddAll(bool linked_data, FieldMask* mask) {
  const google::protobuf::Descriptor* const type = pb::TwinDocument::descriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    if (linked_data || type->field(i)->name() != kLinkedData) mask->add_paths(type->field(i)->name());
  }
}

// The members behind paths below `twin`; none: all.
std::vector<std::string> MembersOf(const FieldMask& mask) {
  std::vector<std::string> members;
  for (const std::string& path : mask.paths()) {
    if (path == "twin") return {};
    if (!absl::StartsWith(path, kTwinPrefix)) continue;
    const std::string below = path.substr(kTwinPrefix.size());
    const auto* field = pb::Twin::descriptor()->FindFieldByName(below.substr(0, below.find('.')));
    if (field != nullptr) members.push_back(field->json_name());
  }
  return members;
}

}  // namespace

TwinFields TwinFields::OfView(pb::TwinView view, bool linked_data) {
  TwinFields fields;
  fields.has_etag_ = true;
  fields.has_typed_ = view == pb::TWIN_VIEW_TYPED || view == pb::TWIN_VIEW_BOTH;
  fields.has_canonical_ = view != pb::TWIN_VIEW_TYPED && view != pb::TWIN_VIEW_BASIC;
  fields.has_linked_data_ = linked_data;
  return fields;
}

TwinFields TwinFields::OfMask(const FieldMask& mask, bool linked_data, RequestErrors* errors) {
  TwinFields fields;
  if (mask.paths_size() > kMaskPathsMax) {
    errors->Add("read_mask", absl::StrCat("expected at most ", kMaskPathsMax, " paths, got ", mask.paths_size()));
    return fields;
  }
  FieldMask known;
  for (const std::string& path : mask.paths()) {
    if (path.size() > kMaskPathBytesMax) {
      errors->Add("read_mask",
                  absl::StrCat("expected paths of at most ", kMaskPathBytesMax, " bytes, got one of ", path.size()));
    } else if (path == "*") {
      AddAll(linked_data, &known);
    } else if (!linked_data && IsOf(path, kLinkedData)) {
      errors->Add("read_mask", "expected no path of linked_data, which only GetTwin has");
    } else if (!IsPath(path)) {
      errors->Add("read_mask",
                  absl::StrCat("expected paths of TwinDocument such as `canonical` or `twin.sensors` (nothing "
                               "below a repeated field), or `*`, got \"",
                               path, "\""));
    } else {
      known.add_paths(path);
    }
  }
  FieldMaskUtil::ToCanonicalForm(known, &fields.mask_);
  fields.has_canonical_ = HasPathOf(known, "canonical");
  fields.has_typed_ = HasPathOf(known, "twin");
  fields.has_etag_ = HasPathOf(known, "etag");
  fields.has_linked_data_ = HasPathOf(known, kLinkedData);
  fields.members_ = MembersOf(known);
  return fields;
}

void TwinFields::Trim(pb::TwinDocument* document) const {
  if (mask_.paths_size() > 0) FieldMaskUtil::TrimMessage(mask_, document);
}

}  // namespace mvmd
