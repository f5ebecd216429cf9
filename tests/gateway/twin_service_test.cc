#include "gateway/twin_service.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gateway/page_token.h"
#include "gateway/sample_proto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/gateway/twin_service_fixture.h"
#include "twin/canonical.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

TEST_F(TwinServiceTest, GetsTheCanonicalDocumentWithItsEtag) {
  Start();
  const uint64_t revision = PutTwin("twin-1");
  const auto response = Get(kAlice, "twin-1");
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->twin().canonical(), TestDocumentText("twin-1"));
  EXPECT_EQ(response->twin().etag(), Sha256Hex(response->twin().canonical()));
  EXPECT_EQ(response->twin().definition_etag(), response->twin().etag());
  EXPECT_EQ(response->twin().twin_id(), "twin-1");
  EXPECT_EQ(response->twin().revision(), revision);
  EXPECT_EQ(response->applied_revision(), revision);
  EXPECT_FALSE(response->twin().has_twin());
}

TEST_F(TwinServiceTest, GetsTheViewThatIsAskedFor) {
  Start();
  PutTwin("twin-1");
  const auto typed = Get(kAlice, "twin-1", pb::TWIN_VIEW_TYPED);
  EXPECT_EQ(typed->twin().twin().identifier().value(), "twin-1");
  EXPECT_EQ(typed->twin().canonical(), "");
  const auto both = Get(kAlice, "twin-1", pb::TWIN_VIEW_BOTH);
  EXPECT_TRUE(both->twin().has_twin());
  EXPECT_FALSE(both->twin().canonical().empty());
  const auto basic = Get(kAlice, "twin-1", pb::TWIN_VIEW_BASIC);
  EXPECT_FALSE(basic->twin().has_twin());
  EXPECT_EQ(basic->twin().canonical(), "");
  EXPECT_EQ(basic->twin().etag(), both->twin().etag());
}

TEST_F(TwinServiceTest, ServesTheLastSample) {
  Start();
  PutTwin("twin-1");
  AppendSamples("twin-1", 3);
  const auto response = Get(kAlice, "twin-1", pb::TWIN_VIEW_BOTH);
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->twin().twin().sensors(0).current_value().number_value(), 2);
  EXPECT_NE(response->twin().etag(), response->twin().definition_etag());
}

TEST_F(TwinServiceTest, SaysThatThereIsNoSuchTwin) {
  Start();
  const absl::Status status = Get(kAlice, "twin-9").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReasonOf(status), "TWIN_NOT_FOUND");
}

TEST_F(TwinServiceTest, WaitsForTheRevisionThatIsAskedFor) {
  Start();
  PutTwin("twin-1");
  pb::GetTwinRequest request;
  request.set_twin_id("twin-2");
  request.set_min_revision(committer_->applied_revision() + 1);
  pb::GetTwinResponse response;
  absl::Status status;
  std::thread waiting([&] { status = Call(kAlice, &TwinStub::GetTwin, request, &response); });
  PutTwin("twin-2");
  waiting.join();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(response.twin().twin_id(), "twin-2");
}

TEST_F(TwinServiceTest, WaitsForARevisionNoLongerThanTheDeadline) {
  Start();
  PutTwin("twin-1");
  pb::GetTwinRequest request;
  request.set_twin_id("twin-1");
  request.set_min_revision(1000);
  pb::GetTwinResponse response;
  const absl::Status status = Call(kAlice, &TwinStub::GetTwin, request, &response, absl::Milliseconds(100));
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
}

struct BadCall {
  const char* name;
  std::function<absl::Status(grpc::ClientContext*, pb::TwinService::Stub*)> call;
  const char* field;
};

