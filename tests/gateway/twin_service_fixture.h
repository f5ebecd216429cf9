// Calls of the twin service in tests, as clients make them.
#ifndef MVMD_TESTS_GATEWAY_TWIN_SERVICE_FIXTURE_H_
#define MVMD_TESTS_GATEWAY_TWIN_SERVICE_FIXTURE_H_

#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "certs/signing_key.h"
#include "tests/gateway/service_fixture.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

class TwinServiceTest : public ServiceTest {
 protected:
  absl::StatusOr<pb::GetTwinResponse> Get(const std::string& subject, const std::string& twin,
                                          pb::TwinView view = pb::TWIN_VIEW_UNSPECIFIED) {
    pb::GetTwinRequest request;
    request.set_twin_id(twin);
    request.set_view(view);
    pb::GetTwinResponse response;
    if (absl::Status status = Call(subject, &TwinStub::GetTwin, request, &response); !status.ok()) return status;
    return response;
  }
  absl::StatusOr<pb::PutTwinResponse> Put(const std::string& subject, const std::string& document,
                                          const std::string& etag = "", const std::string& twin = "") {
    pb::PutTwinRequest request;
    request.set_twin_id(twin);
    request.set_document(document);
    request.set_etag(etag);
    pb::PutTwinResponse response;
    if (absl::Status status = Call(subject, &TwinStub::PutTwin, request, &response); !status.ok()) return status;
    return response;
  }
  absl::StatusOr<pb::UpdateTwinResponse> Update(const std::string& subject, const std::string& twin,
                                                const std::string& patch, const std::string& etag = "") {
    pb::UpdateTwinRequest request;
    request.set_twin_id(twin);
    request.set_merge_patch(patch);
    request.set_etag(etag);
    pb::UpdateTwinResponse response;
    if (absl::Status status = Call(subject, &TwinStub::UpdateTwin, request, &response); !status.ok()) return status;
    return response;
  }
  absl::Status Delete(const std::string& subject, const std::string& twin, const std::string& etag = "") {
    pb::DeleteTwinRequest request;
    request.set_twin_id(twin);
    request.set_etag(etag);
    pb::DeleteTwinResponse response;
    return Call(subject, &TwinStub::DeleteTwin, request, &response);
  }
  // A session with bindings of temp-1 of the twin, and samples with the values 0, 1, ... a second apart.
  void AppendSamples(const std::string& twin, int count, int groups = 1) {
    const uint64_t session = Append(OpenedEntry(1)).revision;
    Append(FramesEntry(session, std::vector<pb::Frame>{BindingsFrame(1, twin, {{1, "temp-1"}})}));
    int value = 0;
    for (int group = 0; group < groups; ++group) {
      std::vector<Sample> samples;
      for (int i = 0; i < count; ++i, ++value) samples.push_back(NumberAt(1, kTestTimeNs + value * kSecondNs, value));
      const auto seq = static_cast<uint64_t>(group + 2);
      Append(FramesEntry(session, std::vector<pb::Frame>{BlockFrame(seq, samples)}));
    }
  }
  static std::shared_ptr<const SigningKey> NewSigningKey() {
    std::string dir = ::testing::TempDir() + "/mvmd_signing.XXXXXX";
    EXPECT_NE(mkdtemp(dir.data()), nullptr);
    const std::string path = dir + "/signing.key";
    EXPECT_EQ(std::system(absl::StrCat("umask 077; openssl genpkey -algorithm ed25519 -out ", path).c_str()), 0);
    auto key = SigningKey::Load(path);
    EXPECT_TRUE(key.ok()) << key.status();
    std::filesystem::remove_all(dir);
    return *key;
  }
  static std::vector<std::string> Ids(const pb::ListTwinsResponse& response) {
    std::vector<std::string> ids;
    for (const pb::TwinDocument& twin : response.twins()) ids.push_back(twin.twin_id());
    return ids;
  }
};

}  // namespace mvmd

#endif  // MVMD_TESTS_GATEWAY_TWIN_SERVICE_FIXTURE_H_
