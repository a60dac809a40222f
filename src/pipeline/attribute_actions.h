// The `actions` list of the attributes and resource processors: its configuration, and what otlp/edit.h makes of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "conf/schema.h"
#include "otlp/edit.h"
#include "pipeline/batch.h"

namespace naru::pipeline {

struct ActionConfig {
  std::string key;
  std::optional<conf::Value> value;
  std::string from_attribute, from_context;
  std::optional<conf::Value> default_value;
  std::string converted_type, pattern, action;
  static void Describe(conf::Struct<ActionConfig>& s);
};

/// Adds what is wrong with the list, in the reference's words; paths count from `path`.
void ValidateActions(const std::vector<ActionConfig>& actions, std::string_view path, conf::Issues& issues);
/// The actions for the editor; only of a valid list.
std::vector<otlp::Action> CompileActions(const std::vector<ActionConfig>& actions);
/// The AnyValue, encoded, that a value of the configuration stands for.
std::string EncodeConfigValue(const conf::Value& value);
/// What from_context asks: `metadata.x`, `auth.x`, `client.address`, or a bare metadata key; several values joined with
/// `;`.
bool LookupContext(const ClientInfo* client, std::string_view key, std::string* value);

}  // namespace naru::pipeline
