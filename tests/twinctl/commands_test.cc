#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mvmd/twin/v1alpha1/twin_service.pb.h"
#include "twin/canonical.h"
#include "twinctl/command.h"
#include "twinctl/request_texts.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kExample[] = MVMD_TEST_DATA "/profile/twin-complete.jsonld";

struct Outcome {
  int code;
  std::string out;
  std::string err;
};

Outcome RunWith(std::vector<const char*> arguments) {
  std::ostringstream out;
  std::ostringstream err;
  Console console(out, err, /*terminal=*/false, /*colour=*/false);
  arguments.insert(arguments.begin(), "twinctl");
  const int code = RunTwinctl(static_cast<int>(arguments.size()), arguments.data(), console);
  return {code, out.str(), err.str()};
}

std::string WriteFile(const std::string& name, const std::string& text) {
  const std::string path = ::testing::TempDir() + name;
  std::ofstream(path) << text;
  return path;
}

TEST(TwinctlTest, ValidateAcceptsTheExample) {
  const Outcome outcome = RunWith({"validate", kExample});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("valid, 0 errors, 4 warnings"));
}

TEST(TwinctlTest, ValidatePrintsTheResultObject) {
  const std::string file = WriteFile("bad.jsonld", "{}");
  const Outcome outcome = RunWith({"validate", file.c_str(), "--strict", "-o", "json"});
  EXPECT_EQ(outcome.code, 2);
  const auto result = ParseJson(outcome.out);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->Find("valid")->boolean());
  EXPECT_TRUE(result->Find("strict")->boolean());
  EXPECT_EQ(result->Find("profile")->string(), "digital-twin");
  EXPECT_THAT(result->Find("errors")->elements(), testing::Not(IsEmpty()));
  EXPECT_THAT(outcome.err, IsEmpty());
}

TEST(TwinctlTest, ValidateChecksEachOfSeveralFiles) {
  const std::string bad = WriteFile("bad-of-two.jsonld", "{}");
  Outcome outcome = RunWith({"validate", kExample, bad.c_str()});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.out, HasSubstr("valid, 0 errors, 4 warnings"));
  EXPECT_THAT(outcome.out, HasSubstr(bad + ": invalid, "));
  outcome = RunWith({"validate", kExample, bad.c_str(), "-o", "json"});
  const auto results = ParseJson(outcome.out);
  ASSERT_TRUE(results.ok()) << results.status();
  ASSERT_EQ(results->elements().size(), 2u);
  EXPECT_EQ(results->elements()[0].Find("file")->string(), kExample);
  EXPECT_TRUE(results->elements()[0].Find("valid")->boolean());
  EXPECT_FALSE(results->elements()[1].Find("valid")->boolean());
  outcome = RunWith({"validate", kExample, kExample, "-o", "jsonl"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 2);
  EXPECT_EQ(RunWith({"validate", kExample, "/no/such/file"}).code, 1);
}

TEST(TwinctlTest, RulesListsTheCatalogue) {
  Outcome outcome = RunWith({"rules", "-o", "json"});
  EXPECT_EQ(outcome.code, 0);
  const auto rules = ParseJson(outcome.out);
  ASSERT_TRUE(rules.ok()) << rules.status();
  EXPECT_EQ(rules->elements().size(), 164u);
  outcome = RunWith({"rules", "sen-09", "SYN-1", "-o", "jsonl"});
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 9);
  EXPECT_THAT(outcome.out, HasSubstr(R"({"id":"SEN-09","lenient":"error","strict":"error",)"
                                     R"("message":"Sensor unit must be a non-empty string"})"));
  EXPECT_THAT(RunWith({"rules", "BAS-18"}).out, HasSubstr("BAS-18  warning  error   dateModified is earlier"));
  outcome = RunWith({"rules", "XYZ"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("XYZ"));
}

