#include "tests/bench/sink_run.h"

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <string>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "tests/bench/traffic.h"

namespace mvmd {
namespace {

// Long enough for a sink that is told to begin before the systems under test have warmed up.
constexpr absl::Duration kFirstArrivalTimeout = absl::Seconds(20);

volatile std::sig_atomic_t stop_asked = 0;
volatile std::sig_atomic_t link_is_back = 0;

}  // namespace

void SinkRun::AddOptions(CLI::App* app) {
  app->add_option("--expect", expect_, "messages after which it is done");
  app->add_option("--first-n", first_n_, "lower numbers are not counted");
  app->add_option("--idle", idle_seconds_, "seconds without a message after which it is done");
  app->add_option("--limit", limit_seconds_, "seconds after which it gives up");
}

void SinkRun::Begin() {
  std::signal(SIGTERM, [](int) { stop_asked = 1; });
  std::signal(SIGUSR1, [](int) { link_is_back = 1; });
  start_ = absl::Now();
  arrivals_ = std::make_unique<Arrivals>(first_n_);
}

void SinkRun::ReportReady() {
  if (!ready_) std::fputs("ready\n", stderr);
  ready_ = true;
}

bool SinkRun::Done() {
  if (link_is_back) {
    link_is_back = 0;
    arrivals_->MarkLinkBack(UnixNanos());
  }
  const absl::Time now = absl::Now();
  if (stop_asked || now > start_ + absl::Seconds(limit_seconds_)) return true;
  if (arrivals_->last_seen_unix_ns() == 0) return now > start_ + kFirstArrivalTimeout;
  const absl::Duration quiet = now - absl::FromUnixNanos(arrivals_->last_seen_unix_ns());
  // Duplicates would follow soon.
  if (expect_ > 0 && arrivals_->count() >= expect_) return quiet > absl::Milliseconds(300);
  return quiet > absl::Seconds(idle_seconds_);
}

int SinkRun::Report() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  std::string json = arrivals_->ToJson();
  json.pop_back();
  absl::PrintF(
      "%s,\"cpu_s\":%.3f}\n", json,
      absl::ToDoubleSeconds(absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime)));
  std::fflush(stdout);
  return arrivals_->count() < expect_ ? 1 : 0;
}

}  // namespace mvmd
