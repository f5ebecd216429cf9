// Which messages the broker has PUBACKed: written by the load generator, read by whoever checks that none is missing.
#ifndef MVMD_TESTS_BENCH_LEDGER_H_
#define MVMD_TESTS_BENCH_LEDGER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mvmd {

// Topic -> the numbers of its messages, ascending.
using Ledger = std::map<std::string, std::vector<uint64_t>>;

// A line a topic: `topic first-last first-last ...`.
absl::Status WriteLedger(const Ledger& ledger, const std::string& path);
// INVALID_ARGUMENT with path and line when a line is malformed.
absl::StatusOr<Ledger> ReadLedger(const std::string& path);

}  // namespace mvmd

#endif  // MVMD_TESTS_BENCH_LEDGER_H_
