#include "gateway/watch_cursor.h"

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/status_proto.h"
#include "twin/json.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kNow = 1'700'000'000'000'000'000;
constexpr int64_t kSecond = 1'000'000'000;

std::shared_ptr<const Definition> MakeDefinition(const std::string& twin, const std::string& name = "Robot") {
  const std::string text = absl::StrCat(R"({"name":")", name, R"(","identifier":{"value":")", twin,
                                        R"("},"sensors":[{"id":"t","currentValue":1},{"id":"p"}]})");
  return std::make_shared<const Definition>(*ParseJson(text));
}

// An entry, and the blocks that its samples point into.
class EntryBuilder {
 public:
  explicit EntryBuilder(uint64_t revision) { entry_->revision = revision; }

  EntryBuilder& Samples(const SensorRef* sensor, const std::vector<std::pair<int64_t, double>>& samples,
                        bool backfill = false) {
    auto block = std::make_shared<DecodedBlock>();
    for (const auto& [time, value] : samples) {
      block->times_unix_ns.push_back(time);
      block->numbers.push_back(value);
    }
    AppliedEntry::Samples run{.sensor = sensor, .block = block.get(), .run = {}, .backfill = backfill};
    run.run.count = static_cast<uint32_t>(samples.size());
    entry_->samples.push_back(run);
    entry_->bytes += 100;
    blocks_.push_back(std::move(block));
    return *this;
  }
  EntryBuilder& Document(const std::string& twin, std::shared_ptr<const Definition> definition) {
    entry_->documents.push_back({twin, std::move(definition)});
    return *this;
  }
  EntryBuilder& Gap(const std::string& twin, const std::string& sensor) {
    pb::Gap gap;
    gap.set_twin(twin);
    gap.set_sensor(sensor);
    entry_->gaps.push_back(gap);
    return *this;
  }
  EntryBuilder& Forgotten(const std::string& twin, uint64_t oldest_revision) {
    entry_->forgotten.push_back({twin, oldest_revision});
    return *this;
  }
  EntryBuilder& Connection(const std::string& bridge, bool connected) {
    entry_->connections.push_back({bridge, connected});
    return *this;
  }
  std::shared_ptr<const AppliedEntry> Build() {
    // The alias keeps the blocks alive as long as the entry.
    auto both = std::make_shared<std::pair<std::shared_ptr<AppliedEntry>, std::vector<std::shared_ptr<DecodedBlock>>>>(
        entry_, blocks_);
    return {both, entry_.get()};
  }

 private:
  std::shared_ptr<AppliedEntry> entry_ = std::make_shared<AppliedEntry>();
  std::vector<std::shared_ptr<DecodedBlock>> blocks_;
};

// "twin/sensor:value@time,..." or what else a change says.
std::string Text(const pb::TwinChange& change) {
  switch (change.change_case()) {
    case pb::TwinChange::kSamples: {
      std::string text = absl::StrCat(change.twin_id(), "/", change.samples().sensor(), ":");
      for (const pb::Sample& sample : change.samples().samples()) {
        absl::StrAppend(&text, " ", sample.number(), "@", sample.time().seconds());
      }
      if (change.samples().merged_count() != 0) absl::StrAppend(&text, " +", change.samples().merged_count());
      if (change.samples().backfill()) absl::StrAppend(&text, " backfill");
      return text;
    }
    case pb::TwinChange::kDocument:
      return absl::StrCat(change.twin_id(), " document r", change.document().revision());
    case pb::TwinChange::kRemoved:
      return absl::StrCat(change.twin_id(), " removed");
    case pb::TwinChange::kGap:
      return absl::StrCat(change.twin_id(), "/", change.gap().sensor(), " gap");
    case pb::TwinChange::kConnection:
      return absl::StrCat(change.connection().bridge(), change.connection().connected() ? " up" : " down");
    case pb::TwinChange::CHANGE_NOT_SET:
      break;
  }
  return "?";
}

std::vector<std::string> Texts(const pb::WatchTwinsResponse& response) {
  std::vector<std::string> texts;
  for (const pb::TwinChange& change : response.changes()) texts.push_back(Text(change));
  return texts;
}

class WatchCursorTest : public ::testing::Test {
 protected:
  const SensorRef a_t_{"a", "t"};
  const SensorRef a_p_{"a", "p"};
  const SensorRef b_t_{"b", "t"};

