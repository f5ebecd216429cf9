#include "runtime/metrics.h"

#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mvmd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(MetricsTest, WritesCountersGaugesAndHistograms) {
  Metrics metrics("mvmd_test_");
  metrics.AddCounter("samples_total", "Samples.", {{"lane", "live"}}).Increment(500);
  metrics.AddGauge("depth", "Depth.").Set(7);
  metrics.AddHistogram("commit_seconds", "Commit.", {0.001, 0.01}).Observe(0.005);
  const std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("# TYPE mvmd_test_samples_total counter\nmvmd_test_samples_total{lane=\"live\"} 500\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE mvmd_test_depth gauge\nmvmd_test_depth 7\n"));
  EXPECT_THAT(text, HasSubstr("mvmd_test_commit_seconds_bucket{le=\"0.001\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("mvmd_test_commit_seconds_bucket{le=\"+Inf\"} 1\n"));
}

TEST(MetricsTest, SameNameAndLabelsGiveTheSameMetric) {
  Metrics metrics("");
  prometheus::Counter& a = metrics.AddCounter("x_total", "X.", {{"k", "a"}});
  prometheus::Counter& b = metrics.AddCounter("x_total", "X.", {{"k", "b"}});
  EXPECT_EQ(&a, &metrics.AddCounter("x_total", "X.", {{"k", "a"}}));
  EXPECT_NE(&a, &b);
}

TEST(MetricsTest, TellsAboutTheProcess) {
  const std::string text = Metrics("x_").Text();
  for (const char* name : {"process_resident_memory_bytes ", "process_cpu_seconds_total ", "process_open_fds ",
                           "process_max_fds ", "process_start_time_seconds "}) {
    EXPECT_THAT(text, HasSubstr(std::string("\n") + name));
  }
  EXPECT_THAT(text, Not(HasSubstr("process_resident_memory_bytes 0\n")));
}

TEST(MetricsTest, CallbacksOfOneNameMakeOneFamily) {
  Metrics metrics("m_");
  const auto one = [](const char* who, double value) {
    return [who, value] { return std::vector<Metrics::CallbackSample>{{{{"who", who}}, value}}; };
  };
  const Metrics::Callback a = metrics.AddGaugeCallback("depth", "Depth.", one("a", 1));
  Metrics::Callback b = metrics.AddGaugeCallback("depth", "Depth.", one("b", 2));
  EXPECT_THAT(metrics.Text(),
              HasSubstr("# HELP m_depth Depth.\n# TYPE m_depth gauge\nm_depth{who=\"a\"} 1\nm_depth{who=\"b\"} 2\n"));
  b = Metrics::Callback();
  EXPECT_THAT(metrics.Text(), Not(HasSubstr("who=\"b\"")));
}

TEST(MetricsTest, CallbackMayOutliveTheRegistry) {
  Metrics::Callback callback;
  {
    Metrics metrics("m_");
    callback = metrics.AddCounterCallback("x_total", "X.", [] {
      return std::vector<Metrics::CallbackSample>{{{}, 3}};
    });
    EXPECT_THAT(metrics.Text(), HasSubstr("# TYPE m_x_total counter\nm_x_total 3\n"));
  }
}

TEST(MetricsTest, ExponentialBuckets) { EXPECT_THAT(ExponentialBuckets(1, 4, 4), ElementsAre(1, 4, 16, 64)); }

}  // namespace
}  // namespace mvmd
