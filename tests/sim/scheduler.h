// Virtual time, chance, and processes that crash and freeze: everything of a simulated run that must repeat under one
// seed.
#ifndef MVMD_TESTS_SIM_SCHEDULER_H_
#define MVMD_TESTS_SIM_SCHEDULER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace mvmd {

// One thread, no real time. Events at the same time run in the order in which they were added.
//
//   Scheduler scheduler(seed, /*trace=*/false);
//   scheduler.After(absl::Seconds(1), [] { ... });
//   while (scheduler.failure().empty() && scheduler.RunOne()) {}
class Scheduler {
 public:
  Scheduler(uint64_t seed, bool trace) : trace_(trace), random_(seed) {}

  absl::Time now() const { return now_; }
  int64_t unix_ns() const { return absl::ToUnixNanos(now_); }
  void At(absl::Time when, std::function<void()> event);
  void After(absl::Duration delay, std::function<void()> event) { At(now_ + delay, std::move(event)); }
  // False when there is nothing left to do.
  bool RunOne();
  uint64_t events_run() const { return events_run_; }

  // Chance. All of a run's comes from here.
  uint64_t Pick(uint64_t n) { return random_() % n; }
  bool Chance(double probability) { return static_cast<double>(random_() >> 11) * 0x1p-53 < probability; }
  absl::Duration Between(absl::Duration low, absl::Duration high);

  // Something that must not happen; the first one is kept and ends the run.
  void Fail(std::string what);
  const std::string& failure() const { return failure_; }

  // Kept only when tracing.
  template <typename... Args>
  void Trace(const Args&... args) {
    if (trace_) lines_.push_back(absl::StrCat(Stamp(), args...));
  }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  struct Event {
    absl::Time when;
    uint64_t number;
    std::function<void()> run;
    friend bool operator>(const Event& a, const Event& b) {
      return a.when != b.when ? a.when > b.when : a.number > b.number;
    }
  };
  std::string Stamp() const;

  const bool trace_;
  std::mt19937_64 random_;
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  uint64_t last_number_ = 0;
  uint64_t events_run_ = 0;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::string failure_;
  std::vector<std::string> lines_;
};

// Where and how often processes crash.
struct CrashPlan {
  double chance = 0;                 // at each crash point
  uint64_t at_point = ~uint64_t{0};  // also at this one, counted from 0
  absl::Duration down_max = absl::Seconds(3);
};

// Something that loses its memory and keeps its disk. It is up, or down until it starts again by itself; frozen, its
// events wait. Subclasses name the places between two steps where a crash makes a difference: crash points.
class Process {
 public:
  Process(Scheduler* scheduler, std::string name) : scheduler_(scheduler), name_(std::move(name)) {}
  virtual ~Process() = default;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void Start();
  void Crash(absl::string_view where);
  void Freeze(absl::Duration duration);
  bool up() const { return up_; }
  // Grows with every start: who holds an older one talks to a process that is dead.
  uint64_t life() const { return life_; }
  // Runs `event` if this life still goes on, as soon as the process is not frozen.
  void Run(uint64_t life, std::function<void()> event);

  CrashPlan& crash_plan() { return crash_plan_; }
  uint64_t crash_points_passed() const { return crash_points_passed_; }
  uint64_t crashes() const { return crashes_; }
  const std::string& name() const { return name_; }

 protected:
  virtual void OnStart() = 0;
  virtual void OnCrash() = 0;
  // An event of this life.
  void After(absl::Duration delay, std::function<void()> event);
  // True when the process crashed here: return at once, the memory is gone.
  bool CrashPoint(absl::string_view where);

  Scheduler* const scheduler_;

 private:
  void Thaw();

  const std::string name_;
  CrashPlan crash_plan_;
  bool up_ = false;
  uint64_t life_ = 0;
  uint64_t crash_points_passed_ = 0;
  uint64_t crashes_ = 0;
  absl::Time frozen_until_ = absl::InfinitePast();
  std::deque<std::function<void()>> held_;  // events of this life that wait, in order
};

}  // namespace mvmd

#endif  // MVMD_TESTS_SIM_SCHEDULER_H_
