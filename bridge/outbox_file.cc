#include "bridge/outbox_file.h"

#include <unistd.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bridge/durable_mark.h"
#include "bridge/row_crc.h"
#include "twin/block.h"
#include "twin/canonical.h"
#include "twin/gap.h"
#include "twin/time.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr int kExitUnreadable = 1;
constexpr int kExitDamaged = 2;
constexpr absl::Duration kBusyTimeout = absl::Seconds(5);
constexpr int kPageProblemsMax = 100;

std::string KindName(int kind) {
  switch (kind) {
    case 1:
      return "block";
    case 2:
      return "bindings";
    case 3:
      return "documentChunk";
    case 4:
      return "gap";
    case 5:
      return "commandResult";
    default:
      return absl::StrCat("kind", kind);
  }
}

Json NumberOf(uint64_t number) { return Json::Number(static_cast<double>(number)); }

Json ValueJson(const SampleValue& value) {
  if (const auto* number = std::get_if<double>(&value)) return Json::Number(*number);
  if (const auto* boolean = std::get_if<bool>(&value)) return Json::Bool(*boolean);
  return Json::String(std::get<std::string>(value));
}

Json GapJson(const pb::Gap& gap) {
  Json out = Json::Object();
  if (!gap.twin().empty()) out.Set("twin", Json::String(gap.twin()));
  if (!gap.sensor().empty()) out.Set("sensor", Json::String(gap.sensor()));
  out.Set("reason", Json::String(GapReason(gap.reason())));
  if (gap.count() != 0) out.Set("count", NumberOf(gap.count()));
  if (gap.first_seq() != 0) out.Set("firstSeq", NumberOf(gap.first_seq()));
  if (gap.last_seq() != 0) out.Set("lastSeq", NumberOf(gap.last_seq()));
  if (gap.start_time_unix_ns() != 0) out.Set("startTime", Json::String(FormatTimestamp(gap.start_time_unix_ns())));
  if (gap.end_time_unix_ns() != 0) out.Set("endTime", Json::String(FormatTimestamp(gap.end_time_unix_ns())));
  return out;
}

std::string Quoted(const std::string& path) { return absl::StrCat("`", path, "`"); }

}  // namespace

absl::StatusOr<std::unique_ptr<OutboxFile>> OutboxFile::Open(const std::string& path) {
  if (access(path.c_str(), F_OK) != 0) return absl::NotFoundError(absl::StrCat("there is no file ", Quoted(path)));
  std::unique_ptr<OutboxFile> file(new OutboxFile(path));
  absl::Status status = file->database_.Open(path, SqliteDatabase::Mode::kReadOnly);
  if (status.ok()) {
    file->database_.SetBusyTimeout(kBusyTimeout);
    // One state of the file for everything that is read.
    status = file->database_.Exec("BEGIN DEFERRED");
  }
  if (status.ok()) {
    SqliteStatement tables(&file->database_,
                           "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('meta', 'rows')");
    const bool is_outbox = tables.Step() && tables.ColumnInt(0) == 2;
    status = tables.status();
    if (status.ok() && !is_outbox) {
      return absl::InvalidArgumentError(absl::StrCat(Quoted(path),
                                                     ": expected an outbox of mvmd-bridge, got a file "
                                                     "without the tables `meta` and `rows`"));
    }
  }
  if (!status.ok()) return absl::Status(status.code(), absl::StrCat(Quoted(path), ": ", status.message()));
  // What cannot be read leaves bindings without a name.
  file->ReadNames().IgnoreError();
  return file;
}

absl::Status OutboxFile::ReadNames() {
  SqliteStatement bindings(&database_, "SELECT id, twin, sensor FROM bindings");
  while (bindings.Step()) {
    names_[static_cast<uint32_t>(bindings.ColumnInt(0))] = {std::string(bindings.ColumnBytes(1)),
                                                            std::string(bindings.ColumnBytes(2))};
  }
  return bindings.status();
}

absl::Status OutboxFile::EachRow(const char* sql, const std::function<void(const Row& row)>& visit) {
  SqliteStatement rows(&database_, sql);
  while (rows.Step()) {
    Row row;
    row.seq = static_cast<uint64_t>(rows.ColumnInt(0));
    row.kind = static_cast<int>(rows.ColumnInt(1));
    row.text = std::string(rows.ColumnBytes(3));
    row.whole = static_cast<int64_t>(RowCrc(row.seq, row.kind, row.text)) == rows.ColumnInt(2) &&
                row.frame.ParseFromString(row.text);
    visit(row);
  }
  return rows.status();
}

