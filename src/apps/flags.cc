#include "apps/flags.h"

#include <charconv>

#include "conf/component_id.h"
#include "conf/scalar.h"

namespace naru::apps {

void Flags::Add(std::string name, std::string value_name, std::string help,
                std::function<Status(const std::string&)> take) {
  flags_.push_back({std::move(name), std::move(value_name), std::move(help), std::move(take)});
}

void Flags::Text(std::string name, std::string value_name, std::string help, std::string* out) {
  Add(std::move(name), std::move(value_name), std::move(help), [out](const std::string& v) -> Status {
    *out = v;
    return {};
  });
}

void Flags::Number(std::string name, std::string help, int64_t* out, int64_t least, int64_t most) {
  Add(std::move(name), "N", std::move(help), [=](const std::string& v) -> Status {
    int64_t n = 0;
    auto [end, err] = std::from_chars(v.data(), v.data() + v.size(), n);
    if (err != std::errc() || end != v.data() + v.size() || n < least || n > most) {
      return Fail(Code::kInvalidArgument, "\"{}\" is no number from {} to {}", v, least, most);
    }
    *out = n;
    return {};
  });
}

void Flags::Time(std::string name, std::string help, Duration* out) {
  Add(std::move(name), "TIME", std::move(help), [out](const std::string& v) -> Status {
    auto d = conf::ParseDuration(v);
    if (!d || *d < Duration(0)) return Fail(Code::kInvalidArgument, "\"{}\" is no time such as 500ms, 10s or 2m", v);
    *out = *d;
    return {};
  });
}

void Flags::Switch(std::string name, std::string help, bool* out) {
  Add(std::move(name), "", std::move(help), [out](const std::string& v) -> Status {
    *out = v != "false";
    return {};
  });
}

Status Flags::Parse(const std::vector<std::string>& args, std::vector<std::string>* rest, bool* help) {
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string& arg = args[i];
    if (arg.size() < 2 || arg[0] != '-') {
      rest->push_back(arg);
      continue;
    }
    std::string name = arg.substr(arg[1] == '-' ? 2 : 1), value;
    size_t eq = name.find('=');
    if (eq != std::string::npos) {
      value = name.substr(eq + 1);
      name.resize(eq);
    }
    if (name == "h" || name == "help") {
      *help = true;
      continue;
    }
    const Flag* flag = nullptr;
    std::vector<std::string> names;
    for (auto& f : flags_) {
      names.push_back(f.name);
      if (f.name == name) flag = &f;
    }
    if (!flag) return Fail(Code::kInvalidArgument, "unknown flag: --{}{}", name, conf::DidYouMean(name, names));
    if (eq == std::string::npos && !flag->value_name.empty()) {
      if (i + 1 >= args.size()) return Fail(Code::kInvalidArgument, "flag needs an argument: --{}", name);
      value = args[++i];
    }
    if (auto s = flag->take(value); !s) return Fail(Code::kInvalidArgument, "--{}: {}", name, s.error().message);
  }
  return {};
}

std::string Flags::Help() const {
  std::string out;
  for (auto& f : flags_) {
    std::string left = "  --" + f.name + (f.value_name.empty() ? "" : " " + f.value_name);
    if (left.size() < 26) left.resize(26, ' ');
    out += left + " " + f.help + "\n";
  }
  return out;
}

}  // namespace naru::apps
