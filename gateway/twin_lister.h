// ListTwins: twins that the caller may read, filtered, ordered, counted, a page at a time.
#ifndef MVMD_GATEWAY_TWIN_LISTER_H_
#define MVMD_GATEWAY_TWIN_LISTER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "gateway/call.h"
#include "gateway/caller.h"
#include "gateway/committer.h"
#include "gateway/readable_twins.h"
#include "gateway/twin_fields.h"
#include "mvmd/twin/v1alpha1/twin_service.pb.h"
#include "runtime/executor.h"
#include "twin/filter.h"
#include "twin/order_by.h"

namespace mvmd {

// The place of a twin in a list: its key in the order, empty without one, then its id.
using ListPosition = std::pair<std::string, std::string>;

// What a request asks for, checked.
struct ListPlan {
  std::string prefix;
  Filter filter;
  OrderBy order;
  size_t page_size = 0;
  bool wants_total = false;
  TwinFields fields;
  std::optional<ListPosition> after;  // the last one of the page before
  std::string token_binding;
};

// INVALID_ARGUMENT (reason REQUEST_INVALID) with what is wrong.
absl::StatusOr<ListPlan> MakeListPlan(const mvmd::twin::v1alpha1::ListTwinsRequest& request);

// Makes one page in small steps, so that whoever runs it can stop or let others go first. Not thread-safe.
//
//   TwinLister lister(committer, caller, plan, page_bytes_max, response);
//   while (!lister.Step()) {}
//
//   scan:    each readable twin that matches is counted, and
//              without an order  rendered at once; the page's end is the end, unless a total is wanted
//              with an order     kept while it is among the first ones of what is left; the rest is only counted
//   render:  what was kept, in order
//
// Each twin is looked at once, as it is at that moment; the same values decide whether it is on the page, where, and
// what is shown of it. An order costs a scan of all readable twins a page, but keeps no more than the page, and of
// that no more than 32 MiB: then the page ends early.
class TwinLister {
 public:
  // `committer` and `response` outlive it.
  TwinLister(const Committer& committer, const Caller& caller, ListPlan plan, size_t page_bytes_max,
             mvmd::twin::v1alpha1::ListTwinsResponse* response);

  // Looks at one twin, renders one, or reads the next ones. True: the response is complete.
  bool Step();

 private:
  enum class Stage { kScan, kRender, kDone };
  struct Kept {
    ListPosition position;
    TwinSnapshot twin;
    size_t bytes = 0;  // memory, about

    friend bool operator<(const Kept& a, const Kept& b) { return a.position < b.position; }
  };

  bool GoesThroughAll() const { return plan_.wants_total || !plan_.order.is_empty(); }
  size_t ChunkSize() const;
  void Consider(TwinSnapshot twin);
  void Keep(ListPosition position, TwinSnapshot twin);
  void EndScan();
  void Render(TwinSnapshot twin);
  bool IsPageFull() const;
  // There are more behind this one.
  void SetToken(const ListPosition& last);

  const ListPlan plan_;
  const size_t page_bytes_max_;
  mvmd::twin::v1alpha1::ListTwinsResponse* const response_;
  ReadableTwins twins_;
  Stage stage_ = Stage::kScan;
  std::vector<TwinSnapshot> chunk_;
  size_t next_ = 0;  // in chunk_; in kRender in kept_
  int32_t total_ = 0;
  size_t given_bytes_ = 0;
  std::string last_id_;  // of what was rendered
  // With an order: a heap, the last one in front; sorted in kRender.
  std::vector<Kept> kept_;
  size_t kept_bytes_ = 0;
  std::optional<ListPosition> end_;  // nothing from here on is on this page
};

// Runs the lister on `readers`, where this is called, and ends the call. After 5 ms others go first; a call that
// nobody waits for any more ends then.
void RunList(Executor* readers, const CallPtr& call, const std::shared_ptr<TwinLister>& lister);

}  // namespace mvmd

#endif  // MVMD_GATEWAY_TWIN_LISTER_H_
