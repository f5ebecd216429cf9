// Documents of bridges and clients in TwinState.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "gateway/twin_state.h"
#include "runtime/status_proto.h"
#include "tests/gateway/log_entries.h"
#include "twin/time.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

std::string WithName(absl::string_view twin, absl::string_view name) {
  Json document = TestDocument(twin);
  document.Set("name", Json::String(name));
  return Canonicalize(document);
}

class TwinStateDocumentsTest : public ::testing::Test {
 protected:
  uint64_t Open(uint64_t epoch = 7) { return session_ = fold_.Apply(OpenedEntry(epoch)).revision; }
  ApplyResult Send(const std::vector<pb::Frame>& frames) { return fold_.Apply(FramesEntry(session_, frames)); }
  std::string RejectReason(const ApplyResult& result) {
    return result.rejected.empty() ? "" : ReasonOf(result.rejected[0].second);
  }
  std::string Name(absl::string_view twin = "robot") { return fold_.Served(twin).Find("name")->string(); }
  std::string Etag(absl::string_view twin = "robot") {
    return fold_.state().GetTwin(twin)->definition->form.definition_etag();
  }
  bool Exists(absl::string_view twin = "robot") { return fold_.state().GetTwin(twin).ok(); }

  TestFold fold_;
  uint64_t session_ = 0;
};

TEST_F(TwinStateDocumentsTest, TakesADocumentInChunksOfAnyOrder) {
  Open();
  const std::string text = TestDocumentText("robot");
  std::vector<pb::Frame> frames = ChunkFrames(1, "robot", text, text.size() / 5);
  std::reverse(frames.begin(), frames.end());
  std::swap(frames[1], frames[3]);
  for (size_t i = 0; i < frames.size(); ++i) {
    EXPECT_FALSE(Exists()) << "no partial document";
    EXPECT_THAT(Send({frames[i]}).rejected, IsEmpty());
  }
  ASSERT_TRUE(Exists());
  EXPECT_EQ(fold_.state().GetTwin("robot")->definition->form.definition(), text);
  EXPECT_THAT(fold_.last_applied().documents, SizeIs(1));
}

TEST_F(TwinStateDocumentsTest, TakesChunksThatOverlap) {
  Open();
  const std::string text = TestDocumentText("robot");
  std::vector<pb::Frame> frames = ChunkFrames(1, "robot", text, 1000);
  for (const pb::Frame& other : ChunkFrames(50, "robot", text, 700)) frames.push_back(other);
  for (size_t i = 0; i < frames.size(); i += 2) Send({frames[i]});
  for (size_t i = 1; i < frames.size(); i += 2) Send({frames[i]});
  ASSERT_TRUE(Exists());
  EXPECT_EQ(fold_.state().GetTwin("robot")->definition->form.definition(), text);
}

// Whatever the order, the cuts, what comes twice and where a session ends: of the documents that came whole, the one
// that the bridge sent last is served, and a replay of the log gives the same.
TEST(TwinStateReassemblyTest, TheLastWholeDocumentIsServedWhateverTheOrder) {
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    std::mt19937 random(seed);
    TestFold fold;
    uint64_t session = fold.Apply(OpenedEntry(7)).revision;
    std::vector<pb::Frame> frames;
    std::string expected[2];
    uint64_t seq = 1;
    for (int version = 0; version < 3; ++version) {
      for (int twin = 0; twin < 2; ++twin) {
        const std::string id = absl::StrCat("robot-", twin);
        const std::string text = WithName(id, absl::StrCat("version ", version));
        std::vector<pb::Frame> chunks = ChunkFrames(seq, id, text, 500 + random() % 3000);
        seq += chunks.size();
        // One that was broken off is never whole; the last one always is.
        const bool is_whole = version == 2 || random() % 3 != 0;
        if (is_whole) expected[twin] = text;
        if (!is_whole) chunks.erase(chunks.begin() + static_cast<std::ptrdiff_t>(random() % chunks.size()));
        frames.insert(frames.end(), chunks.begin(), chunks.end());
      }
    }
    const size_t count = frames.size();
    for (size_t i = 0; i < count; ++i) {
      if (random() % 3 == 0) frames.push_back(frames[i]);
    }
    std::shuffle(frames.begin(), frames.end(), random);
    for (size_t begin = 0; begin < frames.size();) {
      const size_t end = std::min<size_t>(frames.size(), begin + 1 + random() % 4);
      if (random() % 8 == 0) session = fold.Apply(OpenedEntry(7)).revision;
      const ApplyResult result = fold.Apply(FramesEntry(session, absl::MakeSpan(frames).subspan(begin, end - begin)));
      ASSERT_THAT(result.rejected, IsEmpty());
      begin = end;
    }
    for (int twin = 0; twin < 2; ++twin) {
      const auto snapshot = fold.state().GetTwin(absl::StrCat("robot-", twin));
      ASSERT_TRUE(snapshot.ok()) << "seed " << seed;
      EXPECT_EQ(snapshot->definition->form.definition(), expected[twin]) << "seed " << seed;
    }
    const std::string fingerprint = fold.state().Fingerprint();
    fold.Restart();
    for (size_t i = 0; i < fold.log().size(); ++i) fold.state().Apply(i + 1, fold.log()[i], nullptr, nullptr);
    EXPECT_EQ(fold.state().Fingerprint(), fingerprint) << "seed " << seed;
  }
}

