#include "runtime/metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <fstream>
#include <iterator>
#include <list>
#include <sstream>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "prometheus/family.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"

namespace mvmd {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

ClientMetric Value(MetricType type, double value, const MetricLabels& labels) {
  ClientMetric metric;
  for (const auto& [name, label] : labels) metric.label.push_back({name, label});
  if (type == MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  return metric;
}

void AddProcessMetric(MetricType type, const char* name, const char* help, double value,
                      std::vector<MetricFamily>* families) {
  families->push_back({name, help, type, {Value(type, value, {})}});
}

// Fields of /proc/self/stat behind the program's name, which may contain anything; [0] is `state`, field 3 of proc(5).
std::vector<std::string> ReadProcStat() {
  std::ifstream file("/proc/self/stat");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const size_t end = text.rfind(')');
  if (end == std::string::npos || end + 2 > text.size()) return {};
  return absl::StrSplit(text.substr(end + 2), ' ', absl::SkipWhitespace());
}

double BootTimeSeconds() {
  std::ifstream file("/proc/stat");
  std::string key;
  double value = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    if (fields >> key >> value && key == "btime") return value;
  }
  return 0;
}

double CountOpenFds() {
  DIR* dir = opendir("/proc/self/fd");
  if (dir == nullptr) return 0;
  double count = 0;
  while (readdir(dir) != nullptr) ++count;
  closedir(dir);
  return count - 3;  // `.`, `..` and the directory itself
}

void CollectProcess(std::vector<MetricFamily>* families) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  AddProcessMetric(MetricType::Counter, "process_cpu_seconds_total", "User and system CPU time spent.",
                   seconds(usage.ru_utime) + seconds(usage.ru_stime), families);
  AddProcessMetric(MetricType::Gauge, "process_open_fds", "Open file descriptors.", CountOpenFds(), families);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  AddProcessMetric(MetricType::Gauge, "process_max_fds", "Largest number of open file descriptors.",
                   static_cast<double>(limit.rlim_cur), families);
  const std::vector<std::string> stat = ReadProcStat();
  if (stat.size() > 21) {
    // proc(5): field 22 starttime in clock ticks since boot, field 24 rss in pages.
    static const double boot = BootTimeSeconds();
    AddProcessMetric(MetricType::Gauge, "process_start_time_seconds", "Start of the process, Unix time.",
                     boot + std::stod(stat[19]) / static_cast<double>(sysconf(_SC_CLK_TCK)), families);
    AddProcessMetric(MetricType::Gauge, "process_resident_memory_bytes", "Resident memory.",
                     std::stod(stat[21]) * static_cast<double>(sysconf(_SC_PAGESIZE)), families);
  }
}

struct CallbackEntry {
  std::string name;
  std::string help;
  MetricType type;
  Metrics::ReadSamples read;
};

// Outlives the registry when a handle does.
struct Callbacks {
  absl::Mutex mutex;
  std::list<CallbackEntry> entries ABSL_GUARDED_BY(mutex);

  // Callbacks of one name make one family: the format allows HELP and TYPE only once.
  void Collect(std::vector<MetricFamily>* families) {
    std::map<std::string, size_t> index;
    absl::MutexLock lock(&mutex);
    for (const CallbackEntry& entry : entries) {
      const auto [it, inserted] = index.emplace(entry.name, families->size());
      if (inserted) families->push_back({entry.name, entry.help, entry.type, {}});
      for (const Metrics::CallbackSample& sample : entry.read()) {
        (*families)[it->second].metric.push_back(Value(entry.type, sample.value, sample.labels));
      }
    }
  }
};

}  // namespace

struct Metrics::Callback::Registration {
  std::shared_ptr<Callbacks> callbacks;
  std::list<CallbackEntry>::iterator entry;

  ~Registration() {
    absl::MutexLock lock(&callbacks->mutex);
    callbacks->entries.erase(entry);
  }

  static Callback Make(const std::shared_ptr<Callbacks>& callbacks, CallbackEntry entry) {
    auto registration = std::make_shared<Registration>();
    registration->callbacks = callbacks;
    absl::MutexLock lock(&callbacks->mutex);
    registration->entry = callbacks->entries.insert(callbacks->entries.end(), std::move(entry));
    return Callback(std::move(registration));
  }
};

Metrics::Callback::Callback(std::shared_ptr<Registration> registration) : registration_(std::move(registration)) {}
Metrics::Callback::Callback(Callback&& other) noexcept = default;
Metrics::Callback& Metrics::Callback::operator=(Callback&& other) noexcept = default;
Metrics::Callback::~Callback() = default;

struct Metrics::Impl {
  std::string prefix;
  prometheus::Registry registry{prometheus::Registry::InsertBehavior::Merge};
  std::shared_ptr<Callbacks> callbacks = std::make_shared<Callbacks>();
};

Metrics::Metrics(absl::string_view prefix) : impl_(std::make_unique<Impl>()) { impl_->prefix = std::string(prefix); }

Metrics::~Metrics() = default;

prometheus::Counter& Metrics::AddCounter(const std::string& name, const std::string& help, const MetricLabels& labels) {
  return prometheus::BuildCounter().Name(impl_->prefix + name).Help(help).Register(impl_->registry).Add(labels);
}

prometheus::Gauge& Metrics::AddGauge(const std::string& name, const std::string& help, const MetricLabels& labels) {
  return prometheus::BuildGauge().Name(impl_->prefix + name).Help(help).Register(impl_->registry).Add(labels);
}

prometheus::Histogram& Metrics::AddHistogram(const std::string& name, const std::string& help,
                                             const std::vector<double>& buckets, const MetricLabels& labels) {
  return prometheus::BuildHistogram()
      .Name(impl_->prefix + name)
      .Help(help)
      .Register(impl_->registry)
      .Add(labels, buckets);
}

Metrics::Callback Metrics::AddCounterCallback(const std::string& name, const std::string& help, ReadSamples read) {
  return Callback::Registration::Make(impl_->callbacks,
                                      {impl_->prefix + name, help, MetricType::Counter, std::move(read)});
}

Metrics::Callback Metrics::AddGaugeCallback(const std::string& name, const std::string& help, ReadSamples read) {
  return Callback::Registration::Make(impl_->callbacks,
                                      {impl_->prefix + name, help, MetricType::Gauge, std::move(read)});
}

std::string Metrics::Text() const {
  std::vector<MetricFamily> families = impl_->registry.Collect();
  impl_->callbacks->Collect(&families);
  CollectProcess(&families);
  return prometheus::TextSerializer().Serialize(families);
}

std::vector<double> ExponentialBuckets(double first, double factor, int count) {
  std::vector<double> bounds;
  for (double bound = first; static_cast<int>(bounds.size()) < count; bound *= factor) bounds.push_back(bound);
  return bounds;
}

}  // namespace mvmd
