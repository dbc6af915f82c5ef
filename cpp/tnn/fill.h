// Filling a hole: what is taken of an array, as it is stored, times a factor.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "tnn/hole.h"

namespace tnn {
namespace plan {

// Copies what is taken of an array, axis after axis; axes at the end that are whole at once.
inline std::uint8_t* select(const std::uint8_t* from, const Hole& hole, std::size_t axis,
                            std::uint8_t* to) {
  Size stride = hole.width();
  for (std::size_t i = axis + 1; i < hole.whole.size(); ++i) stride *= hole.whole[i];
  const auto is_whole = [&](std::size_t first) {
    return std::all_of(hole.take.begin() + first, hole.take.end(),
                       [](const auto& runs) { return runs.empty(); });
  };
  if (is_whole(axis)) return std::copy(from, from + stride * hole.whole[axis], to);
  const std::vector<Run> all = {{0, hole.whole[axis]}};
  for (const auto& [start, count] : hole.take[axis].empty() ? all : hole.take[axis]) {
    if (is_whole(axis + 1)) {
      to = std::copy(from + start * stride, from + (start + count) * stride, to);
    } else {
      for (Size i = start; i < start + count; ++i)
        to = select(from + i * stride, hole, axis + 1, to);
    }
  }
  return to;
}

// Arrays are stored with the first byte of every element first, then the second ones.
inline Bytes from_planes(const std::uint8_t* planes, Size bytes, Size width) {
  Bytes made(bytes);
  const Size count = bytes / width;
  for (Size byte = 0; byte < width; ++byte) {
    for (Size i = 0; i < count; ++i) made[i * width + byte] = planes[byte * count + i];
  }
  return made;
}

inline float half_to_float(std::uint16_t half) {
  const int exponent = half >> 10 & 31, fraction = half & 1023;
  const float sign = half & 0x8000 ? -1.0f : 1.0f;
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(fraction), -24);
  if (exponent == 31)
    return fraction ? std::nanf("") : sign * std::numeric_limits<float>::infinity();
  return sign * std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
}

inline void multiply(std::uint8_t* target, const Hole& hole, const Bytes& factor) {
  const auto at = [&](Size place) -> float {
    if (hole.factor_dtype == "float16") {
      std::uint16_t half;
      std::memcpy(&half, factor.data() + 2 * place, 2);
      return half_to_float(half);
    }
    float value;
    std::memcpy(&value, factor.data() + 4 * place, 4);
    return value;
  };
  std::vector<Size> index(hole.shape.size(), 0);
  const Size count = hole.bytes() / hole.width();
  for (Size i = 0; i < count; ++i) {
    Size place = 0;  // axes of size 1 are repeated
    for (std::size_t axis = 0; axis < index.size(); ++axis) {
      place = place * hole.factor_shape[axis] + (hole.factor_shape[axis] == 1 ? 0 : index[axis]);
    }
    if (hole.dtype == "int8") {
      target[i] = static_cast<std::uint8_t>(target[i] * factor[place]);  // wraps around
    } else {
      float value;
      std::memcpy(&value, target + 4 * i, 4);
      value *= at(place);
      std::memcpy(target + 4 * i, &value, 4);
    }
    for (std::size_t axis = index.size(); axis-- > 0;) {
      if (++index[axis] < hole.shape[axis]) break;
      index[axis] = 0;
    }
  }
}

// Fills a hole from where its array begins, and from what it reads of the plan's data.
inline void fill(std::uint8_t* target, const Hole& hole, const std::uint8_t* source,
                 const std::uint8_t* data) {
  if (hole.source == "plan") {
    const Bytes numbers = from_planes(data, hole.bytes(), hole.width());
    std::copy(numbers.begin(), numbers.end(), target);
    return;
  }
  select(source, hole, 0, target);
  if (!hole.factor_dtype.empty()) {
    multiply(target, hole, from_planes(data, hole.data_bytes(), width_of(hole.factor_dtype)));
  }
}

}  // namespace plan
}  // namespace tnn
