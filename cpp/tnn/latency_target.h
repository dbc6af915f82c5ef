// A closed loop that keeps the latency below a target while the load of the device changes.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "tnn/policies.h"

namespace tnn {

// The highest level whose mean latency stays below a target, on the device as it is now: the law of
// `tnn_tflite.policies.LatencyTarget`. With s, how much slower recent calls were than measured, and
// t_k the time of level k: down to the highest k with s t_k <= target when the running level is
// above it; up to the highest k with s t_k <= (1 - hysteresis) target; two switches are at least
// `dwell` seconds apart, and the wait for an up-switch doubles after one that had to be undone.
class LatencyTarget : public Policy {
 public:
  using Clock = std::function<double()>;  // seconds

  explicit LatencyTarget(double milliseconds, double hysteresis = 0.1, double dwell = 1.0,
                         double window = 1.0, Clock clock = now)
      : target_(milliseconds),
        hysteresis_(hysteresis),
        dwell_(dwell),
        window_(window),
        clock_(std::move(clock)) {
    if (!(milliseconds > 0) || !(hysteresis >= 0 && hysteresis < 1) ||
        !(window > 0 && window <= dwell)) {
      throw std::invalid_argument(
          "Invalid arguments. Expected milliseconds > 0, hysteresis in [0, 1), 0 < window <= "
          "dwell.");
    }
  }

  std::size_t choose(const std::vector<KnownLevel>& levels) override {
    if (!has_chosen_) {
      has_chosen_ = true;
      index_ = highest(levels, levels.size(), target_);
      switched_at_ = clock_();
    } else {
      go_where_it_fits(levels);
    }
    return index_;
  }

  void observe(double expected, double taken) override {
    const double time = clock_();
    calls_.push_back({time, expected, taken});
    expected_ += expected;
    taken_ += taken;
    while (time - calls_.front().time > window_) {
      expected_ -= calls_.front().expected;
      taken_ -= calls_.front().taken;
      calls_.pop_front();
    }
  }

 private:
  struct Call {
    double time, expected, taken;
  };
  static constexpr double kRegret = 1.5;  // waiting times; an up-switch undone within was a mistake
  static constexpr int kLongestPatience = 32, kLeastCalls = 5;

  static double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
  static std::size_t highest(const std::vector<KnownLevel>& levels, std::size_t count,
                             double most) {
    std::size_t found = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (levels[i].milliseconds <= most) found = i;
    }
    return found;
  }
  double slowdown() const { return calls_.empty() ? 1.0 : taken_ / expected_; }
  double slowdown_over(double seconds) const {
    const double since = clock_() - seconds;
    double expected = 0, taken = 0;
    int count = 0;
    for (auto call = calls_.rbegin(); call != calls_.rend() && call->time > since;
         ++call, ++count) {
      expected += call->expected;
      taken += call->taken;
    }
    return count < kLeastCalls ? slowdown() : taken / expected;
  }
  void go_where_it_fits(const std::vector<KnownLevel>& levels) {
    const double waited = (clock_() - switched_at_) / dwell_;
    if (waited < 1) return;
    double factor = slowdown();
    if (factor * levels[index_].milliseconds > target_) {
      // The window still holds calls from before the load rose: its end shows the load.
      factor = std::max(factor, slowdown_over(window_ / 4));
      const std::size_t lower = highest(levels, index_, target_ / factor);
      if (lower >= index_) return;
      const bool is_regret = went_up_ && waited < kRegret;
      patience_ = is_regret ? std::min(2 * patience_, kLongestPatience) : 1;
      go(lower);
    } else if (waited >= patience_) {
      const double room = (1 - hysteresis_) * target_ / factor;
      const std::size_t higher = highest(levels, levels.size(), room);
      if (higher > index_) go(higher);
    }
  }
  void go(std::size_t index) {
    went_up_ = index > index_;
    index_ = index;
    switched_at_ = clock_();
  }

  double target_, hysteresis_, dwell_, window_;
  Clock clock_;
  std::deque<Call> calls_;
  double expected_ = 0, taken_ = 0, switched_at_ = 0;
  std::size_t index_ = 0;
  bool has_chosen_ = false, went_up_ = false;
  int patience_ = 1;  // waiting times before the next up-switch
};

}  // namespace tnn
