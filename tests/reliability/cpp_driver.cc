// What the tests ask of tnn_dispatcher.h, one question a call.
//
//     driver read BUNDLE               the levels
//     driver index BUNDLE U            the level for a utilization
//     driver cut BUNDLE FOLDER         the file of each level
//     driver integers BUNDLE U IN OUT  float32 of all inputs, as the level takes them
//     driver bytes BUNDLE U IN OUT     files of all inputs and outputs, as in the tensors
//     driver numbers BUNDLE U IN OUT   the same in float32
//     driver target BUNDLE MS CALLS    zeros, by a policy
//     driver law                       choices of LatencyTarget, its calls on standard input
//
// Exit status 3 and a line on standard error where the header refuses.
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>

#include "tnn_dispatcher.h"

namespace {

void save(const std::string& path, const void* content, std::size_t size) {
  std::ofstream(path, std::ios::binary).write(static_cast<const char*>(content), size);
}

void read(const tnn::Bundle& bundle) {
  for (const tnn::Level& level : bundle.levels) {
    std::printf("%.17g %s %llu %llu %s\n", level.utilization, level.file.c_str(),
                static_cast<unsigned long long>(level.macs),
                static_cast<unsigned long long>(level.bytes), level.sha256.c_str());
  }
  for (const auto& [output, names] : bundle.labels) {
    std::printf("labels %s", output.c_str());
    for (const std::string& name : names) std::printf(" %s", name.c_str());
    std::printf("\n");
  }
}

void cut(const tnn::Bundle& bundle, const std::string& folder) {
  for (std::size_t i = 0; i < bundle.levels.size(); ++i) {
    const tnn::Bytes content = tnn::read_level(bundle, i);
    save(folder + "/" + std::to_string(i), content.data(), content.size());
  }
}

// Lines: the time, the expected and the taken milliseconds of a call. The first one: the target,
// and the milliseconds of each level.
void law() {
  std::string line;
  std::getline(std::cin, line);
  std::istringstream first(line);
  double target = 0, time = 0, expected = 0, taken = 0, value = 0;
  first >> target;
  std::vector<tnn::KnownLevel> levels;
  while (first >> value) levels.push_back({0, value});
  tnn::LatencyTarget policy(target, 0.1, 1.0, 1.0, [&time] { return time; });
  while (std::cin >> time >> expected >> taken) {
    std::printf("%zu\n", policy.choose(levels));
    policy.observe(expected, taken);
  }
}

tnn::Bytes load(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<tnn::Bytes> pieces(const tnn::Bytes& all, const std::vector<tnn::Tensor>& tensors,
                               tnn::Size width) {
  std::vector<tnn::Bytes> made;
  auto at = all.begin();
  for (const tnn::Tensor& tensor : tensors) {
    const tnn::Size size = width ? width * tensor.size() : tensor.bytes();
    made.emplace_back(at, at + size);
    at += size;
  }
  return made;
}

std::vector<std::vector<float>> numbers_of(const char* in,
                                           const std::vector<tnn::Tensor>& tensors) {
  std::vector<std::vector<float>> made;
  for (const auto& one : pieces(load(in), tensors, 4)) {
    made.emplace_back(one.size() / 4);
    std::memcpy(made.back().data(), one.data(), one.size());
  }
  return made;
}

void integers(const tnn::Bundle& bundle, double u, const char* in, const char* out) {
  const auto& tensors = bundle.levels[tnn::index_for(bundle.levels, u)].inputs;
  const auto numbers = numbers_of(in, tensors);
  tnn::Bytes all;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto one = tnn::to_bytes(numbers[i], tensors[i]);
    all.insert(all.end(), one.begin(), one.end());
  }
  save(out, all.data(), all.size());
}

#ifndef TNN_NO_LITERT
void bytes(tnn::Dispatcher& dispatcher, double u, const char* in, const char* out) {
  const auto& level = dispatcher.bundle().levels[0];
  tnn::Bytes all;
  for (const auto& one : dispatcher.run_bytes(pieces(load(in), level.inputs, 0), u)) {
    all.insert(all.end(), one.begin(), one.end());
  }
  save(out, all.data(), all.size());
}

void numbers(tnn::Dispatcher& dispatcher, double u, const char* in, const char* out) {
  const auto inputs = numbers_of(in, dispatcher.bundle().levels[0].inputs);
  std::vector<float> all;
  for (const auto& one : dispatcher.run(inputs, u)) all.insert(all.end(), one.begin(), one.end());
  save(out, all.data(), 4 * all.size());
}

void target(tnn::Dispatcher& dispatcher, double milliseconds, int calls) {
  tnn::LatencyTarget policy(milliseconds);
  std::vector<std::vector<float>> zeros;
  for (const auto& input : dispatcher.bundle().levels[0].inputs) zeros.emplace_back(input.size());
  for (int i = 0; i < calls; ++i) dispatcher.run(zeros, policy);
  std::printf("%g\n", dispatcher.last_level().utilization);
}
#endif

}  // namespace

int main(int count, char** arguments) {
  const std::string question = count > 1 ? arguments[1] : "";
  try {
    if (question == "law") return law(), 0;
    if (question == "read" && count == 3) return read(tnn::read_bundle(arguments[2])), 0;
    if (question == "index" && count == 4) {
      std::printf("%zu\n",
                  tnn::index_for(tnn::read_bundle(arguments[2]).levels, std::stod(arguments[3])));
      return 0;
    }
    if (question == "cut" && count == 4)
      return cut(tnn::read_bundle(arguments[2]), arguments[3]), 0;
    if (question == "integers" && count == 6) {
      return integers(tnn::read_bundle(arguments[2]), std::stod(arguments[3]), arguments[4],
                      arguments[5]),
             0;
    }
#ifndef TNN_NO_LITERT
    if (count < 5) return 2;
    tnn::Dispatcher dispatcher(arguments[2]);
    const double number = std::stod(arguments[3]);
    if (question == "target") return target(dispatcher, number, std::atoi(arguments[4])), 0;
    if (question == "bytes") return bytes(dispatcher, number, arguments[4], arguments[5]), 0;
    if (question == "numbers") return numbers(dispatcher, number, arguments[4], arguments[5]), 0;
#endif
  } catch (const tnn::BundleError& error) {
    std::fprintf(stderr, "BundleError: %s\n", error.what());
    return 3;
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "invalid_argument: %s\n", error.what());
    return 3;
  }
  return 2;
}
