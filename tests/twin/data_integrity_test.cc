#include "twin/data_integrity.h"

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test_data.h"
#include "tests/twin/test_signer.h"
#include "twin/base58.h"
#include "twin/canonical.h"
#include "twin/time.h"

namespace mvmd {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

// Data Integrity EdDSA Cryptosuites 1.0, appendix B: the key pair, and the credential of "Representation:
// eddsa-jcs-2022".
constexpr char kSecretKey[] = "3u2en7t5LR2WtQH5PfFqMqwVHBeXouLzo6haApm8XHqvjxq";
constexpr char kCredential[] = R"({
  "@context": ["https://www.w3.org/ns/credentials/v2", "https://www.w3.org/ns/credentials/examples/v2"],
  "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
  "type": ["VerifiableCredential", "AlumniCredential"],
  "name": "Alumni Credential",
  "description": "A minimum viable example of an Alumni Credential.",
  "issuer": "https://vc.example/issuers/5678",
  "validFrom": "2023-01-01T00:00:00Z",
  "credentialSubject": {"id": "did:example:abcdefgh", "alumniOf": "The School of Examples"}})";
constexpr char kProof[] = R"({
  "type": "DataIntegrityProof",
  "cryptosuite": "eddsa-jcs-2022",
  "created": "2023-02-24T23:36:38Z",
  "verificationMethod": "did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2#z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2",
  "proofPurpose": "assertionMethod",
  "@context": ["https://www.w3.org/ns/credentials/v2", "https://www.w3.org/ns/credentials/examples/v2"],
  "proofValue": "z2HnFSSPPBzR36zdDgK8PbEHeXbR56YF24jwMpt3R1eHXQzJDMWS93FCzpvJpwTWd3GAVFuUfjoJdcnTMuVor51aX"})";
constexpr int64_t kCreatedNs = 1677281798 * int64_t{1000000000};

Json Read(absl::string_view text) { return ParseOrFail(text); }

const TestSigner& Key() {
  static const TestSigner* const key = new TestSigner(DecodeBase58(kSecretKey)->substr(2));
  return *key;
}
const TestSigner& OtherKey() {
  static const TestSigner* const key = new TestSigner(std::string(32, 'o'));
  return *key;
}

Json Example() { return ParseProfile("twin-complete.jsonld"); }
Json SignedExample() { return Key().Signed(Example(), kCreatedNs); }

ProofVerdicts Verify(const Json& document) { return VerifyProofs(document, nullptr, kCreatedNs); }
std::string ErrorOf(const Json& document) { return std::string(Verify(document).status.message()); }

// What a signer writes who sets the proof's members himself.
Json SignedWith(Json document, Json proof) {
  const std::string data = absl::StrCat(Sha256(Canonicalize(proof)), Sha256(Canonicalize(document)));
  proof.Set("proofValue", Json::String(absl::StrCat("z", EncodeBase58(Key().Sign(data)))));
  document.Set("proof", std::move(proof));
  return document;
}
Json MinimalProof() {
  Json proof =
      Read(R"({"type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022", "proofPurpose": "assertionMethod"})");
  proof.Set("verificationMethod", Json::String(Key().public_key().VerificationMethod()));
  return proof;
}

TEST(DataIntegrityTest, VerifiesThePublishedProof) {
  Json document = Read(kCredential);
  document.Set("proof", Read(kProof));
  const ProofVerdicts verdicts = Verify(document);
  EXPECT_TRUE(verdicts.status.ok()) << verdicts.status;
  ASSERT_THAT(verdicts.proofs, SizeIs(1));
  EXPECT_EQ(verdicts.proofs[0].key->Multibase(), "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2");
  EXPECT_EQ(verdicts.proofs[0].created, "2023-02-24T23:36:38Z");
  EXPECT_EQ(verdicts.proofs[0].contexts_not_covered, 0u);
}

