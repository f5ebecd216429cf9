// The twins that this bridge feeds, with the documents it has of them.
#ifndef MVMD_BRIDGE_TWIN_CATALOG_H_
#define MVMD_BRIDGE_TWIN_CATALOG_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "mvmd/twin/v1alpha1/config.pb.h"
#include "runtime/config.h"

namespace mvmd {

// What a local document says of a sensor.
struct LocalSensor {
  std::string unit;  // empty: not said
};

struct LocalTwin {
  std::string id;
  // The rest is empty when the document comes from the cloud.
  bool has_document = false;
  std::string document;  // text as in the file
  std::string sha256;    // raw
  absl::flat_hash_map<std::string, LocalSensor> sensors;
};

inline constexpr size_t kDocumentBytesMax = size_t{8} << 20;

// Immutable once loaded, then thread-safe.
class TwinCatalog {
 public:
  // Reads and checks every document: I-JSON, the rules (lenient; unless the twin's `validation` is off),
  // `identifier.value` equal to the configured id. What
  // is wrong is added to `errors` under `twins[i]`. Relative files are seen from the folder of `config_path`. Blocking.
  static TwinCatalog Load(absl::string_view config_path,
                          const google::protobuf::RepeatedPtrField<mvmd::twin::v1alpha1::BridgeTwin>& twins,
                          ConfigErrors* errors);

  void Add(LocalTwin twin);

  // No twins are configured: every twin may be fed.
  bool open() const { return twins_.empty(); }
  // Null when it is not configured.
  const LocalTwin* Find(absl::string_view id) const;
  // In the configuration's order.
  const std::vector<std::string>& ids() const { return ids_; }

 private:
  absl::flat_hash_map<std::string, LocalTwin> twins_;
  std::vector<std::string> ids_;
};

// A document as a catalogue entry. INVALID_ARGUMENT lists what is wrong, a line each. Without `by_rules` it need only
// be I-JSON with this id: the gateway may take more than the profile allows.
absl::StatusOr<LocalTwin> CheckDocument(absl::string_view id, std::string text, bool by_rules = true);

}  // namespace mvmd

#endif  // MVMD_BRIDGE_TWIN_CATALOG_H_
