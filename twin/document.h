// The twin document as data: its id, its sensors, the merge of overlay and base, live values, and the typed view.
#ifndef MVMD_TWIN_DOCUMENT_H_
#define MVMD_TWIN_DOCUMENT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
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

// RFC 7396 merge of `patch` into `target`, with two differences:
// - Where the root's `sensors` is an array of objects that all have a text `id`, in the patch, its elements merge one
// by one: one
//   whose id the target has is merged into it (the first with that id), another one is appended; a target of another
//   shape counts as an empty array. The order of the target is kept. No patch takes one sensor away: that is a new
//   document (PutTwin).
// - A `patch` that is an array is a series of patches, merged one after the other: ComposeOverlay makes these.
// Deterministic. The depth of both is bounded by their reader.
Json MergePatch(const Json& target, const Json& patch);

// One overlay for two patches: MergePatch(MergePatch(d, overlay), patch) equals MergePatch(d, ComposeOverlay(overlay,
// patch)) for every d. `overlay` is a patch or an earlier result; Json::Object() is the empty one. Nulls are kept. The
// result is a patch or, where an object has to replace what was there instead of being merged into it, which no patch
// can say, an array of two: what to clear, then what to merge. Its size is bounded by what the patches name, however
// many came. Such an array is one level deeper than its patches: read it back with kOverlayDepthMax.
Json ComposeOverlay(const Json& overlay, const Json& patch);
inline constexpr int kOverlayDepthMax = kJsonDepthMax + 1;

// What the gateway knows of a sensor now.
struct LiveSensor {
  std::string sensor;
  SampleValue value;
  int64_t time_unix_ns = 0;
};

// Live values laid over a definition when it is served. Values only: nothing is added except the members named here,
// and only to sensors that the definition has: the first one with the id, when there are several. Both members of such
// a sensor are set together; those of `synchronization` only when it is an object. Times are written as timestamps.
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
  // The same, appended: a caller that renders often keeps its buffer.
  void AppendTo(const LiveView& live, std::string* out) const;

  // C1 of the definition alone.
  const std::string& definition() const { return definition_; }
  // Hex SHA-256 of it.
  const std::string& definition_etag() const { return definition_etag_; }

 private:
  friend class DocumentTemplateBuilder;

  enum class Slot { kCurrentValue, kTimestamp, kLastSynced, kConnectionStatus, kLatency, kDateModified };
  // How a live member joins its neighbours.
  enum class Join {
    kReplace,      // the definition has the member: only its value is cut out
    kCommaBefore,  // new, after another member of the definition
    kCommaAfter,   // new, before all members of the definition
    kAlone,        // new, in an object that has no member
  };
  struct Hole {
    size_t begin;  // in definition_: the value to replace, or where to insert
    size_t end;
    Slot slot;
    Join join;
    size_t sensor = 0;  // for the slots of a sensor
  };

  static absl::string_view NameOf(Slot slot);
  static bool HasValue(Slot slot, const LiveSensor* sensor, const LiveView& live);
  // Needs HasValue.
  static void AppendValue(Slot slot, const LiveSensor* sensor, const LiveView& live, std::string* out);
  void AppendHole(const Hole& hole, const LiveSensor* sensor, const LiveView& live, std::string* out) const;

  std::string definition_;
  std::string definition_etag_;
  std::vector<Hole> holes_;  // by position
  absl::flat_hash_map<std::string, size_t> sensors_;
};

// The same as a tree operation: the definition of what DocumentTemplate::Render must print.
Json ApplyLive(const Json& definition, const LiveView& live);

// Typed view, best effort: members of another type than the profile's are left out, and values deeper than
// kTypedValueDepthMax where any value may stand, so that readers of the message do not hit their recursion limit.
inline constexpr int kTypedValueDepthMax = 16;
void ToTypedView(const Json& document, mvmd::twin::v1alpha1::Twin* view);

}  // namespace mvmd

#endif  // MVMD_TWIN_DOCUMENT_H_