  WatchAccess Access() {
    return {.may_read = [this](absl::string_view twin) { return !forbidden_.contains(std::string(twin)); },
            .may_read_all = forbidden_.empty(),
            .live_of = [](absl::string_view) { return LiveView(); }};
  }
  absl::StatusOr<WatchCursor> Create(const pb::WatchTwinsRequest& request) {
    return WatchCursor::Create(request, Access(), limits_, applied_, now_);
  }
  WatchCursor Open(const pb::WatchTwinsRequest& request) {
    absl::StatusOr<WatchCursor> cursor = Create(request);
    EXPECT_TRUE(cursor.ok()) << cursor.status();
    return *std::move(cursor);
  }
  WatchCursor From(uint64_t revision) {
    request_.set_start_revision(revision);
    return Open(request_);
  }
  // Everything that the cursor says now.
  std::vector<std::string> TakeAll(WatchCursor* cursor) {
    std::vector<std::string> texts;
    pb::WatchTwinsResponse response;
    while (cursor->Take(now_, /*at_end=*/true, &response)) {
      for (std::string& text : Texts(response)) texts.push_back(std::move(text));
      last_ = response;
      if (response.changes().empty()) break;
    }
    return texts;
  }
  static TwinSnapshot Snapshot(const std::string& twin, uint64_t revision) {
    TwinSnapshot snapshot;
    snapshot.twin = twin;
    snapshot.definition = MakeDefinition(twin);
    snapshot.revision = revision;
    return snapshot;
  }
  static WatchCursor::SnapshotPart Part(uint64_t revision, const std::vector<std::string>& twins) {
    WatchCursor::SnapshotPart part;
    part.revision = revision;
    for (const std::string& twin : twins) part.twins.push_back(Snapshot(twin, revision));
    return part;
  }

  pb::WatchTwinsRequest request_;
  WatchLimits limits_;
  std::set<std::string> forbidden_;
  uint64_t applied_ = 10;
  int64_t now_ = kNow;
  pb::WatchTwinsResponse last_;
};

TEST_F(WatchCursorTest, TellsEveryChangeInOrder) {
  WatchCursor cursor = From(5);
  EXPECT_FALSE(cursor.wants_snapshot());
  EXPECT_EQ(cursor.next_revision(), 5u);
  cursor.Give({EntryBuilder(5).Samples(&a_t_, {{kSecond, 1}, {2 * kSecond, 2}}).Build(),
               EntryBuilder(6).Samples(&b_t_, {{3 * kSecond, 3}}).Samples(&a_t_, {{4 * kSecond, 4}}).Build(),
               EntryBuilder(7).Gap("a", "t").Connection("robots", false).Build()});

  EXPECT_THAT(TakeAll(&cursor), ElementsAre("a/t: 1@1 2@2", "b/t: 3@3", "a/t: 4@4", "a/t gap", "robots down"));
  EXPECT_EQ(last_.revision(), 7u);
  EXPECT_FALSE(last_.snapshot_part());
  EXPECT_EQ(cursor.next_revision(), 8u);
}

TEST_F(WatchCursorTest, SharesAMessageBetweenNeighboursOnly) {
  WatchCursor cursor = From(5);
  cursor.Give({EntryBuilder(5).Samples(&a_t_, {{kSecond, 1}}).Build(),
               EntryBuilder(6).Samples(&a_t_, {{2 * kSecond, 2}}).Build(),
               EntryBuilder(7).Samples(&a_t_, {{0, 0}}, /*backfill=*/true).Build()});
  EXPECT_THAT(TakeAll(&cursor), ElementsAre("a/t: 1@1 2@2", "a/t: 0@0 backfill"));
}

TEST_F(WatchCursorTest, TellsDocumentsWithTheirLiveValues) {
  request_.set_start_revision(5);
  WatchAccess access = Access();
  access.live_of = [](absl::string_view twin) {
    LiveView live;
    if (twin == "a") live.sensors.push_back({.sensor = "t", .value = 42.5, .time_unix_ns = kSecond});
    return live;
  };
  WatchCursor cursor = *WatchCursor::Create(request_, access, limits_, applied_, now_);
  const auto definition = MakeDefinition("a");
  cursor.Give({EntryBuilder(5).Document("a", definition).Build(), EntryBuilder(6).Document("a", nullptr).Build()});
  pb::WatchTwinsResponse response;
  ASSERT_TRUE(cursor.Take(now_, true, &response));
  ASSERT_THAT(Texts(response), ElementsAre("a document r5", "a removed"));
  const pb::TwinDocument& document = response.changes(0).document();
  EXPECT_THAT(document.canonical(), ::testing::HasSubstr("42.5"));
  EXPECT_EQ(document.definition_etag(), definition->form.definition_etag());
  EXPECT_EQ(document.etag().size(), 64u);
}

