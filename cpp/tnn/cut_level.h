// Cutting a level out of a file of layout "single" or "signatures", by its plan.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tnn/fill.h"
#include "tnn/plan.h"

namespace tnn {

// The file of a level, `size` bytes. That it is the right one is told by its hash alone.
inline Bytes cut_level(const Bytes& shared, std::size_t index, Size size) {
  const plan::Plan plan = plan::read(shared);
  expect(index < plan.headers.size(), "a plan for the level");
  if (plan.headers[index] == 0) {  // the level is the base
    expect(plan.base == size, "a base of the level's size");
    return Bytes(shared.begin(), shared.begin() + plan.base);
  }
  const std::vector<plan::Hole> holes = plan::holes_of(plan, index);
  const Bytes literal = plan::literal_of(plan, index);
  plan::check_places(holes, plan.base, size, literal.size(), plan.data[index]);

  Bytes level(size);
  Size end = 0, used = 0;
  for (const plan::Hole& hole : holes) {
    std::copy_n(literal.begin() + used, hole.at - end, level.begin() + end);
    used += hole.at - end;
    end = hole.at + hole.bytes();
  }
  std::copy(literal.begin() + used, literal.end(), level.begin() + end);
  for (const bool copies_holes : {false, true}) {  // those that copy another hole come last
    const std::uint8_t* stored =
        plan.inflated.data() + plan.data_at() + plan::Plan::sum(plan.data, index);
    for (const plan::Hole& hole : holes) {
      if ((hole.source == "level") == copies_holes) {
        const std::uint8_t* source = hole.source == "plan"   ? stored
                                     : hole.source == "base" ? shared.data() + hole.offset
                                                             : &level[holes[hole.offset].at];
        plan::fill(&level[hole.at], hole, source, stored);
      }
      stored += hole.data_bytes();
    }
  }
  return level;
}

}  // namespace tnn
