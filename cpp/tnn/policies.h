// Who picks the level: a policy sees the levels, chooses, and learns what a call took.
#pragma once

#include <cstddef>
#include <vector>

#include "tnn/bundle.h"

namespace tnn {

// What a policy knows of a level.
struct KnownLevel {
  double utilization;
  double milliseconds;  // as measured on this device
};

class Policy {
 public:
  virtual ~Policy() = default;
  // The index of the level that runs next.
  virtual std::size_t choose(const std::vector<KnownLevel>& levels) = 0;
  // Is told what a call took, and what was expected by the measured times.
  virtual void observe(double expected, double taken) { (void)expected, (void)taken; }
};

// Always the highest level that is not above `utilization`.
class Fixed : public Policy {
 public:
  explicit Fixed(double utilization) : utilization_(utilization) {}
  std::size_t choose(const std::vector<KnownLevel>& levels) override {
    return index_for(levels, utilization_);
  }

 private:
  double utilization_;
};

}  // namespace tnn
