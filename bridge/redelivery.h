// Which PUBLISH is one that we had already.
#ifndef MVMD_BRIDGE_REDELIVERY_H_
#define MVMD_BRIDGE_REDELIVERY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace mvmd {

// The broker sends a QoS 1 message again when it did not get our PUBACK: after a reconnect to the same session, with
// the same packet id and DUP set (MQTT 3.1.1, sections 3.3.1.1 and 4.4). If we had committed it, it must not count
// twice.
//
// The rule. A message is a redelivery, and is dropped (and PUBACKed), when all of this holds:
//   1. it came after a reconnect, or a restart of the bridge, to a session that the broker still had;
//   2. it is the first one with its packet id since then: while a message is not acknowledged its id is not used for
//      another one, and a redelivered one is acknowledged by us, so a second one is new;
//   3. DUP is set: without it the broker says that it never sent this message before;
//   4. the last message that we committed under this packet id had the same topic and payload, by digest.
// Equal values published again in earnest fail 3 (their DUP is clear), however often packet ids are used again. What is
// left open: a message that was sent to us, was lost with the connection, and has the id, topic and payload of the one
// committed before it under this id, looks exactly like a redelivery. It says the same as that one.
//
// The receipts (packet id and digest) of a group are committed in the same transaction as its rows, so that the rule
// also holds when the process dies between commit and PUBACK. Packet ids have 16 bits, so memory is one slot an id.
//
// Pure; not thread-safe.
class RedeliveryFilter {
 public:
  // Of a receipt: packet id and digest, little-endian. Id 0, which MQTT does not use: all before it is void.
  static constexpr size_t kReceiptBytes = 6;

  RedeliveryFilter();

  // Receipts of earlier lives, oldest first; what is not whole is passed over.
  void Load(const std::vector<std::string>& receipts);

  // Once a CONNACK. Without the session, packet ids begin anew: everything is forgotten, and `receipts` gets a record
  // of that for the next commit.
  void OnConnected(bool session_present, std::string* receipts);

  // `duplicate`: the DUP flag; nothing when it is not known, which counts as set.
  bool IsRedelivery(uint16_t packet_id, std::optional<bool> duplicate, uint32_t digest);

  // The message was taken in: appends its receipt to those of its group.
  void Take(uint16_t packet_id, uint32_t digest, std::string* receipts);

  // Redeliveries may still come, so DUP flags are needed. Ends when so many messages have come without DUP that the
  // broker must be through with them, or by CloseWindow.
  bool window_open() const { return window_open_; }
  void CloseWindow() { window_open_ = false; }

  // Of a message.
  static uint32_t Digest(absl::string_view topic, absl::string_view payload);

 private:
  static constexpr int kQuietMessages = 1000;
  struct Slot {
    uint32_t digest = 0;
    uint32_t seen_in = 0;  // number of the connection
    bool known = false;
  };

  std::vector<Slot> slots_;  // by packet id
  bool any_known_ = false;
  uint32_t connection_ = 0;
  bool window_open_ = false;
  int quiet_messages_ = 0;
};

}  // namespace mvmd

#endif  // MVMD_BRIDGE_REDELIVERY_H_
