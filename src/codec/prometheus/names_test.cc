#include "codec/prometheus/names.h"

#include <gtest/gtest.h>

namespace naru::codec::prometheus {
namespace {

struct MetricCase {
  std::string_view name, unit;
  MetricType type;
  std::string_view escaped, short_form, utf8;  // with suffixes; escaped without; kept with suffixes
  std::string_view prefix = {};
};

TEST(MetricName, FollowsTheStrategies) {
  using enum MetricType;
  const MetricCase cases[] = {
      {"http.server.duration", "ms", kOther, "http_server_duration_milliseconds", "http_server_duration",
       "http.server.duration_milliseconds"},
      {"sold", "", kCounter, "sold_total", "sold", "sold_total"},
      {"sold_total", "", kCounter, "sold_total", "sold_total", "sold_total"},
      {"total.sold", "1", kCounter, "sold_total", "total_sold", "total.sold_total"},
      {"memory.used", "By", kGauge, "memory_used_bytes", "memory_used", "memory.used_bytes"},
      {"used.bytes", "By", kGauge, "used_bytes", "used_bytes", "used.bytes"},
      {"cpu", "1", kGauge, "cpu_ratio", "cpu", "cpu_ratio"},
      {"cpu", "1", kOther, "cpu", "cpu", "cpu"},
      {"cpu.ratio.now", "1", kGauge, "cpu_now_ratio", "cpu_ratio_now", "cpu.ratio.now_ratio"},
      {"network.io", "By/s", kGauge, "network_io_bytes_per_second", "network_io", "network.io_bytes_per_second"},
      {"network.io", "{packets}/s", kGauge, "network_io_per_second", "network_io", "network.io_per_second"},
      {"things", "{things}", kGauge, "things", "things", "things"},
      {"rate", "m/fortnight", kGauge, "rate_meters_per_fortnight", "rate", "rate_meters_per_fortnight"},
      {"a..b__c", "", kOther, "a_b_c", "a_b__c", "a..b__c"},
      {"2xx", "", kCounter, "_2xx_total", "_2xx", "2xx_total"},
      {"x", "%", kGauge, "x_percent", "x", "x_percent"},
      {"x", "foo bar", kGauge, "x_foo_bar", "x", "x_foo bar"},
      {"naïve", "s", kGauge, "na_ve_seconds", "na_ve", "naïve_seconds"},
      {"a", "s", kGauge, "shop_a_seconds", "shop_a", "shop_a_seconds", "shop"},
      {"2", "", kOther, "shop_2", "shop_2", "shop_2", "shop"},
      {"ü", "", kOther, "", "", "ü"},
      {"...", "", kOther, "", "", "..."},
      {"", "", kOther, "", "", ""},
  };
  for (auto& c : cases) {
    std::string prefix(c.prefix);
    EXPECT_EQ(MetricName(c.name, c.unit, c.type, {prefix, true, false}), c.escaped) << c.name;
    EXPECT_EQ(MetricName(c.name, c.unit, c.type, {prefix, false, false}), c.short_form) << c.name;
    EXPECT_EQ(MetricName(c.name, c.unit, c.type, {prefix, true, true}), c.utf8) << c.name;
  }
}

TEST(UnitName, IsInWords) {
  const std::pair<std::string_view, std::string_view> cases[] = {{"ms", "milliseconds"},
                                                                 {"By/s", "bytes_per_second"},
                                                                 {"1", ""},
                                                                 {"{x}", ""},
                                                                 {"1/s", "per_second"},
                                                                 {"x y", "x_y"},
                                                                 {"", ""}};
  for (auto& [unit, want] : cases) EXPECT_EQ(UnitName(unit, false), want) << unit;
  EXPECT_EQ(UnitName("x y", true), "x y");
}

TEST(LabelName, IsOneThatPrometheusTakes) {
  struct Case {
    std::string_view name, usual, kept, utf8;
  };
  const Case cases[] = {
      {"service.name", "service_name", "service_name", "service.name"},
      {"1st", "key_1st", "key_1st", "1st"},
      {"_x", "key_x", "_x", "_x"},
      {"__x", "key_x", "__x", "__x"},
      {"__name__", "__name__", "__name__", "__name__"},
      {"a..b", "a_b", "a__b", "a..b"},
      {"größe", "gr_e", "gr__e", "größe"},
      {"_", "key_", "", ""},
      {"...", "key_", "", "..."},
      {"", "", "", ""},
      {"A-Z", "A_Z", "A_Z", "A-Z"},
  };
  for (auto& c : cases) {
    EXPECT_EQ(LabelName(c.name, {}), c.usual) << c.name;
    EXPECT_EQ(LabelName(c.name, {false, false, true}), c.kept) << c.name;
    EXPECT_EQ(LabelName(c.name, {true, true, false}), c.utf8) << c.name;
  }
}

}  // namespace
}  // namespace naru::codec::prometheus
