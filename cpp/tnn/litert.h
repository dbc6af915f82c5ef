// Runs a level on LiteRT.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tnn/dispatcher.h"
#include "tnn/litert_functions.h"

#ifndef TNN_NO_LITERT

namespace tnn {

class LiteRtProgram {
 public:
  LiteRtProgram(Bytes content, const Level& level) : content_(std::move(content)) {
    check(LiteRtCreateModelFromBuffer(environment(), content_.data(), content_.size(), &model_.own),
          "a TFLite model");
    check(LiteRtCreateOptions(&options_.own), "options");
    constexpr int kCpu = 1;
    check(LiteRtSetOptionsHardwareAccelerators(options_.own, kCpu), "a CPU");
    std::size_t signatures = 0;
    check(LiteRtGetNumModelSignatures(model_.own, &signatures), "signatures");
    expect(signatures == 1, "one signature in '" + level.file + "'");
    void* signature = nullptr;
    check(LiteRtGetModelSignature(model_.own, 0, &signature), "a signature");
    // Before anything is made of these sizes.
    inputs_.order = order(signature, level.inputs, LiteRtGetNumSignatureInputs,
                          LiteRtGetSignatureInputName, LiteRtGetSignatureInputTensorByIndex);
    outputs_.order = order(signature, level.outputs, LiteRtGetNumSignatureOutputs,
                           LiteRtGetSignatureOutputName, LiteRtGetSignatureOutputTensorByIndex);
    check(LiteRtCreateCompiledModel(environment(), model_.own, options_.own, &compiled_.own),
          "a model that this runtime runs");
    make_buffers(signature, inputs_, LiteRtGetSignatureInputTensorByIndex,
                 LiteRtGetCompiledModelInputBufferRequirements);
    make_buffers(signature, outputs_, LiteRtGetSignatureOutputTensorByIndex,
                 LiteRtGetCompiledModelOutputBufferRequirements);
  }
  LiteRtProgram(const LiteRtProgram&) = delete;
  LiteRtProgram& operator=(const LiteRtProgram&) = delete;

  std::vector<Bytes> run(const std::vector<Bytes>& inputs) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      Locked locked(inputs_.buffers[inputs_.order[i]], kWrite);
      expect(locked.size == inputs[i].size(), "tensors of the promised size");
      std::memcpy(locked.bytes, inputs[i].data(), locked.size);
    }
    check(LiteRtRunCompiledModel(compiled_.own, 0, inputs_.buffers.size(), inputs_.buffers.data(),
                                 outputs_.buffers.size(), outputs_.buffers.data()),
          "a level that runs");
    std::vector<Bytes> found;
    for (const std::size_t place : outputs_.order) {
      Locked locked(outputs_.buffers[place], kRead);
      const auto* bytes = static_cast<const std::uint8_t*>(locked.bytes);
      found.emplace_back(bytes, bytes + locked.size);
    }
    return found;
  }

 private:
  static constexpr int kRead = 0, kWrite = 1;
  using Count = int (*)(void*, std::size_t*);
  using Name = int (*)(void*, std::size_t, const char**);
  using At = int (*)(void*, std::size_t, void**);
  using Requirements = int (*)(void*, std::size_t, std::size_t, void**);

  struct RankedType {
    std::int32_t element;
    std::uint32_t rank;  // its low 7 bits
    std::int32_t sizes[8];
    std::uint32_t strides[8];
    std::uint32_t room[64];  // should the library's grow
  };
  template <void (*destroy)(void*)>
  struct Owner {
    void* own = nullptr;
    Owner() = default;
    Owner(const Owner&) = delete;
    Owner& operator=(const Owner&) = delete;
    ~Owner() {
      if (own) destroy(own);
    }
  };
  struct Buffers {
    std::vector<std::size_t> order;  // for each tensor of the manifest, its place in the signature
    std::vector<void*> buffers;      // in the order of the signature
    ~Buffers() {
      for (void* buffer : buffers) LiteRtDestroyTensorBuffer(buffer);
    }
  };
  struct Locked {
    void *buffer, *bytes = nullptr;
    std::size_t size = 0;
    Locked(void* of, int mode) : buffer(of) {
      check(LiteRtGetTensorBufferPackedSize(buffer, &size), "the size of a tensor");
      check(LiteRtLockTensorBuffer(buffer, &bytes, mode), "a tensor to read or write");
    }
    ~Locked() { LiteRtUnlockTensorBuffer(buffer); }
  };

  static void check(int status, const char* what) {
    expect(status == 0, std::string(what) + ". LiteRT says: status " + std::to_string(status));
  }
  static void* environment() {  // one for all, kept until the process ends
    static void* made = [] {
      void* fresh = nullptr;
      check(LiteRtCreateEnvironment(0, nullptr, &fresh), "an environment");
      return fresh;
    }();
    return made;
  }
  static int element_of(const std::string& dtype) {
    static const std::map<std::string, int> kElements = {
        {"float32", 1}, {"int32", 2}, {"uint8", 3}, {"int64", 4},
        {"bool", 6},    {"int16", 7}, {"int8", 9},  {"float16", 10}};
    return kElements.at(dtype);
  }
  static std::vector<std::size_t> order(void* signature, const std::vector<Tensor>& promised,
                                        Count count, Name name, At at) {
    std::size_t found = 0;
    check(count(signature, &found), "tensors");
    expect(found == promised.size(), "as many tensors as the manifest promises");
    std::map<std::string, std::size_t> places;
    for (std::size_t i = 0; i < found; ++i) {
      const char* own = nullptr;
      check(name(signature, i, &own), "a name");
      places[own] = i;
    }
    std::vector<std::size_t> made;
    for (const Tensor& tensor : promised) {
      const auto place = places.find(tensor.name);
      expect(place != places.end(), "a tensor '" + tensor.name + "'");
      void* own = nullptr;
      RankedType type = {};
      check(at(signature, place->second, &own), "a tensor");
      check(LiteRtGetRankedTensorType(own, &type), "a tensor of fixed rank");
      Shape shape = {1};  // the batch
      shape.insert(shape.end(), tensor.shape.begin(), tensor.shape.end());
      bool fits = type.element == element_of(tensor.dtype) && (type.rank & 127) == shape.size() &&
                  shape.size() <= 8;
      for (std::size_t i = 0; fits && i < shape.size(); ++i) {
        fits = type.sizes[i] >= 0 && static_cast<Size>(type.sizes[i]) == shape[i];
      }
      expect(fits, "the promised type and shape of '" + tensor.name + "'");
      made.push_back(place->second);
    }
    return made;
  }
  void make_buffers(void* signature, Buffers& into, At at, Requirements requirements) {
    for (std::size_t i = 0; i < into.order.size(); ++i) {
      void *tensor = nullptr, *needed = nullptr, *buffer = nullptr;
      RankedType type = {};
      check(at(signature, i, &tensor), "a tensor");
      check(LiteRtGetRankedTensorType(tensor, &type), "a tensor of fixed rank");
      check(requirements(compiled_.own, 0, i, &needed), "what a buffer needs");
      check(LiteRtCreateManagedTensorBufferFromRequirements(environment(), &type, needed, &buffer),
            "a buffer");
      into.buffers.push_back(buffer);
    }
  }

  Bytes content_;  // the model reads it as long as it lives
  Owner<LiteRtDestroyModel> model_;
  Owner<LiteRtDestroyOptions> options_;
  Owner<LiteRtDestroyCompiledModel> compiled_;
  Buffers inputs_, outputs_;
};

using Dispatcher = BasicDispatcher<LiteRtProgram>;

}  // namespace tnn

#endif  // TNN_NO_LITERT
