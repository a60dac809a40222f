#include "extensions/file_storage/factory.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace naru::extensions::file_storage {
namespace {

// Accepted, checked and without effect.
struct Compaction {
  bool on_start = false, on_rebound = false, cleanup_on_start = false;
  std::string directory;
  int64_t rebound_needed_threshold_mib = 100, rebound_trigger_threshold_mib = 10, max_transaction_size = 65536;
  Duration check_interval = std::chrono::seconds(5);
  static void Describe(conf::Struct<Compaction>& s) {
    using C = Compaction;
    const char* why = "tunes the reference's database; naru's segments need none of it; accepted, does nothing";
    s.Field("on_start", &C::on_start, why);
    s.Field("on_rebound", &C::on_rebound, why);
    s.Field("directory", &C::directory, why);
    s.Field("rebound_needed_threshold_mib", &C::rebound_needed_threshold_mib, why);
    s.Field("rebound_trigger_threshold_mib", &C::rebound_trigger_threshold_mib, why);
    s.Field("max_transaction_size", &C::max_transaction_size, why);
    s.Field("check_interval", &C::check_interval, why);
    s.Field("cleanup_on_start", &C::cleanup_on_start, why);
  }
  void Validate(conf::Issues& issues) const {
    if (max_transaction_size < 0)
      issues.Add("max_transaction_size", "max transaction size for compaction cannot be less than 0");
    if (on_rebound && check_interval <= Duration(0))
      issues.Add("check_interval", "compaction check interval must be positive when rebound compaction is set");
  }
};

struct Config {
  std::string directory = "/var/lib/otelcol/file_storage";
  Duration timeout = std::chrono::seconds(1);
  Compaction compaction;
  bool fsync = false;
  bool create_directory = false;
  std::string directory_permissions = "0750";
  bool recreate = false;
  int64_t segment_bytes = 32 << 20;
  static void Describe(conf::Struct<Config>& s) {
    s.Field("directory", &Config::directory, "folder that holds a folder for each component");
    s.Field("timeout", &Config::timeout, "accepted; naru waits for no lock");
    s.Field("compaction", &Config::compaction, "hints for the reference's database");
    s.Field("fsync", &Config::fsync, "have every append on disk before it is acknowledged");
    s.Field("create_directory", &Config::create_directory, "make the folder when it is not there");
    s.Field("directory_permissions", &Config::directory_permissions, "permissions of a folder that is made, octal");
    s.Field("recreate", &Config::recreate, "accepted; corrupt segments are always put aside and never stop a start");
    s.Field(
        "segment_bytes", &Config::segment_bytes,
        "not in the reference: size at which a queue begins its next file; four times as much may be on disk beside "
        "what is stored");
  }
  void Validate(conf::Issues& issues) const {
    char* end = nullptr;
    std::strtol(directory_permissions.c_str(), &end, 8);
    if (directory_permissions.empty() || *end) issues.Add("directory_permissions", "must be octal digits such as 0750");
    if (segment_bytes < 4096 || segment_bytes > (1 << 30)) {
      issues.Add("segment_bytes", "must be from 4096 to 1073741824");
    }
    struct stat st {};
    if (create_directory) return;
    if (stat(directory.c_str(), &st) != 0) {
      issues.Add("directory",
                 fmt::format("directory must exist: stat {}: {}. You can enable the create_directory option to "
                             "automatically create it",
                             directory, errno == ENOENT ? "no such file or directory" : std::strerror(errno)));
    } else if (!S_ISDIR(st.st_mode)) {
      issues.Add("directory", fmt::format("{} is not a directory", directory));
    }
  }
};

class FileStorage final : public pipeline::Extension, public pipeline::Storage {
 public:
  explicit FileStorage(const Config& c) : config_(c) {}

  Status Start(pipeline::Host& host) override {
    files_ = host.disk().files;
    if (!config_.create_directory) return {};
    return Make(config_.directory);
  }
  pipeline::Storage* storage() override { return this; }
  bool fsync() const override { return config_.fsync; }
  uint64_t segment_bytes() const override { return static_cast<uint64_t>(config_.segment_bytes); }

  Result<std::string> Folder(std::string_view kind, std::string_view id, std::string_view name) override {
    std::string folder = config_.directory + "/" + Safe(kind) + "_" + Safe(id) + (name.empty() ? "" : "_" + Safe(name));
    if (auto s = Make(folder); !s) return tl::unexpected(s.error());
    return folder;
  }

 private:
  // Characters that a file name should not have become `~XXXX`, as in the reference; the `/` of ids too, so that
  // otlp/http and otlp_http do not share a folder.
  static std::string Safe(std::string_view text) {
    std::string out;
    for (unsigned char c : text) {
      bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
                   c == '_';
      if (plain) {
        out += static_cast<char>(c);
      } else {
        out += fmt::format("~{:04X}", static_cast<unsigned>(c));
      }
    }
    return out;
  }
  Status Make(const std::string& folder) {
    auto mode = static_cast<unsigned>(std::strtol(config_.directory_permissions.c_str(), nullptr, 8));
    if (auto s = files_->MakeFolder(folder, mode); !s) return Fail(Code::kFailedPrecondition, "{}", s.error().message);
    return {};
  }
  const Config config_;
  Files* files_ = &Files::System();
};

}  // namespace

std::unique_ptr<pipeline::Factory> NewFactory() {
  auto f = std::make_unique<pipeline::FactoryOf<Config>>();
  f->kind = pipeline::Kind::kExtension;
  f->type = "file_storage";
  f->module = "github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage v0.155.0";
  f->summary = "keeps queues on disk";
  f->stability.extension = "beta";
  f->extension = [](const Config& c, pipeline::ExtensionContext) -> Result<std::unique_ptr<pipeline::Extension>> {
    return std::unique_ptr<pipeline::Extension>(std::make_unique<FileStorage>(c));
  };
  return f;
}

}  // namespace naru::extensions::file_storage
