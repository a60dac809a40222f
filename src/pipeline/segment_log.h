// A durable queue: an append-only log of checksummed records in segment files (docs/formats/segment-log.md).
//
// Who appends hears when the record is written (and on disk, with fsync). Records are taken oldest first, each by one
// taker, and are done or given back. What is not done when the process ends, however it ends, is there again when the
// folder is opened next; a record can be taken again after a crash, never lost. Segments go when every record in them
// is done; one record that stays holds up no disk space, it is copied to the front.
//
// Threads: thread-safe. Disk work runs on a thread of `workers`, on one at a time; callbacks run there.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/files.h"
#include "base/log.h"
#include "base/result.h"
#include "base/workers.h"

namespace naru::pipeline {

struct SegmentLogOptions {
  Files* files = &Files::System();
  Logger log;
  /// Every append is on disk before it is acknowledged.
  bool fsync = false;
  uint64_t segment_bytes = 32 << 20;
  /// Null: all disk work is done inside the calls (tests, simulation).
  Workers* workers = &Workers::Disk();
};

class SegmentLog : public std::enable_shared_from_this<SegmentLog> {
 public:
  /// Largest record.
  static constexpr uint64_t kMaxRecord = 1u << 30;

  /// What Open found.
  struct Recovery {
    uint64_t records = 0, items = 0, bytes = 0;
    uint64_t damaged_bytes = 0;  // skipped, because no record was to be found there
    uint64_t damaged_items = 0;  // of skipped records whose header could be read
    uint64_t missing_bytes = 0;  // that segments had when the next one was begun, and that are not there
  };

  /// Opens the log of a folder, which must be there, and locks it against other processes; within this one everybody
  /// gets the same log. Blocks: reads the headers of all records.
  static Result<std::shared_ptr<SegmentLog>> Open(const std::string& folder, SegmentLogOptions options);
  SegmentLog(std::string folder, SegmentLogOptions options);
  ~SegmentLog();

  /// What Open found, for whoever asks first; nothing after that.
  Recovery TakeRecovery();

  /// Appends a record: the slices, one after the other. With `take` it belongs to the caller from the start, who must
  /// call Done or GiveBack; else it waits to be taken. `done` gets its number, or why it is not stored; then nothing of
  /// it is left.
  using Appended = std::function<void(Result<uint64_t>)>;
  void Append(std::vector<Slice> body, uint64_t items, bool take, Appended done);

  struct Taken {
    uint64_t sequence = 0, items = 0, bytes = 0;
  };
  /// The oldest record that nobody has.
  std::optional<Taken> Take();
  /// Reads a record that the caller has taken. kDataLoss: its bytes are damaged.
  void Read(uint64_t sequence, std::function<void(Result<Slice>)> done);
  /// The records are finished and will not come again (but for a crash before this is on disk).
  void Done(std::span<const uint64_t> sequences);
  void Done(uint64_t sequence) { Done({&sequence, 1}); }
  /// Somebody else may take it; it is the oldest again.
  void GiveBack(uint64_t sequence);
  /// `done` runs when everything asked for so far is written.
  void Flush(std::function<void()> done);

  /// Runs (on any thread) when a record was given back, and when there is room: records are done, or an append has
  /// failed. One listener, the last one set; null for none.
  void SetListener(std::function<void()> listener);

  /// Of all records that are not done, those being appended included.
  struct Size {
    uint64_t records = 0, items = 0, bytes = 0;
  };
  Size size() const;
  /// Records that nobody has taken.
  uint64_t waiting() const;
  /// Bytes of all segment files.
  uint64_t disk_bytes() const;

 private:
  struct Segment {
    uint64_t number = 0;
    uint64_t size = 0;
    uint64_t data_end = 0;                     // end of its last data record
    uint64_t live = 0;                         // records in it that are not done
    uint64_t previous = 0, previous_size = 0;  // as it was when this one was begun; of segments that Recover found
    bool immovable = false;                    // a live record of it is damaged, or the disk fails
    std::shared_ptr<File> file;                // of the segment that is being written
  };
  struct Record {
    uint64_t segment = 0, offset = 0;  // of the body
    uint64_t bytes = 0, items = 0;
    uint32_t crc = 0;
  };
  struct Waiting {  // for the writer
    std::vector<Slice> body;
    uint64_t sequence = 0, items = 0, bytes = 0;
    bool take = false;
    Appended done;
    Record at;  // set when it is written
  };

  Status Recover();
  void CheckChain();
  Status Scan(uint64_t number, bool last, std::vector<uint64_t>& done, std::map<uint64_t, uint64_t>& lost);
  void Schedule(std::unique_lock<std::mutex>& lock);
  void Work();
  Status Write(std::vector<Waiting>& group, const std::vector<uint64_t>& marks);
  Status Roll();
  void Forget(std::map<uint64_t, Record>::iterator it);
  void Reclaim();
  Status MoveLive(uint64_t number);
  Result<Slice> ReadNow(uint64_t sequence);
  std::string PathOf(uint64_t number) const;

  const std::string folder_;
  const SegmentLogOptions options_;
  std::unique_ptr<FileLock> lock_;

  mutable std::mutex mutex_;              // guards what follows
  std::map<uint64_t, Record> records_;    // not done, by sequence; the queue's own bound is their bound
  std::map<uint64_t, Segment> segments_;  // by number; the last one is being written
  std::deque<uint64_t> free_;             // sequences that nobody has, oldest first
  std::vector<Waiting> appends_;          // for the next turn of the writer
  std::vector<uint64_t> marks_;           // done since then
  std::vector<std::function<void()>> jobs_;
  Recovery recovery_;
  Size size_;
  uint64_t next_sequence_ = 1;
  uint64_t disk_bytes_ = 0;
  bool scheduled_ = false;
  std::shared_ptr<const std::function<void()>> listener_;

  // Of the one thread that works:
  uint64_t next_number_ = 1;  // of a segment
  bool roll_ = true;          // the next write begins a segment
  bool failed_ = false;       // the last write
  uint64_t read_number_ = 0;
  std::shared_ptr<File> read_file_;  // the segment that was read last
};

}  // namespace naru::pipeline