TEST_F(TwinStateDocumentsTest, InterleavesDocumentsOfTwins) {
  Open();
  const std::vector<pb::Frame> a = ChunkFrames(1, "a", TestDocumentText("a"), 2000);
  const std::vector<pb::Frame> b = ChunkFrames(100, "b", TestDocumentText("b"), 2000);
  for (size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    if (i < a.size()) Send({a[i]});
    if (i < b.size()) Send({b[i]});
  }
  EXPECT_TRUE(Exists("a"));
  EXPECT_TRUE(Exists("b"));
}

TEST_F(TwinStateDocumentsTest, ANewerDocumentReplacesAnUnfinishedOne) {
  Open();
  const std::vector<pb::Frame> older = ChunkFrames(1, "robot", WithName("robot", "older"), 2000);
  const std::vector<pb::Frame> newer = ChunkFrames(100, "robot", WithName("robot", "newer"), 2000);
  Send({older[0]});
  Send({newer[0]});
  Send({older.begin() + 1, older.end()});
  EXPECT_FALSE(Exists()) << "the older one is late";
  Send({newer.begin() + 1, newer.end()});
  EXPECT_EQ(Name(), "newer");
  for (pb::Frame frame : older) {
    frame.set_seq(frame.seq() + 20);
    Send({frame});
  }
  EXPECT_EQ(Name(), "newer") << "late again, after the newer one was whole";
}

TEST_F(TwinStateDocumentsTest, RejectsMalformedChunks) {
  TestFold fold({.document_bytes_max = 10000});
  const uint64_t session = fold.Apply(OpenedEntry(1)).revision;
  const std::string text = TestDocumentText("robot");
  uint64_t seq = 0;
  const auto reason = [&](const std::function<void(pb::DocumentChunk*)>& change) {
    pb::Frame frame = DocumentFrame(++seq, "robot", text);
    change(frame.mutable_document_chunk());
    const ApplyResult result = fold.Apply(FramesEntry(session, {frame}));
    EXPECT_TRUE(result.applied.Contains(seq)) << "never sent again";
    return result.rejected.empty() ? std::string() : ReasonOf(result.rejected[0].second);
  };
  EXPECT_EQ(reason([](pb::DocumentChunk* c) { c->clear_twin(); }), "CHUNK_MALFORMED");
  EXPECT_EQ(reason([](pb::DocumentChunk* c) { c->set_twin(std::string(2000, 'x')); }), "CHUNK_MALFORMED");
  EXPECT_EQ(reason([](pb::DocumentChunk* c) { c->set_sha256("short"); }), "CHUNK_MALFORMED");
  EXPECT_EQ(reason([](pb::DocumentChunk* c) { c->set_total_bytes(0); }), "CHUNK_MALFORMED");
  EXPECT_EQ(reason([](pb::DocumentChunk* c) { c->set_total_bytes(10001); }), "CHUNK_MALFORMED");
  EXPECT_EQ(reason([](pb::DocumentChunk* c) { c->set_total_bytes(UINT64_MAX); }), "CHUNK_MALFORMED");
  EXPECT_EQ(reason([](pb::DocumentChunk* c) { c->clear_data(); }), "CHUNK_MALFORMED");
  EXPECT_EQ(reason([](pb::DocumentChunk* c) { c->set_offset_bytes(1); }), "CHUNK_MALFORMED");
  EXPECT_EQ(reason([](pb::DocumentChunk* c) { c->set_offset_bytes(UINT64_MAX); }), "CHUNK_MALFORMED");
  EXPECT_EQ(reason([](pb::DocumentChunk* c) { c->set_sha256(std::string(32, 'x')); }), "DOCUMENT_DAMAGED");
  EXPECT_EQ(reason([](pb::DocumentChunk*) {}), "");
}

