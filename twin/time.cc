#include "twin/time.h"

#include <limits>

#include "absl/strings/ascii.h"

namespace mvmd {
namespace {

constexpr int64_t kSecondsPerDay = 86400;
constexpr int64_t kNanosPerSecond = 1000000000;
constexpr int64_t kPicosPerSecond = 1000000000000;

struct CivilDay {
  int year = 0;
  int month = 1;
  int day = 1;
};

// Days since 1970-01-01 in the proleptic Gregorian calendar, counted from 1 March so that leap days come last.
// http://howardhinnant.github.io/date_algorithms.html
int64_t DaysFromCivil(const CivilDay& civil) {
  const int64_t year = civil.month <= 2 ? civil.year - 1 : civil.year;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (civil.month + (civil.month > 2 ? -3 : 9)) + 2) / 5 + civil.day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

CivilDay CivilFromDays(int64_t days) {
  days += 719468;
  const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const int64_t day_of_era = days - era * 146097;
  const int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted_month = (5 * day_of_year + 2) / 153;
  CivilDay civil;
  civil.day = static_cast<int>(day_of_year - (153 * shifted_month + 2) / 5 + 1);
  civil.month = static_cast<int>(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
  civil.year = static_cast<int>(year_of_era + era * 400 + (civil.month <= 2 ? 1 : 0));
  return civil;
}

int DaysInMonth(int year, int month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && leap ? 29 : kDays[month - 1];
}

// Takes a text apart from its start. Every step is false, and takes nothing more, once one of them did not fit.
class Scanner {
 public:
  explicit Scanner(absl::string_view text) : rest_(text) {}

  bool done() const { return rest_.empty(); }
  char next() const { return rest_.empty() ? '\0' : rest_[0]; }

  bool Take(char c) {
    if (next() != c || rest_.empty()) return false;
    rest_.remove_prefix(1);
    return true;
  }

  // Exactly `count` digits.
  bool TakeDigits(int count, int* value) {
    *value = 0;
    for (int i = 0; i < count; ++i) {
      if (!AtDigit()) return false;
      *value = *value * 10 + (rest_[0] - '0');
      rest_.remove_prefix(1);
    }
    return true;
  }

  // 1 to 9 digits, however many there are.
  bool TakeNumber(int64_t* value, int* count) {
    *value = 0;
    *count = 0;
    while (AtDigit()) {
      if (++*count > 9) return false;
      *value = *value * 10 + (rest_[0] - '0');
      rest_.remove_prefix(1);
    }
    return *count > 0;
  }

  // 1 to 9 digits behind a point, in billionths; 0 when there is no point.
  bool TakeFraction(int64_t* billionths) {
    *billionths = 0;
    if (!Take('.')) return true;
    int count = 0;
    if (!TakeNumber(billionths, &count)) return false;
    for (; count < 9; ++count) *billionths *= 10;
    return true;
  }

  absl::string_view rest() const { return rest_; }

 private:
  bool AtDigit() const { return !rest_.empty() && absl::ascii_isdigit(static_cast<unsigned char>(rest_[0])); }

  absl::string_view rest_;
};

bool TakeDate(Scanner* in, int64_t* days) {
  CivilDay civil;
  if (!in->TakeDigits(4, &civil.year) || !in->Take('-') || !in->TakeDigits(2, &civil.month) || !in->Take('-') ||
      !in->TakeDigits(2, &civil.day)) {
    return false;
  }
  if (civil.month < 1 || civil.month > 12 || civil.day < 1 || civil.day > DaysInMonth(civil.year, civil.month)) {
    return false;
  }
  *days = DaysFromCivil(civil);
  return true;
}

bool TakeOffset(Scanner* in, int64_t* seconds) {
  *seconds = 0;
  if (in->Take('Z')) return true;
  const bool negative = in->next() == '-';
  if (!in->Take(negative ? '-' : '+')) return false;
  int hour = 0;
  int minute = 0;
  if (!in->TakeDigits(2, &hour) || !in->Take(':') || !in->TakeDigits(2, &minute)) return false;
  if (minute > 59 || hour * 60 + minute > 14 * 60) return false;
  *seconds = (hour * 60 + minute) * 60;
  if (negative) *seconds = -*seconds;
  return true;
}

bool ParseTimestampParts(absl::string_view text, int64_t* unix_seconds, int64_t* nanos) {
  Scanner in(text);
  int64_t days = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int64_t offset = 0;
  if (!TakeDate(&in, &days) || !in.Take('T') || !in.TakeDigits(2, &hour) || !in.Take(':') ||
      !in.TakeDigits(2, &minute) || !in.Take(':') || !in.TakeDigits(2, &second) || !in.TakeFraction(nanos) ||
      !TakeOffset(&in, &offset) || !in.done()) {
    return false;
  }
  if (hour > 23 || minute > 59 || second > 59) return false;
  *unix_seconds = days * kSecondsPerDay + hour * 3600 + minute * 60 + second - offset;
  return true;
}

struct DurationUnit {
  absl::string_view name;
  int64_t picos_per_billionth;  // of the unit
};

// `m` is a minute, `mo` a month.
constexpr DurationUnit kShortUnits[] = {
    {"ms", 1},
    {"s", 1000},
    {"m", 60 * 1000},
    {"h", 3600 * 1000},
    {"d", kSecondsPerDay * 1000},
    {"w", 7 * kSecondsPerDay * 1000},
    {"mo", 30 * kSecondsPerDay * 1000},
    {"y", 365 * kSecondsPerDay * 1000},
};

std::optional<absl::int128> ParseShortDuration(absl::string_view text) {
  Scanner in(text);
  int64_t whole = 0;
  int64_t billionths = 0;
  int count = 0;
  if (!in.TakeNumber(&whole, &count) || !in.TakeFraction(&billionths)) return std::nullopt;
  for (const DurationUnit& unit : kShortUnits) {
    if (in.rest() != unit.name) continue;
    return (absl::int128(whole) * kNanosPerSecond + billionths) * unit.picos_per_billionth;
  }
  return std::nullopt;
}

// One `n<letter>` of an ISO 8601 duration; nothing is taken when the number stands before another letter.
bool TakeIsoPart(Scanner* in, char letter, int64_t seconds, absl::int128* picos, bool* taken) {
  Scanner ahead = *in;
  int64_t whole = 0;
  int64_t billionths = 0;
  int count = 0;
  if (in->done() || !absl::ascii_isdigit(static_cast<unsigned char>(in->next()))) return true;
  if (!ahead.TakeNumber(&whole, &count)) return false;
  if (letter == 'S' && !ahead.TakeFraction(&billionths)) return false;
  if (!ahead.Take(letter)) return true;
  *picos += absl::int128(whole) * seconds * kPicosPerSecond + absl::int128(billionths) * 1000;
  *taken = true;
  *in = ahead;
  return true;
}

std::optional<absl::int128> ParseIsoDuration(absl::string_view text) {
  struct Part {
    char letter;
    int64_t seconds;
  };
  constexpr Part kDateParts[] = {{'Y', 365 * kSecondsPerDay}, {'M', 30 * kSecondsPerDay}, {'D', kSecondsPerDay}};
  constexpr Part kTimeParts[] = {{'H', 3600}, {'M', 60}, {'S', 1}};
  Scanner in(text);
  absl::int128 picos = 0;
  bool taken = false;
  if (!in.Take('P')) return std::nullopt;
  if (!TakeIsoPart(&in, 'W', 7 * kSecondsPerDay, &picos, &taken)) return std::nullopt;
  if (taken) return in.done() ? std::optional<absl::int128>(picos) : std::nullopt;
  for (const Part& part : kDateParts) {
    if (!TakeIsoPart(&in, part.letter, part.seconds, &picos, &taken)) return std::nullopt;
  }
  if (in.Take('T')) {
    taken = false;  // a T needs a part of its own
    for (const Part& part : kTimeParts) {
      if (!TakeIsoPart(&in, part.letter, part.seconds, &picos, &taken)) return std::nullopt;
    }
  }
  if (!taken || !in.done()) return std::nullopt;
  return picos;
}

void AppendPadded(int64_t value, int width, std::string* out) {
  char text[20];
  for (int i = width - 1; i >= 0; --i, value /= 10) text[i] = static_cast<char>('0' + value % 10);
  out->append(text, static_cast<size_t>(width));
}

}  // namespace

std::optional<int64_t> ParseTimestamp(absl::string_view text) {
  const std::optional<InstantRange> range = ParseTimestampRange(text);
  if (!range || range->first_unix_ns < std::numeric_limits<int64_t>::min() ||
      range->first_unix_ns > std::numeric_limits<int64_t>::max()) {
    return std::nullopt;
  }
  return static_cast<int64_t>(range->first_unix_ns);
}

std::string FormatTimestamp(int64_t unix_ns) {
  std::string out;
  AppendTimestamp(unix_ns, &out);
  return out;
}

void AppendTimestamp(int64_t unix_ns, std::string* out) {
  int64_t seconds = unix_ns / kNanosPerSecond;
  int64_t nanos = unix_ns % kNanosPerSecond;
  if (nanos < 0) {
    nanos += kNanosPerSecond;
    --seconds;
  }
  int64_t days = seconds / kSecondsPerDay;
  int64_t second_of_day = seconds % kSecondsPerDay;
  if (second_of_day < 0) {
    second_of_day += kSecondsPerDay;
    --days;
  }
  const CivilDay civil = CivilFromDays(days);
  AppendPadded(civil.year, 4, out);
  out->push_back('-');
  AppendPadded(civil.month, 2, out);
  out->push_back('-');
  AppendPadded(civil.day, 2, out);
  out->push_back('T');
  AppendPadded(second_of_day / 3600, 2, out);
  out->push_back(':');
  AppendPadded(second_of_day / 60 % 60, 2, out);
  out->push_back(':');
  AppendPadded(second_of_day % 60, 2, out);
  if (nanos != 0) {
    int width = 9;
    for (; nanos % 10 == 0; nanos /= 10) --width;
    out->push_back('.');
    AppendPadded(nanos, width, out);
  }
  out->push_back('Z');
}

std::optional<InstantRange> ParseDate(absl::string_view text) {
  Scanner in(text);
  int64_t days = 0;
  if (!TakeDate(&in, &days) || !in.done()) return std::nullopt;
  InstantRange range;
  range.first_unix_ns = absl::int128(days) * kSecondsPerDay * kNanosPerSecond;
  // Timestamps have no finer step than a nanosecond.
  range.last_unix_ns = range.first_unix_ns + kSecondsPerDay * kNanosPerSecond - 1;
  return range;
}

std::optional<InstantRange> ParseTimestampRange(absl::string_view text) {
  int64_t seconds = 0;
  int64_t nanos = 0;
  if (!ParseTimestampParts(text, &seconds, &nanos)) return std::nullopt;
  const absl::int128 instant = absl::int128(seconds) * kNanosPerSecond + nanos;
  return InstantRange{instant, instant};
}

std::optional<InstantRange> ParseDateOrTimestamp(absl::string_view text) {
  return text.size() == 10 ? ParseDate(text) : ParseTimestampRange(text);
}

std::optional<absl::int128> ParseDurationPicoseconds(absl::string_view text) {
  std::optional<absl::int128> picos =
      !text.empty() && text[0] == 'P' ? ParseIsoDuration(text) : ParseShortDuration(text);
  if (picos && *picos == 0) return std::nullopt;
  return picos;
}

std::optional<absl::Duration> ParseProfileDuration(absl::string_view text) {
  const std::optional<absl::int128> picos = ParseDurationPicoseconds(text);
  if (!picos) return std::nullopt;
  const auto seconds = static_cast<int64_t>(*picos / kPicosPerSecond);
  const auto rest = static_cast<int64_t>(*picos % kPicosPerSecond);
  return absl::Seconds(seconds) + absl::Nanoseconds(rest / 1000) +
         absl::Nanoseconds(1) * (static_cast<double>(rest % 1000) / 1000);
}

}  // namespace mvmd
