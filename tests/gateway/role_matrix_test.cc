// Every method of every service that the gateway serves, called by somebody of each role, over mutual TLS.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/empty.pb.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/unknown_field_set.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "certs/credentials.h"
#include "gateway/gateway.h"
#include "gateway/gateway_config.h"
#include "gmock/gmock.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "mvmd/twin/v1alpha1/twin_service.pb.h"
#include "runtime/grpc_status.h"
#include "runtime/log.h"
#include "runtime/status_proto.h"
#include "tests/certs/test_pki.h"
#include "tests/gateway/log_entries.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;

// Roles that the policy below gives to the client of that name; `nobody` has a certificate and no rule.
constexpr const char* kCallers[] = {"bridge", "reader", "writer", "operator", "nobody"};
constexpr char kAll[] = "bridge reader writer operator nobody";

constexpr char kPolicy[] = R"(rules:
  - {subject: spiffe://plant.example/client/bridge, roles: [bridge], twins: ["twin-*"]}
  - {subject: spiffe://plant.example/client/reader, roles: [reader], twins: ["twin-*"]}
  - {subject: spiffe://plant.example/client/writer, roles: [writer], twins: ["twin-*"]}
  - {subject: spiffe://plant.example/client/operator, roles: [operator]}
)";

constexpr char kRefusedDocument[] = "bridge: 'spiffe://plant.example/client/bridge' twin_id: 'twin-1' revision: 1";

struct Row {
  std::string method;   // as in the path of the call
  std::string allowed;  // callers who get further than the policy
  std::string request;  // text format; of a stream, its first message
};

// A method that is not here makes the test fail: say who may call it, here and in docs/operations.md.
std::vector<Row> Matrix() {
  const auto twins = [](const char* name) { return absl::StrCat("mvmd.twin.v1alpha1.TwinService/", name); };
  const auto quarantine = [](const char* name) { return absl::StrCat("mvmd.twin.v1alpha1.QuarantineService/", name); };
  return {
      {"mvmd.twin.v1alpha1.SyncService/Sync", "bridge",
       "hello { protocol_version: 1 epoch: 7 outbox_id: '0123456789abcdef' codecs: CODEC_ZSTD }"},
      {twins("GetTwin"), "reader", "twin_id: 'twin-1'"},
      {twins("ListTwins"), "reader", ""},
      {twins("WatchTwins"), "reader", ""},
      {twins("ListSamples"), "reader", "twin_id: 'twin-1' sensor: 'temp-1'"},
      {twins("ListGaps"), "reader", "twin_id: 'twin-1'"},
      {twins("ValidateTwin"), "reader writer", "document: '{}'"},
      {twins("PutTwin"), "writer", "twin_id: 'twin-1' document: '{}'"},
      {twins("UpdateTwin"), "writer", "twin_id: 'twin-1' merge_patch: '{}'"},
      {twins("DeleteTwin"), "writer", "twin_id: 'twin-1'"},
      {twins("DiffTwin"), "reader", "twin_id: 'twin-1' from_revision: 1"},
      {twins("BatchValidateTwins"), "reader writer", "requests { document: '{}' }"},
      {twins("GetSigningKey"), "reader", ""},
      {twins("ListBridges"), "operator", ""},
      {quarantine("ListQuarantinedDocuments"), "operator", ""},
      {quarantine("GetQuarantinedDocument"), "operator",
       "bridge: 'spiffe://plant.example/client/bridge' twin_id: 'twin-1'"},
      {quarantine("RedriveDocument"), "operator", kRefusedDocument},
      {quarantine("DiscardDocument"), "operator", kRefusedDocument},
      // Whoever has a certificate may ask these: they tell nothing of twins.
      {"grpc.health.v1.Health/Check", kAll, ""},
      {"grpc.health.v1.Health/Watch", kAll, ""},
      {"grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", kAll, ""},
  };
}

class RoleMatrixTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(EnsureTls13Only().ok());
    SetLogSink([this](absl::string_view line) {
      absl::MutexLock lock(&mutex_);
      lines_.emplace_back(line);
    });
    WriteFile(pki_.Path("policy.yaml"), kPolicy);
    for (const char* caller : kCallers) {
      pki_.Issue(caller, {.sans = absl::StrCat("URI:spiffe://plant.example/client/", caller)});
    }
    pb::GatewayConfig config;
    config.set_listen("127.0.0.1:0");
    *config.mutable_tls() = pki_.Files("gateway");
    config.set_policy_file(pki_.Path("policy.yaml"));
    config.mutable_store()->set_path(pki_.Path("data"));
    config.mutable_ops()->set_address("off");
    config.set_reflection(true);
    ConfigErrors errors;
    CompleteGatewayConfig(pki_.Path("gateway.yaml"), &config, &errors);
    ASSERT_TRUE(errors.ok()) << errors.ToString();
    auto gateway = Gateway::Start(config, [] {});
    ASSERT_TRUE(gateway.ok()) << gateway.status();
    gateway_ = *std::move(gateway);
    for (const char* caller : kCallers) {
      channels_[caller] = grpc::CreateCustomChannel(
          absl::StrCat("127.0.0.1:", gateway_->port()),
          MakeChannelCredentials(*MakeCertificateSource(pki_.Material(caller)), ""), DefaultChannelArgs());
    }
  }
  void TearDown() override {
    channels_.clear();
    gateway_.reset();
    SetLogSink(nullptr);
  }

  // The first answer, or the status that came instead. Unary or not, on the wire it is the same.
  absl::StatusOr<std::string> Call(const std::string& caller, const std::string& method, const std::string& request) {
    grpc::CompletionQueue queue;
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
    const auto next = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      return queue.Next(&tag, &ok) && ok;
    };
    grpc::GenericStub stub(channels_[caller]);
    const auto stream = stub.PrepareCall(&context, "/" + method, &queue);
    stream->StartCall(nullptr);
    next();
    const grpc::Slice slice(request);
    stream->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    next();
    grpc::ByteBuffer answer;
    stream->Read(&answer, nullptr);
    const bool answered = next();
    std::string bytes;
    if (answered) {
      grpc::Slice whole;
      EXPECT_TRUE(answer.DumpToSingleSlice(&whole).ok());
      bytes.assign(whole.begin(), whole.end());
      context.TryCancel();
    }
    grpc::Status status;
    stream->Finish(&status, nullptr);
    next();
    queue.Shutdown();
    while (next()) {
    }
    if (answered) return bytes;
    return FromGrpcStatus(status);
  }

  // Names of the services, as the gateway's own reflection tells them.
  std::set<std::string> Services() {
    // list_services: "*"
    const auto answer = Call("nobody", "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "\x3a\x01*");
    EXPECT_TRUE(answer.ok()) << answer.status();
    std::set<std::string> names;
    if (!answer.ok()) return names;
    for (const std::string& list : Member(*answer, 6)) {
      for (const std::string& service : Member(list, 1)) {
        for (const std::string& name : Member(service, 1)) names.insert(name);
      }
    }
    return names;
  }

  std::vector<std::string> lines() {
    absl::MutexLock lock(&mutex_);
    return lines_;
  }

  TestPki pki_;
  std::unique_ptr<Gateway> gateway_;
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_;
  absl::Mutex mutex_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);

 private:
  // Of a message whose type is not linked.
  static std::vector<std::string> Member(const std::string& message, int number) {
    google::protobuf::Empty unknown;
    EXPECT_TRUE(unknown.ParseFromString(message));
    const google::protobuf::UnknownFieldSet& fields = unknown.GetReflection()->GetUnknownFields(unknown);
    std::vector<std::string> members;
    for (int i = 0; i < fields.field_count(); ++i) {
      const google::protobuf::UnknownField& field = fields.field(i);
      if (field.number() == number && field.type() == google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED) {
        members.push_back(field.length_delimited());
      }
    }
    return members;
  }
};

