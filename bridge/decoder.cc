#include "bridge/decoder.h"

#include "absl/strings/str_cat.h"
#include "bridge/json_decoder.h"
#include "bridge/scalar_decoder.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

absl::StatusOr<std::unique_ptr<Decoder>> MakeDecoder(const pb::Route& route) {
  if (route.decoder_case() == pb::Route::kScalar) return ScalarDecoder::Make(route.scalar());
  return JsonDecoder::Make(route.json());
}

absl::StatusOr<std::unique_ptr<Decoder>> MakeDecoderByName(absl::string_view name) {
  pb::Route route;
  if (name == "json") {
    route.mutable_json();
  } else if (name == "scalar") {
    route.mutable_scalar();
  } else if (name == "scalar:number" || name == "scalar:boolean" || name == "scalar:text") {
    const absl::string_view type = name.substr(name.find(':') + 1);
    route.mutable_scalar()->set_type(type.data(), type.size());
  } else {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected decoder `json`, `scalar`, `scalar:number`, `scalar:boolean` or `scalar:text`, got `", name, "`"));
  }
  return MakeDecoder(route);
}

absl::string_view ReadingNameOfTopic(absl::string_view topic) {
  absl::string_view rest = topic;
  while (true) {
    const size_t slash = rest.rfind('/');
    const absl::string_view level = slash == absl::string_view::npos ? rest : rest.substr(slash + 1);
    const bool says_nothing = level == "state" || level == "value" || level.empty();
    if (!says_nothing) return level;
    if (slash == absl::string_view::npos) return topic;
    rest = rest.substr(0, slash);
  }
}

}  // namespace mvmd
