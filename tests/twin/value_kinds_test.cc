#include "twin/value_kinds.h"

#include <gtest/gtest.h>

namespace mvmd {
namespace {

TEST(HasTextTest, LooksForMoreThanBlanks) {
  EXPECT_FALSE(HasText(""));
  EXPECT_FALSE(HasText(" \t\r\n"));
  EXPECT_TRUE(HasText(" x "));
  EXPECT_TRUE(HasText("\u00a0"));
}

TEST(CountCodePointsTest, CountsCharactersNotBytes) {
  EXPECT_EQ(CountCodePoints(""), 0);
  EXPECT_EQ(CountCodePoints("a\u00e9\u20ac\U0001F600"), 4);
}

TEST(IsUpdateFrequencyTest, TakesWordsDurationsAndRates) {
  for (absl::string_view text : {"realtime", "on-change", "on-demand", "10 Hz", "10Hz", "0.5 mHz", "2kHz", "1.5 kHz",
                                 "90d", "1m", "PT0.1S", "250ms"}) {
    EXPECT_TRUE(IsUpdateFrequency(text)) << text;
  }
  for (absl::string_view text : {"", "Realtime", "10", "10  Hz", "10 hz", "10 MHz", "0 Hz", "0.0Hz", "-1 Hz", ".5 Hz",
                                 "1. Hz", "1234567890 Hz", "10 Hz ", "Hz", "0s"}) {
    EXPECT_FALSE(IsUpdateFrequency(text)) << text;
  }
}

TEST(IsPercentageTest, RunsFromZeroToOneHundred) {
  for (absl::string_view text : {"0%", "00%", "9.75%", "99.7%", "100%", "100.000%"})
    EXPECT_TRUE(IsPercentage(text)) << text;
  for (absl::string_view text :
       {"", "%", "100", "100.01%", "101%", "-1%", "+1%", "1,5%", ".5%", "5.%", "001%", "5 %", "5%%"}) {
    EXPECT_FALSE(IsPercentage(text)) << text;
  }
}

TEST(IsMediaTypeTest, FollowsRfc6838) {
  for (absl::string_view text : {"image/jpeg", "model/gltf-binary", "application/ld+json; profile=\"a b;c\"",
                                 "text/plain;charset=utf-8", "text/plain ; a=b;c=d", "x/y.z_1", "a/b;q=\"\\\"\""}) {
    EXPECT_TRUE(IsMediaType(text)) << text;
  }
  for (absl::string_view text :
       {"", "image", "image/", "/jpeg", "image/jpeg/x", "im age/jpeg", "image/jpeg;", "image/jpeg; a", "image/jpeg; =b",
        "image/jpeg; a=", "image/jpeg; a=\"b", "image/jpeg a=b", "-x/y", "image/jpeg "}) {
    EXPECT_FALSE(IsMediaType(text)) << text;
  }
  EXPECT_TRUE(IsMediaType(std::string(127, 'a') + "/b"));
  EXPECT_FALSE(IsMediaType(std::string(128, 'a') + "/b"));
}

TEST(IsTypeNameTest, TakesTermsAndIris) {
  for (absl::string_view text :
       {"Dataset", "3DModel", "a_b-c", "mvmd:Robot", "https://schema.org/Thing", "x+y.z-1:a"}) {
    EXPECT_TRUE(IsTypeName(text)) << text;
  }
  for (absl::string_view text : {"", "a b", "a.b", ":x", "x:", "1x:y", "x:a b", "x:a\u2003b", "x_y:z"}) {
    EXPECT_FALSE(IsTypeName(text)) << text;
  }
}

TEST(IsAbsoluteIriTest, NeedsASchemeAndAHost) {
  for (absl::string_view text :
       {"https://example.com/x", "urn:mvmd:1", "mvmd:x", "file:///etc/x", "mailto:a@b", "http://[::1]/", "x:%20",
        "http://u@h", "data:,", "https://b\u00fccher.example/\u00e9"}) {
    EXPECT_TRUE(IsAbsoluteIri(text)) << text;
  }
  for (absl::string_view text : {"",          "x",           "x:",         ":x",         "1x:y",  "//host/x", "http://",
                                 "http:///x", "http://:80/", "http://u@/", "http://[]/", "x:a b", "x:<a>",    "x:%2",
                                 "x:%zz",     "x:a\u0085",   "x:\x7F",     "x:a\\b",     "x:^",   "x:`"}) {
    EXPECT_FALSE(IsAbsoluteIri(text)) << text;
  }
}

TEST(IsWebAddressTest, IsHttpWithAHost) {
  for (absl::string_view text : {"http://a", "HTTPS://example.com:8443/x?y#z"}) EXPECT_TRUE(IsWebAddress(text)) << text;
  for (absl::string_view text :
       {"", "http:a", "https:/a", "https://", "ftp://a", "https://a b", "example.com", "https"}) {
    EXPECT_FALSE(IsWebAddress(text)) << text;
  }
}

TEST(ParseEndpointUriTest, ReadsSchemeAndUserInformation) {
  const std::optional<EndpointUri> plain = ParseEndpointUri("MQTTS://example.com:8883/twins/robot-42?x=1#y");
  ASSERT_TRUE(plain.has_value());
  EXPECT_EQ(plain->scheme, "mqtts");
  EXPECT_FALSE(plain->has_user_info);
  EXPECT_TRUE(ParseEndpointUri("mqtt://u:p@h")->has_user_info);
  for (absl::string_view text :
       {"a://b", "opc.tcp://h:4840", "coap+tcp://h", "x://h:", "x://h:1", "x://h:65535", "x://192.0.2.1:1",
        "x://[::1]:1", "x://[2001:db8::1]", "x://[::ffff:192.0.2.1]", "x://[1:2:3:4:5:6:7:8]",
        "x://[1:2:3:4:5:6:192.0.2.1]", "x://[v1.a:b]", "x://[1::]", "x://[::]", "x://h%20x", "x://h?", "x://h#"}) {
    EXPECT_TRUE(ParseEndpointUri(text).has_value()) << text;
  }
}

TEST(ParseEndpointUriTest, RefusesMalformedShapes) {
  for (absl::string_view text : {"",
                                 "x",
                                 "x:",
                                 "x:/",
                                 "x://",
                                 "x:///p",
                                 "://h",
                                 "1x://h",
                                 "x_y://h",
                                 "x://:80",
                                 "x://u@",
                                 "x://u@:80",
                                 "x://a@b@c",
                                 "x://h:0",
                                 "x://h:65536",
                                 "x://h:99999999999999999999",
                                 "x://h:8x",
                                 "x://h:-1",
                                 "x://h 1",
                                 "x://h/a b",
                                 "x://h/\u00e9",
                                 "x://b\u00fc",
                                 "x://h/%2",
                                 "x://h/%zz",
                                 "x://h/<",
                                 "x://h#a#b",
                                 "x://h/[",
                                 "x://[",
                                 "x://[]",
                                 "x://[::1",
                                 "x://[::1]x",
                                 "x://[::1%25eth0]",
                                 "x://[1:2:3:4:5:6:7]",
                                 "x://[1:2:3:4:5:6:7:8:9]",
                                 "x://[1::2::3]",
                                 "x://[:::]",
                                 "x://[1:2:3:4:5:6:7::8]",
                                 "x://[12345::]",
                                 "x://[::1.2.3]",
                                 "x://[::1.2.3.256]",
                                 "x://[::01.2.3.4]",
                                 "x://[1.2.3.4::]",
                                 "x://[:1]",
                                 "x://[1:]",
                                 "x://[g::]",
                                 "x://[v.a]",
                                 "x://[v1.]",
                                 "x://[v1.[]",
                                 "x://h\\p",
                                 "x://h|"}) {
    EXPECT_FALSE(ParseEndpointUri(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace mvmd
