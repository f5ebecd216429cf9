#include "gateway/twin_answer.h"

#include <algorithm>
#include <utility>

#include "twin/canonical.h"
#include "twin/document.h"
#include "twin/linked_data.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

TwinAnswer::TwinAnswer(TwinSnapshot snapshot, const TwinForm& form, TwinFields fields)
    : snapshot_(std::move(snapshot)), form_(form), fields_(std::move(fields)) {}

Json TwinAnswer::TreeOf(const Json& definition) const {
  Json tree = form_.definition_only ? definition : ApplyLive(definition, snapshot_.live);
  return form_.lossless ? LosslessDocument(tree) : tree;
}

Json TwinAnswer::Tree() const { return TreeOf(snapshot_.definition->tree); }

Json TwinAnswer::TreeOfMembers() const {
  const std::vector<std::string>& wanted = fields_.members();
  if (wanted.empty()) return Tree();
  Json part = Json::Object();
  for (const auto& [name, value] : snapshot_.definition->tree.members()) {
    if (std::find(wanted.begin(), wanted.end(), name) != wanted.end()) part.members().emplace_back(name, value);
  }
  return TreeOf(part);
}

const std::string& TwinAnswer::canonical() {
  if (!canonical_.has_value()) {
    const DocumentTemplate& form = snapshot_.definition->form;
    canonical_ = form_.lossless          ? Canonicalize(Tree())
                 : form_.definition_only ? form.definition()
                                         : form.Render(snapshot_.live);
  }
  return *canonical_;
}

const std::string& TwinAnswer::etag() {
  if (etag_.empty()) {
    const bool is_definition = form_.definition_only && !form_.lossless;
    etag_ = is_definition ? snapshot_.definition->form.definition_etag() : Sha256Hex(canonical());
  }
  return etag_;
}

void TwinAnswer::FillNotModified(pb::TwinDocument* document) {
  document->set_twin_id(snapshot_.twin);
  document->set_etag(etag());
  document->set_revision(snapshot_.revision);
  document->set_definition_etag(snapshot_.definition->form.definition_etag());
}

void TwinAnswer::Fill(pb::TwinDocument* document) {
  document->set_twin_id(snapshot_.twin);
  if (fields_.has_etag()) document->set_etag(etag());
  document->set_revision(snapshot_.revision);
  document->set_definition_etag(snapshot_.definition->form.definition_etag());
  if (fields_.has_canonical()) document->set_canonical(canonical());
  if (fields_.has_typed()) ToTypedView(TreeOfMembers(), document->mutable_twin());
  fields_.Trim(document);
}

}  // namespace mvmd
