// The twin document as data: its id, its sensors, the merge of overlay and base, live values, and the typed view.
#ifndef MVMD_TWIN_DOCUMENT_H_
#define MVMD_TWIN_DOCUMENT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "mvmd/twin/v1alpha1/twin.pb.h"
#include "twin/json.h"
#include "twin/sample.h"

namespace mvmd {

// `identifier.value`. INVALID_ARGUMENT when it is missing or no text.
absl::StatusOr<std::string> TwinIdOf(const Json& document);

// Ids of the sensors, in the document's order; elements without a text `id` are passed over.
std::vector<std::string> SensorIdsOf(const Json& document);

// RFC 7396 merge of `patch` into `target`, except that under the root's `sensors` an array of objects merges element by
// element by `id`: a known id is merged, a new one is appended, `"x": null` members delete as everywhere. See docs/protocol.md,
// "Overlay". Deterministic.
Json MergePatch(const Json& target, const Json& patch);

// What the gateway knows of a sensor now.
struct LiveSensor {
  std::string sensor;
  SampleValue value;
  int64_t time_unix_ns = 0;
};

// Live values laid over a definition when it is served. Values only: nothing is added except the members named here, and
// only to sensors that the definition has.
struct LiveView {
  // In any order; the last one of a sensor wins.
  std::vector<LiveSensor> sensors;
  // `synchronization` members; left alone when not set.
  std::optional<int64_t> last_synced_unix_ns;
  std::optional<std::string> connection_status;
  std::optional<double> latency_ms;
  // Root member.
  std::optional<int64_t> date_modified_unix_ns;
};

// A definition prepared for fast rendering: its canonical form cut at the places where live values go. Immutable,
// thread-safe; build once per change of the definition.
//
//   DocumentTemplate form(definition);
//   std::string bytes = form.Render(live);     // C1 of the definition with the live values
class DocumentTemplate {
 public:
  explicit DocumentTemplate(const Json& definition);

  // C1 bytes. Equal to Canonicalize(ApplyLive(definition, live)).
  std::string Render(const LiveView& live) const;

  // C1 of the definition alone.
  const std::string& definition() const { return definition_; }
  // Hex SHA-256 of it.
  const std::string& definition_etag() const { return definition_etag_; }

 private:
  struct Hole {
    size_t offset;           // in `text_`, where the rendered member goes
    int kind;                // what goes there, see document.cc
    int sensor = -1;         // index into sensor_ids_
    bool comma_before = false;
    bool comma_after = false;
    std::string original;    // `"name":value` of the definition, used when the live view has nothing; may be empty
  };
  std::string definition_;
  std::string definition_etag_;
  std::string text_;
  std::vector<Hole> holes_;
  std::vector<std::string> sensor_ids_;
};

// The same as a tree operation: the definition of what DocumentTemplate::Render must print.
Json ApplyLive(const Json& definition, const LiveView& live);

// Typed view, best effort: members of another type than the profile's are left out.
void ToTypedView(const Json& document, mvmd::twin::v1alpha1::Twin* view);

}  // namespace mvmd

#endif  // MVMD_TWIN_DOCUMENT_H_
