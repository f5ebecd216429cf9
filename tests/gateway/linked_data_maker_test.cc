#include "gateway/linked_data_maker.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "runtime/status_proto.h"

namespace mvmd {
namespace {

Json Document(int number) {
  return *ParseJson(absl::StrCat(R"({"@context":{"@vocab":"https://schema.org/"},"name":")", number, "\"}"));
}

class LinkedDataMakerTest : public ::testing::Test {
 protected:
  struct Outcome {
    LinkedDataMaker::Answer answer = absl::UnknownError("none yet");
    absl::Notification done;
  };

  void Start(const LinkedDataOptions& options) { maker_ = std::make_unique<LinkedDataMaker>(options, &metrics_); }
  LinkedDataMaker::Job JobOf(const std::string& client, const std::string& etag, Outcome* outcome) {
    LinkedDataMaker::Job job;
    job.client = client;
    job.etag = etag;
    job.document_bytes = 100;
    job.tree = [this] { return Document(++trees_); };
    job.is_cancelled = [] { return false; };
    job.done = [outcome](const LinkedDataMaker::Answer& answer) {
      outcome->answer = answer;
      outcome->done.Notify();
    };
    return job;
  }
  LinkedDataMaker::Answer Make(LinkedDataMaker::Job job, Outcome* outcome) {
    maker_->Make(std::move(job));
    outcome->done.WaitForNotification();
    return outcome->answer;
  }
  LinkedDataMaker::Answer Make(const std::string& etag) {
    Outcome outcome;
    return Make(JobOf("alice", etag, &outcome), &outcome);
  }

  Metrics registry_{"mvmd_gateway_"};
  GatewayMetrics metrics_{&registry_};
  int trees_ = 0;  // made; on the maker's thread
  std::unique_ptr<LinkedDataMaker> maker_;
};

TEST_F(LinkedDataMakerTest, MakesTheSameOnce) {
  Start({});
  const auto first = Make("a");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ((*first)->nquads(), "_:c14n0 <https://schema.org/name> \"1\" .\n");
  EXPECT_EQ(*Make("a"), *first);
  EXPECT_NE((*Make("b"))->nquads(), (*first)->nquads());
  EXPECT_EQ(trees_, 2);
}

TEST_F(LinkedDataMakerTest, ForgetsWhatWasUsedLongestAgo) {
  Start({.kept_bytes_max = 2 * 1100});  // two answers
  Make("a").status().IgnoreError();
  Make("b").status().IgnoreError();
  Make("a").status().IgnoreError();
  Make("c").status().IgnoreError();
  EXPECT_EQ(trees_, 3);
  Make("a").status().IgnoreError();
  EXPECT_EQ(trees_, 3);
  Make("b").status().IgnoreError();
  EXPECT_EQ(trees_, 4);
}

TEST_F(LinkedDataMakerTest, KeepsErrors) {
  Start({});
  for (int i = 0; i < 2; ++i) {
    Outcome outcome;
    LinkedDataMaker::Job job = JobOf("alice", "a", &outcome);
    job.tree = [this] {
      ++trees_;
      return *ParseJson(R"({"@context":"https://example.org/context"})");
    };
    const auto answer = Make(std::move(job), &outcome);
    EXPECT_EQ(ReasonOf(answer.status()), "LINKED_DATA_UNAVAILABLE");
    EXPECT_EQ(MetadataOf(answer.status())["name"], "loading remote context failed");
  }
  EXPECT_EQ(trees_, 1);
}

TEST_F(LinkedDataMakerTest, RefusesLargeDocumentsAtOnce) {
  Start({.document_bytes_max = 99});
  const auto answer = Make("a");
  EXPECT_EQ(ReasonOf(answer.status()), "LINKED_DATA_TOO_LARGE");
  EXPECT_EQ(MetadataOf(answer.status())["bytes"], "100");
  EXPECT_EQ(trees_, 0);
}

TEST_F(LinkedDataMakerTest, LetsNobodyTakeAllPlaces) {
  Start({.waiting_max = 4});  // one of a client
  absl::Notification started;
  absl::Notification go_on;
  Outcome slow;
  LinkedDataMaker::Job job = JobOf("alice", "slow", &slow);
  job.tree = [&] {
    started.Notify();
    go_on.WaitForNotification();
    return Document(0);
  };
  maker_->Make(std::move(job));
  started.WaitForNotification();
  EXPECT_EQ(ReasonOf(Make("other").status()), "OVERLOADED") << "the same client";
  Outcome others[3];
  for (int i = 0; i < 3; ++i) maker_->Make(JobOf(absl::StrCat("client-", i), absl::StrCat(i), &others[i]));
  Outcome refused;
  EXPECT_EQ(ReasonOf(Make(JobOf("client-3", "3", &refused), &refused).status()), "OVERLOADED");
  go_on.Notify();
  for (Outcome& other : others) {
    other.done.WaitForNotification();
    EXPECT_TRUE(other.answer.ok()) << other.answer.status();
  }
  EXPECT_TRUE(Make("other").ok()) << "its place is free again";
}

TEST_F(LinkedDataMakerTest, DoesNothingForAClientThatIsGone) {
  Start({});
  Outcome outcome;
  LinkedDataMaker::Job job = JobOf("alice", "a", &outcome);
  job.is_cancelled = [] { return true; };
  EXPECT_EQ(Make(std::move(job), &outcome).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(trees_, 0);
  EXPECT_TRUE(Make("a").ok()) << "that is not kept";
}

}  // namespace
}  // namespace mvmd
