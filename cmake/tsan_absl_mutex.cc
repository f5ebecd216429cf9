// ThreadSanitizer and Debian's Abseil: the library is not instrumented, so TSan does not see that absl::Mutex orders
// anything, and reports every use as a race. These definitions stand before the library's, call them, and tell TSan.
// TSan builds only.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

namespace {
template <typename F>
F Real(const char* symbol) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, symbol));
}
// Abseil evaluates a condition inside of the library, on whichever thread holds the mutex.
struct Watched {
  absl::Mutex* mutex;
  const absl::Condition* condition;
  bool Eval() const {
    __tsan_acquire(mutex);
    const bool is_true = condition->Eval();
    __tsan_release(mutex);
    return is_true;
  }
};
}  // namespace

#define MVMD_REAL(type, symbol) static const auto real = Real<type>(symbol)

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  MVMD_REAL(void (*)(Mutex*), "_ZN4absl7debian35Mutex4LockEv");
  real(this);
  __tsan_acquire(this);
}
void Mutex::Unlock() {
  MVMD_REAL(void (*)(Mutex*), "_ZN4absl7debian35Mutex6UnlockEv");
  __tsan_release(this);
  real(this);
}
bool Mutex::TryLock() {
  MVMD_REAL(bool (*)(Mutex*), "_ZN4absl7debian35Mutex7TryLockEv");
  const bool locked = real(this);
  if (locked) __tsan_acquire(this);
  return locked;
}
void Mutex::ReaderLock() {
  MVMD_REAL(void (*)(Mutex*), "_ZN4absl7debian35Mutex10ReaderLockEv");
  real(this);
  __tsan_acquire(this);
}
void Mutex::ReaderUnlock() {
  MVMD_REAL(void (*)(Mutex*), "_ZN4absl7debian35Mutex12ReaderUnlockEv");
  __tsan_release(this);
  real(this);
}
void Mutex::Await(const Condition& cond) {
  MVMD_REAL(void (*)(Mutex*, const Condition&), "_ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE");
  __tsan_release(this);
  const Watched watched{this, &cond};
  real(this, Condition(&watched, &Watched::Eval));
  __tsan_acquire(this);
}
bool Mutex::AwaitWithTimeout(const Condition& cond, Duration timeout) {
  MVMD_REAL(bool (*)(Mutex*, const Condition&, Duration),
            "_ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  __tsan_release(this);
  const Watched watched{this, &cond};
  const bool is_true = real(this, Condition(&watched, &Watched::Eval), timeout);
  __tsan_acquire(this);
  return is_true;
}
bool Mutex::AwaitWithDeadline(const Condition& cond, Time deadline) {
  MVMD_REAL(bool (*)(Mutex*, const Condition&, Time),
            "_ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  __tsan_release(this);
  const Watched watched{this, &cond};
  const bool is_true = real(this, Condition(&watched, &Watched::Eval), deadline);
  __tsan_acquire(this);
  return is_true;
}
void Mutex::LockWhen(const Condition& cond) {
  MVMD_REAL(void (*)(Mutex*, const Condition&), "_ZN4absl7debian35Mutex8LockWhenERKNS0_9ConditionE");
  __tsan_release(this);
  const Watched watched{this, &cond};
  real(this, Condition(&watched, &Watched::Eval));
  __tsan_acquire(this);
}
void CondVar::Wait(Mutex* mutex) {
  MVMD_REAL(void (*)(CondVar*, Mutex*), "_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE");
  __tsan_release(mutex);
  real(this, mutex);
  __tsan_acquire(mutex);
}
bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  MVMD_REAL(bool (*)(CondVar*, Mutex*, Duration),
            "_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
  __tsan_release(mutex);
  const bool timed_out = real(this, mutex, timeout);
  __tsan_acquire(mutex);
  return timed_out;
}
bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  MVMD_REAL(bool (*)(CondVar*, Mutex*, Time), "_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
  __tsan_release(mutex);
  const bool timed_out = real(this, mutex, deadline);
  __tsan_acquire(mutex);
  return timed_out;
}

ABSL_NAMESPACE_END
}  // namespace absl