TEST_F(TwinStateDocumentsTest, RejectsInvalidDocuments) {
  Open();
  uint64_t seq = 0;
  Json no_name = TestDocument("robot");
  no_name.Remove("name");
  const struct {
    const char* what;
    std::string text;
    const char* message;
  } kCases[] = {
      {"no JSON", "{\"name\":", "line 1"},
      {"duplicate member", "{\"name\":1,\"name\":2}", "DOC-02"},
      {"no object", "[1]", "DOC-06"},
      {"another twin's", TestDocumentText("other"), "expected \"robot\", got \"other\""},
      {"a rule", Canonicalize(no_name), "BAS-01"},
  };
  for (const auto& test : kCases) {
    const ApplyResult result = Send({DocumentFrame(++seq, "robot", test.text)});
    ASSERT_THAT(result.rejected, SizeIs(1)) << test.what;
    EXPECT_EQ(ReasonOf(result.rejected[0].second), "DOCUMENT_INVALID") << test.what;
    EXPECT_THAT(std::string(result.rejected[0].second.message()), HasSubstr(test.message)) << test.what;
    EXPECT_FALSE(Exists());
  }
  const ApplyResult last = Send({DocumentFrame(++seq, "robot", Canonicalize(no_name))});
  EXPECT_EQ(FieldViolationsOf(last.rejected.at(0).second).at(0).field(), "name");
  const std::vector<BridgeSnapshot> bridges = fold_.state().ListBridges("", 1, true);
  ASSERT_THAT(bridges.at(0).issues, SizeIs(1));
  EXPECT_EQ(bridges[0].issues[0].count(), 6u);
}

TEST_F(TwinStateDocumentsTest, BoundsUnfinishedDocuments) {
  TestFold fold({.unfinished_documents_max = 2});
  const uint64_t session = fold.Apply(OpenedEntry(1)).revision;
  uint64_t seq = 0;
  std::vector<std::vector<pb::Frame>> documents;
  for (const char* twin : {"a", "b", "c"}) {
    documents.push_back(ChunkFrames(seq + 1, twin, TestDocumentText(twin), 1000));
    seq += 100;
    fold.Apply(FramesEntry(session, {documents.back()[0]}));
  }
  std::reverse(documents.begin(), documents.end());
  for (const auto& frames : documents) fold.Apply(FramesEntry(session, absl::MakeSpan(frames).subspan(1)));
  EXPECT_FALSE(fold.state().GetTwin("a").ok()) << "without progress for the longest time";
  EXPECT_TRUE(fold.state().GetTwin("c").ok());
  EXPECT_EQ(fold.state().ListBridges("", 1, true).at(0).issues.at(0).reason(), "DOCUMENT_ABANDONED");
}

TEST_F(TwinStateDocumentsTest, AnUnchangedDocumentChangesNothing) {
  Open();
  Send({DocumentFrame(1, "robot", TestDocumentText("robot"))});
  const uint64_t revision = fold_.state().GetTwin("robot")->revision;
  // Other bytes, the same document.
  Send({DocumentFrame(2, "robot", TestDocumentText("robot") + " \n")});
  EXPECT_THAT(fold_.last_applied().documents, IsEmpty());
  EXPECT_EQ(fold_.state().GetTwin("robot")->revision, revision);
}