TEST_F(WatchCursorTest, FiltersByTwinPrefixAndSensor) {
  const auto entry = [&] {
    return EntryBuilder(5)
        .Document("b", nullptr)
        .Samples(&a_t_, {{kSecond, 1}})
        .Samples(&a_p_, {{kSecond, 2}})
        .Samples(&b_t_, {{kSecond, 3}})
        .Gap("a", "t")
        .Gap("a", "")
        .Gap("", "")
        .Connection("robots", true)
        .Build();
  };
  {
    pb::WatchTwinsRequest request;
    request.set_start_revision(5);
    request.add_twin_ids("b");
    WatchCursor cursor = Open(request);
    cursor.Give({entry()});
    EXPECT_THAT(TakeAll(&cursor), ElementsAre("b removed", "b/t: 3@1"));
  }
  {
    pb::WatchTwinsRequest request;
    request.set_start_revision(5);
    request.add_prefixes("a");
    request.add_sensors("p");
    WatchCursor cursor = Open(request);
    cursor.Give({entry()});
    EXPECT_THAT(TakeAll(&cursor), ElementsAre("a/p: 2@1", "a/ gap"));
  }
  {
    pb::WatchTwinsRequest request;
    request.set_start_revision(5);
    WatchCursor cursor = Open(request);
    cursor.Give({entry()});
    EXPECT_THAT(TakeAll(&cursor), SizeIs(8));
  }
}

TEST_F(WatchCursorTest, HidesWhatTheCallerMayNotRead) {
  forbidden_ = {"b"};
  WatchCursor cursor = From(5);
  cursor.Give({EntryBuilder(5)
                   .Document("b", MakeDefinition("b"))
                   .Samples(&a_t_, {{kSecond, 1}})
                   .Samples(&b_t_, {{kSecond, 3}})
                   .Gap("b", "")
                   .Gap("", "")
                   .Connection("robots", true)
                   .Build()});
  EXPECT_THAT(TakeAll(&cursor), ElementsAre("a/t: 1@1"));
}

TEST_F(WatchCursorTest, SaysNothingOfEntriesThatDoNotMatchButMovesOn) {
  request_.add_twin_ids("c");
  WatchCursor cursor = From(5);
  cursor.Give({EntryBuilder(5).Samples(&a_t_, {{kSecond, 1}}).Build(), EntryBuilder(6).Build()});
  pb::WatchTwinsResponse response;
  EXPECT_FALSE(cursor.Take(now_, true, &response));
  EXPECT_EQ(cursor.told_revision(), 6u);
}

TEST_F(WatchCursorTest, BookmarksARevisionWithNothingToReport) {
  request_.mutable_bookmark_interval()->set_seconds(2);
  WatchCursor cursor = From(5);
  cursor.Give({EntryBuilder(5).Build()});
  pb::WatchTwinsResponse response;
  now_ += 2 * kSecond - 1;
  EXPECT_FALSE(cursor.Take(now_, true, &response));
  EXPECT_EQ(cursor.bookmark_due_unix_ns(), kNow + 2 * kSecond);
  now_ += 1;
  ASSERT_TRUE(cursor.Take(now_, true, &response));
  EXPECT_THAT(response.changes(), IsEmpty());
  EXPECT_EQ(response.revision(), 5u);
  EXPECT_FALSE(response.resume_token().empty());
  EXPECT_FALSE(cursor.Take(now_, true, &response));
}

