// Preloaded into a collector by tests/crash: ends the process, or lets the disk fail, in the middle of its work on the
// segments of a stored queue. Nothing of the product knows of it.
//
//   CRASH_KILL="PHASE N [BYTES]"   SIGKILL at the Nth time that the process is in PHASE
//   CRASH_REPORT=FILE              gets a line with the phase before the process is killed
//   CRASH_FAULTS=FILE              read before every call: lines "CALL ERRNO" (write, sync, create, remove, read,
//   truncate or
//                                  lock; a number), "slow MILLISECONDS", "room BYTES" (then writes end short, and fail)
//
// Phases: what a call on a file *.seg does for the log (docs/formats/segment-log.md).
//   append, torn, appended       before, within and behind the write of records
//   rotate, torn-head, rotated   before the next segment is made, within its head, behind it
//   sync, synced                 before and behind fdatasync
//   remove, removed              before and behind unlink
//   compact, torn-copy, compacted  as append, of records that are moved to the newest segment
//   recovery                     any call before the first segment of this process is made
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

namespace {

template <class F>
F* Real(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

bool IsSegment(const char* path) {
  size_t n = std::strlen(path);
  return n > 4 && std::strcmp(path + n - 4, ".seg") == 0;
}

std::atomic<bool> made{false};      // a segment, by this process
std::atomic<bool> opened{false};    // the lock of the queue: recovery begins
std::atomic<uint64_t> newest{0};    // sequence that was written
std::atomic<bool> segments[65536];  // by descriptor

struct Plan {
  std::string phase;
  long left = 0;
  size_t bytes = 0;
  Plan() {
    const char* text = std::getenv("CRASH_KILL");
    char name[32] = "";
    if (text && std::sscanf(text, "%31s %ld %zu", name, &left, &bytes) >= 2) phase = name;
  }
};

std::mutex mutex;  // guards the plan

// Whether the process is to end here.
bool Due(const char* phase) {
  static Plan plan;
  std::lock_guard lock(mutex);
  return plan.phase == phase && --plan.left == 0;
}

[[noreturn]] void Kill(const char* phase) {
  if (const char* path = std::getenv("CRASH_REPORT")) {
    int fd = Real<int(const char*, int, ...)>("open")(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    std::string line = std::string(phase) + "\n";
    if (write(fd, line.data(), line.size()) < 0) _exit(99);
  }
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

void At(const char* phase) {
  if (Due(phase)) Kill(phase);
}
void InRecovery() {
  if (opened && !made) At("recovery");
}

// What the file of faults says about a call: its errno, or a number; 0 for nothing.
long Fault(const char* call) {
  const char* path = std::getenv("CRASH_FAULTS");
  if (!path) return 0;
  int fd = Real<int(const char*, int, ...)>("open")(path, O_RDONLY);
  if (fd < 0) return 0;
  char text[512];
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  text[n > 0 ? n : 0] = 0;
  char name[32];
  long value = 0;
  int used = 0;
  for (const char* p = text; std::sscanf(p, "%31s %ld%n", name, &value, &used) == 2; p += used) {
    if (std::strcmp(name, call) == 0) return value;
  }
  return 0;
}

bool Fails(const char* call) {
  if (long ms = Fault("slow")) {
    timespec t{ms / 1000, ms % 1000 * 1'000'000};
    nanosleep(&t, nullptr);
  }
  long e = Fault(call);
  if (e) errno = static_cast<int>(e);
  return e != 0;
}

// Writes the first `most` bytes of the vectors.
ssize_t WritePrefix(int fd, const iovec* v, int count, off_t offset, size_t most) {
  std::vector<iovec> part;
  for (int i = 0; i < count && most > 0; ++i) {
    size_t n = v[i].iov_len < most ? v[i].iov_len : most;
    part.push_back({v[i].iov_base, n});
    most -= n;
  }
  if (part.empty()) return 0;
  return Real<ssize_t(int, const iovec*, int, off_t)>("pwritev")(fd, part.data(), static_cast<int>(part.size()),
                                                                 offset);
}

// The phase that this write of records belongs to: whether it holds a record that was written before.
bool IsCopy(const iovec* v, int count) {
  bool copy = false;
  for (int i = 0; i < count; ++i) {
    uint32_t marker = 0, kind = 0;
    uint64_t sequence = 0;
    if (v[i].iov_len != 40) continue;
    auto* p = static_cast<const char*>(v[i].iov_base);
    std::memcpy(&marker, p, 4);
    std::memcpy(&kind, p + 4, 4);
    std::memcpy(&sequence, p + 16, 8);
    if (marker != 0x4352a14eu || kind != 1) continue;
    if (sequence <= newest) copy = true;
    if (sequence > newest) newest = sequence;
  }
  return copy;
}

int Open(const char* path, int flags, mode_t mode) {
  auto* real = Real<int(const char*, int, ...)>("open");
  size_t n = std::strlen(path);
  if (n > 5 && std::strcmp(path + n - 5, "/lock") == 0) {
    if (Fails("lock")) return -1;
    opened = true;
  }
  if (!IsSegment(path)) return real(path, flags, mode);
  bool create = flags & O_CREAT;
  if (create) {
    made = true;
    At("rotate");
    if (Fails("create")) return -1;
  } else {
    InRecovery();
    if (Fails("read")) return -1;
  }
  int fd = real(path, flags, mode);
  if (fd >= 0 && fd < 65536) segments[fd] = create;
  return fd;
}

bool Ours(int fd) {
  return fd >= 0 && fd < 65536 && segments[fd];
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list args;
  va_start(args, flags);
  mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
  va_end(args);
  return Open(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list args;
  va_start(args, flags);
  mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
  va_end(args);
  return Open(path, flags, mode);
}

int close(int fd) {
  if (fd >= 0 && fd < 65536) segments[fd] = false;
  return Real<int(int)>("close")(fd);
}

ssize_t pwritev(int fd, const iovec* v, int count, off_t offset) {
  auto* real = Real<ssize_t(int, const iovec*, int, off_t)>("pwritev");
  if (!Ours(fd)) return real(fd, v, count, offset);
  size_t size = 0;
  for (int i = 0; i < count; ++i) size += v[i].iov_len;
  bool head = offset == 0, copy = !head && IsCopy(v, count);
  const char* torn = head ? "torn-head" : copy ? "torn-copy" : "torn";
  if (!head) At(copy ? "compact" : "append");
  if (Due(torn)) {
    const char* plan = std::getenv("CRASH_KILL");
    size_t cut = 0;
    std::sscanf(plan, "%*s %*d %zu", &cut);
    WritePrefix(fd, v, count, offset, size > 1 ? 1 + cut % (size - 1) : 0);
    Kill(torn);
  }
  if (long room = Fault("room")) {
    // A disk that fills up takes what fits and refuses the rest.
    off_t end = room;
    if (offset < end && offset + static_cast<off_t>(size) > end) {
      return WritePrefix(fd, v, count, offset, static_cast<size_t>(end - offset));
    }
    if (offset >= end) {
      errno = ENOSPC;
      return -1;
    }
  }
  if (Fails("write")) return -1;
  ssize_t n = real(fd, v, count, offset);
  At(head ? "rotated" : copy ? "compacted" : "appended");
  return n;
}
ssize_t pwritev64(int fd, const iovec* v, int count, off_t offset) {
  return pwritev(fd, v, count, offset);
}

int fdatasync(int fd) {
  if (!Ours(fd)) return Real<int(int)>("fdatasync")(fd);
  At("sync");
  if (Fails("sync")) return -1;
  int rc = Real<int(int)>("fdatasync")(fd);
  At("synced");
  return rc;
}

ssize_t pread(int fd, void* into, size_t n, off_t offset) {
  if (opened) InRecovery();
  if (opened && Fails("read")) return -1;
  return Real<ssize_t(int, void*, size_t, off_t)>("pread")(fd, into, n, offset);
}
ssize_t pread64(int fd, void* into, size_t n, off_t offset) {
  return pread(fd, into, n, offset);
}

int ftruncate(int fd, off_t size) {
  if (Ours(fd) && Fails("truncate")) return -1;
  return Real<int(int, off_t)>("ftruncate")(fd, size);
}

int unlink(const char* path) {
  auto* real = Real<int(const char*)>("unlink");
  if (!IsSegment(path)) return real(path);
  InRecovery();
  At("remove");
  if (Fails("remove")) return -1;
  int rc = real(path);
  At("removed");
  return rc;
}

}  // extern "C"
