// Which fields of a TwinDocument an answer has: those of a view, or those of a read_mask.
#ifndef MVMD_GATEWAY_TWIN_FIELDS_H_
#define MVMD_GATEWAY_TWIN_FIELDS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "gateway/request_errors.h"
#include "google/protobuf/field_mask.pb.h"
#include "mvmd/twin/v1alpha1/twin_service.pb.h"

namespace mvmd {

inline constexpr int kMaskPathsMax = 64;
inline constexpr size_t kMaskPathBytesMax = 256;

// Says what is to be made, so that nothing else is. Immutable, cheap to copy, thread-safe.
//
//   RequestErrors errors;
//   const TwinFields fields = TwinFields::OfMask(request.read_mask(), /*linked_data=*/true, &errors);
//   if (fields.has_canonical()) ... ;
//   fields.Trim(&document);
class TwinFields {
 public:
  // UNSPECIFIED is CANONICAL. A view has the id, the etags and the revision too.
  static TwinFields OfView(mvmd::twin::v1alpha1::TwinView view, bool linked_data = false);
  // AIP-157: paths of TwinDocument, or `*`. Without `linked_data` there is no such field, nor is it a part of `*`.
  static TwinFields OfMask(const google::protobuf::FieldMask& mask, bool linked_data, RequestErrors* errors);

  bool has_canonical() const { return has_canonical_; }
  bool has_typed() const { return has_typed_; }
  bool has_etag() const { return has_etag_; }
  bool has_linked_data() const { return has_linked_data_; }
  // Members of the document's root, by their names in JSON, that the typed view is made of; empty: all of them.
  const std::vector<std::string>& members() const { return members_; }

  // Takes away what a mask does not name.
  void Trim(mvmd::twin::v1alpha1::TwinDocument* document) const;

 private:
  bool has_canonical_ = false;
  bool has_typed_ = false;
  bool has_etag_ = false;
  bool has_linked_data_ = false;
  std::vector<std::string> members_;
  google::protobuf::FieldMask mask_;  // no paths: of a view
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_TWIN_FIELDS_H_
