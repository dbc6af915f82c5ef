// What a manifest says, and which level serves a utilization.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tnn/bytes.h"

namespace tnn {

// The bytes of an element of a type; 0 for a type that there is not.
inline Size width_of(std::string_view dtype) {
  static const std::map<std::string_view, Size> kWidths = {
      {"bool", 1},  {"int8", 1},  {"uint8", 1},   {"int16", 2},
      {"int32", 4}, {"int64", 8}, {"float16", 2}, {"float32", 4}};
  const auto found = kWidths.find(dtype);
  return found == kWidths.end() ? 0 : found->second;
}

// The product of `width` and all sizes, at most that of the largest file.
inline Size bytes_of(Size width, const Shape& shape) {
  Size total = width;
  for (const Size size : shape) {
    expect(size >= 1 && size <= kLargestFile / total, "filled arrays of at most 2^31 bytes");
    total *= size;
  }
  return total;
}

struct Quantization {  // real = scale * (integer - zero_point)
  double scale;
  std::int64_t zero_point;
};

struct Tensor {
  std::string name;
  Shape shape;  // of one sample
  std::string dtype;
  std::optional<Quantization> quantization;

  Size bytes() const { return bytes_of(width_of(dtype), shape); }
  Size size() const { return bytes() / width_of(dtype); }
  bool fits(const Tensor& other) const {
    return name == other.name && shape == other.shape && dtype == other.dtype;
  }
};

struct Level {
  std::string name;
  double utilization;
  std::string file;
  Size macs, parameters, bytes;
  std::string sha256;
  std::vector<Tensor> inputs, outputs;
};

// The index of the highest level that is not above `utilization`, or of the lowest one.
template <class Levels>
std::size_t index_for(const Levels& levels, double utilization) {
  if (!(utilization > 0 && utilization <= 1)) {
    throw std::invalid_argument("Invalid value for `utilization`. Expected a number in (0, 1].");
  }
  constexpr double kRounding = 1e-6;  // a 32-bit 0.7 is below the 0.7 of the manifest
  std::size_t chosen = 0;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    if (levels[i].utilization <= utilization + kRounding) chosen = i;
  }
  return chosen;
}

struct Bundle {
  std::filesystem::path directory;
  std::string layout;  // "files", "single" or "signatures"
  Size shared_bytes = 0;
  std::vector<Level> levels;                               // rising in utilization
  std::map<std::string, std::vector<std::string>> labels;  // by output
};

}  // namespace tnn
