#pragma once
// Reload<C>: the settings of a running process, read again from where they came from at its start: on SIGHUP,
// or when the admin API is told to. In two phases: all sources are read and checked whole, and every part
// that joined is asked about what it would get and makes ready what it needs for it (certificates, keys);
// only when nobody objects do the rows marked Apply::live change, in place, and each part is told.
//
// Invariant: either every live row and every part follows, or nothing changes. Rows that apply on restart
// keep their value; those that would have another are named. Parts that read the settings when they need them
// need not join. Thread: the loop's; files are read at once.
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/config/loader.h"

namespace tocsin::config {

/// What a reload did.
struct Reloaded {
  struct Change {
    std::string key;
    std::string before;  ///< both empty when the row is redacted
    std::string after;
    std::string origin;
  };
  std::vector<Change> changed;
  std::vector<std::string> restart;  ///< rows with another value now, which a restart would apply
};
/// {"reloaded":true,"changed":[{"key","before","after","origin"}],"restart":["listen.port"]}
[[nodiscard]] std::string to_json(const Reloaded& reloaded);

template <typename C>
class Reload {
 public:
  struct Part {
    /// Whether the part can work with `next`, in which rows that apply on restart are as they are. Fails with
    /// a sentence that names the row and what to do. May keep what it has made for apply(), which may not
    /// follow.
    std::function<Status(const C& next)> check;
    /// The settings have changed, or a file behind them may have: follow. Called after every reload. Cannot
    /// fail.
    std::function<void()> apply;
  };

  /// `settings` are those that `sources` gave at the start; everybody's reference to them stays good.
  /// `complete` is what main() did to them then, if anything.
  Reload(std::span<const Option<C>> rows, Sources sources, C& settings, std::function<void(C&)> complete = {})
      : rows_(rows), sources_(std::move(sources)), settings_(settings), complete_(std::move(complete)) {}
  Reload(const Reload&) = delete;
  Reload& operator=(const Reload&) = delete;

  [[nodiscard]] const C& settings() const noexcept { return settings_; }
  /// Parts are asked and told in the order in which they joined; either function may be empty.
  void join(Part part) { parts_.push_back(std::move(part)); }

  /// Fails with what is wrong with the sources, or the first objection; nothing has changed then.
  Result<Reloaded> operator()() {
    auto loaded = load(rows_, sources_);
    if (!loaded) return loaded.error();
    if (complete_) complete_(loaded->value);
    C next = settings_;
    Reloaded out;
    std::vector<std::size_t> follow;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const auto& row = rows_[i];
      const std::string before = row.get(settings_);
      const std::string after = row.get(loaded->value);
      const auto& [key, text, origin] = loaded->settings[i];
      if (before == after) continue;
      if (row.apply == Apply::restart) {
        out.restart.push_back(key);
        continue;
      }
      (void)row.set(next, after, row.range);  // cannot fail: the text was just printed by the row
      follow.push_back(i);
      const bool hidden = row.show == Show::redacted;
      out.changed.push_back({key, hidden ? "" : before, hidden ? "" : after, origin});
    }
    for (const auto& part : parts_)
      if (part.check)
        if (auto ok = part.check(next); !ok) return ok.error();
    // Only these: whoever holds a view of another row's text may go on doing so.
    for (const std::size_t i : follow) (void)rows_[i].set(settings_, rows_[i].get(next), rows_[i].range);
    for (const auto& part : parts_)
      if (part.apply) part.apply();
    return out;
  }

 private:
  std::span<const Option<C>> rows_;
  Sources sources_;
  C& settings_;
  std::function<void(C&)> complete_;
  std::vector<Part> parts_;
};

}  // namespace tocsin::config
