// Command-line flags of the small commands: `--name value` and `--name=value`, with a table for help.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace naru::apps {

class Flags {
 public:
  /// `take` gets the value; an error is shown to the user with the flag's name.
  void Add(std::string name, std::string value_name, std::string help, std::function<Status(const std::string&)> take);
  void Text(std::string name, std::string value_name, std::string help, std::string* out);
  void Number(std::string name, std::string help, int64_t* out, int64_t least, int64_t most);
  void Time(std::string name, std::string help, Duration* out);
  void Switch(std::string name, std::string help, bool* out);
  /// What is no flag goes to `rest`. --help sets `help`.
  Status Parse(const std::vector<std::string>& args, std::vector<std::string>* rest, bool* help);
  std::string Help() const;

 private:
  struct Flag {
    std::string name, value_name, help;
    std::function<Status(const std::string&)> take;
  };
  std::vector<Flag> flags_;
};

}  // namespace naru::apps
