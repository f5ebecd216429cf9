#include "bridge/issue_log.h"

#include <algorithm>

#include "bridge/utf8.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr size_t kMessageBytesMax = 500;
constexpr size_t kPlaceBytesMax = 300;

// Protobuf's strings must be UTF-8, and what comes from outside need not be.
std::string Printable(absl::string_view text, size_t bytes_max) {
  std::string result(text.substr(0, bytes_max));
  const bool utf8 = IsUtf8(result);
  for (char& c : result) {
    const unsigned char byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !utf8)) c = '?';
  }
  return result;
}

}  // namespace

void IssueLog::Add(const char* reason, absl::string_view message, const Place& place) {
  const int64_t now = clock_->UnixNanos();
  const absl::string_view topic = place.topic.substr(0, kPlaceBytesMax);
  const absl::string_view twin = place.twin.substr(0, kPlaceBytesMax);
  const absl::string_view sensor = place.sensor.substr(0, kPlaceBytesMax);
  const std::string printable_topic = Printable(topic, kPlaceBytesMax);
  const std::string printable_twin = Printable(twin, kPlaceBytesMax);
  const std::string printable_sensor = Printable(sensor, kPlaceBytesMax);
  absl::MutexLock lock(&mutex_);
  ++counts_[reason];
  auto it = std::find_if(issues_.begin(), issues_.end(), [&](const pb::Issue& issue) {
    return issue.reason() == reason && issue.topic() == printable_topic && issue.twin() == printable_twin &&
           issue.sensor() == printable_sensor;
  });
  if (it == issues_.end()) {
    if (issues_.size() >= kIssuesMax) {
      it = std::min_element(issues_.begin(), issues_.end(),
                            [](const pb::Issue& a, const pb::Issue& b) { return a.time_unix_ns() < b.time_unix_ns(); });
      it->Clear();
    } else {
      it = issues_.emplace(issues_.end());
    }
    it->set_reason(reason);
    it->set_topic(printable_topic);
    it->set_twin(printable_twin);
    it->set_sensor(printable_sensor);
  }
  it->set_message(Printable(message, kMessageBytesMax));
  it->set_time_unix_ns(now);
  it->set_count(it->count() + 1);
}

uint64_t IssueLog::total() const {
  absl::MutexLock lock(&mutex_);
  uint64_t total = 0;
  for (const auto& [reason, count] : counts_) total += count;
  return total;
}

std::map<std::string, uint64_t> IssueLog::CountsByReason() const {
  absl::MutexLock lock(&mutex_);
  return counts_;
}

void IssueLog::Report(pb::BridgeReport* report) const {
  std::vector<pb::Issue> issues;
  {
    absl::MutexLock lock(&mutex_);
    issues = issues_;
  }
  report->set_issue_count(total());
  std::sort(issues.begin(), issues.end(),
            [](const pb::Issue& a, const pb::Issue& b) { return a.time_unix_ns() < b.time_unix_ns(); });
  report->clear_issues();
  for (pb::Issue& issue : issues) *report->add_issues() = std::move(issue);
}

}  // namespace mvmd
