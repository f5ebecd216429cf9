#include "gateway/nonce_chain.h"

#include "gtest/gtest.h"

namespace mvmd {
namespace {

TEST(NonceChainTest, TakesAnythingBeforeTheFirstNonce) {
  NonceChain chain;
  EXPECT_TRUE(chain.Accepts(""));
  EXPECT_TRUE(chain.Accepts("of another time"));
  EXPECT_FALSE(chain.active());
}

TEST(NonceChainTest, TakesTheNewestOnlyOnceItIsConfirmed) {
  NonceChain chain;
  chain.Give("", "n1");
  chain.Confirm();
  EXPECT_TRUE(chain.Accepts("n1"));
  EXPECT_FALSE(chain.Accepts(""));
  EXPECT_FALSE(chain.Accepts("n0"));
}

TEST(NonceChainTest, TakesTheOneBeforeUntilTheNewestIsConfirmed) {
  NonceChain chain;
  chain.Give("", "n1");
  EXPECT_TRUE(chain.Accepts("")) << "it crashed before it had kept the first one";
  chain.Confirm();
  chain.Give("n1", "n2");
  EXPECT_TRUE(chain.Accepts("n1"));
  EXPECT_TRUE(chain.Accepts("n2"));
  chain.Confirm();
  EXPECT_FALSE(chain.Accepts("n1"));
}

TEST(NonceChainTest, ADelayedHelloDoesNotShutOutWhatANewerSessionGave) {
  NonceChain chain;
  chain.Give("", "n1");
  chain.Confirm();
  chain.Give("n1", "n2");  // kept by the bridge
  chain.Give("n1", "n3");  // for a Hello that the bridge has long given up
  EXPECT_TRUE(chain.Accepts("n2"));
  chain.Give("n2", "n4");
  EXPECT_FALSE(chain.Accepts("n1")) << "it has kept a newer one";
  chain.Confirm();
  EXPECT_TRUE(chain.Accepts("n4"));
  EXPECT_FALSE(chain.Accepts("n2"));
  EXPECT_FALSE(chain.Accepts("n3"));
}

TEST(NonceChainTest, IsBoundedAndKeepsWhatIsPresented) {
  NonceChain chain;
  for (int i = 0; i < 100; ++i) chain.Give("", "n" + std::to_string(i));
  EXPECT_LE(chain.previous().size(), NonceChain::kGoodMax);
  EXPECT_TRUE(chain.Accepts("")) << "it never kept one";
  EXPECT_TRUE(chain.Accepts("n99"));
}

TEST(NonceChainTest, EndsWithABridgeThatKeepsNone) {
  NonceChain chain;
  chain.Give("", "n1");
  chain.Confirm();
  chain.Give("", "");
  EXPECT_FALSE(chain.active());
  EXPECT_TRUE(chain.Accepts("n1"));
}

TEST(NonceChainTest, IsTheSameAfterARestart) {
  NonceChain chain;
  chain.Give("", "n1");
  const NonceChain again(chain.newest(), chain.previous());
  EXPECT_TRUE(again.Accepts(""));
  EXPECT_TRUE(again.Accepts("n1"));
  EXPECT_FALSE(again.Accepts("n2"));
}

}  // namespace
}  // namespace mvmd
