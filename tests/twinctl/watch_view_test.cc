#include "twinctl/watch_view.h"

#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

pb::WatchTwinsResponse Snapshot() {
  pb::WatchTwinsResponse response;
  response.set_revision(5);
  pb::TwinChange* change = response.add_changes();
  change->set_twin_id("t");
  change->mutable_document()->set_canonical(
      R"({"sensors":[{"id":"s","unit":"celsius","currentValue":1.5,"timestamp":"2024-01-01T00:00:00Z"}]})");
  return response;
}

pb::WatchTwinsResponse Samples(double value, bool backfill) {
  pb::WatchTwinsResponse response;
  response.set_revision(6);
  pb::TwinChange* change = response.add_changes();
  change->set_twin_id("t");
  change->mutable_samples()->set_sensor("s");
  change->mutable_samples()->set_backfill(backfill);
  pb::Sample* sample = change->mutable_samples()->add_samples();
  sample->set_number(value);
  sample->mutable_time()->set_seconds(1704067201);
  return response;
}

class WatchViewTest : public ::testing::Test {
 protected:
  std::string Frame(int rows = 24, int columns = 100) { return view_.Frame(console_, rows, columns); }

  std::ostringstream out_;
  Console console_{out_, out_, true, false};
  WatchView view_;
};

TEST_F(WatchViewTest, ShowsSnapshotThenSamples) {
  view_.Apply(Snapshot());
  EXPECT_THAT(Frame(), HasSubstr("1.5    celsius"));
  view_.Apply(Samples(2.5, false));
  EXPECT_THAT(Frame(), HasSubstr("2.5    celsius"));
}

TEST_F(WatchViewTest, CountsBackfillButKeepsTheNewerValue) {
  view_.Apply(Snapshot());
  view_.Apply(Samples(9.5, true));
  const std::string frame = Frame();
  EXPECT_THAT(frame, HasSubstr("1.5 "));
  EXPECT_THAT(frame, HasSubstr("1 samples"));
}

TEST_F(WatchViewTest, DrawsOverTheLastFrame) {
  view_.Apply(Snapshot());
  EXPECT_THAT(Frame(), Not(StartsWith("\x1b[")));
  EXPECT_THAT(Frame(), StartsWith("\x1b[3A"));
}

TEST_F(WatchViewTest, FitsTheTerminal) {
  for (int i = 0; i < 50; ++i) {
    pb::WatchTwinsResponse response = Samples(1, false);
    response.mutable_changes(0)->mutable_samples()->set_sensor("s" + std::to_string(i));
    view_.Apply(response);
  }
  const std::string frame = Frame(10, 40);
  EXPECT_LE(std::count(frame.begin(), frame.end(), '\n'), 9);
  EXPECT_THAT(frame, HasSubstr("more"));
}

TEST_F(WatchViewTest, ForgetsRemovedTwins) {
  view_.Apply(Snapshot());
  pb::WatchTwinsResponse response;
  response.add_changes()->set_twin_id("t");
  response.mutable_changes(0)->mutable_removed();
  view_.Apply(response);
  EXPECT_THAT(Frame(), Not(HasSubstr("celsius")));
}

TEST(ChangeLinesTest, WritesOneLineASample) {
  EXPECT_EQ(ChangeLines(6, Samples(2.5, true).changes(0)),
            R"({"revision":6,"twin":"t","change":"sample","sensor":"s","timestamp":"2024-01-01T00:00:01Z","value":2.5,)"
            R"("backfill":true})"
            "\n");
}

TEST(ChangeLinesTest, WritesDocumentsWhole) {
  EXPECT_THAT(ChangeLines(5, Snapshot().changes(0)), HasSubstr(R"("document":{"sensors":[{"id":"s",)"));
}

TEST(ChangeTextTest, EscapesWhatComesFromOutside) {
  pb::TwinChange change = Samples(1, false).changes(0);
  change.set_twin_id("evil\x1b[2J");
  EXPECT_THAT(ChangeText(change), Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace mvmd