TEST_F(WatchCursorTest, SplitsALargeEntryAndResumesInTheMiddleOfIt) {
  limits_.response_bytes_max = 200;
  std::vector<std::pair<int64_t, double>> many;
  std::vector<std::string> expected;
  for (int i = 0; i < 50; ++i) many.emplace_back(i * kSecond, i);
  const auto entry = EntryBuilder(5)
                         .Document("a", nullptr)
                         .Samples(&b_t_, {{kSecond, 7}})
                         .Samples(&a_t_, many)
                         .Gap("a", "t")
                         .Gap("b", "t")
                         .Build();
  const auto count = [](const pb::WatchTwinsResponse& response) {
    int units = 0;
    for (const pb::TwinChange& change : response.changes()) {
      units += change.has_samples() ? change.samples().samples_size() : 1;
      EXPECT_TRUE(!change.has_samples() || change.samples().samples_size() > 0);
    }
    return units;
  };
  // Cut off after each of the responses in turn: together they always tell every unit once.
  int responses = 0;
  {
    WatchCursor cursor = From(5);
    cursor.Give({entry});
    pb::WatchTwinsResponse response;
    while (cursor.Take(now_, true, &response)) ++responses;
  }
  ASSERT_GT(responses, 5);
  for (int cut = 1; cut < responses; ++cut) {
    SCOPED_TRACE(cut);
    request_.clear_resume_token();
    WatchCursor cursor = From(5);
    cursor.Give({entry});
    pb::WatchTwinsResponse response;
    int units = 0;
    for (int i = 0; i < cut; ++i) {
      ASSERT_TRUE(cursor.Take(now_, true, &response));
      EXPECT_EQ(response.revision(), 4u) << "not all of 5 is told";
      units += count(response);
    }
    pb::WatchTwinsRequest again = request_;
    again.clear_start_revision();
    again.set_resume_token(response.resume_token());
    WatchCursor resumed = Open(again);
    EXPECT_EQ(resumed.next_revision(), 5u);
    resumed.Give({entry});
    while (resumed.Take(now_, true, &response)) units += count(response);
    EXPECT_EQ(units, 54);
    EXPECT_EQ(resumed.told_revision(), 5u);
    EXPECT_EQ(response.changes_size(), 0);
  }
}

TEST_F(WatchCursorTest, ResumesRightAfterWhatWasTold) {
  WatchCursor cursor = From(5);
  cursor.Give({EntryBuilder(5).Samples(&a_t_, {{kSecond, 1}}).Build()});
  TakeAll(&cursor);
  pb::WatchTwinsRequest again;
  again.set_resume_token(last_.resume_token());
  EXPECT_EQ(Open(again).next_revision(), 6u);
}

TEST_F(WatchCursorTest, EndsOnlyBeforeAForgottenDefinitionThatItWouldTell) {
  using Entries = std::vector<std::shared_ptr<const AppliedEntry>>;
  const auto entries = [this] {
    return Entries{EntryBuilder(5).Samples(&a_t_, {{kSecond, 1}}).Build(), EntryBuilder(6).Forgotten("a", 9).Build(),
                   EntryBuilder(7).Build()};
  };
  WatchCursor cursor = From(5);
  Entries read = entries();
  EXPECT_TRUE(cursor.CutForgotten(&read).ok());
  EXPECT_THAT(read, SizeIs(1)) << "what comes before it is told";
  cursor.Give(read);
  TakeAll(&cursor);
  read = entries();
  read.erase(read.begin());
  const absl::Status status = cursor.CutForgotten(&read);
  EXPECT_EQ(ReasonOf(status), "REVISION_COMPACTED");
  EXPECT_EQ(MetadataOf(status)["oldest_revision"], "9");

  request_.add_twin_ids("b");
  WatchCursor other = From(5);
  read = entries();
  EXPECT_TRUE(other.CutForgotten(&read).ok());
  EXPECT_THAT(read, SizeIs(3)) << "another twin's";
}

TEST_F(WatchCursorTest, LatestMergesWhatTheClientWasTooSlowFor) {
  request_.set_mode(pb::WATCH_MODE_LATEST);
  WatchCursor cursor = From(5);
  pb::WatchTwinsResponse response;
  cursor.Give({EntryBuilder(5).Samples(&a_t_, {{kSecond, 1}, {2 * kSecond, 2}}).Samples(&b_t_, {{kSecond, 9}}).Build(),
               EntryBuilder(6).Samples(&a_t_, {{3 * kSecond, 3}}).Build()});
  EXPECT_FALSE(cursor.Take(now_, /*at_end=*/false, &response)) << "more can be read and merged";
  cursor.Give({EntryBuilder(7).Samples(&a_t_, {{0, 0}}, /*backfill=*/true).Connection("x", true).Build(),
               EntryBuilder(8).Connection("x", false).Gap("a", "t").Build()});

  EXPECT_THAT(TakeAll(&cursor), ElementsAre("a/t: 3@3 +3", "b/t: 9@1", "a/t gap", "x down"));
  EXPECT_EQ(last_.revision(), 8u);
}

