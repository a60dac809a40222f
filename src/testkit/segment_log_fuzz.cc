// A folder of a stored queue that was damaged, or written by somebody else: it opens, what it gives is whole or named
// as damaged, and it can be used. Of damage by chance (bytes overwritten, ends cut off) no record is lost that it has
// not touched, and nothing comes back that was done since.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "pipeline/segment_log.h"
#include "testkit/sim_disk.h"
#include "testkit/sim_world.h"
#include "wire/hash.h"

namespace naru::testkit {
namespace {

using pipeline::SegmentLog;

constexpr const char* kFolder = "/queue";

// The input, as numbers; zeros behind its end.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : at_(data), end_(data + size) {}
  bool more() const { return at_ < end_; }
  uint64_t Number(size_t bytes) {
    uint64_t v = 0;
    for (size_t i = 0; i < bytes && more(); ++i) v |= uint64_t{*at_++} << 8 * i;
    return v;
  }
  uint64_t Below(uint64_t n) { return Number(2) % n; }
  std::string Text(size_t n) {
    n = std::min(n, static_cast<size_t>(end_ - at_));
    std::string out(reinterpret_cast<const char*>(at_), n);
    at_ += n;
    return out;
  }

 private:
  const uint8_t *at_, *end_;
};

std::shared_ptr<SegmentLog> Open(SimFiles& files, uint64_t segment_bytes) {
  pipeline::SegmentLogOptions o;
  o.files = &files;
  o.workers = nullptr;
  o.segment_bytes = segment_bytes;
  auto log = SegmentLog::Open(kFolder, o);
  if (!log) std::abort();  // damage is no reason not to start
  return *log;
}

uint64_t Append(SegmentLog& log, const std::string& body, bool take) {
  std::optional<uint64_t> sequence;
  log.Append({Slice::CopyOf(body)}, body.size() % 7, take, [&](Result<uint64_t> r) { sequence = r ? *r : 0; });
  if (!sequence || !*sequence) std::abort();  // the disk has no faults
  return *sequence;
}

// Everything that is there, in order; damaged records are left out. With `finish` it is done then.
std::vector<std::string> TakeAll(SegmentLog& log, bool finish) {
  std::vector<std::string> out;
  std::vector<uint64_t> taken;
  while (auto t = log.Take()) {
    taken.push_back(t->sequence);
    bool answered = false;
    log.Read(t->sequence, [&](Result<Slice> r) {
      answered = true;
      if (r && r->size() != t->bytes) std::abort();
      if (!r && r.error().code != Code::kDataLoss) std::abort();
      if (r) out.emplace_back(r->view());
    });
    if (!answered) std::abort();
  }
  for (uint64_t s : taken) finish ? log.Done(s) : log.GiveBack(s);
  if (finish && log.size().records + log.size().items + log.size().bytes != 0) std::abort();
  return out;
}

// A record as the format has it (docs/formats/segment-log.md), with checksums that are right.
std::string Forge(Input& in) {
  std::string body = in.Text(in.Below(64));
  uint64_t fields[] = {in.Number(1) % 4 ? body.size() : in.Number(8), in.Number(8), in.Number(8)};
  uint32_t head[] = {0x4352a14eu, static_cast<uint32_t>(in.Number(1) % 4)}, crc = wire::Crc32c(body);
  std::string out(reinterpret_cast<const char*>(head), sizeof head);
  out.append(reinterpret_cast<const char*>(fields), sizeof fields);
  out.append(reinterpret_cast<const char*>(&crc), sizeof crc);
  uint32_t own = wire::Crc32c(out);
  return out.append(reinterpret_cast<const char*>(&own), sizeof own) + body;
}

}  // namespace
}  // namespace naru::testkit

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace naru;
  using namespace naru::testkit;
  Input in(data, size);
  SimWorld world(in.Number(1));
  SimDisk disk(world);
  SimFiles files(disk);
  if (!files.MakeFolder(kFolder, 0700)) std::abort();
  const uint64_t segment_bytes = uint64_t{1} << in.Below(14);
  const bool forged = in.Number(1) % 2;

  // A queue that has been used.
  std::set<std::string> live;
  {
    auto log = Open(files, segment_bytes);
    std::vector<std::pair<uint64_t, std::string>> held;
    for (uint64_t n = in.Below(40), i = 0; i < n; ++i) {
      if (!held.empty() && in.Number(1) % 3 == 0) {
        size_t k = in.Below(held.size());
        log->Done(held[k].first);
        live.erase(held[k].second);
        held.erase(held.begin() + static_cast<ptrdiff_t>(k));
        continue;
      }
      std::string body = "record " + std::to_string(i) + std::string(in.Below(1500), 'x');
      held.emplace_back(Append(*log, body, true), body);
      live.insert(body);
    }
  }

  // What happens to it.
  std::map<std::string, std::string> before;
  for (auto& path : disk.Find(kFolder, ".seg")) before[path] = disk.Content(path);
  while (in.more()) {
    auto paths = disk.Find(kFolder, ".seg");
    uint64_t what = in.Number(1) % (forged ? 6 : 2);
    if (paths.empty() || what == 5) {
      if (!forged) break;
      char name[40];
      std::snprintf(name, sizeof name, "%s/%016llx.seg", kFolder, static_cast<unsigned long long>(in.Number(8)));
      if (auto f = files.Create(name); !f) continue;
      disk.Damage(name, "naruseg1" + in.Text(8));
      continue;
    }
    const std::string& path = paths[in.Below(paths.size())];
    std::string bytes = disk.Content(path);
    size_t at = in.Below(bytes.size() + 1);
    switch (what) {
      case 0: {
        std::string over = in.Text(1 + in.Below(100));
        over.resize(std::min(over.size(), bytes.size() - at));
        bytes.replace(at, over.size(), over);
        break;
      }
      case 1:
        bytes.resize(at);
        break;
      case 2:
        bytes.erase(at, in.Below(200));
        break;
      case 3:
        bytes += Forge(in);
        break;
      case 4:
        bytes.insert(at, Forge(in));
        break;
    }
    if (bytes.size() > 1 << 20) break;
    disk.Damage(path, bytes);
  }

  {
    auto log = Open(files, segment_bytes);
    auto found = TakeAll(*log, false);
    if (!forged) {
      std::set<std::string> there(found.begin(), found.end());
      for (auto& [path, bytes] : before) {
        std::string now = disk.Content(path);
        for (auto& body : live) {
          // Bodies are told apart by what follows them as well: a header, or the end.
          constexpr size_t kHeader = 40;
          size_t at = bytes.find(body + std::string("\x4e\xa1\x52\x43"));
          if (at == std::string::npos && bytes.ends_with(body)) at = bytes.size() - body.size();
          if (at == std::string::npos || at < kHeader || now.size() < at + body.size()) continue;
          bool whole = std::memcmp(&bytes[at - kHeader], &now[at - kHeader], kHeader + body.size()) == 0;
          if (whole && !there.count(body)) std::abort();
        }
      }
    }
    TakeAll(*log, true);
    Append(*log, "the new one", false);
  }
  auto log = Open(files, segment_bytes);
  auto found = TakeAll(*log, true);
  if (!forged && found != std::vector<std::string>{"the new one"}) std::abort();
  return 0;
}
