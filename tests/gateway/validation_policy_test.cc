#include "gateway/validation_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

using ::testing::HasSubstr;

struct Read {
  pb::ValidationPolicy policy;
  ConfigErrors errors;
};

Read ReadPolicy(const std::string& yaml) {
  pb::GatewayConfig config;
  Read read;
  ParseYamlConfig(yaml, "gateway.yaml", &config, &read.errors);
  CompleteValidationConfig(config.mutable_validation(), &read.errors);
  read.policy = PolicyOf(config.validation());
  return read;
}

TEST(ValidationPolicyTest, EnforcesByDefault) {
  const Read read = ReadPolicy("listen: x:1\n");
  EXPECT_TRUE(read.errors.ok()) << read.errors.ToString();
  EXPECT_EQ(ValidationPolicyText(read.policy), "enforce");
  EXPECT_EQ(read.policy.SerializeAsString(), NormalizedPolicy({}).SerializeAsString());
  EXPECT_EQ(ValidationModeOf({}, "twin"), pb::VALIDATION_MODE_ENFORCE);
}

TEST(ValidationPolicyTest, TakesTheLongestPrefix) {
  const Read read = ReadPolicy(
      "validation: {mode: warn, overrides: [{prefix: legacy-, mode: off}, {prefix: legacy-a, mode: enforce},\n"
      "  {prefix: l, mode: enforce}]}\n");
  EXPECT_TRUE(read.errors.ok()) << read.errors.ToString();
  EXPECT_EQ(ValidationPolicyText(read.policy), "warn, l* enforce, legacy-* off, legacy-a* enforce");
  EXPECT_EQ(ValidationModeOf(read.policy, "other"), pb::VALIDATION_MODE_WARN);
  EXPECT_EQ(ValidationModeOf(read.policy, "l"), pb::VALIDATION_MODE_ENFORCE);
  EXPECT_EQ(ValidationModeOf(read.policy, "legacy-"), pb::VALIDATION_MODE_OFF);
  EXPECT_EQ(ValidationModeOf(read.policy, "legacy-b"), pb::VALIDATION_MODE_OFF);
  EXPECT_EQ(ValidationModeOf(read.policy, "legacy-ab"), pb::VALIDATION_MODE_ENFORCE);
}

TEST(ValidationPolicyTest, HasOneFormForOneMeaning) {
  const Read a = ReadPolicy("validation: {overrides: [{prefix: a, mode: warn}, {prefix: b, mode: off}]}\n");
  const Read b =
      ReadPolicy("validation: {mode: enforce, overrides: [{prefix: b, mode: off}, {prefix: a, mode: warn}]}\n");
  EXPECT_EQ(a.policy.SerializeAsString(), b.policy.SerializeAsString());
  pb::ValidationPolicy twice;
  for (const auto mode : {pb::VALIDATION_MODE_OFF, static_cast<pb::ValidationMode>(99)}) {
    twice.add_overrides()->set_prefix("a");
    twice.mutable_overrides()->rbegin()->set_mode(mode);
  }
  EXPECT_EQ(ValidationPolicyText(NormalizedPolicy(twice)), "enforce, a* enforce");
}

TEST(ValidationPolicyTest, SaysWhatIsWrongWithAConfiguration) {
  const struct {
    std::string yaml;
    const char* path;
  } kCases[] = {
      {"mode: strict", "validation.mode"},
      {"overrides: [{prefix: a}]", "validation.overrides[0].mode"},
      {"overrides: [{prefix: a, mode: maybe}]", "validation.overrides[0].mode"},
      {"overrides: [{mode: off}]", "validation.overrides[0].prefix"},
      {"overrides: [{prefix: a, mode: off}, {prefix: a, mode: warn}]", "validation.overrides[1].prefix"},
      {absl::StrCat("overrides: [{prefix: ", std::string(1025, 'p'), ", mode: off}]"),
       "validation.overrides[0].prefix"},
  };
  for (const auto& test : kCases) {
    const Read read = ReadPolicy(absl::StrCat("validation: {", test.yaml, "}\n"));
    EXPECT_TRUE(read.errors.Has(test.path)) << test.yaml << "\n" << read.errors.ToString();
  }
  std::string many = "validation:\n  overrides:\n";
  for (int i = 0; i <= 1000; ++i) absl::StrAppend(&many, "    - {prefix: p", i, ", mode: off}\n");
  EXPECT_THAT(ReadPolicy(many).errors.ToString(), HasSubstr("at most 1000"));
}

}  // namespace
}  // namespace mvmd