TEST(DataIntegrityTest, MakesThePublishedProof) {
  const Json document = Key().Signed(Read(kCredential), kCreatedNs + 999'999'999);
  EXPECT_EQ(*document.Find("proof"), Read(kProof));
  EXPECT_EQ(*document.Find("@context"), *Read(kCredential).Find("@context")) << "it has the terms already";
}

TEST(DataIntegrityTest, AddsTheContextThatTheProofNeeds) {
  const Json document = SignedExample();
  const std::vector<Json>& contexts = document.Find("@context")->elements();
  ASSERT_THAT(contexts, SizeIs(2));
  EXPECT_EQ(contexts[0], *Example().Find("@context"));
  EXPECT_EQ(contexts[1], Json::String(kDataIntegrityContext));
  EXPECT_EQ(*document.Find("proof")->Find("@context"), *document.Find("@context"));
  EXPECT_TRUE(Verify(document).status.ok());

  EXPECT_EQ(*Key().Signed(Read("{}"), 0).Find("@context"), Json::String(kDataIntegrityContext));
  EXPECT_EQ(Canonicalize(*Key().Signed(Read(R"({"@context": null})"), 0).Find("@context")),
            absl::StrCat("[null,\"", kDataIntegrityContext, "\"]"));
  const Json has_it = Read(absl::StrCat(R"({"@context": [")", kDataIntegrityContext, R"(", {"@vocab": "urn:v:"}]})"));
  EXPECT_EQ(*Key().Signed(has_it, 0).Find("@context"), *has_it.Find("@context"));
}

TEST(DataIntegrityTest, ReplacesAnOlderProof) {
  const Json once = SignedExample();
  EXPECT_EQ(Key().Signed(once, kCreatedNs), once);
}

// Each value of the document, changed, and each member and element taken away.
TEST(DataIntegrityTest, SeesEveryChange) {
  const Json signed_document = SignedExample();
  int changes = 0;
  const auto expect_refused = [&](const Json& document, const std::string& what) {
    ++changes;
    EXPECT_FALSE(Verify(document).status.ok()) << what;
  };
  // `edit` walks to the node in a copy of the document.
  const std::function<void(const Json&, const std::string&, const std::function<Json*(Json*)>&)> change =
      [&](const Json& node, const std::string& where, const std::function<Json*(Json*)>& walk) {
        Json document = signed_document;
        Json* const copy = walk(&document);
        switch (node.type()) {
          case Json::Type::kObject:
            copy->Set("added", Json());
            break;
          case Json::Type::kArray:
            copy->Append(Json());
            break;
          case Json::Type::kString:
            *copy = Json::String(node.string() + " ");
            break;
          case Json::Type::kNumber:
            *copy = Json::Number(node.number() + 1);
            break;
          case Json::Type::kBool:
            *copy = Json::Bool(!node.boolean());
            break;
          case Json::Type::kNull:
            *copy = Json::Bool(false);
            break;
        }
        // A context more is not covered, and told: CountsContextsThatAreNotCovered.
        if (where != "/@context") expect_refused(document, where);
        if (node.is_object()) {
          for (const Json::Member& member : node.members()) {
            const std::string name = member.first;
            document = signed_document;
            walk(&document)->Remove(name);
            expect_refused(document, absl::StrCat("without ", where, "/", name));
            change(member.second, absl::StrCat(where, "/", name),
                   [walk, name](Json* root) { return walk(root)->Find(name); });
          }
        }
        if (node.is_array()) {
          for (size_t i = 0; i < node.elements().size(); ++i) {
            change(node.elements()[i], absl::StrCat(where, "/", i),
                   [walk, i](Json* root) { return &walk(root)->elements()[i]; });
          }
        }
      };
  change(signed_document, "", [](Json* root) { return root; });
  EXPECT_GT(changes, 250);
}