std::string Serialize(const Row& row) {
  const auto* const pool = google::protobuf::DescriptorPool::generated_pool();
  const google::protobuf::MethodDescriptor* const method =
      pool->FindMethodByName(absl::StrJoin(absl::StrSplit(row.method, '/'), "."));
  if (method == nullptr) return "";  // of gRPC itself
  const std::unique_ptr<google::protobuf::Message> request(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(method->input_type())->New());
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(row.request, request.get())) << row.method;
  return request->SerializeAsString();
}

TEST_F(RoleMatrixTest, KnowsEveryMethodThatIsServed) {
  std::set<std::string> known;
  std::set<std::string> known_services;
  for (const Row& row : Matrix()) {
    EXPECT_TRUE(known.insert(row.method).second) << row.method << " is there twice";
    known_services.insert(row.method.substr(0, row.method.find('/')));
  }
  const std::set<std::string> services = Services();
  EXPECT_THAT(services, AllOf(Contains("mvmd.twin.v1alpha1.TwinService"), Contains("mvmd.twin.v1alpha1.SyncService")));
  for (const std::string& name : services) {
    EXPECT_EQ(known_services.count(name), 1u) << name << " has no row in the matrix: who may call it?";
    const auto* const service = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(name);
    // Those of gRPC itself may not be linked as descriptors; of ours each method is asked for.
    if (service == nullptr) continue;
    for (int i = 0; i < service->method_count(); ++i) {
      const std::string method = absl::StrCat(name, "/", service->method(i)->name());
      EXPECT_EQ(known.count(method), 1u) << method << " has no row in the matrix: who may call it?";
    }
  }
}

