#include "bridge/outbox_file.h"

#include <fstream>
#include <sstream>

#include "tests/bridge/outbox_fixture.h"
#include "twin/block.h"

namespace mvmd {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class OutboxFileTest : public OutboxTest {
 protected:
  // A row of bindings and one of samples.
  void AddSamples() {
    OutboxBatch batch;
    pb::Frame frame;
    frame.set_seq(outbox_->next_seq());
    pb::Binding& binding = batch.bindings.emplace_back();
    binding.set_id(1);
    binding.set_twin("robot");
    binding.set_sensor("temp");
    *frame.mutable_bindings()->add_bindings() = binding;
    batch.rows.push_back({RowKind::kBindings, frame.SerializeAsString()});
    frame.set_seq(outbox_->next_seq() + 1);
    EncodeBlock({Sample{.binding = 1, .time_unix_ns = 1'700'000'000'000'000'000, .value = 20.5},
                 Sample{.binding = 1, .time_unix_ns = 1'700'000'001'000'000'000, .value = true}},
                frame.mutable_block());
    batch.rows.push_back({RowKind::kBlock, frame.SerializeAsString()});
    ASSERT_TRUE(outbox_->Commit(batch).ok());
  }
  int Verify() { return RunOutboxVerify(Options().path, out_, err_); }

  std::ostringstream out_, err_;
};

TEST_F(OutboxFileTest, InspectsAFileInUse) {
  Open();
  AddSamples();
  ASSERT_TRUE(outbox_->KeepNonce("0123456789abcdef").ok());
  EXPECT_EQ(RunOutboxInspect(Options().path, out_, err_), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr(absl::StrCat("\"epoch\":\"", outbox_->epoch(), "\"")));
  EXPECT_THAT(out_.str(), HasSubstr("\"lastSeq\":2"));
  EXPECT_THAT(out_.str(), HasSubstr("\"twins\":1"));
  EXPECT_THAT(out_.str(), HasSubstr("\"nonceDigest\":"));
  EXPECT_THAT(out_.str(), ::testing::Not(HasSubstr("0123456789abcdef"))) << "it would let a copy pass";
}

TEST_F(OutboxFileTest, ExportsSamplesByName) {
  Open();
  AddSamples();
  outbox_.reset();
  EXPECT_EQ(RunOutboxExport(Options().path, false, out_, err_), 0) << err_.str();
  EXPECT_EQ(out_.str(),
            "{\"bindings\":[{\"binding\":1,\"sensor\":\"temp\",\"twin\":\"robot\"}],\"kind\":\"bindings\",\"seq\":1}\n"
            "{\"kind\":\"block\",\"samples\":[{\"sensor\":\"temp\",\"timestamp\":\"2023-11-14T22:13:20Z\",\"twin\":"
            "\"robot\",\"value\":20.5},{\"sensor\":\"temp\",\"timestamp\":\"2023-11-14T22:13:21Z\",\"twin\":\"robot\","
            "\"value\":true}],\"seq\":2}\n");
}

TEST_F(OutboxFileTest, ExportsWhatIsDamagedAsItIs) {
  Open();
  AddSamples();
  Append(1);
  outbox_.reset();
  Sql("UPDATE rows SET frame = x'00ff' WHERE seq = 2");
  EXPECT_EQ(RunOutboxExport(Options().path, false, out_, err_), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("{\"base64\":\"AP8=\",\"damaged\":true,\"kind\":\"block\",\"seq\":2}\n"));
  Open();
  ASSERT_TRUE(outbox_->Quarantine(2).ok());
  out_.str("");
  EXPECT_EQ(RunOutboxExport(Options().path, true, out_, err_), 0) << err_.str();
  EXPECT_EQ(out_.str(), "{\"base64\":\"AP8=\",\"damaged\":true,\"kind\":\"block\",\"seq\":2}\n");
}

TEST_F(OutboxFileTest, VerifiesAGoodFile) {
  Open();
  AddSamples();
  EXPECT_EQ(Verify(), 0);
  outbox_.reset();
  EXPECT_EQ(Verify(), 0);
  EXPECT_THAT(out_.str(), HasSubstr(": ok\n"));
}

TEST_F(OutboxFileTest, VerifyNamesEveryDamagedRow) {
  Open();
  Append(5);
  outbox_.reset();
  Sql("UPDATE rows SET frame = x'00' WHERE seq = 2; UPDATE rows SET crc = crc + 1 WHERE seq = 4");
  EXPECT_EQ(Verify(), 2);
  EXPECT_THAT(out_.str(), HasSubstr("row 2 (gap): "));
  EXPECT_THAT(out_.str(), HasSubstr("row 4 (gap): "));
  EXPECT_THAT(out_.str(), ::testing::Not(HasSubstr("row 3")));
}

TEST_F(OutboxFileTest, VerifyTellsOfRowsThatWereDurable) {
  Open();
  Append(5);
  outbox_.reset();
  Sql("DELETE FROM rows WHERE seq > 3");
  EXPECT_EQ(Verify(), 2);
  EXPECT_THAT(out_.str(), HasSubstr("rows 4 to 5: were durable"));
}

TEST_F(OutboxFileTest, VerifyTellsOfDamagedPages) {
  Open();
  Append(500);
  outbox_.reset();
  const int64_t size = static_cast<int64_t>(std::filesystem::file_size(Options().path));
  for (int64_t at = 4096; at < size; at += 4096) Flip(Options().path, at);
  EXPECT_NE(Verify(), 0);
  EXPECT_FALSE(out_.str().empty() && err_.str().empty());
}

TEST_F(OutboxFileTest, TellsWhatIsNoOutbox) {
  EXPECT_EQ(RunOutboxInspect(dir_.File("nothing"), out_, err_), 1);
  EXPECT_THAT(err_.str(), HasSubstr("there is no file"));
  std::ofstream(dir_.File("text")) << "this is no database, whatever its name may say, and long enough to be one";
  err_.str("");
  EXPECT_EQ(RunOutboxVerify(dir_.File("text"), out_, err_), 1);
  EXPECT_THAT(err_.str(), StartsWith("mvmd-bridge outbox: "));
}

}  // namespace
}  // namespace mvmd
