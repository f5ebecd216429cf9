#include "bridge/redelivery.h"

#include "absl/base/internal/endian.h"
#include "bridge/crc32c.h"

namespace mvmd {
namespace {

constexpr size_t kPacketIds = 65536;

void AppendReceipt(uint16_t packet_id, uint32_t digest, std::string* receipts) {
  char record[RedeliveryFilter::kReceiptBytes];
  absl::little_endian::Store16(record, packet_id);
  absl::little_endian::Store32(record + 2, digest);
  receipts->append(record, sizeof(record));
}

}  // namespace

RedeliveryFilter::RedeliveryFilter() : slots_(kPacketIds) {}

uint32_t RedeliveryFilter::Digest(absl::string_view topic, absl::string_view payload) {
  // The NUL, which no topic has, keeps `a` + `bc` and `ab` + `c` apart.
  return Crc32c(payload, Crc32c(absl::string_view("\0", 1), Crc32c(topic)));
}

void RedeliveryFilter::Load(const std::vector<std::string>& receipts) {
  for (const std::string& group : receipts) {
    for (size_t at = 0; at + kReceiptBytes <= group.size(); at += kReceiptBytes) {
      const uint16_t packet_id = absl::little_endian::Load16(group.data() + at);
      if (packet_id == 0) {
        slots_.assign(kPacketIds, Slot());
        any_known_ = false;
        continue;
      }
      slots_[packet_id].digest = absl::little_endian::Load32(group.data() + at + 2);
      slots_[packet_id].known = true;
      any_known_ = true;
    }
  }
}

void RedeliveryFilter::OnConnected(bool session_present, std::string* receipts) {
  ++connection_;
  quiet_messages_ = 0;
  if (!session_present && any_known_) {
    for (Slot& slot : slots_) slot.known = false;
    any_known_ = false;
    AppendReceipt(0, 0, receipts);
  }
  window_open_ = session_present && any_known_;
}

bool RedeliveryFilter::IsRedelivery(uint16_t packet_id, std::optional<bool> duplicate, uint32_t digest) {
  if (!window_open_) return false;
  Slot& slot = slots_[packet_id];
  const bool first = slot.seen_in != connection_;
  slot.seen_in = connection_;
  if (duplicate.has_value() && !*duplicate) {
    if (++quiet_messages_ >= kQuietMessages) window_open_ = false;
    return false;
  }
  quiet_messages_ = 0;
  return first && slot.known && slot.digest == digest;
}

void RedeliveryFilter::Take(uint16_t packet_id, uint32_t digest, std::string* receipts) {
  Slot& slot = slots_[packet_id];
  slot.digest = digest;
  slot.known = true;
  any_known_ = true;
  AppendReceipt(packet_id, digest, receipts);
}

}  // namespace mvmd
