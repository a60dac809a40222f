// That the simulation is what it says: a seed reproduces its run, and what it looks for is found. Seeds that once found
// something stand here too.
#include "simulation/simulation.h"

#include <gtest/gtest.h>

namespace naru::simulation {
namespace {

TEST(Simulation, ASeedReproducesItsRun) {
  for (uint64_t seed : {3, 17, 42, 99, 1234}) {
    Report a = Simulate(seed, {}), b = Simulate(seed, {});
    EXPECT_EQ(a.hash, b.hash) << seed << ": " << a.scenario;
    EXPECT_EQ(a.faults, b.faults);
  }
  EXPECT_NE(Simulate(1, {}).hash, Simulate(2, {}).hash);
}

TEST(Simulation, ADiskThatForgetsIsFound) {
  Options forgetful;
  forgetful.forgets_synced = true;
  int found = 0;
  for (uint64_t seed = 1; seed <= 400 && found == 0; ++seed)
    found += Simulate(seed, forgetful).faults.find("not at the backend") != std::string::npos;
  EXPECT_GT(found, 0);
}

}  // namespace
}  // namespace naru::simulation
