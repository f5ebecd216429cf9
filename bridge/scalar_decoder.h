// Payloads that are one value: `45.20`, `ON`, `true`.
#ifndef MVMD_BRIDGE_SCALAR_DECODER_H_
#define MVMD_BRIDGE_SCALAR_DECODER_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bridge/decoder.h"

namespace mvmd {

// A number as JSON writes it, and with a leading `+` or `.5` or `5.`; surrounding white space is passed over. Never NaN
// or infinite.
std::optional<double> ParseNumberText(absl::string_view text);
// `true` / `false`, `on` / `off`, in any case.
std::optional<bool> ParseBooleanText(absl::string_view text);
// Says that there is no value, or only whether the source is there: empty, `null`, `nan`, `inf`, `unavailable`,
// `unknown`, `none`, `online`, `offline` and the like, in any case.
bool IsNoValueText(absl::string_view text);

class ScalarDecoder final : public Decoder {
 public:
  static absl::StatusOr<std::unique_ptr<Decoder>> Make(const mvmd::twin::v1alpha1::ScalarDecoder& config);

  absl::Status Decode(absl::string_view topic, absl::string_view payload, std::vector<Reading>* readings,
                      BadReadings* bad) override;

 private:
  enum class Type { kAuto, kNumber, kBoolean, kText };
  ScalarDecoder(Type type, std::string unit) : type_(type), unit_(std::move(unit)) {}

  const Type type_;
  const std::string unit_;
};

}  // namespace mvmd

#endif  // MVMD_BRIDGE_SCALAR_DECODER_H_
