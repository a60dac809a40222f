#include "exporters/file/file_exporter.h"

#include <algorithm>
#include <cstring>

#include "otlp/json.h"
#include "otlp/scan.h"
#include "otlp/text.h"
#include "otlp/views.h"
#include "pipeline/call_metrics.h"
#include "pipeline/service_view.h"
#include "wire/compress.h"
#include "wire/proto.h"

namespace naru::exporters::file {
namespace {

constexpr std::string_view kNativeCompressionGate = "exporter.file.nativeCompression";

// Writers by path pattern while an exporter uses them: two exporters on one path share its file instead of overwriting
// each other.
std::mutex writers_mutex;
std::map<std::string, std::weak_ptr<FileWriter>>& Writers() {
  static auto* map = new std::map<std::string, std::weak_ptr<FileWriter>>;
  return *map;
}

}  // namespace

Status FileWriter::Open() {
  if (config_.group_by.enabled) return {};
  std::lock_guard lock(mutex_);
  auto f = Find("");
  if (!f) return Unexpected(f.error());
  return {};
}

Result<OutputFile*> FileWriter::Find(const std::string& group) {
  for (auto it = open_.begin(); it != open_.end(); ++it) {
    if (it->group != group) continue;
    open_.splice(open_.begin(), open_, it);
    return it->file.get();
  }
  std::string path = config_.path;
  if (config_.group_by.enabled) path.replace(path.find('*'), 1, group);
  auto f = OutputFile::Open(path, config_);
  if (!f) return Unexpected(f.error());
  open_.push_front({group, std::move(*f)});
  if (config_.group_by.enabled &&
      open_.size() > static_cast<size_t>(std::max<int64_t>(1, config_.group_by.max_open_files)))
    open_.pop_back();
  return open_.front().file.get();
}

Status FileWriter::Write(std::string_view bytes, const std::string& group) {
  std::lock_guard lock(mutex_);
  auto f = Find(group);
  if (!f) return Unexpected(f.error());
  return (*f)->Write(bytes, clock_.UnixNano());
}

Status FileWriter::Flush() {
  std::lock_guard lock(mutex_);
  Status out{};
  for (auto& e : open_) {
    if (auto s = e.file->Flush(); !s) out = s;
  }
  return out;
}

FileExporter::FileExporter(const Config& config, pipeline::ExporterContext context)
    : context_(std::move(context)), encoding_(config.encoding) {
  {
    std::lock_guard lock(writers_mutex);
    auto& slot = Writers()[config.path];
    writer_ = slot.lock();
    if (!writer_) slot = writer_ = std::make_shared<FileWriter>(config, context_.host->control_loop().clock());
  }
  auto& l = context_.host->ledger();
  pipeline::Owner owner{"exporter", context_.id, std::string(otlp::Names(context_.signal).name), "", ""};
  in_flight_ = pipeline::InFlightRequests(context_.host->metrics(), context_.id, context_.signal);
  sent_ = l.Open(owner, pipeline::Entry::kSent);
  malformed_ = l.Open(owner, pipeline::Entry::kDropped, "malformed");
  dropped_ = l.Open(owner, pipeline::Entry::kDropped, "write_failed");
  refused_ = l.Open(owner, pipeline::Entry::kRefused, "write_failed");
}

FileExporter::~FileExporter() = default;

Status FileExporter::Start(pipeline::Host& host) {
  if (!encoding_.empty()) {
    return Fail(Code::kInvalidArgument, "failed to resolve encoding \"{}\": {}", encoding_,
                host.FindExtension(encoding_) ? "the extension is no encoding" : "it is not in service::extensions");
  }
  if (auto view = host.View()) {
    for (auto& g : view->gates) native_compression_ |= g.id == kNativeCompressionGate && g.enabled;
  }
  if (auto s = writer_->Open(); !s) return s;
  Tick(host);
  return {};
}

void FileExporter::Tick(pipeline::Host& host) {
  Duration interval = writer_->config().flush_interval;
  if (interval <= Duration(0)) return;
  flush_ = host.control_loop().AddTimer(interval, [this, &host] {
    if (auto s = writer_->Flush(); !s) context_.log.Error("cannot write", {{"error", s.error().message}});
    Tick(host);
  });
}

void FileExporter::Shutdown(MonoTime, std::function<void()> done) {
  flush_.Cancel();
  if (auto s = writer_->Flush(); !s) context_.log.Error("cannot write", {{"error", s.error().message}});
  done();
}

Status FileExporter::WriteGroup(const std::vector<Slice>& parts, const std::string& group) {
  const Config& c = writer_->config();
  Slice body;
  if (c.format == "json") {
    auto json = otlp::RequestToJson(context_.signal, parts);
    if (!json) return Unexpected(json.error());
    body = std::move(*json);
  } else {
    size_t n = 0;
    for (auto& p : parts) n += p.size();
    BufferRef b = Buffer::Allocate(n);
    size_t at = 0;
    for (auto& p : parts) {
      if (p.size()) std::memcpy(b->data() + at, p.data(), p.size());
      at += p.size();
    }
    body = Slice(std::move(b), n);
  }
  // Natively the file as a whole is a zstd file, of a frame each write.
  bool zstd = c.compression == "zstd", native = zstd && native_compression_;
  auto frame = [&, prefixed = c.format == "proto" || (zstd && !native)] {
    std::string framed;
    auto n = static_cast<uint32_t>(body.size());
    for (int shift = 24; prefixed && shift >= 0; shift -= 8) framed += static_cast<char>(n >> shift);
    framed.append(body.view());
    if (!prefixed) framed += '\n';
    return framed;
  };
  if (native) body = Slice::CopyOf(frame());
  if (zstd) {
    int level = c.compression_params.level ? static_cast<int>(c.compression_params.level) : 3;
    auto packed = wire::Compress(wire::Codec::kZstd, std::span<const Slice>(&body, 1), level);
    if (!packed) return Unexpected(packed.error());
    body = std::move(*packed);
  }
  return writer_->Write(native ? std::string(body.view()) : frame(), group);
}

void FileExporter::Consume(pipeline::Batch&& batch) {
  pipeline::InFlight request(in_flight_);
  const Config& c = writer_->config();
  struct Group {
    std::vector<Slice> bytes;
    std::vector<size_t> parts;  // that these are of
  };
  std::map<std::string, Group> groups;
  if (!c.group_by.enabled) {
    for (auto& p : batch.parts()) groups[""].bytes.push_back(p.bytes);
  } else {
    // Each resource goes where its attribute says: requests are cut at their top-level entries.
    for (size_t i = 0; i < batch.parts().size(); ++i) {
      const auto& p = batch.parts()[i];
      wire::Reader r(p.bytes.view());
      for (const char* begin = r.pos(); uint32_t tag = r.Next(); begin = r.pos()) {
        if (tag != wire::Tag(1, wire::kLength)) {
          r.Skip(tag);
          continue;
        }
        otlp::ResourceItems item = otlp::ResourceItems::Parse(r.Bytes());
        bool found = false;
        otlp::AnyValue v = otlp::FindAttribute(item.resource.attributes, c.group_by.resource_attribute, &found);
        std::string name = found ? otlp::ValueText(v) : "";
        // The value is a path segment from outside: it must not lead anywhere else.
        while (name.find("..") != std::string::npos) name.erase(name.find(".."), 2);
        name.erase(std::remove(name.begin(), name.end(), '\0'), name.end());
        while (!name.empty() && name.front() == '/') name.erase(0, 1);
        if (name.empty()) name = "MISSING";
        if (name.size() > 200) name.resize(200);
        size_t at = static_cast<size_t>(begin - p.bytes.view().data());
        Group& group = groups[name];
        group.bytes.push_back(p.bytes.Sub(at, static_cast<size_t>(r.pos() - begin)));
        group.parts.push_back(i);
      }
    }
  }
  auto n = static_cast<int64_t>(batch.items());
  std::vector<uint64_t> gone(batch.parts().size());  // items, by part
  Error why;
  for (auto& [name, group] : groups) {
    Status s = WriteGroup(group.bytes, name);
    if (s) continue;
    why = s.error();
    if (why.retryable) {
      refused_.Add(n);
      return batch.Refused(why);
    }
    auto& dropped = why.code == Code::kFailedPrecondition ? dropped_ : malformed_;
    if (!c.group_by.enabled) {
      context_.log.Error("cannot write a batch", {{"error", why.message}, {"dropped_items", n}});
      dropped.Add(n);
      return batch.Dropped(why);
    }
    // What belongs to other groups has files of its own.
    uint64_t items = 0;
    for (size_t i = 0; i < group.bytes.size(); ++i) {
      uint64_t& of_part = gone[group.parts[i]];
      uint64_t left = batch.parts()[group.parts[i]].items - of_part;
      uint64_t here = std::min<uint64_t>(left, otlp::Count(context_.signal, group.bytes[i].view()).items);
      of_part += here;
      items += here;
    }
    context_.log.Error("cannot write a group of a batch",
                       {{"error", why.message}, {"dropped_items", static_cast<int64_t>(items)}});
    dropped.Add(static_cast<int64_t>(items));
    n -= static_cast<int64_t>(items);
  }
  sent_.Add(n);
  std::vector<pipeline::Part> parts = batch.TakeParts();
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!parts[i].token) continue;
    parts[i].token.Dropped(gone[i], why);
    parts[i].token.Delivered();
  }
}

}  // namespace naru::exporters::file
