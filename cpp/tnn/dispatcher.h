// The dispatcher, over any runtime.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <vector>

#include "tnn/latency_target.h"
#include "tnn/level_file.h"
#include "tnn/manifest.h"
#include "tnn/numbers.h"

namespace tnn {

// `Program` is made of the bytes of a level's file, which it keeps, and the level; its `run` takes
// the bytes of each input and gives those of each output, in the order of the manifest.
template <class Program>
class BasicDispatcher {
 public:
  explicit BasicDispatcher(const std::filesystem::path& directory)
      : bundle_(read_bundle(directory)), programs_(bundle_.levels.size()) {}

  const Bundle& bundle() const { return bundle_; }

  // One sample at a utilization: real numbers in, real numbers out, for each input and output.
  std::vector<std::vector<float>> run(const std::vector<std::vector<float>>& inputs,
                                      double utilization) {
    return run_level(inputs, index_for(bundle_.levels, utilization));
  }

  // One sample at the level that a policy picks. The policy is told the time of each call but the
  // first of a level, which loads it.
  std::vector<std::vector<float>> run(const std::vector<std::vector<float>>& inputs,
                                      Policy& policy) {
    measure();
    const std::size_t index = policy.choose(known_);
    const auto start = std::chrono::steady_clock::now();
    auto outputs = run_level(inputs, index);
    policy.observe(known_[index].milliseconds, milliseconds_since(start));
    last_ = index;
    return outputs;
  }

  // The level that the last call with a policy ran.
  const Level& last_level() const { return bundle_.levels.at(last_); }

  // As they are in the tensors.
  std::vector<Bytes> run_bytes(const std::vector<Bytes>& inputs, double utilization) {
    return run_bytes_of(inputs, index_for(bundle_.levels, utilization));
  }

  // The median time of each level on this device, measured once: all are loaded, and run on zeros
  // in turn, so that a drift of the device meets all of them.
  const std::vector<KnownLevel>& measure(int rounds = 11) {
    if (!known_.empty()) return known_;
    std::vector<std::vector<double>> times(bundle_.levels.size());
    for (int round = -1; round < std::max(1, rounds); ++round) {  // the first one loads
      for (std::size_t i = 0; i < times.size(); ++i) {
        std::vector<Bytes> zeros;
        for (const Tensor& input : bundle_.levels[i].inputs) zeros.emplace_back(input.bytes());
        const auto start = std::chrono::steady_clock::now();
        run_bytes_of(zeros, i);
        if (round >= 0) times[i].push_back(milliseconds_since(start));
      }
    }
    for (std::size_t i = 0; i < times.size(); ++i) {
      std::sort(times[i].begin(), times[i].end());
      known_.push_back({bundle_.levels[i].utilization, times[i][times[i].size() / 2]});
    }
    return known_;
  }

 private:
  static double milliseconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
        .count();
  }
  static void check_count(std::size_t received, std::size_t expected) {
    if (received == expected) return;
    throw std::invalid_argument("Invalid value for `inputs`. Expected " + std::to_string(expected) +
                                " arrays. Received: " + std::to_string(received));
  }
  std::vector<std::vector<float>> run_level(const std::vector<std::vector<float>>& inputs,
                                            std::size_t index) {
    const Level& level = bundle_.levels[index];
    check_count(inputs.size(), level.inputs.size());
    std::vector<Bytes> given;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      given.push_back(to_bytes(inputs[i], level.inputs[i]));
    }
    const std::vector<Bytes> found = run_bytes_of(given, index);
    std::vector<std::vector<float>> outputs;
    for (std::size_t i = 0; i < found.size(); ++i) {
      outputs.push_back(to_numbers(found[i], level.outputs[i]));
    }
    return outputs;
  }
  std::vector<Bytes> run_bytes_of(const std::vector<Bytes>& inputs, std::size_t index) {
    const Level& level = bundle_.levels[index];
    check_count(inputs.size(), level.inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].size() != level.inputs[i].bytes()) {
        throw std::invalid_argument("Invalid value for `" + level.inputs[i].name + "`. Expected " +
                                    std::to_string(level.inputs[i].bytes()) +
                                    " bytes. Received: " + std::to_string(inputs[i].size()));
      }
    }
    if (!programs_[index]) {
      programs_[index] = std::make_unique<Program>(read_level(bundle_, index), level);
    }
    return programs_[index]->run(inputs);
  }

  Bundle bundle_;
  std::vector<std::unique_ptr<Program>> programs_;  // made when they first run
  std::vector<KnownLevel> known_;
  std::size_t last_ = 0;
};

}  // namespace tnn