TEST(TwinctlTest, NumbersAreWholeOnes) {
  for (const char* number : {"-1", "0", "1.5", "1e3", "+1", "x", "18446744073709551616"}) {
    const std::string expected = absl::StrCat("expected a whole number from 1 on, got ", number);
    EXPECT_THAT(RunWith({"diff", "twin", number}).err, HasSubstr(expected));
    EXPECT_THAT(RunWith({"diff", "twin", "1", number}).err, HasSubstr(expected));
    const Outcome outcome = RunWith({"get", "twin", "--revision", number});
    EXPECT_EQ(outcome.code, 2);
    EXPECT_THAT(outcome.err, HasSubstr(expected));
  }
  const std::vector<std::vector<const char*>> others = {{"get", "twin", "--min-revision", "-1"},
                                                        {"list", "--min-revision", "-1"},
                                                        {"list", "--limit", "-1"},
                                                        {"samples", "twin", "sensor", "--limit", "-1"},
                                                        {"watch", "--from-revision", "-1"}};
  for (const std::vector<const char*>& arguments : others) {
    EXPECT_THAT(RunWith(arguments).err, HasSubstr("expected a whole number from 0 on, got -1")) << arguments[0];
  }
}

TEST(TwinctlTest, TextsOfRequestsAreUtf8) {
  pb::ListTwinsRequest list;
  list.set_filter("name = \"\u00e9\"");
  EXPECT_TRUE(CheckTexts(list).ok());
  list.set_filter("a\xff");
  EXPECT_EQ(CheckTexts(list).message(), "filter: expected UTF-8, got \"a\\xff\"");
  pb::WatchTwinsRequest watch;
  watch.add_prefixes("fine");
  watch.add_prefixes("\xed\xa0\x80");  // a surrogate
  EXPECT_TRUE(absl::IsInvalidArgument(CheckTexts(watch)));
  pb::GetTwinRequest get;
  get.mutable_read_mask()->add_paths("\xc0\x80");
  EXPECT_TRUE(absl::IsInvalidArgument(CheckTexts(get)));
  pb::PutTwinRequest put;
  put.set_document("\xff");  // bytes: the gateway says where
  EXPECT_TRUE(CheckTexts(put).ok());
}

TEST(TwinctlTest, QuarantineWantsATwinOrAll) {
  EXPECT_EQ(RunWith({"quarantine"}).code, 2);
  EXPECT_EQ(RunWith({"quarantine", "get"}).code, 2);
  EXPECT_EQ(RunWith({"quarantine", "discard"}).code, 2);
  EXPECT_EQ(RunWith({"quarantine", "redrive", "twin", "--all"}).code, 2);
  EXPECT_EQ(RunWith({"quarantine", "--help"}).code, 0);
}

// With `text` as standard input.
Outcome RunWithInput(const std::string& text, std::vector<const char*> arguments) {
  std::istringstream input(text);
  std::streambuf* const before = std::cin.rdbuf(input.rdbuf());
  Outcome outcome = RunWith(std::move(arguments));
  std::cin.rdbuf(before);
  std::cin.clear();
  return outcome;
}

TEST(TwinctlTest, DecodeTellsGoodReadingsFromBadOnes) {
  const std::string config = WriteFile("decode.yaml",
                                       "routes:\n  - {topic: 'plant/{m}', twin: '{m}', sensor: '{reading}',\n"
                                       "     json: {readings: [{each: /values, value: /v, name: /n}]}}\n");
  const std::vector<const char*> by_route = {"decode", "--topic", "plant/robot", "--config", config.c_str()};
  Outcome outcome = RunWithInput(R"({"values":[{"n":"a","v":1},{"n":"b","v":{}},{"v":2},{"n":"c","v":3}]})", by_route);
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.out,
            "{\"sensor\":\"a\",\"value\":1,\"twin\":\"robot\"}\n{\"sensor\":\"c\",\"value\":3,\"twin\":\"robot\"}\n");
  EXPECT_EQ(outcome.err,
            "twinctl decode: /values/1/v: expected a number, boolean or text, got an object\n"
            "twinctl decode: /values/2/n: expected a name (text)\n");
  EXPECT_EQ(RunWithInput(R"({"values":[{"n":"a","v":1}]})", by_route).code, 0);
  std::string many = R"({"values":[{"n":"a","v":1})";
  for (int i = 0; i < 100; ++i) many += ",{\"v\":1}";
  EXPECT_THAT(RunWithInput(many + "]}", by_route).err, HasSubstr("twinctl decode: 84 more bad readings\n"));
  outcome = RunWithInput("{nope", {"decode", "--topic", "t", "--decoder", "json"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.out, IsEmpty());
  EXPECT_THAT(outcome.err, HasSubstr("expected JSON, got `{nope`"));
}

