#include "tests/sim/sim_watcher.h"

#include "absl/strings/str_cat.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

std::string ContentOf(const AppliedEntry& entry) {
  std::string text = absl::StrCat(entry.time_unix_ns);
  for (const AppliedEntry::Samples& samples : entry.samples) {
    absl::StrAppend(&text, "\n", samples.sensor->twin, "/", samples.sensor->sensor,
                    samples.backfill ? " backfill" : "");
    for (uint32_t i = samples.run.begin; i < samples.run.begin + samples.run.count; ++i) {
      const SampleValue value = samples.block->ValueAt(samples.run, i);
      absl::StrAppend(&text, " ", samples.block->times_unix_ns[i], "=");
      if (const std::string* string = std::get_if<std::string>(&value)) {
        absl::StrAppend(&text, *string);
      } else {
        absl::StrAppend(&text, samples.block->numbers[i]);
      }
      absl::StrAppend(&text, "q", static_cast<int>(samples.block->QualityAt(i)));
    }
  }
  for (const AppliedEntry::DocumentChange& change : entry.documents) {
    absl::StrAppend(&text, "\n", change.twin, " document ",
                    change.definition != nullptr ? change.definition->form.definition_etag() : "removed");
  }
  for (const pb::Gap& gap : entry.gaps) absl::StrAppend(&text, "\ngap ", gap.ShortDebugString());
  for (const AppliedEntry::Connection& connection : entry.connections) {
    absl::StrAppend(&text, "\n", connection.bridge, connection.connected ? " connected" : " gone");
  }
  return text;
}

void SimWatcher::Connect() {
  if (!gateway_->up()) return;
  life_ = gateway_->life();
  std::vector<LogRecord> missed;
  (void)gateway_->log().ReadFrom(told_.size() + 1, SIZE_MAX, &missed);
  for (const LogRecord& record : missed) {
    if (record.revision > gateway_->state()->applied_revision()) break;
    pb::LogEntry entry;
    if (!entry.ParseFromString(record.bytes)) return scheduler_->Fail("an entry of the log is no LogEntry");
    const absl::StatusOr<std::shared_ptr<const AppliedEntry>> applied =
        gateway_->state()->Resolve(record.revision, entry);
    if (!applied.ok()) {
      return scheduler_->Fail(absl::StrCat("resolve of revision ", record.revision, ": ", applied.status().ToString()));
    }
    told_.push_back(ContentOf(**applied));
  }
}

void SimWatcher::OnApplied(const AppliedEntry& entry) {
  if (life_ != gateway_->life()) return;
  if (entry.revision != told_.size() + 1) {
    return scheduler_->Fail(
        absl::StrCat("watch: expected revision ", told_.size() + 1, ", was told revision ", entry.revision));
  }
  told_.push_back(ContentOf(entry));
}

}  // namespace mvmd
