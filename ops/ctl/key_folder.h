#pragma once
// KeyFolder: the key files of a cluster's folder as `tocsinctl keys` changes them. Every change is one file
// replaced whole. Blocking.
#include <string>
#include <vector>

#include "common/mq/curve.h"
#include "ops/cluster/folder.h"

namespace tocsin::ops {

class KeyFolder {
 public:
  struct Entry {
    std::string name;
    std::string key;                   ///< of its own file; empty when there is none here
    std::vector<std::string> allowed;  ///< on the allow-list; of the broker: what edges know it by
    std::string trouble;               ///< empty: none
  };

  explicit KeyFolder(std::string root) : folder_{std::move(root)} {}

  /// In the order of their names, the broker first.
  [[nodiscard]] Result<std::vector<Entry>> list() const;
  /// Fails with not_found.
  [[nodiscard]] Result<Entry> find(const std::string& name) const;
  /// A name that can be a file's and an edge's. Fails with invalid_argument.
  [[nodiscard]] static Status check_name(const std::string& name);

  /// Fails with conflict when there is one.
  [[nodiscard]] Result<std::string> make(const std::string& name) const;
  /// Puts `fresh` in the place of the own key; on the allow-list it comes before those that are there, which
  /// stay good. Fails with io, and then the old pair is still the good one.
  [[nodiscard]] Status replace(const std::string& name, const mq::CurveKeys& fresh) const;
  /// The allow-list keeps the own key only. Fails with not_found when there is none here.
  [[nodiscard]] Status retire(const std::string& name) const;
  /// Takes the holder off the allow-list; its key file stays.
  [[nodiscard]] Status remove(const std::string& name) const;

 private:
  [[nodiscard]] std::string public_file(const std::string& name) const {
    return name == "broker" ? folder_.broker_public_key_file() : folder_.allowed_key_file(name);
  }
  Folder folder_;
};

}  // namespace tocsin::ops
