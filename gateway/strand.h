// One thing at a time for objects whose events come on many threads.
#ifndef MVMD_GATEWAY_STRAND_H_
#define MVMD_GATEWAY_STRAND_H_

#include <memory>

#include "absl/functional/any_invocable.h"
#include "runtime/executor.h"

namespace mvmd {

// Runs tasks one after the other, in the order in which they were given; a stream's state lives inside of it and needs
// no lock. A task should keep its object alive (a shared_ptr in the capture). Thread-safe; may be destroyed by a task
// of its own.
//
//   strand_.Run([self = shared_from_this(), ok] { self->HandleRead(ok); });    // on a reactor's thread
//   strand_.Post([self, result] { self->HandleApplied(result); });             // on the committer's thread
class Strand {
 public:
  using Task = absl::AnyInvocable<void() &&>;

  // The executor outlives all tasks. It holds at most one place of its queue for a strand.
  explicit Strand(Executor* executor);

  // Runs on this thread; when another thread is inside, that one runs it afterwards.
  void Run(Task task);
  // Never runs on this thread. When the executor takes no more (it is closing), all waiting tasks are dropped.
  void Post(Task task);

 private:
  struct State;
  static void Drain(const std::shared_ptr<State>& state);

  const std::shared_ptr<State> state_;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_STRAND_H_
