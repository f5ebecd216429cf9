// GetTwin and ListTwins: forms, fields and conditions of reads.
#include "gateway/twin_reader.h"

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "tests/gateway/twin_service_fixture.h"
#include "twin/canonical.h"
#include "twin/linked_data.h"

namespace mvmd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string ReadProfile(const std::string& name) {
  std::ifstream file(absl::StrCat(MVMD_TEST_DATA "/profile/", name), std::ios::binary);
  std::ostringstream all;
  all << file.rdbuf();
  EXPECT_FALSE(all.str().empty()) << name;
  return all.str();
}

class TwinReaderTest : public TwinServiceTest {
 protected:
  static pb::GetTwinRequest RequestOf(const std::string& twin) {
    pb::GetTwinRequest request;
    request.set_twin_id(twin);
    return request;
  }
  static pb::GetTwinRequest Masked(const std::string& twin, const std::vector<std::string>& paths) {
    pb::GetTwinRequest request = RequestOf(twin);
    for (const std::string& path : paths) request.mutable_read_mask()->add_paths(path);
    return request;
  }
  absl::StatusOr<pb::GetTwinResponse> Get(const pb::GetTwinRequest& request, const std::string& subject = kAlice) {
    pb::GetTwinResponse response;
    if (absl::Status status = Call(subject, &TwinStub::GetTwin, request, &response); !status.ok()) return status;
    return response;
  }
  pb::TwinDocument GetOrFail(const pb::GetTwinRequest& request) {
    const absl::StatusOr<pb::GetTwinResponse> response = Get(request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? response->twin() : pb::TwinDocument();
  }
  // The id of the profile's complete example.
  std::string PutExample() {
    const Json document = *ParseJson(ReadProfile("twin-complete.jsonld"));
    const std::string twin = *TwinIdOf(document);
    Append(PutEntry(twin, Canonicalize(document)));
    return twin;
  }
  static std::vector<std::string> FieldsOf(const google::protobuf::Message& message) {
    std::vector<const google::protobuf::FieldDescriptor*> fields;
    message.GetReflection()->ListFields(message, &fields);
    std::vector<std::string> names;
    for (const auto* field : fields) names.push_back(field->name());
    return names;
  }
};

TEST_F(TwinReaderTest, GivesTheDefinitionWithoutLiveValues) {
  Start();
  PutTwin("twin-1");
  AppendSamples("twin-1", 3);
  pb::GetTwinRequest request = RequestOf("twin-1");
  const pb::TwinDocument live = GetOrFail(request);
  EXPECT_NE(live.canonical(), TestDocumentText("twin-1"));
  request.set_definition_only(true);
  request.set_view(pb::TWIN_VIEW_BOTH);
  const pb::TwinDocument definition = GetOrFail(request);
  EXPECT_EQ(definition.canonical(), TestDocumentText("twin-1"));
  EXPECT_EQ(definition.etag(), Sha256Hex(definition.canonical()));
  EXPECT_EQ(definition.etag(), definition.definition_etag());
  EXPECT_EQ(definition.definition_etag(), live.definition_etag());
  EXPECT_EQ(definition.revision(), live.revision());
  EXPECT_NE(definition.twin().sensors(0).timestamp(), "");
  EXPECT_NE(live.etag(), definition.etag());
}

TEST_F(TwinReaderTest, GivesTheLosslessVariantWithAnEtagOfItsOwn) {
  Start();
  PutTwin("twin-1");
  AppendSamples("twin-1", 3);
  pb::GetTwinRequest request = RequestOf("twin-1");
  const pb::TwinDocument plain = GetOrFail(request);
  request.set_lossless(true);
  const pb::TwinDocument lossless = GetOrFail(request);
  EXPECT_EQ(lossless.canonical(), Canonicalize(LosslessDocument(*ParseJson(plain.canonical()))));
  EXPECT_EQ(lossless.etag(), Sha256Hex(lossless.canonical()));
  EXPECT_NE(lossless.etag(), plain.etag());
  request.set_definition_only(true);
  EXPECT_EQ(GetOrFail(request).canonical(), Canonicalize(LosslessDocument(TestDocument("twin-1"))));
}

TEST_F(TwinReaderTest, GivesTheProfilesLinkedData) {
  Start();
  pb::GetTwinRequest request = RequestOf(PutExample());
  request.set_include_linked_data(true);
  request.set_view(pb::TWIN_VIEW_BASIC);
  const pb::TwinDocument plain = GetOrFail(request);
  EXPECT_EQ(plain.linked_data().nquads(), ReadProfile("twin-complete.nq"));
  EXPECT_EQ(plain.linked_data().digest(), Sha256Hex(plain.linked_data().nquads()));
  EXPECT_EQ(plain.canonical(), "");
  EXPECT_FALSE(plain.has_twin());
  request.set_lossless(true);
  const pb::TwinDocument lossless = GetOrFail(request);
  EXPECT_EQ(lossless.linked_data().nquads(), ReadProfile("twin-complete.lossless.nq"));
  EXPECT_FALSE(lossless.linked_data().lossy());
}

TEST_F(TwinReaderTest, LinkedDataHasTheLiveValues) {
  Start();
  PutTwin("twin-1");
  AppendSamples("twin-1", 8);
  pb::GetTwinRequest request = RequestOf("twin-1");
  request.set_include_linked_data(true);
  const pb::TwinDocument live = GetOrFail(request);
  EXPECT_EQ(live.linked_data().nquads(), CanonicalizeGraph(*ParseJson(live.canonical()))->nquads);
  request.set_definition_only(true);
  EXPECT_NE(GetOrFail(request).linked_data().digest(), live.linked_data().digest());
}

TEST_F(TwinReaderTest, SaysWhyThereIsNoLinkedData) {
  limits_.linked_data.document_bytes_max = 6000;
  Start();
  Json document = TestDocument("twin-1");
  Json contexts = Json::Array();
  contexts.Append(*document.Find("@context"));
  contexts.Append(Json::String("https://example.org/context"));
  document.Set("@context", std::move(contexts));
  ASSERT_TRUE(Append(PutEntry("twin-1", Canonicalize(document))).status.ok());
  document = TestDocument("twin-2");
  document.Set("x-note", Json::String(std::string(6000, 'x')));
  ASSERT_TRUE(Append(PutEntry("twin-2", Canonicalize(document))).status.ok());
  pb::GetTwinRequest request = RequestOf("twin-1");
  request.set_include_linked_data(true);
  const absl::Status remote = Get(request).status();
  EXPECT_EQ(remote.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(remote), "LINKED_DATA_UNAVAILABLE") << remote;
  EXPECT_EQ(MetadataOf(remote)["name"], "loading remote context failed");
  request.set_twin_id("twin-2");
  const absl::Status large = Get(request).status();
  EXPECT_EQ(large.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(large), "LINKED_DATA_TOO_LARGE") << large;
  EXPECT_EQ(MetadataOf(large)["max_bytes"], "6000");
  request.set_include_linked_data(false);
  EXPECT_TRUE(Get(request).ok());
}

TEST_F(TwinReaderTest, KeepsLinkedDataByEtag) {
  Start();
  pb::GetTwinRequest request = RequestOf(PutExample());
  request.set_include_linked_data(true);
  const pb::TwinDocument first = GetOrFail(request);
  const pb::TwinDocument second = GetOrFail(request);
  EXPECT_EQ(first.linked_data().nquads(), second.linked_data().nquads());
  EXPECT_THAT(registry_.Text(), HasSubstr("mvmd_gateway_linked_data_kept_total 1"));
  EXPECT_THAT(registry_.Text(), HasSubstr("mvmd_gateway_linked_data_seconds_count 1"));
}

TEST_F(TwinReaderTest, SendsNoDocumentThatTheClientHas) {
  Start();
  PutTwin("twin-1");
  pb::GetTwinRequest request = RequestOf("twin-1");
  request.set_view(pb::TWIN_VIEW_BOTH);
  request.set_include_linked_data(true);
  for (const bool definition_only : {false, true}) {
    for (const bool lossless : {false, true}) {
      request.set_definition_only(definition_only);
      request.set_lossless(lossless);
      request.clear_if_none_match();
      const pb::TwinDocument full = GetOrFail(request);
      request.set_if_none_match(full.etag());
      const absl::StatusOr<pb::GetTwinResponse> again = Get(request);
      ASSERT_TRUE(again.ok()) << again.status();
      EXPECT_TRUE(again->not_modified());
      EXPECT_THAT(FieldsOf(again->twin()), ElementsAre("twin_id", "etag", "revision", "definition_etag"));
      EXPECT_EQ(again->twin().etag(), full.etag());
      EXPECT_EQ(again->twin().revision(), full.revision());
    }
  }
  // Another form has another etag.
  request.set_lossless(false);
  const absl::StatusOr<pb::GetTwinResponse> other = Get(request);
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_FALSE(other->not_modified());
  EXPECT_NE(other->twin().canonical(), "");
  request = RequestOf("twin-1");
  request.set_if_none_match(GetOrFail(request).etag());
  AppendSamples("twin-1", 1);
  const absl::StatusOr<pb::GetTwinResponse> changed = Get(request);
  EXPECT_FALSE(changed->not_modified());
  EXPECT_NE(changed->twin().etag(), request.if_none_match());
}

TEST_F(TwinReaderTest, RefusesAConditionThatIsNoEtag) {
  Start();
  PutTwin("twin-1");
  pb::GetTwinRequest request = RequestOf("twin-1");
  for (const std::string& text : {std::string("*"), std::string("\"x\""), std::string(64, 'A'), std::string(65, 'a')}) {
    request.set_if_none_match(text);
    const absl::Status status = Get(request).status();
    EXPECT_EQ(ReasonOf(status), "REQUEST_INVALID") << text;
    EXPECT_EQ(FieldViolationsOf(status)[0].field(), "if_none_match");
  }
}

TEST_F(TwinReaderTest, GivesTheFieldsOfAMask) {
  Start();
  PutTwin("twin-1");
  AppendSamples("twin-1", 2);
  EXPECT_THAT(FieldsOf(GetOrFail(Masked("twin-1", {"etag"}))), ElementsAre("etag"));
  EXPECT_THAT(FieldsOf(GetOrFail(Masked("twin-1", {"canonical", "twin_id"}))), ElementsAre("twin_id", "canonical"));
  EXPECT_THAT(FieldsOf(GetOrFail(Masked("twin-1", {"linked_data.digest", "revision"}))),
              ElementsAre("revision", "linked_data"));
  const pb::TwinDocument parts =
      GetOrFail(Masked("twin-1", {"twin.sensors", "twin.synchronization.latency", "twin.date_modified"}));
  EXPECT_THAT(FieldsOf(parts), ElementsAre("twin"));
  EXPECT_THAT(FieldsOf(parts.twin()), ElementsAre("date_modified", "synchronization", "sensors"));
  EXPECT_THAT(FieldsOf(parts.twin().synchronization()), ElementsAre("latency"));
  const pb::TwinDocument all = GetOrFail(Masked("twin-1", {"*"}));
  EXPECT_THAT(FieldsOf(all),
              ElementsAre("twin_id", "canonical", "twin", "etag", "revision", "definition_etag", "linked_data"));
  EXPECT_EQ(all.twin().sensors_size(), parts.twin().sensors_size());
  EXPECT_EQ(all.twin().sensors(0).current_value().number_value(),
            parts.twin().sensors(0).current_value().number_value());
  // Part and whole: the whole.
  const pb::TwinDocument whole = GetOrFail(Masked("twin-1", {"twin.sensors", "twin"}));
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(whole.twin(), all.twin()));
  // None: the view.
  pb::GetTwinRequest empty = RequestOf("twin-1");
  empty.mutable_read_mask();
  EXPECT_NE(GetOrFail(empty).canonical(), "");
}