TEST_F(TwinStateDocumentsTest, DateModifiedIsTheDocumentsOwnUntilItChanges) {
  Open();
  Send({DocumentFrame(1, "robot", TestDocumentText("robot"))});
  const auto modified = [&] { return fold_.Served("robot").Find("dateModified")->string(); };
  EXPECT_EQ(modified(), "2024-03-15");
  fold_.Apply(PatchEntry("robot", R"({"name":"patched"})"));
  EXPECT_EQ(modified(), FormatTimestamp(fold_.time_unix_ns()));
  fold_.Apply(PatchEntry("robot", R"({"dateModified":"2025-01-01"})"));
  EXPECT_EQ(modified(), "2025-01-01") << "the writer has said it";
}

TEST_F(TwinStateDocumentsTest, DateModifiedFollowsSamples) {
  Open();
  Send({DocumentFrame(1, "robot", TestDocumentText("robot")), BindingsFrame(2, "robot", {{1, "temp-1"}}),
        BlockFrame(3, {NumberAt(1, kTestTimeNs, 1)})});
  const Json served = fold_.Served("robot");
  EXPECT_EQ(served.Find("dateModified")->string(), FormatTimestamp(fold_.time_unix_ns()));
  EXPECT_EQ(*served.Find("dateModified"), *served.Find("synchronization")->Find("lastSynced"));
}

TEST_F(TwinStateDocumentsTest, OverlayWinsAndOutlivesANewBaseDocument) {
  Open();
  Send({DocumentFrame(1, "robot", TestDocumentText("robot"))});
  const ApplyResult patched =
      fold_.Apply(PatchEntry("robot", R"({"name":"patched","sensors":[{"id":"temp-1","unit":"kelvin"}]})"));
  ASSERT_TRUE(patched.status.ok()) << patched.status;
  EXPECT_EQ(patched.definition_etag, Etag());
  Json base = TestDocument("robot");
  base.Set("name", Json::String("new base"));
  base.Set("description", Json::String("new"));
  Send({DocumentFrame(2, "robot", Canonicalize(base))});
  EXPECT_EQ(Name(), "patched");
  EXPECT_EQ(fold_.Served("robot").Find("description")->string(), "new");
  EXPECT_EQ(fold_.Served("robot").Find("sensors")->elements()[0].Find("unit")->string(), "kelvin");
  ASSERT_NE(fold_.state().OverlayOf("robot"), nullptr);
  EXPECT_EQ(fold_.state().OverlayOf("nobody"), nullptr);
}

TEST_F(TwinStateDocumentsTest, APutDocumentHidesTheBaseDocument) {
  Open();
  Send({DocumentFrame(1, "robot", TestDocumentText("robot"))});
  fold_.Apply(PatchEntry("robot", R"({"name":"patched"})"));
  const ApplyResult put = fold_.Apply(PutEntry("robot", WithName("robot", "put")));
  EXPECT_FALSE(put.created);
  EXPECT_EQ(put.definition_etag, Etag());
  EXPECT_EQ(Name(), "put");
  EXPECT_EQ(fold_.state().OverlayOf("robot"), nullptr) << "a put clears it";
  Send({DocumentFrame(2, "robot", WithName("robot", "new base"))});
  EXPECT_EQ(Name(), "put");
  EXPECT_THAT(fold_.last_applied().documents, IsEmpty());
}

TEST_F(TwinStateDocumentsTest, RefusesWritesWhoseResultIsInvalid) {
  fold_.Apply(PutEntry("robot", TestDocumentText("robot")));
  const std::string before = fold_.state().Fingerprint();
  const std::string etag = Etag();
  const struct {
    const char* what;
    pb::LogEntry entry;
    const char* reason;
  } kCases[] = {
      {"no JSON", PutEntry("robot", "{"), "DOCUMENT_INVALID"},
      {"other id", PutEntry("robot", TestDocumentText("other")), "DOCUMENT_INVALID"},
      {"rules", PutEntry("robot", "{}"), "DOCUMENT_INVALID"},
      {"patch is no JSON", PatchEntry("robot", "{"), "PATCH_INVALID"},
      {"patch is no object", PatchEntry("robot", "[]"), "PATCH_INVALID"},
      {"patch removes a required member", PatchEntry("robot", R"({"name":null})"), "DOCUMENT_INVALID"},
      {"patch changes the id", PatchEntry("robot", R"({"identifier":{"value":"x"}})"), "DOCUMENT_INVALID"},
      {"patch of nothing", PatchEntry("nobody", "{}"), "TWIN_NOT_FOUND"},
      {"removal of nothing", DeleteEntry("nobody"), "TWIN_NOT_FOUND"},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(ReasonOf(fold_.Apply(test.entry).status), test.reason) << test.what;
    EXPECT_THAT(fold_.last_applied().documents, IsEmpty()) << test.what;
  }
  EXPECT_EQ(Etag(), etag);
}

