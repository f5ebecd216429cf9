// Filters and orders over one document: refused with a position, or the same each time, with and without parentheses
// around, and the opposite of their negation.
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/fuzz/fuzz.h"
#include "twin/filter.h"
#include "twin/json.h"
#include "twin/order_by.h"

namespace mvmd {
namespace {

constexpr char kDocument[] = R"({
  "@context": {"@vocab": "https://schema.org/"}, "name": "Robot", "identifier": {"value": "twin-1"},
  "creator": [{"name": "Acme"}, {"name": "Other"}], "dateModified": "2024-03-15", "flag": true, "nothing": null,
  "synchronization": {"mechanism": "MQTT"}, "dataStorage": {"retentionPeriod": "90d"},
  "sensors": [{"id": "temp-1", "currentValue": 1}, {"id": "a.b", "range": [1, [2]]}, {"id": "temp-1"}, 5]})";

LiveView Live() {
  LiveView live;
  live.sensors.push_back({"temp-1", 61.5, 1710513000123000000});
  live.last_synced_unix_ns = 1710513001000000000;
  live.connection_status = "active";
  live.latency_ms = 35;
  return live;
}

void CheckFilter(absl::string_view text, const ServedValue& document) {
  const absl::StatusOr<Filter> filter = Filter::Parse(text);
  if (!filter.ok()) {
    Ensure(absl::StartsWith(filter.status().message(), "position ") || text.size() > kFilterBytesMax);
    return;
  }
  const bool matches = filter->Matches(document);
  if (filter->is_empty()) return Ensure(matches);
  // These may be beyond a limit.
  const absl::StatusOr<Filter> same = Filter::Parse(absl::StrCat("(", text, ")"));
  if (same.ok()) Ensure(same->Matches(document) == matches);
  const absl::StatusOr<Filter> opposite = Filter::Parse(absl::StrCat("NOT (", text, ")"));
  if (opposite.ok()) Ensure(opposite->Matches(document) != matches);
}

}  // namespace
}  // namespace mvmd

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mvmd;
  static const Json* const definition = new Json(*ParseJson(kDocument));
  static const LiveView* const live = new LiveView(Live());
  const ServedValue document(*definition, *live);
  const absl::string_view text = FuzzText(data, size);
  CheckFilter(text, document);
  const absl::StatusOr<OrderBy> order = OrderBy::Parse(text);
  if (order.ok()) Ensure(order->KeyOf(document).size() < 4096 && order->KeyOf(document) == order->KeyOf(document));
  return 0;
}
