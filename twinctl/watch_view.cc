#include "twinctl/watch_view.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "twin/json.h"
#include "twinctl/sample_text.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

std::string MemberText(const Json& object, absl::string_view name) {
  const Json* value = object.Find(name);
  if (value == nullptr || value->is_null()) return "";
  return value->is_string() ? value->string() : CompactJson(*value);
}

Json ChangeBase(uint64_t revision, const std::string& twin, absl::string_view kind) {
  Json line = Json::Object();
  line.Set("revision", Json::Number(static_cast<double>(revision)));
  line.Set("twin", Json::String(twin));
  line.Set("change", Json::String(kind));
  return line;
}

// Members of `from` that `to` does not have.
void AddMembers(const Json& from, Json* to) {
  for (const auto& [name, value] : from.members()) {
    if (to->Find(name) == nullptr) to->Set(name, value);
  }
}

std::string SampleLines(uint64_t revision, const std::string& twin, const pb::SensorSamples& samples) {
  std::string lines;
  for (const pb::Sample& sample : samples.samples()) {
    Json line = ChangeBase(revision, twin, "sample");
    AddMembers(SampleJson(twin, samples.sensor(), sample), &line);
    if (samples.backfill()) line.Set("backfill", Json::Bool(true));
    if (samples.merged_count() != 0) line.Set("merged", Json::Number(static_cast<double>(samples.merged_count())));
    lines += CompactJson(line) + "\n";
  }
  return lines;
}

}  // namespace

void WatchView::Apply(const pb::WatchTwinsResponse& response) {
  revision_ = response.revision();
  for (const pb::TwinChange& change : response.changes()) {
    switch (change.change_case()) {
      case pb::TwinChange::kDocument:
        TakeDocument(change.twin_id(), change.document());
        break;
      case pb::TwinChange::kSamples:
        TakeSamples(change.twin_id(), change.samples());
        break;
      case pb::TwinChange::kRemoved:
        Remove(change.twin_id());
        break;
      case pb::TwinChange::kGap:
        ++gaps_;
        break;
      case pb::TwinChange::kConnection:
        SetNotice(absl::StrCat("bridge ", Printable(change.connection().bridge()),
                               change.connection().connected() ? " is connected" : " is away"));
        break;
      case pb::TwinChange::CHANGE_NOT_SET:
        break;
    }
  }
}

void WatchView::TakeDocument(const std::string& twin, const pb::TwinDocument& document) {
  const auto parsed = ParseJson(document.canonical());
  if (!parsed.ok()) return;
  const Json* sensors = parsed->Find("sensors");
  if (sensors == nullptr || !sensors->is_array()) return;
  for (const Json& sensor : sensors->elements()) {
    const std::string id = MemberText(sensor, "id");
    if (id.empty()) continue;
    Row& row = rows_[{twin, id}];
    row.unit = MemberText(sensor, "unit");
    if (row.changes > 0) continue;  // the values of samples are newer
    row.value = MemberText(sensor, "currentValue");
    row.time = MemberText(sensor, "timestamp");
  }
}

void WatchView::TakeSamples(const std::string& twin, const pb::SensorSamples& samples) {
  if (samples.samples().empty()) return;
  Row& row = rows_[{twin, samples.sensor()}];
  const uint64_t count = static_cast<uint64_t>(samples.samples_size()) + samples.merged_count();
  row.changes += count;
  changes_ += count;
  if (samples.backfill()) return;  // older than what is shown
  const pb::Sample& last = *samples.samples().rbegin();
  row.value = SampleValueText(last);
  row.time = TimeText(last.time());
}

void WatchView::Remove(const std::string& twin) {
  rows_.erase(rows_.lower_bound({twin, ""}), std::find_if(rows_.lower_bound({twin, ""}), rows_.end(),
                                                          [&](const auto& r) { return r.first.first != twin; }));
}

