#include "twinctl/settings.h"

#include <filesystem>
#include <fstream>
#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mvmd {
namespace {

using ::testing::HasSubstr;

class SettingsTest : public ::testing::Test {
 protected:
  SettingsTest() : folder_(std::filesystem::path(::testing::TempDir()) / "settings_test") {
    std::filesystem::create_directories(folder_ / "mvmd");
  }
  ~SettingsTest() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) {
    const auto path = folder_ / name;
    std::ofstream(path) << text;
    return path.string();
  }

  Environment Env() const {
    return [this](const char* name) -> std::optional<std::string> {
      const auto at = variables_.find(name);
      if (at == variables_.end()) return std::nullopt;
      return at->second;
    };
  }

  const std::filesystem::path folder_;
  std::map<std::string, std::string> variables_;
};

constexpr char kWhole[] =
    "address: gateway.example:7443\n"
    "tls:\n  ca_file: ca.crt\n  certificate_file: /etc/me.crt\n  key_file: me.key\n"
    "server_name: mvmd-gateway\n";

TEST_F(SettingsTest, ReadsTheFileWithPathsRelativeToIt) {
  const auto settings = LoadSettings(Write("a.yaml", kWhole), Env());
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->address(), "gateway.example:7443");
  EXPECT_EQ(settings->server_name(), "mvmd-gateway");
  EXPECT_EQ(settings->tls().ca_file(), (folder_ / "ca.crt").string());
  EXPECT_EQ(settings->tls().certificate_file(), "/etc/me.crt");
}

TEST_F(SettingsTest, EnvironmentGoesOverTheFileOneByOne) {
  variables_["MVMD_ADDRESS"] = "127.0.0.1:9";
  variables_["MVMD_CERT"] = "mine.crt";
  const auto settings = LoadSettings(Write("a.yaml", kWhole), Env());
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->address(), "127.0.0.1:9");
  EXPECT_EQ(settings->tls().certificate_file(), "mine.crt");
  EXPECT_EQ(settings->tls().key_file(), (folder_ / "me.key").string());
}

TEST_F(SettingsTest, FindsTheFileInTheConfigurationFolder) {
  Write("mvmd/twinctl.yaml", kWhole);
  variables_["XDG_CONFIG_HOME"] = folder_.string();
  const auto settings = LoadSettings("", Env());
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->address(), "gateway.example:7443");
}

TEST_F(SettingsTest, EnvironmentAloneIsEnough) {
  variables_ = {{"MVMD_ADDRESS", "h:1"}, {"MVMD_CA", "a"}, {"MVMD_CERT", "b"}, {"MVMD_KEY", "c"}};
  EXPECT_TRUE(LoadSettings("", Env()).ok());
}

TEST_F(SettingsTest, SaysWhatIsMissingAndWhereToGiveIt) {
  variables_["MVMD_ADDRESS"] = "h:1";
  const auto settings = LoadSettings("", Env());
  EXPECT_EQ(settings.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(settings.status().message()), HasSubstr("tls.ca_file (or MVMD_CA)"));
}

TEST_F(SettingsTest, RefusesMalformedFilesAndAddresses) {
  EXPECT_FALSE(LoadSettings(Write("a.yaml", "adress: x\n"), Env()).ok());
  EXPECT_FALSE(LoadSettings((folder_ / "none.yaml").string(), Env()).ok());
  for (const char* address : {"host", ":1", "host:0", "host:x", "host:70000"}) {
    variables_["MVMD_ADDRESS"] = address;
    EXPECT_EQ(LoadSettings(Write("a.yaml", kWhole), Env()).status().code(), absl::StatusCode::kInvalidArgument)
        << address;
  }
}

}  // namespace
}  // namespace mvmd
