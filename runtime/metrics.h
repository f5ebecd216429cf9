// Metrics of the process, in the Prometheus text format.
#ifndef MVMD_RUNTIME_METRICS_H_
#define MVMD_RUNTIME_METRICS_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"

namespace mvmd {

using MetricLabels = std::map<std::string, std::string>;

// Registry. Thread-safe. Metrics live as long as it; take references once and keep them, updates are then lock-free
// (a histogram takes a small lock). How many values a label can have is the caller's duty: names of bridges or reasons,
// never topics, twins or anything that a peer can invent.
//
//   Metrics metrics("mvmd_gateway_");
//   prometheus::Counter& samples = metrics.AddCounter("samples_total", "Samples applied.", {{"lane", "live"}});
//   samples.Increment(500);
class Metrics {
 public:
  // `prefix` goes before every name; process_* metrics come without it.
  explicit Metrics(absl::string_view prefix);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // The same name and labels give the same metric. A name has one type and one help text.
  prometheus::Counter& AddCounter(const std::string& name, const std::string& help, const MetricLabels& labels = {});
  prometheus::Gauge& AddGauge(const std::string& name, const std::string& help, const MetricLabels& labels = {});
  // `buckets`: upper bounds, ascending.
  prometheus::Histogram& AddHistogram(const std::string& name, const std::string& help,
                                      const std::vector<double>& buckets, const MetricLabels& labels = {});

  // For values that someone counts already: `read` is called at each scrape, on the scraping thread, under a lock of
  // the registry; it must be thread-safe, quick, and not call the registry. Removed when the handle goes: after that
  // `read` is not running and is not called again.
  class Callback {
   public:
    Callback() = default;
    Callback(Callback&& other) noexcept;
    Callback& operator=(Callback&& other) noexcept;
    ~Callback();

   private:
    friend class Metrics;
    struct Registration;
    explicit Callback(std::shared_ptr<Registration> registration);
    std::shared_ptr<Registration> registration_;
  };
  struct CallbackSample {
    MetricLabels labels;
    double value = 0;
  };
  using ReadSamples = std::function<std::vector<CallbackSample>()>;
  [[nodiscard]] Callback AddCounterCallback(const std::string& name, const std::string& help, ReadSamples read);
  [[nodiscard]] Callback AddGaugeCallback(const std::string& name, const std::string& help, ReadSamples read);

  // All metrics, text exposition format 0.0.4; with process_resident_memory_bytes, process_cpu_seconds_total,
  // process_open_fds, process_max_fds and process_start_time_seconds of this process.
  std::string Text() const;

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

// Bounds from `first` on, each `factor` times the one before.
std::vector<double> ExponentialBuckets(double first, double factor, int count);

}  // namespace mvmd

#endif  // MVMD_RUNTIME_METRICS_H_