TEST(DataIntegrityTest, CoversWhatTheGraphDoesNotSee) {
  const Json original = Key().Signed(
      Read(R"({"@context": {"@vocab": "urn:v:"}, "a": [1, 2], "b": null, "c": 0.1, "d": [5], "e": "\u00e9"})"),
      kCreatedNs);
  ASSERT_TRUE(Verify(original).status.ok());
  const auto with = [&original](absl::string_view name, absl::string_view value) {
    Json document = original;
    document.Set(name, Read(value));
    return document;
  };
  EXPECT_FALSE(Verify(with("a", "[2, 1]")).status.ok());
  EXPECT_FALSE(Verify(with("a", "[1, 2, 2]")).status.ok());
  EXPECT_FALSE(Verify(with("b", "[]")).status.ok());
  EXPECT_FALSE(Verify(with("c", "0.10000000000000002")).status.ok());
  EXPECT_FALSE(Verify(with("d", "5")).status.ok());
  EXPECT_FALSE(Verify(with("e", R"("e\u0301")")).status.ok());
  Json without_null = original;
  without_null.Remove("b");
  EXPECT_FALSE(Verify(without_null).status.ok());
  // The same values, written in another way.
  EXPECT_TRUE(Verify(with("c", "1e-1")).status.ok());
  EXPECT_TRUE(Verify(with("a", "[1.0, 2]")).status.ok());
}

TEST(DataIntegrityTest, DoesNotSeeTheOrderOfMembers) {
  Json document = SignedExample();
  std::reverse(document.members().begin(), document.members().end());
  std::reverse(document.Find("proof")->members().begin(), document.Find("proof")->members().end());
  EXPECT_TRUE(Verify(document).status.ok());
}

TEST(DataIntegrityTest, AsksForTheKeyThatIsExpected) {
  const Ed25519PublicKey key = Key().public_key();
  const Ed25519PublicKey other = OtherKey().public_key();
  EXPECT_TRUE(VerifyProofs(SignedExample(), &key, kCreatedNs).status.ok());
  const ProofVerdicts verdicts = VerifyProofs(SignedExample(), &other, kCreatedNs);
  EXPECT_THAT(std::string(verdicts.status.message()), HasSubstr(absl::StrCat("expected one by ", other.Did())));
  EXPECT_TRUE(verdicts.proofs[0].status.ok());
}