absl::StatusOr<Json> OutboxFile::Inspect() {
  Json out = Json::Object();
  out.Set("path", Json::String(path_));
  {
    SqliteStatement meta(&database_, "SELECT key, value FROM meta");
    while (meta.Step()) {
      const absl::string_view key = meta.ColumnBytes(0);
      if (key == "epoch") out.Set("epoch", Json::String(meta.ColumnBytes(1)));
      if (key == "outbox_id") out.Set("outboxId", Json::String(absl::BytesToHexString(meta.ColumnBytes(1))));
      // Which copy it is, without giving away what it has to present.
      if (key == "nonce") out.Set("nonceDigest", Json::String(Sha256Hex(meta.ColumnBytes(1)).substr(0, 16)));
    }
    if (!meta.status().ok()) return meta.status();
  }
  {
    SqliteStatement rows(&database_,
                         "SELECT kind, count(*), sum(length(frame)), min(seq), max(seq) FROM rows GROUP BY kind");
    Json kinds = Json::Object();
    uint64_t first = 0;
    uint64_t last = 0;
    while (rows.Step()) {
      Json kind = Json::Object();
      kind.Set("rows", NumberOf(static_cast<uint64_t>(rows.ColumnInt(1))));
      kind.Set("bytes", NumberOf(static_cast<uint64_t>(rows.ColumnInt(2))));
      kinds.Set(KindName(static_cast<int>(rows.ColumnInt(0))), std::move(kind));
      const uint64_t from = static_cast<uint64_t>(rows.ColumnInt(3));
      first = first == 0 ? from : std::min(first, from);
      last = std::max(last, static_cast<uint64_t>(rows.ColumnInt(4)));
    }
    if (!rows.status().ok()) return rows.status();
    out.Set("rows", std::move(kinds));
    out.Set("firstSeq", NumberOf(first));
    out.Set("lastSeq", NumberOf(last));
  }
  for (const auto& [name, sql] : {std::pair<const char*, const char*>{"bindings", "SELECT count(*) FROM bindings"},
                                  {"twins", "SELECT count(DISTINCT twin) FROM bindings"},
                                  {"documents", "SELECT count(*) FROM documents"},
                                  {"quarantined", "SELECT count(*) FROM quarantine"}}) {
    SqliteStatement count(&database_, sql);
    // A file of an older version has no quarantine.
    if (count.Step()) out.Set(name, NumberOf(static_cast<uint64_t>(count.ColumnInt(0))));
  }
  DurableMark mark(absl::StrCat(path_, ".durable"));
  if (mark.Read().ok() && mark.record().has_value()) out.Set("durableSeq", NumberOf(mark.record()->last_seq));
  return out;
}

Json OutboxFile::SampleJson(uint32_t binding) const {
  Json out = Json::Object();
  const auto name = names_.find(binding);
  if (name == names_.end()) {
    out.Set("binding", NumberOf(binding));
  } else {
    out.Set("twin", Json::String(name->second.first));
    out.Set("sensor", Json::String(name->second.second));
  }
  return out;
}

Json OutboxFile::RowJson(const Row& row) const {
  Json out = Json::Object();
  out.Set("seq", NumberOf(row.seq));
  out.Set("kind", Json::String(KindName(row.kind)));
  DecodedBlock block;
  if (!row.whole || (row.frame.has_block() && !DecodeBlock(row.frame.block(), &block).ok())) {
    out.Set("damaged", Json::Bool(true));
    out.Set("base64", Json::String(absl::Base64Escape(row.text)));
    return out;
  }
  Json list = Json::Array();
  switch (row.frame.payload_case()) {
    case pb::Frame::kBlock:
      for (const DecodedBlock::Run& run : block.runs) {
        for (uint32_t i = run.begin; i < run.begin + run.count; ++i) {
          Json sample = SampleJson(run.binding);
          sample.Set("timestamp", Json::String(FormatTimestamp(block.times_unix_ns[i])));
          sample.Set("value", ValueJson(block.ValueAt(run, i)));
          if (block.QualityAt(i) == pb::QUALITY_UNCERTAIN) sample.Set("quality", Json::String("uncertain"));
          if (block.QualityAt(i) == pb::QUALITY_BAD) sample.Set("quality", Json::String("bad"));
          list.Append(std::move(sample));
        }
      }
      out.Set("samples", std::move(list));
      break;
    case pb::Frame::kBindings:
      for (const pb::Binding& binding : row.frame.bindings().bindings()) {
        Json one = Json::Object();
        one.Set("binding", NumberOf(binding.id()));
        one.Set("twin", Json::String(binding.twin()));
        one.Set("sensor", Json::String(binding.sensor()));
        list.Append(std::move(one));
      }
      out.Set("bindings", std::move(list));
      break;
    case pb::Frame::kDocumentChunk:
      out.Set("twin", Json::String(row.frame.document_chunk().twin()));
      out.Set("sha256", Json::String(absl::BytesToHexString(row.frame.document_chunk().sha256())));
      out.Set("offset", NumberOf(row.frame.document_chunk().offset_bytes()));
      out.Set("bytes", NumberOf(row.frame.document_chunk().data().size()));
      break;
    case pb::Frame::kGap:
      out.Set("gap", GapJson(row.frame.gap()));
      break;
    case pb::Frame::kCommandResult:
      out.Set("command", Json::String(row.frame.command_result().command_id()));
      break;
    case pb::Frame::PAYLOAD_NOT_SET:
      break;
  }
  return out;
}

