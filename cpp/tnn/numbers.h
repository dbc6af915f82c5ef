// Between real numbers and the integers that stand for them in a level's inputs and outputs.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <vector>

#include "tnn/bundle.h"

namespace tnn {

namespace integers {

template <class T>
void quantize(const std::vector<float>& x, const Quantization& by, Bytes& into) {
  const float scale = static_cast<float>(by.scale), zero = static_cast<float>(by.zero_point);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float nearest = std::nearbyint(x[i] / scale) + zero;  // ties to even
    const float low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
    const T value = static_cast<T>(std::clamp(nearest, low, high));
    std::memcpy(into.data() + i * sizeof(T), &value, sizeof(T));
  }
}

template <class T>
void dequantize(const Bytes& content, const Quantization& by, std::vector<float>& into) {
  for (std::size_t i = 0; i < into.size(); ++i) {
    T value;
    std::memcpy(&value, content.data() + i * sizeof(T), sizeof(T));
    into[i] = static_cast<float>(by.scale * (static_cast<double>(value) - by.zero_point));
  }
}

}  // namespace integers

[[noreturn]] inline void refuse(const Tensor& tensor) {
  throw std::invalid_argument("'" + tensor.name + "' has " + tensor.dtype +
                              " that stand for no real numbers. Call `run_bytes`.");
}

// The bytes of a tensor, from real numbers in the order of its elements.
inline Bytes to_bytes(const std::vector<float>& x, const Tensor& tensor) {
  if (x.size() != tensor.size()) {
    throw std::invalid_argument("Invalid value for `" + tensor.name + "`. Expected " +
                                std::to_string(tensor.size()) +
                                " numbers. Received: " + std::to_string(x.size()));
  }
  if (!std::all_of(x.begin(), x.end(), [](float value) { return std::isfinite(value); })) {
    throw std::invalid_argument("Invalid value for `" + tensor.name +
                                "`. Expected finite numbers.");
  }
  Bytes made(tensor.bytes());
  if (tensor.dtype == "float32") {
    std::memcpy(made.data(), x.data(), made.size());
  } else if (tensor.quantization && tensor.dtype == "int8") {
    integers::quantize<std::int8_t>(x, *tensor.quantization, made);
  } else if (tensor.quantization && tensor.dtype == "uint8") {
    integers::quantize<std::uint8_t>(x, *tensor.quantization, made);
  } else if (tensor.quantization && tensor.dtype == "int16") {
    integers::quantize<std::int16_t>(x, *tensor.quantization, made);
  } else {
    refuse(tensor);
  }
  return made;
}

inline std::vector<float> to_numbers(const Bytes& content, const Tensor& tensor) {
  std::vector<float> made(tensor.size());
  if (tensor.dtype == "float32") {
    std::memcpy(made.data(), content.data(), content.size());
  } else if (tensor.quantization && tensor.dtype == "int8") {
    integers::dequantize<std::int8_t>(content, *tensor.quantization, made);
  } else if (tensor.quantization && tensor.dtype == "uint8") {
    integers::dequantize<std::uint8_t>(content, *tensor.quantization, made);
  } else if (tensor.quantization && tensor.dtype == "int16") {
    integers::dequantize<std::int16_t>(content, *tensor.quantization, made);
  } else {
    refuse(tensor);
  }
  return made;
}

}  // namespace tnn
