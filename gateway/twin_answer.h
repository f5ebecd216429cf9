// What is told of one twin, in the form and with the fields that were asked for.
#ifndef MVMD_GATEWAY_TWIN_ANSWER_H_
#define MVMD_GATEWAY_TWIN_ANSWER_H_

#include <cstddef>
#include <optional>
#include <string>

#include "gateway/twin_fields.h"
#include "gateway/twin_state.h"
#include "mvmd/twin/v1alpha1/twin_service.pb.h"
#include "twin/json.h"

namespace mvmd {

// Which document of a twin.
struct TwinForm {
  bool definition_only = false;  // without live values
  bool lossless = false;         // LX of it, twin/linked_data.h
};

// Makes each part when it is asked for, and once. Takes tens of microseconds and more: never under a lock.
// Thread-compatible.
//
//   TwinAnswer answer(snapshot, form, fields);
//   answer.Fill(response->mutable_twin());
class TwinAnswer {
 public:
  TwinAnswer(TwinSnapshot snapshot, const TwinForm& form, TwinFields fields);

  const TwinFields& fields() const { return fields_; }
  // The document goes through a tree, which takes some hundred times as long for large ones.
  bool needs_tree() const { return form_.lossless || fields_.has_typed(); }

  // C1 of the document in this form.
  const std::string& canonical();
  // SHA-256 of it, hex.
  const std::string& etag();
  // The document in this form.
  Json Tree() const;

  // The fields, but not the linked data.
  void Fill(mvmd::twin::v1alpha1::TwinDocument* document);
  // Id, etags and revision, whatever the fields are.
  void FillNotModified(mvmd::twin::v1alpha1::TwinDocument* document);

 private:
  Json TreeOf(const Json& definition) const;
  // What the typed view is made of.
  Json TreeOfMembers() const;

  const TwinSnapshot snapshot_;
  const TwinForm form_;
  const TwinFields fields_;
  std::optional<std::string> canonical_;
  std::string etag_;  // empty: not made yet
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_TWIN_ANSWER_H_