TEST_F(TwinReaderTest, NamesWhatIsWrongWithAMask) {
  Start();
  PutTwin("twin-1");
  for (const char* path : {"nothing", "twin.nothing", "twin.sensors.id", "canonical.x", "", "twin.", "twin..name",
                           "Etag", "linked_data.nquads.x"}) {
    const absl::Status status = Get(Masked("twin-1", {"etag", path})).status();
    EXPECT_EQ(ReasonOf(status), "REQUEST_INVALID") << path;
    ASSERT_EQ(FieldViolationsOf(status).size(), 1u);
    EXPECT_EQ(FieldViolationsOf(status)[0].field(), "read_mask");
    EXPECT_THAT(FieldViolationsOf(status)[0].description(), HasSubstr(absl::StrCat("got \"", path, "\"")));
  }
  EXPECT_EQ(ReasonOf(Get(Masked("twin-1", std::vector<std::string>(65, "etag"))).status()), "REQUEST_INVALID");
  EXPECT_EQ(ReasonOf(Get(Masked("twin-1", {std::string(100000, 'x')})).status()), "REQUEST_INVALID");
  pb::GetTwinRequest request = Masked("twin-1", {"etag"});
  request.set_view(pb::TWIN_VIEW_TYPED);
  EXPECT_EQ(FieldViolationsOf(Get(request).status())[0].field(), "view");
  request.clear_view();
  request.set_include_linked_data(true);
  EXPECT_EQ(FieldViolationsOf(Get(request).status())[0].field(), "include_linked_data");
}

