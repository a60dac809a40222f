// The only main() of the product: which command line it is, by the program's name and first argument.
#include <malloc.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "apps/cli.h"
#include "base/version.h"

int main(int argc, char** argv) {
  // Blocks of this size go back to the system when they are freed. Left alone, glibc raises the bound with every large
  // block that is freed, up to 32 MiB, and keeps twice as much in its heaps: memory that no limit of ours can see.
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
  mallopt(M_TRIM_THRESHOLD, 2 << 20);
  std::string_view path = argc > 0 ? argv[0] : "naru";
  std::string name(path.substr(path.rfind('/') == std::string_view::npos ? 0 : path.rfind('/') + 1));
  std::vector<std::string> args(argv + (argc > 0 ? 1 : 0), argv + argc);
  if (name == "otelcol" || name == "otelcol-contrib" || name == "otelcol-k8s")
    return naru::apps::CollectorMain(name, args);
  if (!args.empty() && args[0] == "collector") {
    args.erase(args.begin());
    return naru::apps::CollectorMain("naru collector", args);
  }
  if (args.size() == 1 && (args[0] == "--version" || args[0] == "-v")) {
    std::printf("naru version %s\n", NARU_VERSION);
    return 0;
  }
  if (!args.empty() && (args[0] == "send" || args[0] == "sink")) {
    bool send = args[0] == "send";
    args.erase(args.begin());
    return send ? naru::apps::SendMain(args) : naru::apps::SinkMain(args);
  }
  return naru::apps::DefaultMain(args);
}
