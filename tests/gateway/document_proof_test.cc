// Documents with proofs, over gRPC.
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/gateway/twin_service_fixture.h"
#include "twin/canonical.h"
#include "twin/data_integrity.h"

namespace mvmd {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class DocumentProofTest : public TwinServiceTest {
 protected:
  absl::StatusOr<pb::GetTwinResponse> GetSigned(const std::string& subject, const std::string& twin,
                                                pb::TwinView view = pb::TWIN_VIEW_UNSPECIFIED) {
    pb::GetTwinRequest request;
    request.set_twin_id(twin);
    request.set_view(view);
    request.set_include_proof(true);
    pb::GetTwinResponse response;
    if (absl::Status status = Call(subject, &TwinStub::GetTwin, request, &response); !status.ok()) return status;
    return response;
  }
  static absl::Status Verify(const std::string& document, const Ed25519PublicKey& key) {
    const auto tree = ParseJson(document);
    if (!tree.ok()) return tree.status();
    return VerifyProofs(*tree, &key, SystemClock::Get().UnixNanos()).status;
  }
};

TEST_F(DocumentProofTest, SignsTheDocumentWithItsLiveValues) {
  Start();
  const auto key = NewSigningKey();
  signer_.SetKey(key);
  PutTwin("twin-1");
  AppendSamples("twin-1", 3);
  const auto plain = Get(kRita, "twin-1");
  const auto response = GetSigned(kRita, "twin-1", pb::TWIN_VIEW_BOTH);
  ASSERT_TRUE(response.ok()) << response.status();
  const pb::TwinDocument& twin = response->twin();
  EXPECT_TRUE(Verify(twin.canonical(), key->public_key()).ok()) << Verify(twin.canonical(), key->public_key());
  EXPECT_EQ(twin.etag(), Sha256Hex(twin.canonical()));
  EXPECT_EQ(*CanonicalizeText(twin.canonical()), twin.canonical());
  EXPECT_EQ(twin.definition_etag(), plain->twin().definition_etag());
  EXPECT_EQ(twin.revision(), plain->twin().revision());
  EXPECT_EQ(twin.twin().sensors_size(), 3);

  // Nothing but the proof and its context is added.
  Json document = *ParseJson(twin.canonical());
  EXPECT_EQ(document.Find("proof")->Find("type")->string(), "DataIntegrityProof");
  document.Remove("proof");
  Json expected = *ParseJson(plain->twin().canonical());
  document.Remove("@context");
  expected.Remove("@context");
  EXPECT_EQ(document, expected);
  EXPECT_THAT(plain->twin().canonical(), Not(HasSubstr("proof")));

  std::string changed = twin.canonical();
  const size_t at = changed.find("\"currentValue\":2");
  ASSERT_NE(at, std::string::npos);
  changed[at + 15] = '3';
  EXPECT_FALSE(Verify(changed, key->public_key()).ok());
  EXPECT_EQ(metrics_.documents_signed.Value(), 1);
}

TEST_F(DocumentProofTest, TakesTheKeyThatItHasNow) {
  Start();
  PutTwin("twin-1");
  const auto old_key = NewSigningKey();
  const auto new_key = NewSigningKey();
  signer_.SetKey(old_key);
  const std::string old_document = GetSigned(kAlice, "twin-1")->twin().canonical();
  signer_.SetKey(new_key);
  const std::string new_document = GetSigned(kAlice, "twin-1")->twin().canonical();
  EXPECT_TRUE(Verify(old_document, old_key->public_key()).ok());
  EXPECT_TRUE(Verify(new_document, new_key->public_key()).ok());
  EXPECT_FALSE(Verify(new_document, old_key->public_key()).ok());
  pb::GetSigningKeyResponse told;
  ASSERT_TRUE(Call(kRita, &TwinStub::GetSigningKey, pb::GetSigningKeyRequest(), &told).ok());
  EXPECT_EQ(told.did(), new_key->public_key().Did());
  EXPECT_EQ(told.verification_method(), new_key->public_key().VerificationMethod());
  EXPECT_EQ(told.public_key_multibase(), new_key->public_key().Multibase());
}

// The proof of a definition would be of another document than the one with live values.
TEST_F(DocumentProofTest, ReplacesTheProofOfADefinition) {
  Start();
  const auto key = NewSigningKey();
  signer_.SetKey(key);
  PutTwin("twin-1");
  Json document = *ParseJson(GetSigned(kAlice, "twin-1")->twin().canonical());
  document.Find("proof")->Set("proofValue", Json::String("z1"));
  ASSERT_TRUE(Put(kAlice, Canonicalize(document)).ok());
  EXPECT_THAT(Get(kAlice, "twin-1")->twin().canonical(), HasSubstr("\"proofValue\":\"z1\""));
  EXPECT_TRUE(Verify(GetSigned(kAlice, "twin-1")->twin().canonical(), key->public_key()).ok());
}

TEST_F(DocumentProofTest, SaysThatThereIsNoKey) {
  Start();
  PutTwin("twin-1");
  const absl::Status status = GetSigned(kAlice, "twin-1").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), "NO_SIGNING_KEY");
  pb::GetSigningKeyResponse told;
  EXPECT_EQ(ReasonOf(Call(kAlice, &TwinStub::GetSigningKey, pb::GetSigningKeyRequest(), &told)), "NO_SIGNING_KEY");
  EXPECT_TRUE(Get(kAlice, "twin-1").ok());
}

TEST_F(DocumentProofTest, SignsOnlyBytesAndOnlyForReaders) {
  Start();
  signer_.SetKey(NewSigningKey());
  PutTwin("twin-1");
  for (const pb::TwinView view : {pb::TWIN_VIEW_TYPED, pb::TWIN_VIEW_BASIC}) {
    const absl::Status status = GetSigned(kAlice, "twin-1", view).status();
    EXPECT_EQ(ReasonOf(status), "REQUEST_INVALID") << view;
    EXPECT_THAT(std::string(status.message()), HasSubstr("include_proof: "));
  }
  EXPECT_EQ(ReasonOf(GetSigned(kEve, "twin-1").status()), "NOT_AUTHORIZED");
  EXPECT_EQ(ReasonOf(GetSigned(kRita, "other-1").status()), "NOT_AUTHORIZED");
  EXPECT_EQ(ReasonOf(GetSigned(kAlice, "twin-2").status()), "TWIN_NOT_FOUND");
  for (const char* who : {kEve, kWalter, kTestBridge}) {
    pb::GetSigningKeyResponse told;
    EXPECT_EQ(ReasonOf(Call(who, &TwinStub::GetSigningKey, pb::GetSigningKeyRequest(), &told)), "NOT_AUTHORIZED")
        << who;
  }
}

}  // namespace
}  // namespace mvmd
