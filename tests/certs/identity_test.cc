#include "certs/identity.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace mvmd {
namespace {

TEST(ParseSpiffeIdTest, TakesNamesApart) {
  const absl::StatusOr<PeerIdentity> identity = ParseSpiffeId("spiffe://plant.example/bridge/robots");
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ(identity->spiffe_id, "spiffe://plant.example/bridge/robots");
  EXPECT_EQ(identity->trust_domain, "plant.example");
  EXPECT_EQ(identity->path, "/bridge/robots");
  EXPECT_EQ(identity->name(), "robots");
  EXPECT_EQ(ParseSpiffeId("spiffe://a_b-1/x/Y.z/3")->name(), "x/Y.z/3");
  EXPECT_EQ(ParseSpiffeId("spiffe://a/x")->name(), "x");
  EXPECT_TRUE(ParseSpiffeId("spiffe://" + std::string(255, 'a') + "/x").ok());
}

TEST(ParseSpiffeIdTest, RefusesWhatIsNotOne) {
  const std::vector<std::string> names = {
      "",
      "plant.example/bridge/robots",
      "https://plant.example/bridge/robots",
      "SPIFFE://plant.example/bridge/robots",
      "spiffe:/plant.example/x",
      "spiffe:///x",
      "spiffe://plant.example",
      "spiffe://plant.example/",
      "spiffe://plant.example/bridge/",
      "spiffe://plant.example//robots",
      "spiffe://plant.example/./robots",
      "spiffe://plant.example/bridge/..",
      "spiffe://Plant.example/x",
      "spiffe://plant.example:443/x",
      "spiffe://user@plant.example/x",
      "spiffe://plant.example/x?q=1",
      "spiffe://plant.example/x#f",
      "spiffe://plant.example/bridge/%72obots",
      "spiffe://plant.example/bridge/r bots",
      "spiffe://plant.example/bridge/*",
      "spiffe://plant.example/br\xC3\xBC"
      "cke",
      std::string("spiffe://plant.example/x\0y", 26),
      "spiffe://plant.example/x\n",
      "spiffe://" + std::string(256, 'a') + "/x",
      "spiffe://a/" + std::string(2048, 'x'),
  };
  for (const std::string& name : names) {
    EXPECT_EQ(ParseSpiffeId(name).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

}  // namespace
}  // namespace mvmd