TEST_F(WatchCursorTest, LatestIsSentWhenEnoughIsMergedThoughMoreCanBeRead) {
  request_.set_mode(pb::WATCH_MODE_LATEST);
  limits_.merged_bytes_max = 200;
  WatchCursor cursor = From(5);
  pb::WatchTwinsResponse response;
  cursor.Give({EntryBuilder(5).Samples(&a_t_, {{kSecond, 1}}).Build()});
  EXPECT_FALSE(cursor.Take(now_, false, &response));
  cursor.Give({EntryBuilder(6).Samples(&a_t_, {{2 * kSecond, 2}}).Build()});
  ASSERT_TRUE(cursor.Take(now_, false, &response));
  EXPECT_THAT(Texts(response), ElementsAre("a/t: 2@2 +1"));
}

TEST_F(WatchCursorTest, LatestForgetsSamplesOfATwinThatWasRemoved) {
  request_.set_mode(pb::WATCH_MODE_LATEST);
  WatchCursor cursor = From(5);
  cursor.Give({EntryBuilder(5).Samples(&a_t_, {{kSecond, 1}}).Build(), EntryBuilder(6).Document("a", nullptr).Build()});
  EXPECT_THAT(TakeAll(&cursor), ElementsAre("a removed"));
}

TEST_F(WatchCursorTest, LatestKeepsItsTokenUntilAllIsTold) {
  request_.set_mode(pb::WATCH_MODE_LATEST);
  limits_.response_bytes_max = 1;
  WatchCursor cursor = From(5);
  cursor.Give({EntryBuilder(5).Samples(&a_t_, {{kSecond, 1}}).Samples(&b_t_, {{kSecond, 2}}).Build()});
  pb::WatchTwinsResponse response;
  ASSERT_TRUE(cursor.Take(now_, true, &response));
  EXPECT_EQ(response.revision(), 4u);
  ASSERT_TRUE(cursor.Take(now_, true, &response));
  EXPECT_EQ(response.revision(), 5u);
}

TEST_F(WatchCursorTest, BeginsWithASnapshotAndGoesOnAfterIt) {
  WatchCursor cursor = Open({});
  ASSERT_TRUE(cursor.wants_snapshot());
  EXPECT_EQ(cursor.next_snapshot_read().prefix, "");
  EXPECT_EQ(cursor.next_snapshot_read().limit, 256u);

  cursor.GiveSnapshot(Part(10, {"a", "b"}));

  EXPECT_FALSE(cursor.wants_snapshot());
  EXPECT_EQ(cursor.next_revision(), 11u);
  pb::WatchTwinsResponse response;
  ASSERT_TRUE(cursor.Take(now_, true, &response));
  EXPECT_THAT(Texts(response), ElementsAre("a document r10", "b document r10"));
  EXPECT_EQ(response.revision(), 10u);
  EXPECT_FALSE(response.snapshot_part()) << "it is the last one";
  EXPECT_FALSE(response.resume_token().empty());
  EXPECT_FALSE(cursor.Take(now_, true, &response));
}

TEST_F(WatchCursorTest, SaysThatThereIsNothingInAnEmptySnapshot) {
  applied_ = 0;
  WatchCursor cursor = Open({});
  cursor.GiveSnapshot(Part(0, {}));
  pb::WatchTwinsResponse response;
  ASSERT_TRUE(cursor.Take(now_, true, &response));
  EXPECT_THAT(response.changes(), IsEmpty());
  EXPECT_FALSE(response.snapshot_part());
  EXPECT_FALSE(response.resume_token().empty());
  EXPECT_EQ(cursor.next_revision(), 1u);
  EXPECT_FALSE(cursor.Take(now_, true, &response));
}

