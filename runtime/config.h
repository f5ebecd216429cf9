// YAML file -> configuration message.
//
// The message is the schema: keys are the fields' names in snake_case. By the field's type:
//   string                     any scalar
//   bool                       true, false
//   integers                   decimal; fields whose name ends in `_bytes` also with B, KB, MB, GB, KiB, MiB, GiB, TiB
//   float, double              decimal
//   enum                       the value's name, or without the type's prefix in lower case
//   google.protobuf.Duration   `50ms`, `1h30m`, `2.5s`, `0`; units ns us ms s m h d; never negative
//   message                    a mapping; `{}` for one with defaults only
//   repeated                   a sequence
//   oneof                      at most one member of it
// Refused: unknown and duplicate keys (a suggestion is made for a misspelt one), aliases, anchors and tags, more than
// one document, files larger than 1 MiB. A key without a value (`linger:`) is an error too: leave the key out for the
// default.
#ifndef MVMD_RUNTIME_CONFIG_H_
#define MVMD_RUNTIME_CONFIG_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/message.h"

namespace mvmd {

inline constexpr size_t kConfigBytesMax = 1 << 20;

struct ConfigError {
  std::string path;  // `uplink.linger`, `routes[2].topic`; empty: the whole file
  int line = 0;      // from 1; 0: not known
  std::string message;

  friend bool operator==(const ConfigError&, const ConfigError&) = default;
};

// Every error of one configuration file. The reader adds those of form and keeps the line of each key, so that whoever
// checks the meaning afterwards only names paths:
//
//   ConfigErrors errors;
//   BridgeConfig config;
//   LoadYamlConfig(path, &config, &errors);
//   if (config.uplink().target().empty()) errors.Add("uplink.target", "expected host:port of the gateway, got
//   nothing"); return errors.ToStatus();
//
// Thread-compatible.
class ConfigErrors {
 public:
  // `message` says what was expected and what came. The line is that of the key `path`, or of the nearest key above it.
  void Add(absl::string_view path, absl::string_view message);
  void AddAtLine(int line, absl::string_view path, absl::string_view message);

  bool ok() const { return errors_.empty(); }
  // Was `path` (or something in it) found wrong already? Then its value says nothing.
  bool Has(absl::string_view path) const;
  // Sorted by line, in the order of adding within one.
  std::vector<ConfigError> errors() const;
  // `file:line: path: message`, a line each; empty when there are none.
  std::string ToString() const;
  // OK, or INVALID_ARGUMENT with ToString().
  absl::Status ToStatus() const;

  // Name of the file, as errors show it.
  void set_origin(absl::string_view origin) { origin_ = std::string(origin); }
  const std::string& origin() const { return origin_; }
  // Line of a key, or of the nearest key above it; 0 when there is none.
  int LineOf(absl::string_view path) const;
  // For the reader.
  void SetLine(absl::string_view path, int line) { lines_[std::string(path)] = line; }

 private:
  std::string origin_;
  std::map<std::string, int> lines_;
  std::vector<ConfigError> errors_;
};

// Reads `path` into `config` (cleared first). All errors are added to `errors`; what was read well is set nevertheless,
// so that its meaning can be checked in the same run. False when anything was added.
bool LoadYamlConfig(const std::string& path, google::protobuf::Message* config, ConfigErrors* errors);
bool ParseYamlConfig(absl::string_view yaml, absl::string_view origin, google::protobuf::Message* config,
                     ConfigErrors* errors);
// The same for those who have nothing to add. NOT_FOUND, PERMISSION_DENIED: the file; INVALID_ARGUMENT: all errors.
absl::Status LoadYamlConfig(const std::string& path, google::protobuf::Message* config);
absl::Status ParseYamlConfig(absl::string_view yaml, absl::string_view origin, google::protobuf::Message* config);

// `file` as seen from the folder of `config_path`; absolute and empty ones stay as they are.
std::string ResolvePath(absl::string_view config_path, absl::string_view file);

// `50ms`, `1h30m`, `2.5s`, `0`. False when it is anything else, negative, or longer than 100 years.
bool ParseConfigDuration(absl::string_view text, absl::Duration* duration);
// `65536`, `64KiB`, `1GiB`, `10MB`. False when it is anything else or needs more than 64 bits.
bool ParseConfigBytes(absl::string_view text, uint64_t* bytes);
// Splits `host:port`, `[::1]:port`, `:port`; port 0 to 65535. False when it is anything else. An empty host is given
// back as such.
bool ParseHostPort(absl::string_view text, std::string* host, int* port);

absl::Duration ToAbslDuration(const google::protobuf::Duration& duration);
google::protobuf::Duration ToProtoDuration(absl::Duration duration);

}  // namespace mvmd

#endif  // MVMD_RUNTIME_CONFIG_H_
