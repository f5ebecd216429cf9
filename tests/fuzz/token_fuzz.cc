// Tokens of pages and watches: refused, or what was encoded.
//
// Input: a token, when the first byte is even; else the parts of a position, which has to come back.
#include <string>
#include <vector>

#include "gateway/page_token.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mvmd;
  FuzzInput input(data, size);
  if (input.Byte() % 2 == 0) {
    const std::string token(input.Rest());
    const auto position = DecodeToken("page_token", "list prefix=a", token);
    if (position.ok()) Ensure(EncodeToken("list prefix=a", *position) == token);
    return 0;
  }
  std::vector<std::string> parts;
  while (!input.done() && parts.size() < 16) parts.emplace_back(input.Bytes());
  const std::string token = EncodeToken("list prefix=a", parts);
  const auto position = DecodeToken("page_token", "list prefix=a", token);
  Ensure(position.ok() && *position == parts);
  Ensure(!DecodeToken("page_token", "list prefix=b", token).ok());
  return 0;
}