TEST_F(WatchCursorTest, SnapshotsOnlyWhatMatchesAndMayBeRead) {
  forbidden_ = {"pa2"};
  pb::WatchTwinsRequest request;
  request.add_twin_ids("z");
  request.add_twin_ids("pa9");  // covered by the prefix
  request.add_prefixes("pab");  // likewise
  request.add_prefixes("pa");
  request.add_prefixes("q");
  WatchCursor cursor = Open(request);
  EXPECT_THAT(cursor.next_snapshot_read().twins, ElementsAre("z"));
  cursor.GiveSnapshot(Part(10, {"z"}));
  EXPECT_EQ(cursor.next_snapshot_read().prefix, "pa");
  cursor.GiveSnapshot(Part(10, {"pa1", "pa2", "pa9"}));
  EXPECT_EQ(cursor.next_snapshot_read().prefix, "q");
  cursor.GiveSnapshot(Part(10, {}));
  EXPECT_FALSE(cursor.wants_snapshot());
  EXPECT_THAT(TakeAll(&cursor), ElementsAre("z document r10", "pa1 document r10", "pa9 document r10"));
}

TEST_F(WatchCursorTest, MakesOneSnapshotOfPartsThatWereReadAtDifferentTimes) {
  limits_.snapshot_twins_max = 2;
  WatchCursor cursor = Open({});
  pb::WatchTwinsResponse response;

  cursor.GiveSnapshot(Part(10, {"a", "b"}));
  ASSERT_TRUE(cursor.Take(now_, true, &response));
  EXPECT_TRUE(response.snapshot_part());
  EXPECT_TRUE(response.resume_token().empty()) << "a snapshot cannot be resumed";
  EXPECT_FALSE(cursor.Take(now_, true, &response));
  EXPECT_EQ(cursor.next_snapshot_read().after, "b");
  cursor.GiveSnapshot(Part(12, {"c"}));
  EXPECT_EQ(cursor.next_revision(), 11u);
  ASSERT_TRUE(cursor.Take(now_, true, &response));
  EXPECT_TRUE(response.snapshot_part()) << "what happened to a and b in between is still to be told";

  const SensorRef c_t{"c", "t"};
  const SensorRef d_t{"d", "t"};
  cursor.Give({EntryBuilder(11).Samples(&a_t_, {{kSecond, 1}}).Samples(&c_t, {{kSecond, 2}}).Build()});
  ASSERT_TRUE(cursor.Take(now_, true, &response));
  EXPECT_THAT(Texts(response), ElementsAre("a/t: 1@1")) << "that of c is in its document already";
  EXPECT_TRUE(response.snapshot_part());
  cursor.Give({EntryBuilder(12).Samples(&d_t, {{kSecond, 3}}).Build()});
  ASSERT_TRUE(cursor.Take(now_, true, &response));
  EXPECT_THAT(response.changes(), IsEmpty()) << "d was read, as absent, at 12";
  EXPECT_FALSE(response.snapshot_part());
  EXPECT_EQ(response.revision(), 12u);
  EXPECT_FALSE(response.resume_token().empty());

  cursor.Give({EntryBuilder(13).Samples(&c_t, {{4 * kSecond, 4}}).Build()});
  EXPECT_THAT(TakeAll(&cursor), ElementsAre("c/t: 4@4"));
}

TEST_F(WatchCursorTest, SplitsASnapshotThatIsTooLargeForOneResponse) {
  limits_.response_bytes_max = 1;
  WatchCursor cursor = Open({});
  cursor.GiveSnapshot(Part(10, {"a", "b"}));
  pb::WatchTwinsResponse response;
  ASSERT_TRUE(cursor.Take(now_, true, &response));
  EXPECT_THAT(Texts(response), ElementsAre("a document r10"));
  EXPECT_TRUE(response.snapshot_part());
  ASSERT_TRUE(cursor.Take(now_, true, &response));
  EXPECT_THAT(Texts(response), ElementsAre("b document r10"));
  EXPECT_FALSE(response.snapshot_part());
}

TEST_F(WatchCursorTest, LastResponseTellsTheToken) {
  WatchCursor cursor = From(5);
  cursor.Give({EntryBuilder(5).Build()});
  pb::WatchTwinsResponse response;
  EXPECT_FALSE(cursor.Take(now_, true, &response));
  ASSERT_TRUE(cursor.TakeLast(&response));
  EXPECT_EQ(response.revision(), 5u);
  pb::WatchTwinsRequest again;
  again.set_resume_token(response.resume_token());
  EXPECT_EQ(Open(again).next_revision(), 6u);
}

