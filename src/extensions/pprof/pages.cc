#include "extensions/pprof/pages.h"

#include <charconv>
#include <cstdio>
#include <optional>
#include <span>

#include "base/clock.h"
#include "extensions/pprof/calls.h"
#include "extensions/pprof/sources.h"

namespace naru::extensions::pprof {
namespace {

constexpr std::string_view kPrefix = "/debug/pprof/";
constexpr std::string_view kText = "text/plain; charset=utf-8";
constexpr size_t kMostAddresses = 16384;  // that one request to `symbol` may name; others are passed over

using Handler = std::shared_ptr<net::RequestHandler>;

void Answer(net::ServerCall& call, int status, std::string_view type, std::string_view body) {
  call.Respond(status, {{"x-content-type-options", "nosniff"}, {"content-type", type}}, Slice::CopyOf(body));
}

// As Go's pages refuse: with a line of text, and a header by which `go tool pprof` knows that the text is for people.
Handler Refuse(net::ServerCall& call, int status, std::string_view why) {
  call.Respond(status, {{"x-content-type-options", "nosniff"}, {"content-type", kText}, {"x-go-pprof", "1"}},
               Slice::CopyOf(fmt::format("{}\n", why)));
  return nullptr;
}

// The number that a parameter has; nothing when it is missing or no number.
std::optional<int64_t> Number(const net::RequestHead& head, std::string_view name) {
  std::string text = net::QueryValue(head.query, name);
  int64_t n = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  return n;
}

void AnswerProfile(net::ServerCall& call, const Profile& profile, bool text, std::string_view file = {}) {
  AddressSpace space(Files::System());
  if (text) return Answer(call, 200, kText, ToText(profile, space));
  auto bytes = Encode(profile, space);
  if (!bytes) {
    Refuse(call, 500, bytes.error().message);
    return;
  }
  std::string disposition = fmt::format("attachment; filename=\"{}\"", file.empty() ? profile.name : file);
  call.Respond(200,
               {{"x-content-type-options", "nosniff"},
                {"content-type", "application/octet-stream"},
                {"content-disposition", disposition}},
               std::move(*bytes));
}

Handler CpuPage(const net::RequestHead& head, net::ServerCall& call) {
  int64_t seconds = Number(head, "seconds").value_or(0);
  if (seconds <= 0) seconds = 30;
  if (seconds > Pages::kMostSeconds) {
    return Refuse(call, 400, fmt::format("\"seconds\" may be at most {}", Pages::kMostSeconds));
  }
  auto started = CpuProfiler::Start();
  if (!started) return Refuse(call, 500, "Could not enable CPU profiling: " + started.error().message);
  // Shared, for functions are copied; it ends with the answer, or with a client that goes away.
  std::shared_ptr<CpuProfiler> profiler = std::move(*started);
  net::Loop& loop = call.loop();
  return LaterCall::After(call, std::chrono::seconds(seconds),
                          [profiler, began = loop.Now(), unix_nano = loop.clock().UnixNano()](net::ServerCall& c) {
                            AnswerProfile(c, CpuProfileOf(profiler->Stop(), unix_nano, c.loop().Now() - began), false);
                          });
}

Handler HeapPage(std::string_view name, const net::RequestHead& head, net::ServerCall& call) {
  auto& heap = HeapProfile::Process();
  bool text = Number(head, "debug").value_or(0) != 0;
  uint64_t now = call.loop().clock().UnixNano();
  if (net::QueryValue(head.query, "seconds").empty()) {
    Profile p = HeapProfileOf(name, {}, heap.Read(), heap.dropped());
    p.time_nanos = now;
    AnswerProfile(call, p, text);
    return nullptr;
  }
  auto seconds = Number(head, "seconds");
  if (!seconds || *seconds <= 0)
    return Refuse(call, 400, R"(invalid value for "seconds" - must be a positive integer)");
  if (*seconds > Pages::kMostSeconds) {
    return Refuse(call, 400, fmt::format("\"seconds\" may be at most {}", Pages::kMostSeconds));
  }
  if (text) return Refuse(call, 400, "seconds and debug params are incompatible");
  return LaterCall::After(
      call, std::chrono::seconds(*seconds),
      [&heap, name = std::string(name), before = heap.Read(), began = call.loop().Now()](net::ServerCall& c) {
        Profile p = HeapProfileOf(name, before, heap.Read(), heap.dropped());
        p.time_nanos = c.loop().clock().UnixNano();
        p.duration_nanos = Duration(c.loop().Now() - began).count();
        AnswerProfile(c, p, false, name + "-delta");
      });
}

Handler ThreadPage(std::string_view name, const net::RequestHead& head, net::ServerCall& call) {
  if (!net::QueryValue(head.query, "seconds").empty()) {
    return Refuse(call, 400, R"("seconds" parameter is not supported for this profile type)");
  }
  bool text = Number(head, "debug").value_or(0) != 0;
  auto asked = ThreadStacks::Ask();
  if (!asked) return Refuse(call, 500, asked.error().message);
  std::shared_ptr<ThreadStacks> stacks = std::move(*asked);
  return LaterCall::After(call, ThreadStacks::kTime, [stacks, text, name = std::string(name)](net::ServerCall& c) {
    Profile p = ThreadProfileOf(name, stacks->Take());
    p.time_nanos = c.loop().clock().UnixNano();
    AnswerProfile(c, p, text);
  });
}

Handler CmdlinePage(std::string_view, const net::RequestHead&, net::ServerCall& call) {
  std::string out;
  if (FILE* f = std::fopen("/proc/self/cmdline", "re")) {
    char piece[4096];
    while (size_t n = std::fread(piece, 1, sizeof piece, f)) out.append(piece, n);
    std::fclose(f);
  }
  while (!out.empty() && out.back() == '\0') out.pop_back();
  Answer(call, 200, kText, out);
  return nullptr;
}

// "0x1234+0x5678": a line for each that is known.
std::string Symbols(std::string_view addresses) {
  std::string out = "num_symbols: 1\n";
  if (addresses.empty()) return out;
  AddressSpace space(Files::System());
  for (size_t n = 0; n < kMostAddresses && !addresses.empty(); ++n) {
    std::string_view word = addresses.substr(0, addresses.find('+'));
    addresses.remove_prefix(std::min(addresses.size(), word.size() + 1));
    int base = 10;
    if (word.starts_with("0x") || word.starts_with("0X")) {
      base = 16;
      word.remove_prefix(2);
    }
    uint64_t address = 0;
    if (std::from_chars(word.data(), word.data() + word.size(), address, base).ec != std::errc()) continue;
    std::string_view name = space.Name(address);
    if (!name.empty()) out += fmt::format("{:#x} {}\n", address, name);
  }
  return out;
}

Handler SymbolPage(std::string_view, const net::RequestHead& head, net::ServerCall& call) {
  if (head.method == "POST") {
    return std::make_shared<BodyCall>(
        call, [](net::ServerCall& c, std::string_view body) { Answer(c, 200, kText, Symbols(body)); });
  }
  Answer(call, 200, kText, Symbols(head.query));
  return nullptr;
}

struct Page {
  std::string_view name;
  Handler (*show)(std::string_view name, const net::RequestHead& head, net::ServerCall& call);
  std::string_view about;
  size_t (*count)();  // stacks in it now; null where that says nothing
};

size_t HeapStacks() {
  return HeapProfile::Process().stacks();
}

constexpr Page kPages[] = {
    {"allocs", HeapPage, "A sampling of all past memory allocations", HeapStacks},
    {"cmdline", CmdlinePage, "The command line invocation of the current program", nullptr},
    {"goroutine", ThreadPage, "Stack traces of all threads, which naru has in place of goroutines",
     ThreadStacks::Count},
    {"heap", HeapPage, "A sampling of memory allocations of live objects", HeapStacks},
    {"profile", [](std::string_view, const net::RequestHead& h, net::ServerCall& c) { return CpuPage(h, c); },
     "CPU profile; the parameter seconds says of how long (30)", nullptr},
    {"symbol", SymbolPage, "Maps given addresses to function names, separated by '+', in a query or a POST body",
     nullptr},
    {"threadcreate", ThreadPage, "Stack traces of all threads", ThreadStacks::Count},
};

struct Absent {
  std::string_view name, why;
};
constexpr Absent kAbsent[] = {
    {"block", "naru has no block profile: its loops wait for events only"},
    {"mutex", "naru has no mutex profile: that is one of Go's runtime"},
    {"trace", "naru has no execution trace: that is one of Go's runtime; see \"profile\" and \"goroutine\""},
};

std::string Index() {
  std::string rows;
  for (auto& p : kPages) {
    rows += fmt::format("<tr><td>{}</td><td><a href=\"{}{}\">{}</a></td><td>{}</td></tr>\n",
                        p.count ? std::to_string(p.count()) : "", p.name, p.count ? "?debug=1" : "", p.name, p.about);
  }
  return fmt::format(
      "<!DOCTYPE html>\n<html><head><title>{0}</title></head><body>\n<h1>{0}</h1>\n<p>Set debug=1 as a query parameter "
      "to export in "
      "text.</p>\n<table>\n<tr><th>Count</th><th>Profile</th><th></th></tr>\n{1}</table>\n</body></html>\n",
      kPrefix, rows);
}

}  // namespace

Handler Pages::OnRequest(const net::RequestHead& head, net::ServerCall& call) {
  if (head.path == kPrefix.substr(0, kPrefix.size() - 1)) {
    call.Respond(301, {{"location", kPrefix}}, Slice());
    return nullptr;
  }
  if (!head.path.starts_with(kPrefix)) {
    Answer(call, 404, kText, "404 page not found\n");
    return nullptr;
  }
  std::string_view name = head.path.substr(kPrefix.size());
  if (name.empty()) {
    Answer(call, 200, "text/html; charset=utf-8", Index());
    return nullptr;
  }
  for (auto& p : kPages) {
    if (p.name == name) return p.show(p.name, head, call);
  }
  for (auto& a : kAbsent) {
    if (a.name == name) return Refuse(call, 404, a.why);
  }
  return Refuse(call, 404, "Unknown profile");
}

}  // namespace naru::extensions::pprof