TEST(TwinctlTest, CanonicalizePrintsTheBytesAndNothingElse) {
  const std::string file = WriteFile("c.json", "{\"b\": 1.0,\n \"a\": [\"\\u00e9\"]}\n");
  EXPECT_EQ(RunWith({"canonicalize", file.c_str()}).out, "{\"a\":[\"\u00e9\"],\"b\":1}");
  EXPECT_EQ(RunWith({"canonicalize", "--digest", file.c_str()}).out, Sha256Hex("{\"a\":[\"\u00e9\"],\"b\":1}") + "\n");
}

TEST(TwinctlTest, CanonicalizePrintsTheGraph) {
  const auto file_text = [](const char* path) {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const Outcome graph = RunWith({"canonicalize", "--nquads", kExample});
  EXPECT_EQ(graph.out, file_text(MVMD_TEST_DATA "/profile/twin-complete.nq"));
  EXPECT_THAT(graph.err, IsEmpty());
  EXPECT_EQ(RunWith({"canonicalize", "--nquads", "--digest", kExample}).out, Sha256Hex(graph.out) + "\n");
  EXPECT_EQ(RunWith({"canonicalize", "--nquads", "--lossless", kExample}).out,
            file_text(MVMD_TEST_DATA "/profile/twin-complete.lossless.nq"));
}

TEST(TwinctlTest, CanonicalizeTellsWhereTheGraphIsNotTheDocument) {
  const std::string lossy = WriteFile("lossy.json", R"({"@context": {"@vocab": "urn:v:"}, "a": [1, null]})");
  EXPECT_THAT(RunWith({"canonicalize", "--nquads", lossy.c_str()}).err, HasSubstr("lossy"));
  const std::string remote = WriteFile("remote.json", R"({"@context": "https://example.com/c"})");
  const Outcome refused = RunWith({"canonicalize", "--nquads", remote.c_str()});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.out, IsEmpty());
  EXPECT_THAT(refused.err, HasSubstr("loading remote context failed"));
}

// By the key pair of W3C's test vectors.
constexpr char kSigner[] = "did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2";
std::string SignedDocument() {
  return R"({"@context": ["https://www.w3.org/ns/credentials/v2", "https://www.w3.org/ns/credentials/examples/v2"],
    "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33", "type": ["VerifiableCredential", "AlumniCredential"],
    "name": "Alumni Credential", "description": "A minimum viable example of an Alumni Credential.",
    "issuer": "https://vc.example/issuers/5678", "validFrom": "2023-01-01T00:00:00Z",
    "credentialSubject": {"id": "did:example:abcdefgh", "alumniOf": "The School of Examples"},
    "proof": {"type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022", "created": "2023-02-24T23:36:38Z",
      "verificationMethod": "did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2#z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2",
      "proofPurpose": "assertionMethod",
      "@context": ["https://www.w3.org/ns/credentials/v2", "https://www.w3.org/ns/credentials/examples/v2"],
      "proofValue": "z2HnFSSPPBzR36zdDgK8PbEHeXbR56YF24jwMpt3R1eHXQzJDMWS93FCzpvJpwTWd3GAVFuUfjoJdcnTMuVor51aX"}})";
}

TEST(TwinctlTest, VerifySaysWhoHasSigned) {
  const std::string file = WriteFile("signed.json", SignedDocument());
  const Outcome any = RunWith({"verify", file.c_str()});
  EXPECT_EQ(any.code, 0) << any.err;
  EXPECT_THAT(any.out, HasSubstr(": verified\n"));
  EXPECT_THAT(any.out, HasSubstr(std::string("signed by  ") + kSigner + "\ncreated    2023-02-24T23:36:38Z\n"));
  EXPECT_THAT(any.out, HasSubstr("nobody vouches for this key"));
  const Outcome pinned = RunWith({"verify", file.c_str(), "--did", kSigner});
  EXPECT_EQ(pinned.code, 0);
  EXPECT_THAT(pinned.out, testing::Not(HasSubstr("nobody vouches")));
  EXPECT_EQ(RunWithInput(SignedDocument(), {"verify", "-"}).code, 0);
  const auto json = ParseJson(RunWith({"verify", file.c_str(), "-o", "json"}).out);
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_TRUE(json->Find("verified")->boolean());
  EXPECT_FALSE(json->Find("pinned")->boolean());
  EXPECT_EQ(json->Find("proofs")->elements()[0].Find("did")->string(), kSigner);
}