TEST_F(WatchCursorTest, HasNoTokenToTellInTheMiddleOfASnapshot) {
  limits_.snapshot_twins_max = 1;
  WatchCursor cursor = Open({});
  pb::WatchTwinsResponse response;
  EXPECT_FALSE(cursor.TakeLast(&response));
  cursor.GiveSnapshot(Part(10, {"a"}));
  EXPECT_FALSE(cursor.TakeLast(&response));
}

TEST_F(WatchCursorTest, RefusesAStartThatThisGatewayDoesNotHave) {
  request_.set_start_revision(11);
  EXPECT_TRUE(Create(request_).ok()) << "the next one";
  request_.set_start_revision(12);
  const absl::Status status = Create(request_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ReasonOf(status), "REVISION_AHEAD");
  EXPECT_EQ(MetadataOf(status)["applied_revision"], "10");
}

struct BadRequestCase {
  const char* name;
  void (*change)(pb::WatchTwinsRequest*);
  const char* field;
};

class WatchCursorRequestTest : public WatchCursorTest, public ::testing::WithParamInterface<BadRequestCase> {};

TEST_P(WatchCursorRequestTest, NamesTheFieldThatIsWrong) {
  GetParam().change(&request_);
  const absl::Status status = Create(request_).status();
  ASSERT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(ReasonOf(status), "REQUEST_INVALID");
  ASSERT_THAT(FieldViolationsOf(status), SizeIs(1));
  EXPECT_EQ(FieldViolationsOf(status)[0].field(), GetParam().field);
}

INSTANTIATE_TEST_SUITE_P(
    Fields, WatchCursorRequestTest,
    ::testing::Values(
        BadRequestCase{"EmptyTwin", [](pb::WatchTwinsRequest* r) { r->add_twin_ids(""); }, "twin_ids[0]"},
        BadRequestCase{"ManyTwins",
                       [](pb::WatchTwinsRequest* r) {
                         for (int i = 0; i < 1001; ++i) r->add_twin_ids("x");
                       },
                       "twin_ids"},
        BadRequestCase{"ManyPrefixes",
                       [](pb::WatchTwinsRequest* r) {
                         for (int i = 0; i < 101; ++i) r->add_prefixes("x");
                       },
                       "prefixes"},
        BadRequestCase{"EmptySensor", [](pb::WatchTwinsRequest* r) { r->add_sensors(""); }, "sensors[0]"},
        BadRequestCase{"Mode", [](pb::WatchTwinsRequest* r) { r->set_mode(static_cast<pb::WatchMode>(9)); }, "mode"},
        BadRequestCase{"View", [](pb::WatchTwinsRequest* r) { r->set_view(static_cast<pb::TwinView>(9)); }, "view"},
        BadRequestCase{"ShortInterval",
                       [](pb::WatchTwinsRequest* r) { r->mutable_bookmark_interval()->set_nanos(99'999'999); },
                       "bookmark_interval"},
        BadRequestCase{"NegativeInterval",
                       [](pb::WatchTwinsRequest* r) { r->mutable_bookmark_interval()->set_seconds(-1); },
                       "bookmark_interval"},
        BadRequestCase{"LongInterval",
                       [](pb::WatchTwinsRequest* r) { r->mutable_bookmark_interval()->set_seconds(INT64_MAX); },
                       "bookmark_interval"},
        BadRequestCase{"NoToken", [](pb::WatchTwinsRequest* r) { r->set_resume_token("nonsense"); }, "resume_token"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(WatchCursorTest, RefusesATokenOfAnotherRequestAndTwoStarts) {
  WatchCursor cursor = From(5);
  cursor.Give({EntryBuilder(5).Samples(&a_t_, {{kSecond, 1}}).Build()});
  TakeAll(&cursor);
  pb::WatchTwinsRequest other;
  other.set_resume_token(last_.resume_token());
  other.set_mode(pb::WATCH_MODE_LATEST);
  EXPECT_TRUE(Create(other).ok()) << "the way of telling may change";
  other.set_start_revision(5);
  EXPECT_EQ(FieldViolationsOf(Create(other).status())[0].field(), "resume_token");
  other.clear_start_revision();
  other.add_twin_ids("b");
  EXPECT_EQ(FieldViolationsOf(Create(other).status())[0].field(), "resume_token");
}

}  // namespace
}  // namespace mvmd
