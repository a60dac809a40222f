// What goes wrong in a run, step by step, as its scenario allows.
#pragma once

#include <memory>
#include <vector>

#include "simulation/backend.h"
#include "simulation/collector.h"
#include "simulation/records.h"
#include "simulation/scenario.h"
#include "simulation/simulation.h"
#include "testkit/sim_disk.h"

namespace naru::simulation {

/// Draws the network's faults anew.
void DrawNetwork(Run& run);
/// The mood of a backend, and whether it is there and reads.
void DrawBackend(Run& run, Backend& backend);
/// What the disk does wrong from here on.
void DrawDisk(Run& run, const Scenario& scenario, testkit::SimDisk& disk);

/// Bends or cuts one segment of a stored queue. The records in what it touched are exempt from here on. False when
/// there is no segment.
bool DamageSegment(Run& run, const Scenario& scenario, testkit::SimDisk& disk);

/// The collector has died: what was not in a safe place may be lost.
void Exempt(Run& run, const Scenario& scenario, bool power_cut);

}  // namespace naru::simulation