absl::Status OutboxFile::Export(bool quarantine, std::ostream* out) {
  const char* const sql = quarantine ? "SELECT seq, kind, crc, frame FROM quarantine ORDER BY id"
                                     : "SELECT seq, kind, crc, frame FROM rows ORDER BY seq";
  return EachRow(sql, [&](const Row& row) { *out << Canonicalize(RowJson(row)) << "\n"; });
}

absl::StatusOr<uint64_t> OutboxFile::Verify(std::ostream* out) {
  uint64_t problems = 0;
  {
    SqliteStatement check(&database_, "PRAGMA integrity_check(100)");
    for (int i = 0; i < kPageProblemsMax && check.Step(); ++i) {
      if (check.ColumnBytes(0) == "ok") break;
      *out << "file: " << check.ColumnBytes(0) << "\n";
      ++problems;
    }
    if (!check.status().ok()) {
      *out << "file: " << check.status().message() << "\n";
      ++problems;
    }
  }
  uint64_t last = 0;
  const absl::Status read = EachRow("SELECT seq, kind, crc, frame FROM rows ORDER BY seq", [&](const Row& row) {
    last = row.seq;
    DecodedBlock block;
    std::string what;
    if (!row.whole) {
      what = absl::StrCat("expected a frame that its checksum fits, got ", row.text.size(), " other bytes");
    } else if (row.frame.seq() != row.seq) {
      what = absl::StrCat("expected a frame with this seq, got one with ", row.frame.seq());
    } else if (row.frame.has_block()) {
      if (absl::Status status = DecodeBlock(row.frame.block(), &block); !status.ok()) {
        what = std::string(status.message());
      }
    }
    if (what.empty()) return;
    *out << "row " << row.seq << " (" << KindName(row.kind) << "): " << what << "\n";
    ++problems;
  });
  if (!read.ok()) {
    *out << "rows after " << last << ": " << read.message() << "\n";
    ++problems;
  }
  DurableMark mark(absl::StrCat(path_, ".durable"));
  if (absl::Status status = mark.Read(); !status.ok()) {
    *out << "mark: " << status.message() << "\n";
    ++problems;
  } else if (mark.record().has_value()) {
    SqliteStatement id(&database_, "SELECT value FROM meta WHERE key = 'outbox_id'");
    const bool same = id.Step() && id.ColumnBytes(0) == mark.record()->outbox_id;
    if (same && mark.record()->last_seq > last) {
      *out << "rows " << last + 1 << " to " << mark.record()->last_seq << ": were durable, and are not there\n";
      ++problems;
    }
  }
  return problems;
}

namespace {

absl::StatusOr<std::unique_ptr<OutboxFile>> OpenOrTell(const std::string& path, std::ostream& err) {
  absl::StatusOr<std::unique_ptr<OutboxFile>> file = OutboxFile::Open(path);
  if (!file.ok()) err << "mvmd-bridge outbox: " << file.status().message() << "\n";
  return file;
}

}  // namespace

int RunOutboxInspect(const std::string& path, std::ostream& out, std::ostream& err) {
  absl::StatusOr<std::unique_ptr<OutboxFile>> file = OpenOrTell(path, err);
  if (!file.ok()) return kExitUnreadable;
  const absl::StatusOr<Json> numbers = (*file)->Inspect();
  if (!numbers.ok()) {
    err << "mvmd-bridge outbox: " << path << ": " << numbers.status().message() << "\n";
    return kExitUnreadable;
  }
  out << Canonicalize(*numbers) << "\n";
  return 0;
}

int RunOutboxExport(const std::string& path, bool quarantine, std::ostream& out, std::ostream& err) {
  absl::StatusOr<std::unique_ptr<OutboxFile>> file = OpenOrTell(path, err);
  if (!file.ok()) return kExitUnreadable;
  if (absl::Status status = (*file)->Export(quarantine, &out); !status.ok()) {
    err << "mvmd-bridge outbox: " << path << ": what follows cannot be read: " << status.message() << "\n";
    return kExitUnreadable;
  }
  return 0;
}

int RunOutboxVerify(const std::string& path, std::ostream& out, std::ostream& err) {
  absl::StatusOr<std::unique_ptr<OutboxFile>> file = OpenOrTell(path, err);
  if (!file.ok()) return kExitUnreadable;
  const absl::StatusOr<uint64_t> problems = (*file)->Verify(&out);
  if (!problems.ok()) {
    err << "mvmd-bridge outbox: " << path << ": " << problems.status().message() << "\n";
    return kExitUnreadable;
  }
  if (*problems == 0) {
    out << path << ": ok\n";
    return 0;
  }
  return kExitDamaged;
}

}  // namespace mvmd