TEST_F(TwinStateDocumentsTest, ChecksConditions) {
  const std::string text = TestDocumentText("robot");
  const auto put = [&](absl::string_view etag) { return ReasonOf(fold_.Apply(PutEntry("robot", text, etag)).status); };
  EXPECT_EQ(put("*"), "TWIN_NOT_FOUND");
  EXPECT_EQ(put("abc"), "TWIN_NOT_FOUND");
  EXPECT_TRUE(fold_.Apply(PutEntry("robot", text, "-")).created);
  EXPECT_EQ(put("-"), "TWIN_EXISTS");
  EXPECT_EQ(put("*"), "");
  EXPECT_EQ(put("abc"), "ETAG_MISMATCH");
  EXPECT_EQ(put(Etag()), "");
  EXPECT_EQ(ReasonOf(fold_.Apply(PatchEntry("robot", "{}", "abc")).status), "ETAG_MISMATCH");
  EXPECT_EQ(ReasonOf(fold_.Apply(PatchEntry("robot", R"({"name":"n"})", Etag())).status), "");
  EXPECT_EQ(ReasonOf(fold_.Apply(DeleteEntry("robot", "abc")).status), "ETAG_MISMATCH");
  EXPECT_TRUE(Exists());
  EXPECT_EQ(ReasonOf(fold_.Apply(DeleteEntry("robot", Etag())).status), "");
  EXPECT_FALSE(Exists());
}

TEST_F(TwinStateDocumentsTest, ARemovedTwinStaysRemovedUntilItsDocumentChanges) {
  Open();
  Send({DocumentFrame(1, "robot", TestDocumentText("robot")), BindingsFrame(2, "robot", {{1, "temp-1"}}),
        BlockFrame(3, {NumberAt(1, kTestTimeNs, 1)})});
  fold_.Apply(DeleteEntry("robot"));
  ASSERT_THAT(fold_.last_applied().documents, SizeIs(1));
  EXPECT_EQ(fold_.last_applied().documents[0].definition, nullptr);

  const ApplyResult late = Send({BlockFrame(4, {NumberAt(1, kTestTimeNs + 1, 2)})});
  EXPECT_EQ(late.samples_applied, 0u);
  EXPECT_THAT(late.documents_wanted, IsEmpty());
  EXPECT_THAT(fold_.last_applied().samples, IsEmpty());
  EXPECT_EQ(fold_.state().ListBridges("", 1, true).at(0).issues.at(0).reason(), "TWIN_DELETED");

  Send({DocumentFrame(5, "robot", TestDocumentText("robot"))});
  EXPECT_FALSE(Exists()) << "the same document";
  Send({BlockFrame(6, {NumberAt(1, kTestTimeNs + 2, 2)}), DocumentFrame(7, "robot", WithName("robot", "another")),
        BlockFrame(8, {NumberAt(1, kTestTimeNs, 5)})});
  EXPECT_EQ(Name(), "another");
  EXPECT_THAT(fold_.last_applied().samples, SizeIs(1)) << "only what came after the document";
  EXPECT_EQ(fold_.Served("robot").Find("sensors")->elements()[0].Find("currentValue")->number(), 5)
      << "values of the former life are gone";
}

TEST_F(TwinStateDocumentsTest, APutBringsARemovedTwinBack) {
  fold_.Apply(PutEntry("robot", TestDocumentText("robot")));
  fold_.Apply(DeleteEntry("robot"));
  EXPECT_TRUE(fold_.Apply(PutEntry("robot", TestDocumentText("robot"))).created);
  EXPECT_TRUE(Exists());
}

}  // namespace
}  // namespace mvmd