TEST(TwinctlTest, VerifyEndsWithTwoWhenItIsNotWhatWasSigned) {
  const std::string other = "did:key:z6MktgKTsu1QhX6QPbyqG6geXdw6FQCZBPq7uQpieWbiQiG7";
  const std::string file = WriteFile("signed.json", SignedDocument());
  Outcome outcome = RunWith({"verify", file.c_str(), "--did", other.c_str()});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.out, HasSubstr("NOT verified: /proof: expected one by " + other));
  std::string changed = SignedDocument();
  changed.replace(changed.find("Alumni Credential"), 6, "Alumna");
  const std::string changed_file = WriteFile("changed.json", changed);
  outcome = RunWith({"verify", changed_file.c_str(), "-o", "jsonl"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.out,
              HasSubstr("{\"verified\":false,\"pinned\":false,\"error\":\"/proof/proofValue: is no signature"));
  outcome = RunWith({"verify", kExample});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.out, HasSubstr("nobody has signed it"));
  outcome = RunWithInput("{\"a\": 1, \"a\": 2}", {"verify", "-"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("no I-JSON"));
  outcome = RunWith({"verify", file.c_str(), "--did", "did:web:example.com"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("--did: expected did:key:z6Mk"));
  EXPECT_EQ(RunWith({"verify", "/no/such/file"}).code, 1);
}

TEST(TwinctlTest, CanonicalizeRefusesWhatIsNoIJson) {
  for (const char* text : {"", "{", "{\"a\":1,\"a\":2}", "[1e999]", "\"\\ud800\"", "\xff"}) {
    const std::string file = WriteFile("d.json", text);
    const Outcome outcome = RunWith({"canonicalize", file.c_str()});
    EXPECT_EQ(outcome.code, 2) << text;
    EXPECT_THAT(outcome.out, IsEmpty()) << text;
    EXPECT_THAT(outcome.err, HasSubstr("DOC-0")) << text;
  }
}

TEST(TwinctlTest, FailsOnFilesThatAreNotThere) {
  const Outcome outcome = RunWith({"validate", "/no/such/file"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("/no/such/file"));
}

TEST(TwinctlTest, RefusesInputLargerThanADocument) {
  const std::string file = WriteFile("large.json", std::string(kInputBytesMax + 1, ' '));
  EXPECT_EQ(RunWith({"validate", file.c_str()}).code, 2);
  std::filesystem::remove(file);
}

TEST(TwinctlTest, RefusesWrongUsage) {
  EXPECT_EQ(RunWith({}).code, 2);
  EXPECT_EQ(RunWith({"get"}).code, 2);
  EXPECT_EQ(RunWith({"get", "twin-1", "--nquads", "--raw"}).code, 2);
  EXPECT_EQ(RunWith({"get", "twin-1", "--fields", "etag", "--typed"}).code, 2);
  EXPECT_EQ(RunWith({"get", "--fields", "etag"}).code, 2);
  EXPECT_THAT(RunWith({"get", "twin-1", "--if-none-match", ""}).err, HasSubstr("expected an etag, got nothing"));
  EXPECT_EQ(RunWith({"validate", kExample, "-o", "xml"}).code, 2);
  EXPECT_EQ(RunWith({"validate", kExample, "--no-such-flag"}).code, 2);
  const Outcome outcome = RunWith({"gte", "x"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("no command `gte`"));
}

TEST(TwinctlTest, HelpAndVersionAreFine) {
  EXPECT_EQ(RunWith({"--help"}).code, 0);
  EXPECT_EQ(RunWith({"watch", "--help"}).code, 0);
  EXPECT_THAT(RunWith({"--version"}).out, HasSubstr("twinctl "));
}

TEST(TwinctlTest, ListHelpShowsAFilter) {
  const Outcome outcome = RunWith({"list", "--help"});
  EXPECT_EQ(outcome.code, 0);
  for (const char* part : {"--filter", "--order-by", "--total", "--min-revision", "sensors.temp-1.currentValue > 60"}) {
    EXPECT_THAT(outcome.out, HasSubstr(part));
  }
}

TEST(TwinctlTest, SaysWhatSettingsAreMissing) {
  const std::string file = WriteFile("twinctl.yaml", "address: localhost:1\n");
  const Outcome outcome = RunWith({"--config", file.c_str(), "list"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("tls.ca_file"));
}

}  // namespace
}  // namespace mvmd