std::string WatchView::Frame(const Console& console, int rows, int columns) {
  Table table({"TWIN", "SENSOR", "VALUE", "UNIT", "TIME", "SAMPLES"});
  for (const auto& [key, row] : rows_) {
    table.AddRow({key.first, key.second, row.value, row.unit, row.time, absl::StrCat(row.changes)});
  }
  std::vector<std::string> lines = table.Lines();
  const size_t lines_max = static_cast<size_t>(std::max(rows - 3, 2));
  if (lines.size() > lines_max) {
    const size_t left_out = lines.size() - lines_max + 1;
    lines.resize(lines_max - 1);
    lines.push_back(absl::StrCat("... and ", left_out, " more\n"));
  }
  std::string status = absl::StrCat("revision ", revision_, ", ", changes_, " samples");
  if (gaps_ != 0) absl::StrAppend(&status, ", ", gaps_, " gaps");
  if (!notice_.empty()) absl::StrAppend(&status, ", ", notice_);
  lines.insert(lines.begin(), status + "\n");

  // A line that wraps would take two rows, and the cursor could not be moved back over it.
  const auto width = static_cast<size_t>(std::max(columns - 1, 20));
  std::string frame;
  if (drawn_lines_ > 0) absl::StrAppend(&frame, "\x1b[", drawn_lines_, "A");
  for (size_t i = 0; i < lines.size(); ++i) {
    std::string line = lines[i];
    line.pop_back();
    if (line.size() > width) line.resize(width);
    absl::StrAppend(&frame, i == 0 ? console.Paint(Colour::kDim, line) : line, "\x1b[K\n");
  }
  absl::StrAppend(&frame, "\x1b[J");
  drawn_lines_ = static_cast<int>(lines.size());
  return frame;
}

std::string ChangeLines(uint64_t revision, const pb::TwinChange& change) {
  const std::string& twin = change.twin_id();
  switch (change.change_case()) {
    case pb::TwinChange::kSamples:
      return SampleLines(revision, twin, change.samples());
    case pb::TwinChange::kDocument: {
      Json line = ChangeBase(revision, twin, "document");
      line.Set("etag", Json::String(change.document().etag()));
      if (auto document = ParseJson(change.document().canonical()); document.ok()) {
        line.Set("document", *std::move(document));
      }
      return CompactJson(line) + "\n";
    }
    case pb::TwinChange::kRemoved:
      return CompactJson(ChangeBase(revision, twin, "removed")) + "\n";
    case pb::TwinChange::kGap: {
      Json line = ChangeBase(revision, twin, "gap");
      AddMembers(GapJson(twin, change.gap().sensor(), change.gap()), &line);
      return CompactJson(line) + "\n";
    }
    case pb::TwinChange::kConnection: {
      Json line = ChangeBase(revision, twin, "connection");
      line.Set("bridge", Json::String(change.connection().bridge()));
      line.Set("connected", Json::Bool(change.connection().connected()));
      return CompactJson(line) + "\n";
    }
    case pb::TwinChange::CHANGE_NOT_SET:
      break;
  }
  return "";
}

std::string ChangeText(const pb::TwinChange& change) {
  const std::string twin = Printable(change.twin_id());
  std::string text;
  switch (change.change_case()) {
    case pb::TwinChange::kSamples:
      for (const pb::Sample& sample : change.samples().samples()) {
        absl::StrAppend(&text, TimeText(sample.time()), "  ", twin, "  ", Printable(change.samples().sensor()), "  ",
                        Printable(SampleValueText(sample)), change.samples().backfill() ? "  (backfill)\n" : "\n");
      }
      break;
    case pb::TwinChange::kDocument:
      text = absl::StrCat("document  ", twin, "  revision ", change.document().revision(), "  etag ",
                          change.document().etag(), "\n");
      break;
    case pb::TwinChange::kRemoved:
      text = absl::StrCat("removed  ", twin, "\n");
      break;
    case pb::TwinChange::kGap:
      text = absl::StrCat("gap  ",
                          Printable(CompactJson(GapJson(change.twin_id(), change.gap().sensor(), change.gap()))), "\n");
      break;
    case pb::TwinChange::kConnection:
      text = absl::StrCat("bridge  ", twin, "  ", Printable(change.connection().bridge()),
                          change.connection().connected() ? "  connected\n" : "  away\n");
      break;
    case pb::TwinChange::CHANGE_NOT_SET:
      break;
  }
  return text;
}

}  // namespace mvmd