TEST_F(TwinReaderTest, ReadsNothingForThoseWhoMayNot) {
  Start();
  PutTwin("twin-2");
  pb::GetTwinRequest request = Masked("twin-2", {"*"});
  request.set_if_none_match(GetOrFail(RequestOf("twin-2")).etag());
  for (const char* subject : {kRita, kWalter, kEve}) {
    EXPECT_EQ(Get(request, subject).status().code(), absl::StatusCode::kPermissionDenied) << subject;
  }
}

TEST_F(TwinReaderTest, ListsTheFieldsOfAMask) {
  Start();
  for (const char* twin : {"twin-1", "twin-2", "twin-3"}) PutTwin(twin);
  pb::ListTwinsRequest request;
  request.set_page_size(2);
  request.mutable_read_mask()->add_paths("twin.name");
  pb::ListTwinsResponse response;
  ASSERT_TRUE(Call(kAlice, &TwinStub::ListTwins, request, &response).ok());
  ASSERT_EQ(response.twins_size(), 2);
  EXPECT_THAT(FieldsOf(response.twins(1)), ElementsAre("twin"));
  EXPECT_THAT(FieldsOf(response.twins(1).twin()), ElementsAre("name"));
  // The page ends at a twin whose id was not asked for.
  request.set_page_token(response.next_page_token());
  ASSERT_TRUE(Call(kAlice, &TwinStub::ListTwins, request, &response).ok());
  EXPECT_EQ(response.twins_size(), 1);
  EXPECT_EQ(response.next_page_token(), "");
  request.clear_page_token();
  request.mutable_read_mask()->set_paths(0, "*");
  ASSERT_TRUE(Call(kAlice, &TwinStub::ListTwins, request, &response).ok());
  EXPECT_FALSE(response.twins(0).has_linked_data());
  EXPECT_NE(response.twins(0).canonical(), "");
  request.mutable_read_mask()->set_paths(0, "linked_data.digest");
  EXPECT_EQ(ReasonOf(Call(kAlice, &TwinStub::ListTwins, request, &response)), "REQUEST_INVALID");
  request.mutable_read_mask()->set_paths(0, "etag");
  request.set_view(pb::TWIN_VIEW_BOTH);
  EXPECT_EQ(ReasonOf(Call(kAlice, &TwinStub::ListTwins, request, &response)), "REQUEST_INVALID");
}

}  // namespace
}  // namespace mvmd