TEST(DataIntegrityTest, VerifiesEachProofOfASet) {
  Json first = Key().Signed(Example(), kCreatedNs);
  const Json second = OtherKey().Signed(Example(), kCreatedNs + 1'000'000'000);
  Json document = first;
  Json proofs = Json::Array();
  proofs.Append(*first.Find("proof"));
  proofs.Append(*second.Find("proof"));
  document.Set("proof", proofs);
  const Ed25519PublicKey other = OtherKey().public_key();
  const ProofVerdicts verdicts = VerifyProofs(document, &other, kCreatedNs);
  EXPECT_TRUE(verdicts.status.ok()) << verdicts.status;
  ASSERT_THAT(verdicts.proofs, SizeIs(2));
  EXPECT_EQ(*verdicts.proofs[1].key, other);

  document.Find("proof")->elements()[1].Set("created", Json::String("2023-02-24T23:36:40Z"));
  EXPECT_THAT(ErrorOf(document), HasSubstr("/proof/1/proofValue"));
  EXPECT_TRUE(Verify(document).proofs[0].status.ok());
  document.Find("proof")->elements()[1] = Json::String("proof");
  EXPECT_THAT(ErrorOf(document), HasSubstr("/proof/1: expected an object, got a text"));
}

TEST(DataIntegrityTest, CountsContextsThatAreNotCovered) {
  Json document = SignedExample();
  document.Find("@context")->Append(Read(R"({"name": "urn:other"})"));
  ProofVerdicts verdicts = Verify(document);
  EXPECT_TRUE(verdicts.status.ok()) << verdicts.status;
  EXPECT_EQ(verdicts.proofs[0].contexts_not_covered, 1u);

  std::swap(document.Find("@context")->elements()[0], document.Find("@context")->elements()[1]);
  EXPECT_THAT(ErrorOf(document), HasSubstr("does not begin with that of the proof"));
  document.Set("@context", Json::Array());
  EXPECT_THAT(ErrorOf(document), HasSubstr("does not begin with that of the proof"));
  document.Remove("@context");
  EXPECT_THAT(ErrorOf(document), HasSubstr("the document has none"));
}

// Section 3.3.2: without a context of its own, the proof covers all of the document's.
TEST(DataIntegrityTest, ProofsMayHaveNoContextAndNoTime) {
  Json document = SignedWith(Read(R"({"@context": ["urn:a"], "a": 1})"), MinimalProof());
  EXPECT_TRUE(Verify(document).status.ok()) << Verify(document).status;
  document.Find("@context")->Append(Json::String("urn:b"));
  EXPECT_FALSE(Verify(document).status.ok());
  EXPECT_TRUE(Verify(SignedWith(Read(R"({"a": 1})"), MinimalProof())).status.ok());
}

TEST(DataIntegrityTest, SeesWhenAProofHasExpired) {
  Json proof = MinimalProof();
  proof.Set("expires", Json::String("2023-02-24T23:36:38+00:00"));
  const Json document = SignedWith(Read(R"({"a": 1})"), proof);
  EXPECT_TRUE(VerifyProofs(document, nullptr, kCreatedNs).status.ok());
  EXPECT_THAT(std::string(VerifyProofs(document, nullptr, kCreatedNs + 1).status.message()),
              HasSubstr("has expired at 2023-02-24T23:36:38+00:00"));
}

TEST(DataIntegrityTest, NamesWhatItDoesNotKnow) {
  struct Case {
    const char* member;
    const char* value;
    const char* error;
  };
  for (const Case& c : {Case{"type", "\"Ed25519Signature2020\"",
                             "/proof/type: only DataIntegrityProof is known here, got \"Ed25519Sig"},
                        Case{"cryptosuite", "\"ecdsa-jcs-2019\"",
                             "/proof/cryptosuite: only eddsa-jcs-2022 is known here, got \"ecdsa-jcs"},
                        Case{"previousProof", "\"urn:uuid:1\"", "/proof/previousProof: chains of proofs"}}) {
    Json proof = MinimalProof();
    proof.Set(c.member, Read(c.value));
    const absl::Status status = Verify(SignedWith(Read(R"({"a": 1})"), proof)).status;
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << c.member;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.error));
  }
}

// Each is signed as it stands: only the check of its form refuses it.
TEST(DataIntegrityTest, RefusesMalformedProofs) {
  const std::vector<std::pair<const char*, std::vector<const char*>>> cases = {
      {"type", {"null", "1", "[\"DataIntegrityProof\"]", "{}"}},
      {"cryptosuite", {"null", "[]", "true"}},
      {"proofPurpose", {"\"authentication\"", "null", "[\"assertionMethod\"]", "\"\""}},
      {"verificationMethod",
       {"null", "{\"id\": \"did:key:z6Mk\"}", "\"\"", "\"did:web:example.com#k\"", "\"https://example.com/key\"",
        "\"did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2\""}},
      {"created",
       {"null", "0", "\"\"", "\"yesterday\"", "\"2023-02-24\"", "\"2023-02-24T23:36:38\"", "\"2023-02-30T00:00:00Z\"",
        "\"2023-02-24 23:36:38Z\""}},
      {"expires", {"null", "1e300", "\"never\"", "[\"2023-02-24T23:36:38Z\"]"}},
      {"id", {"null", "{}"}},
      {"domain", {"null", "{}", "[1]", "[\"a\", null]"}},
      {"challenge", {"null", "[]"}},
      {"nonce", {"1"}}};
  for (const auto& [member, values] : cases) {
    for (const char* value : values) {
      Json proof = MinimalProof();
      proof.Set(member, Read(value));
      EXPECT_THAT(ErrorOf(SignedWith(Read(R"({"a": 1})"), proof)), HasSubstr(absl::StrCat("/proof/", member, ": ")))
          << value;
    }
  }
  for (const char* member : {"type", "cryptosuite", "proofPurpose", "verificationMethod"}) {
    Json proof = MinimalProof();
    proof.Remove(member);
    EXPECT_THAT(ErrorOf(SignedWith(Read(R"({"a": 1})"), proof)), HasSubstr(absl::StrCat(member, ": expected")));
  }
  Json fine = MinimalProof();
  fine.Set("domain", Read(R"(["a", "b"])"));
  fine.Set("challenge", Json::String("c"));
  fine.Set("unknown", Read("[{}]"));
  EXPECT_TRUE(Verify(SignedWith(Read(R"({"a": 1})"), fine)).status.ok());
}

