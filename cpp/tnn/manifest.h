// Reading the manifest, versions 1 to 3 (docs/bundle.md).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tnn/bundle.h"
#include "tnn/file.h"
#include "tnn/json.h"
#include "tnn/sha256.h"

namespace tnn {

namespace manifest {

inline Tensor tensor(const Json& record) {
  Tensor made{record["name"].text(), {}, record["dtype"].text(), {}};
  expect(!made.name.empty(), "a name for each tensor");
  for (const Json& size : record["shape"].array()) made.shape.push_back(size.count());
  expect(width_of(made.dtype) > 0, "a dtype that is known, not '" + made.dtype + "'");
  made.bytes();  // throws where it is too large
  return made;
}

inline std::optional<Quantization> quantization(const Json* record) {
  if (record == nullptr || record->is_null()) return std::nullopt;
  const Quantization made{(*record)["scale"].number(), (*record)["zero_point"].integer()};
  expect(made.scale > 0, "a scale above 0");
  return made;
}

// In version 3 a tensor has its own quantization, before it the level has a list.
inline std::vector<Tensor> tensors(const Json& in, const std::string& kind, const Json* listed) {
  std::vector<Tensor> made;
  const Json::Array& records = in[kind + "s"].array();
  const Json* list = listed ? listed->find(kind + "_quantization") : nullptr;
  expect(!records.empty(), "at least one tensor");
  expect(!list || list->array().size() == records.size(), "a quantization for each tensor");
  for (std::size_t i = 0; i < records.size(); ++i) {
    made.push_back(tensor(records[i]));
    for (std::size_t j = 0; j < i; ++j) expect(made[i].name != made[j].name, "different names");
    made[i].quantization = quantization(list     ? &list->array()[i]
                                        : listed ? nullptr
                                                 : records[i].find("quantization"));
  }
  return made;
}

inline Level level(const Json& record, const Json& all, bool is_version_3) {
  const Json& in = is_version_3 ? record : all;
  const Json* listed = is_version_3 ? nullptr : &record;
  Level made{is_version_3 ? record["name"].text() : "",
             record["utilization"].number(),
             record["file"].text(),
             record["macs"].count(),
             record["parameters"].count(),
             record["bytes"].count(kLargestFile + 1),
             record["sha256"].text(),
             tensors(in, "input", listed),
             tensors(in, "output", listed)};
  expect(made.utilization > 0 && made.utilization <= 1, "a utilization in (0, 1]");
  expect(made.bytes > 0, "levels that are not empty");
  return made;
}

inline bool fit(const std::vector<Tensor>& one, const std::vector<Tensor>& other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [](const Tensor& a, const Tensor& b) { return a.fits(b); });
}

inline void check_own_hash(const Bytes& content, const Json& all) {
  const Json* claimed = all.find("manifest_sha256");
  if (!claimed) return;  // somebody has edited it by hand
  std::string text(view(content));
  const std::size_t at = text.find(claimed->text());
  expect(claimed->text().size() == 64 && at != std::string::npos, "a hash of the manifest");
  text.replace(at, 64, 64, '0');
  expect(sha256(text) == claimed->text(), "the manifest that its own hash is of");
}

}  // namespace manifest

// Reads and checks a bundle of levels. Files of levels are read when they are first run.
inline Bundle read_bundle(const std::filesystem::path& directory) {
  const Bytes content = read_file(directory, "manifest.json", kLargestManifest);
  const Json all = Json::parse(view(content));
  expect(all["format"].text() == "tnn_tflite", "the format 'tnn_tflite'");
  const std::int64_t version = all["format_version"].integer();
  expect(version >= 1 && version <= 3, "format version 1, 2 or 3; upgrade this reader");
  manifest::check_own_hash(content, all);
  const Json* layout = all.find("layout");
  Bundle bundle{directory, layout ? layout->text() : "files", 0, {}, {}};
  const std::set<std::string> known = {"files", "single", "signatures"};
  expect(known.count(bundle.layout), "a layout that this reader runs, not '" + bundle.layout + "'");
  for (const Json& record : all[version == 3 ? "programs" : "levels"].array()) {
    const std::string role = version == 3 ? record["role"].text() : "level";
    if (role == "controller") continue;  // callers say which level runs
    expect(role == "level", "levels; this reader does not run a '" + role + "'");
    bundle.levels.push_back(manifest::level(record, all, version == 3));
    const Level &first = bundle.levels.front(), &last = bundle.levels.back();
    expect(manifest::fit(first.inputs, last.inputs) && manifest::fit(first.outputs, last.outputs),
           "the same inputs and outputs of every level");
    const std::size_t count = bundle.levels.size();
    expect(count < 2 || bundle.levels[count - 2].utilization < last.utilization,
           "levels that rise in utilization");
  }
  expect(!bundle.levels.empty(), "at least one level");
  if (bundle.layout != "files") {
    bundle.shared_bytes = all["shared"]["bytes"].count(kLargestFile + 1);
    for (const Level& level : bundle.levels) {
      expect(level.file == all["shared"]["file"].text(), "every level in the shared file");
      expect(level.bytes <= kLargestGrowth * bundle.shared_bytes, "levels of less than 16 files");
    }
  }
  if (const Json* labels = all.find("labels")) {
    for (const auto& [output, names] : labels->object()) {
      for (const Json& name : names.array()) bundle.labels[output].push_back(name.text());
    }
  }
  return bundle;
}

}  // namespace tnn