// Before the others: repeats of a refusal are not written.
TEST_F(RoleMatrixTest, EveryRefusalAndEveryWriteIsInTheAuditLog) {
  for (const Row& row : Matrix()) {
    if (row.allowed == kAll) continue;
    EXPECT_TRUE(absl::IsPermissionDenied(Call("nobody", row.method, Serialize(row)).status())) << row.method;
    const std::string method = row.method.substr(row.method.find('/') + 1);
    EXPECT_THAT(lines(), Contains(AllOf(HasSubstr("audit: refused"), HasSubstr(absl::StrCat("method=", method, " ")),
                                        HasSubstr("subject=spiffe://plant.example/client/nobody"),
                                        HasSubstr("reason=NOT_AUTHORIZED"), HasSubstr("peer=ipv4:127.0.0.1:"))))
        << method;
  }
  const auto refusals = [this] {
    const std::vector<std::string> all = lines();
    return std::count_if(all.begin(), all.end(),
                         [](const std::string& line) { return absl::StrContains(line, "audit: refused"); });
  };
  const auto before = refusals();
  const Row again = Matrix()[1];
  for (int i = 0; i < 20; ++i) Call("nobody", again.method, Serialize(again)).status().IgnoreError();
  // One more when ten seconds have gone by.
  EXPECT_LE(refusals(), before + 1) << "repeats are counted, not written";

  pb::PutTwinRequest put;
  put.set_document(TestDocumentText("twin-1"));
  EXPECT_TRUE(Call("writer", "mvmd.twin.v1alpha1.TwinService/PutTwin", put.SerializeAsString()).ok());
  pb::UpdateTwinRequest update;
  update.set_twin_id("twin-1");
  update.set_merge_patch("{\"name\":\"other\"}");
  EXPECT_TRUE(Call("writer", "mvmd.twin.v1alpha1.TwinService/UpdateTwin", update.SerializeAsString()).ok());
  pb::DeleteTwinRequest remove;
  remove.set_twin_id("twin-1");
  EXPECT_TRUE(Call("writer", "mvmd.twin.v1alpha1.TwinService/DeleteTwin", remove.SerializeAsString()).ok());
  for (const char* method : {"PutTwin", "UpdateTwin", "DeleteTwin"}) {
    EXPECT_THAT(lines(), Contains(AllOf(HasSubstr("audit: written"), HasSubstr(absl::StrCat("method=", method, " ")),
                                        HasSubstr("subject=spiffe://plant.example/client/writer"),
                                        HasSubstr("twin=twin-1 "), HasSubstr("revision="))))
        << method;
  }
}

TEST_F(RoleMatrixTest, LetsEachRoleDoItsOwnAndNothingElse) {
  for (const Row& row : Matrix()) {
    const std::vector<std::string> allowed = absl::StrSplit(row.allowed, ' ');
    for (const char* caller : kCallers) {
      const bool may = std::find(allowed.begin(), allowed.end(), caller) != allowed.end();
      // A question that reflection understands; the others are ours.
      const std::string request = absl::StrContains(row.method, "reflection") ? "\x3a\x01*" : Serialize(row);
      const absl::Status status = Call(caller, row.method, request).status();
      const std::string place = absl::StrCat(caller, " calls ", row.method);
      EXPECT_NE(status.code(), absl::StatusCode::kUnimplemented) << place;
      EXPECT_NE(status.code(), absl::StatusCode::kUnavailable) << place << ": " << status;
      EXPECT_NE(status.code(), absl::StatusCode::kDeadlineExceeded) << place;
      EXPECT_EQ(!absl::IsPermissionDenied(status), may) << place << ": " << status;
      EXPECT_EQ(ReasonOf(status) == "NOT_AUTHORIZED", !may) << place;
    }
  }
}

}  // namespace
}  // namespace mvmd