TEST(DataIntegrityTest, RefusesMalformedSignatures) {
  const Json document = SignedWith(Read(R"({"a": 1})"), MinimalProof());
  const std::string value = document.Find("proof")->Find("proofValue")->string();
  const auto error = [&document](Json wrong) {
    Json copy = document;
    copy.Find("proof")->Set("proofValue", std::move(wrong));
    return ErrorOf(copy);
  };
  for (const std::string& wrong :
       {std::string(), std::string("z"), value.substr(1), "u" + value.substr(1), value + "1", "z1" + value.substr(1),
        value.substr(0, value.size() - 2), value + " ", "z" + std::string(87, '0'), "z" + std::string(1000000, 'z')}) {
    EXPECT_THAT(error(Json::String(wrong)), HasSubstr("/proof/proofValue: expected base58btc")) << wrong.substr(0, 100);
  }
  EXPECT_THAT(error(Json()), HasSubstr("got null"));
  EXPECT_THAT(error(Json::Array()), HasSubstr("got an array"));
  EXPECT_THAT(error(Json::String("z" + EncodeBase58(std::string(64, '\xff')))), HasSubstr("is no signature"));
  EXPECT_THAT(error(Json::String("z" + EncodeBase58(std::string(64, '\0')))), HasSubstr("is no signature"));
  Json without = document;
  without.Find("proof")->Remove("proofValue");
  EXPECT_THAT(ErrorOf(without), HasSubstr("got nothing"));
}

TEST(DataIntegrityTest, RefusesWhatIsNoSignedDocument) {
  EXPECT_THAT(ErrorOf(Json()), HasSubstr("expected a document (an object), got null"));
  EXPECT_THAT(ErrorOf(Json::Array()), HasSubstr("got an array"));
  EXPECT_THAT(ErrorOf(Example()), HasSubstr("nobody has signed it"));
  for (const char* proof : {"null", "[]", "1", "\"x\"", "true"}) {
    Json document = Example();
    document.Set("proof", Read(proof));
    EXPECT_THAT(ErrorOf(document), HasSubstr("/proof: expected an object, or an array of one or more")) << proof;
  }
  Json document = Example();
  Json many = Json::Array();
  for (size_t i = 0; i < kProofsMax; ++i) many.Append(*SignedExample().Find("proof"));
  document.Set("@context", *SignedExample().Find("@context"));
  document.Set("proof", many);
  EXPECT_TRUE(Verify(document).status.ok());
  document.Find("proof")->Append(many.elements()[0]);
  EXPECT_THAT(ErrorOf(document), HasSubstr("expected at most 16, got 17"));
  EXPECT_THAT(Verify(document).proofs, SizeIs(0));
}

TEST(DataIntegrityTest, SaysWhenTheSignerCannot) {
  const absl::StatusOr<Json> document =
      AddProof(Example(), Key().public_key(), kCreatedNs,
               [](absl::string_view) -> absl::StatusOr<std::string> { return absl::InternalError("no key today"); });
  EXPECT_EQ(document.status(), absl::InternalError("no key today"));
}

}  // namespace
}  // namespace mvmd