template <typename Response, typename Request>
absl::Status CallRaw(grpc::ClientContext* context, pb::TwinService::Stub* stub,
                     grpc::Status (pb::TwinService::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                     const Request& request) {
  Response response;
  return FromGrpcStatus((stub->*method)(context, request, &response));
}

class TwinServiceBadCallTest : public TwinServiceTest, public ::testing::WithParamInterface<BadCall> {};

TEST_P(TwinServiceBadCallTest, NamesTheField) {
  Start();
  PutTwin("twin-1");
  const auto context = As(kAlice);
  const absl::Status status = GetParam().call(context.get(), twins_.get());
  ASSERT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(ReasonOf(status), "REQUEST_INVALID");
  const auto violations = FieldViolationsOf(status);
  ASSERT_THAT(violations, SizeIs(1));
  EXPECT_EQ(violations[0].field(), GetParam().field);
}

INSTANTIATE_TEST_SUITE_P(
    Requests, TwinServiceBadCallTest,
    ::testing::Values(
        BadCall{"GetNothing",
                [](auto* context, auto* stub) {
                  return CallRaw<pb::GetTwinResponse>(context, stub, &pb::TwinService::Stub::GetTwin,
                                                      pb::GetTwinRequest());
                },
                "twin_id"},
        BadCall{"GetView",
                [](auto* context, auto* stub) {
                  pb::GetTwinRequest request;
                  request.set_twin_id("twin-1");
                  request.set_view(static_cast<pb::TwinView>(77));
                  return CallRaw<pb::GetTwinResponse>(context, stub, &pb::TwinService::Stub::GetTwin, request);
                },
                "view"},
        BadCall{"ListNegativePage",
                [](auto* context, auto* stub) {
                  pb::ListTwinsRequest request;
                  request.set_page_size(-1);
                  return CallRaw<pb::ListTwinsResponse>(context, stub, &pb::TwinService::Stub::ListTwins, request);
                },
                "page_size"},
        BadCall{"ListForeignToken",
                [](auto* context, auto* stub) {
                  pb::ListTwinsRequest request;
                  request.set_page_token("abc");
                  return CallRaw<pb::ListTwinsResponse>(context, stub, &pb::TwinService::Stub::ListTwins, request);
                },
                "page_token"},
        BadCall{"BridgesForeignToken",
                [](auto* context, auto* stub) {
                  pb::ListBridgesRequest request;
                  request.set_page_token("AAAAAAAAAAAAAAAAAAAA");
                  return CallRaw<pb::ListBridgesResponse>(context, stub, &pb::TwinService::Stub::ListBridges, request);
                },
                "page_token"},
        BadCall{"SamplesWithoutSensor",
                [](auto* context, auto* stub) {
                  pb::ListSamplesRequest request;
                  request.set_twin_id("twin-1");
                  return CallRaw<pb::ListSamplesResponse>(context, stub, &pb::TwinService::Stub::ListSamples, request);
                },
                "sensor"},
        BadCall{"SamplesBackwards",
                [](auto* context, auto* stub) {
                  pb::ListSamplesRequest request;
                  request.set_twin_id("twin-1");
                  request.set_sensor("temp-1");
                  request.mutable_start_time()->set_seconds(2);
                  request.mutable_end_time()->set_seconds(1);
                  return CallRaw<pb::ListSamplesResponse>(context, stub, &pb::TwinService::Stub::ListSamples, request);
                },
                "end_time"},
        BadCall{"UpdateNoJson",
                [](auto* context, auto* stub) {
                  pb::UpdateTwinRequest request;
                  request.set_twin_id("twin-1");
                  request.set_merge_patch("{");
                  return CallRaw<pb::UpdateTwinResponse>(context, stub, &pb::TwinService::Stub::UpdateTwin, request);
                },
                "merge_patch"},
        BadCall{"UpdateNoObject",
                [](auto* context, auto* stub) {
                  pb::UpdateTwinRequest request;
                  request.set_twin_id("twin-1");
                  request.set_merge_patch("[]");
                  return CallRaw<pb::UpdateTwinResponse>(context, stub, &pb::TwinService::Stub::UpdateTwin, request);
                },
                "merge_patch"},
        BadCall{"UpdateId",
                [](auto* context, auto* stub) {
                  pb::UpdateTwinRequest request;
                  request.set_twin_id("twin-1");
                  request.set_merge_patch(R"({"identifier":{"value":"twin-2"}})");
                  return CallRaw<pb::UpdateTwinResponse>(context, stub, &pb::TwinService::Stub::UpdateTwin, request);
                },
                "merge_patch.identifier.value"},
        BadCall{"UpdateEtag",
                [](auto* context, auto* stub) {
                  pb::UpdateTwinRequest request;
                  request.set_twin_id("twin-1");
                  request.set_merge_patch("{}");
                  request.set_etag("nonsense");
                  return CallRaw<pb::UpdateTwinResponse>(context, stub, &pb::TwinService::Stub::UpdateTwin, request);
                },
                "etag"},
        BadCall{"DeleteNothing",
                [](auto* context, auto* stub) {
                  return CallRaw<pb::DeleteTwinResponse>(context, stub, &pb::TwinService::Stub::DeleteTwin,
                                                         pb::DeleteTwinRequest());
                },
                "twin_id"},
        BadCall{"PutAnotherId",
                [](auto* context, auto* stub) {
                  pb::PutTwinRequest request;
                  request.set_twin_id("twin-2");
                  request.set_document(TestDocumentText("twin-1"));
                  return CallRaw<pb::PutTwinResponse>(context, stub, &pb::TwinService::Stub::PutTwin, request);
                },
                "twin_id"},
        BadCall{"PutTooLarge",
                [](auto* context, auto* stub) {
                  pb::PutTwinRequest request;
                  request.set_document(std::string((1 << 20) + 1, ' '));
                  return CallRaw<pb::PutTwinResponse>(context, stub, &pb::TwinService::Stub::PutTwin, request);
                },
                "document"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(TwinServiceTest, ListsInPagesThatFitTogether) {
  Start();
  std::vector<std::string> expected;
  for (int i = 0; i < 7; ++i) {
    expected.push_back(absl::StrCat("twin-", i));
    PutTwin(expected.back());
  }
  PutTwin("other-1");
  pb::ListTwinsRequest request;
  request.set_prefix("twin-");
  request.set_page_size(3);
  std::vector<std::string> ids;
  int pages = 0;
  do {
    pb::ListTwinsResponse response;
    ASSERT_TRUE(Call(kAlice, &TwinStub::ListTwins, request, &response).ok());
    EXPECT_LE(response.twins_size(), 3);
    for (const std::string& id : Ids(response)) ids.push_back(id);
    request.set_page_token(response.next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_EQ(ids, expected);
  EXPECT_EQ(pages, 3);
}

TEST_F(TwinServiceTest, ListsBasicsUnlessMoreIsAskedFor) {
  Start();
  PutTwin("twin-1");
  pb::ListTwinsRequest request;
  pb::ListTwinsResponse response;
  ASSERT_TRUE(Call(kAlice, &TwinStub::ListTwins, request, &response).ok());
  ASSERT_EQ(response.twins_size(), 1);
  EXPECT_EQ(response.twins(0).canonical(), "");
  EXPECT_EQ(response.twins(0).etag().size(), 64u);
  EXPECT_EQ(response.next_page_token(), "");
  request.set_view(pb::TWIN_VIEW_CANONICAL);
  ASSERT_TRUE(Call(kAlice, &TwinStub::ListTwins, request, &response).ok());
  EXPECT_EQ(response.twins(0).canonical(), TestDocumentText("twin-1"));
}

TEST_F(TwinServiceTest, EndsAPageEarlyWhenItIsLarge) {
  limits_.page_bytes_max = 1;
  Start();
  PutTwin("twin-1");
  PutTwin("twin-2");
  pb::ListTwinsRequest request;
  pb::ListTwinsResponse response;
  ASSERT_TRUE(Call(kAlice, &TwinStub::ListTwins, request, &response).ok());
  EXPECT_THAT(Ids(response), ElementsAre("twin-1"));
  request.set_page_token(response.next_page_token());
  ASSERT_TRUE(Call(kAlice, &TwinStub::ListTwins, request, &response).ok());
  EXPECT_THAT(Ids(response), ElementsAre("twin-2"));
  EXPECT_EQ(response.next_page_token(), "");
}

TEST_F(TwinServiceTest, RefusesAPageTokenOfAnotherRequest) {
  Start();
  PutTwin("twin-1");
  PutTwin("twin-2");
  pb::ListTwinsRequest request;
  request.set_page_size(1);
  pb::ListTwinsResponse response;
  ASSERT_TRUE(Call(kAlice, &TwinStub::ListTwins, request, &response).ok());
  request.set_page_token(response.next_page_token());
  request.set_page_size(2);
  EXPECT_TRUE(Call(kAlice, &TwinStub::ListTwins, request, &response).ok()) << "the size may change";
  request.set_prefix("twin");
  const absl::Status status = Call(kAlice, &TwinStub::ListTwins, request, &response);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldViolationsOf(status)[0].field(), "page_token");
}

TEST_F(TwinServiceTest, ShowsEachCallerOnlyWhatThePolicyAllows) {
  Start();
  PutTwin("twin-1");
  PutTwin("twin-2");
  pb::ListTwinsResponse response;
  ASSERT_TRUE(Call(kRita, &TwinStub::ListTwins, pb::ListTwinsRequest(), &response).ok());
  EXPECT_THAT(Ids(response), ElementsAre("twin-1"));
  EXPECT_TRUE(Get(kRita, "twin-1").ok());
  const absl::Status hidden = Get(kRita, "twin-2").status();
  const absl::Status unknown = Get(kRita, "twin-9").status();
  EXPECT_EQ(hidden.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(unknown.code(), absl::StatusCode::kPermissionDenied) << "and it does not tell what there is";
  EXPECT_EQ(ReasonOf(hidden), "NOT_AUTHORIZED");
  EXPECT_EQ(MetadataOf(hidden)["subject"], kRita);
  EXPECT_EQ(MetadataOf(hidden)["role"], "reader");
}

TEST_F(TwinServiceTest, PagesDoNotTellWhatTheCallerMayNotRead) {
  Start();
  for (int i = 0; i < 10; ++i) PutTwin(absl::StrCat("twin-", i));
  callers_.SetPolicy(std::make_shared<const Policy>(*Policy::Parse(
      "rules: [{subject: 'spiffe://plant.example/client/rita', roles: [reader], twins: [twin-1, twin-5]}]", "p")));
  pb::ListTwinsRequest request;
  request.set_page_size(1);
  pb::ListTwinsResponse response;
  ASSERT_TRUE(Call(kRita, &TwinStub::ListTwins, request, &response).ok());
  EXPECT_THAT(Ids(response), ElementsAre("twin-1"));
  ASSERT_NE(response.next_page_token(), "");
  request.set_page_token(response.next_page_token());
  ASSERT_TRUE(Call(kRita, &TwinStub::ListTwins, request, &response).ok());
  EXPECT_THAT(Ids(response), ElementsAre("twin-5"));
  EXPECT_EQ(response.next_page_token(), "") << "which would say that there are more";
  // A token is no secret, and who makes one learns nothing from it.
  request.set_page_token(EncodeToken(TokenBinding(request, {"page_token", "page_size"}), {"twin-50"}));
  ASSERT_TRUE(Call(kRita, &TwinStub::ListTwins, request, &response).ok());
  EXPECT_THAT(Ids(response), IsEmpty());
  EXPECT_EQ(response.next_page_token(), "");
}

// Every id of at most four letters a and b, in pages of several sizes, against May.
TEST_F(TwinServiceTest, ListsExactlyWhatThePolicyAllowsInPages) {
  Start();
  std::vector<std::string> ids = {""};
  for (size_t i = 0; ids[i].size() < 4; ++i) {
    for (const char* letter : {"a", "b"}) {
      ids.push_back(ids[i] + letter);
      PutTwin(ids.back());
    }
  }
  PutTwin("\u00ff\u00ff");
  ids.push_back("\u00ff\u00ff");
  std::sort(ids.begin(), ids.end());
  for (const char* twins : {"a, bb, zz", "'b*'", "aa, 'ab*', b, bab, '\u00ff*'", "'ba*', 'b*', baa", "'*'"}) {
    const auto policy = std::make_shared<const Policy>(*Policy::Parse(
        absl::StrCat("rules:\n  - {subject: '", kRita, "', roles: [reader], twins: [bbb]}\n  - {subject: '", kRita,
                     "', roles: [reader], twins: [", twins, "]}\n"),
        "p"));
    callers_.SetPolicy(policy);
    for (const char* prefix : {"", "a", "ba", "bb", "bbb", "bbbb", "c", "\u00ff"}) {
      std::vector<std::string> expected;
      for (const std::string& id : ids) {
        if (!id.empty() && absl::StartsWith(id, prefix) && policy->MayRead(kRita, id)) expected.push_back(id);
      }
      for (const int page_size : {1, 2, 3, 50}) {
        pb::ListTwinsRequest request;
        request.set_prefix(prefix);
        request.set_page_size(page_size);
        std::vector<std::string> listed;
        do {
          pb::ListTwinsResponse response;
          ASSERT_TRUE(Call(kRita, &TwinStub::ListTwins, request, &response).ok());
          for (const std::string& id : Ids(response)) listed.push_back(id);
          EXPECT_TRUE(response.twins_size() == page_size || response.next_page_token().empty());
          request.set_page_token(response.next_page_token());
        } while (!request.page_token().empty());
        EXPECT_EQ(listed, expected) << twins << " below \"" << prefix << "\" in pages of " << page_size;
      }
    }
  }
}

TEST_F(TwinServiceTest, TellsTheReasonHoweverLongANameIs) {
  Start();
  PutTwin("twin-1");
  const std::string name(8000, 'x');
  const auto expect_refused = [](const absl::Status& status, const std::string& field) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(ReasonOf(status), "REQUEST_INVALID");
    const auto violations = FieldViolationsOf(status);
    ASSERT_THAT(violations, Not(IsEmpty()));
    EXPECT_EQ(violations[0].field(), field);
  };
  expect_refused(Get(kRita, name).status(), "twin_id");
  expect_refused(Put(kWalter, TestDocumentText("twin-1"), "", name).status(), "twin_id");
  expect_refused(Put(kWalter, TestDocumentText(name)).status(), "document.identifier.value");
  expect_refused(Put(kWalter, TestDocumentText(name), "", "twin-1").status(), "twin_id");
  expect_refused(Update(kWalter, name, "{}").status(), "twin_id");
  expect_refused(Delete(kWalter, name), "twin_id");
  pb::ListTwinsRequest twins;
  twins.set_prefix(name);
  pb::ListTwinsResponse listed;
  expect_refused(Call(kRita, &TwinStub::ListTwins, twins, &listed), "prefix");
  pb::ListSamplesRequest samples;
  samples.set_twin_id("twin-1");
  samples.set_sensor(name);
  pb::ListSamplesResponse sampled;
  expect_refused(Call(kRita, &TwinStub::ListSamples, samples, &sampled), "sensor");
}

TEST_F(TwinServiceTest, AuthorizesEveryMethod) {
  Start();
  PutTwin("twin-1");
  const auto expect_denied = [](const absl::Status& status) {
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
    EXPECT_EQ(ReasonOf(status), "NOT_AUTHORIZED");
  };
  expect_denied(Get(kEve, "twin-1").status());
  pb::ListTwinsResponse twins;
  expect_denied(Call(kEve, &TwinStub::ListTwins, pb::ListTwinsRequest(), &twins));
  pb::ValidateTwinResponse validated;
  expect_denied(Call(kEve, &TwinStub::ValidateTwin, pb::ValidateTwinRequest(), &validated));
  expect_denied(Put(kRita, TestDocumentText("twin-1"), "", "twin-1").status());
  expect_denied(Put(kRita, TestDocumentText("twin-1")).status());
  expect_denied(Update(kRita, "twin-1", "{}").status());
  expect_denied(Delete(kRita, "twin-1"));
  pb::ListBridgesResponse bridges;
  expect_denied(Call(kRita, &TwinStub::ListBridges, pb::ListBridgesRequest(), &bridges));
  pb::ListSamplesRequest samples;
  samples.set_twin_id("twin-2");
  samples.set_sensor("temp-1");
  pb::ListSamplesResponse page;
  expect_denied(Call(kRita, &TwinStub::ListSamples, samples, &page));
  grpc::ClientContext nobody;
  pb::GetTwinResponse response;
  EXPECT_EQ(twins_->GetTwin(&nobody, pb::GetTwinRequest(), &response).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(committer_->applied_revision(), 1u) << "nothing was written";
}

TEST_F(TwinServiceTest, ValidatesWithoutStoring) {
  Start();
  pb::ValidateTwinRequest request;
  request.set_document(TestDocumentText("twin-1"));
  pb::ValidateTwinResponse response;
  ASSERT_TRUE(Call(kRita, &TwinStub::ValidateTwin, request, &response).ok());
  EXPECT_TRUE(response.result().valid());
  EXPECT_EQ(response.result().profile(), "digital-twin");
  request.set_document("{}");
  ASSERT_TRUE(Call(kRita, &TwinStub::ValidateTwin, request, &response).ok());
  EXPECT_FALSE(response.result().valid());
  EXPECT_GT(response.result().errors_size(), 1);
  EXPECT_FALSE(response.result().errors(0).rule().empty());
  EXPECT_EQ(committer_->applied_revision(), 0u);
}

TEST_F(TwinServiceTest, PutsAndReplacesADocument) {
  Start();
  const auto created = Put(kAlice, TestDocumentText("twin-1"));
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_TRUE(created->created());
  EXPECT_EQ(created->twin().canonical(), TestDocumentText("twin-1"));
  Json changed = TestDocument("twin-1");
  changed.Set("name", Json::String("Another name"));
  const auto replaced = Put(kAlice, Canonicalize(changed), created->twin().definition_etag());
  ASSERT_TRUE(replaced.ok()) << replaced.status();
  EXPECT_FALSE(replaced->created());
  EXPECT_THAT(replaced->twin().canonical(), HasSubstr("Another name"));
  EXPECT_GT(replaced->twin().revision(), created->twin().revision());
}

TEST_F(TwinServiceTest, ComparesEtagsOfWrites) {
  Start();
  const std::string text = TestDocumentText("twin-1");
  EXPECT_EQ(Put(kAlice, text, "*").status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(Put(kAlice, text, "-").ok());
  EXPECT_EQ(Put(kAlice, text, "-").status().code(), absl::StatusCode::kAlreadyExists);
  const std::string wrong(64, '0');
  for (const absl::Status& status :
       {Put(kAlice, text, wrong).status(), Update(kAlice, "twin-1", R"({"name":"x"})", wrong).status(),
        Delete(kAlice, "twin-1", wrong)}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
    EXPECT_EQ(ReasonOf(status), "ETAG_MISMATCH");
  }
  EXPECT_EQ(Update(kAlice, "twin-9", "{}").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Delete(kAlice, "twin-9").code(), absl::StatusCode::kNotFound);
}

// The table of docs/protocol.md.
TEST_F(TwinServiceTest, KeepsEveryConditionOfEveryWrite) {
  Start();
  const std::string text = TestDocumentText("twin-1");
  const auto put = [&](const std::string& etag) { return Put(kAlice, text, etag).status(); };
  const auto update = [&](const std::string& etag) { return Update(kAlice, "twin-1", "{}", etag).status(); };
  const auto remove = [&](const std::string& etag) { return Delete(kAlice, "twin-1", etag); };
  const std::string current = Sha256Hex(text);
  const std::string other(64, 'f');
  for (const std::string& etag : {std::string(63, '0'), std::string(65, '0'), std::string(64, 'A'),
                                  std::string(64, 'g'), std::string("**"), absl::StrCat("\"", current, "\"")}) {
    for (const absl::Status& status : {put(etag), update(etag), remove(etag)}) {
      EXPECT_EQ(ReasonOf(status), "REQUEST_INVALID") << etag;
    }
  }
  for (const std::string& etag : {current, other, std::string("*")}) {
    for (const absl::Status& status : {put(etag), update(etag), remove(etag)}) {
      EXPECT_EQ(ReasonOf(status), "TWIN_NOT_FOUND") << etag;
    }
  }
  EXPECT_EQ(ReasonOf(update("-")), "TWIN_NOT_FOUND");
  EXPECT_EQ(ReasonOf(remove("-")), "TWIN_NOT_FOUND");
  EXPECT_TRUE(put("-").ok());
  for (const absl::Status& status : {put("-"), update("-"), remove("-")}) EXPECT_EQ(ReasonOf(status), "TWIN_EXISTS");
  for (const absl::Status& status : {put(other), update(other), remove(other)}) {
    EXPECT_EQ(ReasonOf(status), "ETAG_MISMATCH");
    EXPECT_EQ(MetadataOf(status)["definition_etag"], current);
  }
  for (const std::string& etag : {current, std::string("*"), std::string()}) {
    EXPECT_TRUE(put(etag).ok()) << etag;
    EXPECT_TRUE(update(etag).ok()) << etag;
    EXPECT_TRUE(remove(etag).ok()) << etag;
    EXPECT_TRUE(put("-").ok()) << "it is gone";
  }
}

TEST_F(TwinServiceTest, RefusesAnInvalidDocumentWithItsFindings) {
  Start();
  const absl::Status status = Put(kAlice, R"({"name":"x"})").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(status), "DOCUMENT_INVALID");
  EXPECT_FALSE(FieldViolationsOf(status).empty());
  EXPECT_THAT(FieldViolationsOf(status)[0].field(), ::testing::StartsWith("document"));
  pb::DocumentRefused refused;
  ASSERT_TRUE(GetDetail(status, &refused));
  EXPECT_FALSE(refused.result().valid());
  EXPECT_GT(refused.result().errors_size(), 1);
  EXPECT_EQ(ReasonOf(Put(kAlice, "no JSON at all").status()), "DOCUMENT_INVALID");
  EXPECT_EQ(committer_->applied_revision(), 0u);
}

TEST_F(TwinServiceTest, UpdatesByMergePatch) {
  Start();
  PutTwin("twin-1");
  const auto updated =
      Update(kAlice, "twin-1", R"({"description":"new words","sensors":[{"id":"temp-1","location":"elbow"}]})");
  ASSERT_TRUE(updated.ok()) << updated.status();
  EXPECT_THAT(updated->twin().canonical(), HasSubstr("new words"));
  EXPECT_THAT(updated->twin().canonical(), HasSubstr("elbow"));
  EXPECT_THAT(updated->twin().canonical(), HasSubstr("pressure-1")) << "other sensors stay";
  const auto again = Update(kAlice, "twin-1", R"({"description":"newer"})", updated->twin().definition_etag());
  EXPECT_TRUE(again.ok()) << again.status();
}

TEST_F(TwinServiceTest, AWriterThatMayNotReadIsNotToldTheDocument) {
  Start();
  PutTwin("twin-1");
  const auto updated = Update(kWalter, "twin-1", R"({"description":"new words"})");
  ASSERT_TRUE(updated.ok()) << updated.status();
  EXPECT_EQ(updated->twin().canonical(), "");
  EXPECT_FALSE(updated->twin().has_twin());
  EXPECT_EQ(updated->twin().definition_etag(), Get(kAlice, "twin-1")->twin().definition_etag());
  EXPECT_TRUE(Update(kWalter, "twin-1", "{}", updated->twin().definition_etag()).ok());
  EXPECT_EQ(ReasonOf(Update(kWalter, "twin-1", "{}", "-").status()), "TWIN_EXISTS");
}

TEST_F(TwinServiceTest, RefusesAPatchThatMakesTheDocumentInvalid) {
  Start();
  const uint64_t revision = PutTwin("twin-1");
  const absl::Status status = Update(kAlice, "twin-1", R"({"name":null})").status();
  EXPECT_EQ(ReasonOf(status), "DOCUMENT_INVALID") << status;
  EXPECT_EQ(committer_->applied_revision(), revision);
}

TEST_F(TwinServiceTest, MergesEveryPatchOfManyWritersWithoutEtags) {
  Start();
  PutTwin("twin-1");
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([this, i] {
      const absl::Status status = Update(kAlice, "twin-1", absl::StrCat(R"({"x-writer-)", i, R"(":true})")).status();
      EXPECT_TRUE(status.ok()) << status;
    });
  }
  for (std::thread& writer : writers) writer.join();
  const auto response = Get(kAlice, "twin-1");
  for (int i = 0; i < 4; ++i) EXPECT_THAT(response->twin().canonical(), HasSubstr(absl::StrCat("x-writer-", i)));
}

TEST_F(TwinServiceTest, DeletesATwin) {
  Start();
  PutTwin("twin-1");
  EXPECT_TRUE(Delete(kAlice, "twin-1", "*").ok());
  EXPECT_EQ(Get(kAlice, "twin-1").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(TwinServiceTest, RefusesWritesWhileTheDiskIsFullAndReadsOn) {
  Start();
  PutTwin("twin-1");
  log_.FailWith(absl::ResourceExhaustedError("no space left on device"));
  EXPECT_EQ(Put(kAlice, TestDocumentText("twin-2")).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(Get(kAlice, "twin-1").ok());
  log_.FailWith(absl::OkStatus());
  EXPECT_TRUE(Put(kAlice, TestDocumentText("twin-2")).ok());
}

TEST_F(TwinServiceTest, ListsSamplesInPages) {
  Start();
  PutTwin("twin-1");
  AppendSamples("twin-1", 10, 3);
  pb::ListSamplesRequest request;
  request.set_twin_id("twin-1");
  request.set_sensor("temp-1");
  request.set_page_size(7);
  SetTimestamp(kTestTimeNs + 2 * kSecondNs, request.mutable_start_time());
  SetTimestamp(kTestTimeNs + 28 * kSecondNs, request.mutable_end_time());
  std::vector<double> values;
  do {
    pb::ListSamplesResponse response;
    const absl::Status status = Call(kRita, &TwinStub::ListSamples, request, &response);
    ASSERT_TRUE(status.ok()) << status;
    for (const pb::Sample& sample : response.samples()) values.push_back(sample.number());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  ASSERT_THAT(values, SizeIs(26));
  for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], static_cast<double>(i + 2));
}

TEST_F(TwinServiceTest, TellsAnUnknownSensorFromOneWithoutSamples) {
  Start();
  PutTwin("twin-1");
  pb::ListSamplesRequest request;
  request.set_twin_id("twin-1");
  request.set_sensor("temp-1");
  pb::ListSamplesResponse response;
  EXPECT_TRUE(Call(kAlice, &TwinStub::ListSamples, request, &response).ok());
  EXPECT_EQ(response.samples_size(), 0);
  request.set_sensor("temp-9");
  EXPECT_EQ(ReasonOf(Call(kAlice, &TwinStub::ListSamples, request, &response)), "SENSOR_NOT_FOUND");
  request.set_twin_id("twin-9");
  EXPECT_EQ(ReasonOf(Call(kAlice, &TwinStub::ListSamples, request, &response)), "TWIN_NOT_FOUND");
}

TEST_F(TwinServiceTest, ListsBridgesInPagesAndIssuesOnRequest) {
  Start();
  for (const char* name : {"a", "b", "c"}) {
    const uint64_t session = Append(OpenedEntry(1, absl::StrCat("spiffe://plant.example/bridge/", name))).revision;
    // A binding that was never declared.
    Append(FramesEntry(session, std::vector<pb::Frame>{BlockFrame(1, {NumberAt(9, kTestTimeNs, 1)})}));
  }
  pb::ListBridgesRequest request;
  request.set_page_size(2);
  request.set_include_issues(true);
  pb::ListBridgesResponse response;
  ASSERT_TRUE(Call(kAlice, &TwinStub::ListBridges, request, &response).ok());
  ASSERT_EQ(response.bridges_size(), 2);
  EXPECT_EQ(response.bridges(0).name(), "spiffe://plant.example/bridge/a");
  EXPECT_EQ(response.bridges(0).issues_size(), 1);
  EXPECT_EQ(response.bridges(0).frames_rejected(), 1u);
  request.set_page_token(response.next_page_token());
  ASSERT_TRUE(Call(kAlice, &TwinStub::ListBridges, request, &response).ok());
  ASSERT_EQ(response.bridges_size(), 1);
  EXPECT_EQ(response.next_page_token(), "");
  request.Clear();
  ASSERT_TRUE(Call(kAlice, &TwinStub::ListBridges, request, &response).ok());
  EXPECT_EQ(response.bridges_size(), 3);
  EXPECT_EQ(response.bridges(0).issues_size(), 0);
}

TEST_F(TwinServiceTest, CountsCallsByMethodAndCode) {
  Start();
  Get(kAlice, "twin-9").status().IgnoreError();
  EXPECT_THAT(registry_.Text(), HasSubstr(R"(mvmd_gateway_rpcs_total{code="NOT_FOUND",method="GetTwin"} 1)"));
}

}  // namespace
}  // namespace mvmd
