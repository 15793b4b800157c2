// The copy of the pods: lists, watches, and everything that an API server may do to a watch.
#include <doctest/doctest.h>

#include <set>

#include "ops/supervisor/k8s/pods.h"
#include "tests/unit/ops/k8s_support.h"

namespace tocsin::ops::k8s {
namespace {

using testing::FixedRandom;
using testing::ok;
using testing::pod_json;
using testing::status;

std::string list_of(const std::vector<std::string>& items, const std::string& version) {
  std::string out = R"({"kind":"PodList","metadata":{"resourceVersion":")" + version + R"("},"items":[)";
  for (std::size_t i = 0; i < items.size(); ++i) out += (i == 0 ? "" : ",") + items[i];
  return out + "]}";
}

std::string event(const std::string& type, const std::string& object) {
  return R"({"type":")" + type + R"(","object":)" + object + "}\n";
}

struct Rig {
  FixedRandom random;
  PodTable pods;
  Reflector reflector{"/pods?x=y", pods, random};
  Instant now{Millis{1'000'000}};

  Reflector::Ask ask() { return reflector.tick(now); }
  std::set<std::string> names() const {
    std::set<std::string> out;
    for (const auto& [name, pod] : pods.all()) out.insert(name);
    return out;
  }
  void list(const std::vector<std::string>& items, const std::string& version) {
    REQUIRE(ask() == Reflector::Ask::list);
    reflector.listed(now, ok(list_of(items, version)));
  }
  void watch() { REQUIRE(ask() == Reflector::Ask::watch); }
  /// The next question, and after how long it is asked.
  std::pair<Reflector::Ask, Millis> next() {
    const Instant from = now;
    for (;; now += Millis{10})
      if (const auto what = ask(); what != Reflector::Ask::nothing) return {what, now - from};
  }
};

TEST_SUITE("k8s watch") {
  TEST_CASE("a list, then what happens since, at any split of the bytes") {
    Rig rig;
    rig.list({pod_json("e-0"), pod_json("e-1")}, "10");
    CHECK(rig.reflector.synced());
    rig.watch();
    CHECK(rig.reflector.path().find("resourceVersion=10") != std::string::npos);
    const std::string bytes = event("ADDED", pod_json("e-2", {.version = "11"})) +
                              event("DELETED", pod_json("e-0", {.version = "12"})) +
                              event("BOOKMARK", R"({"metadata":{"resourceVersion":"20"}})");
    for (const char c : bytes) CHECK(rig.reflector.watched({&c, 1}));
    CHECK(rig.names() == std::set<std::string>{"e-1", "e-2"});
    CHECK(rig.reflector.version() == "20");
  }
  TEST_CASE("a watch that is dropped goes on from the last version, at once when it had said something") {
    Rig rig;
    rig.list({}, "10");
    rig.watch();
    CHECK(rig.reflector.watched(event("ADDED", pod_json("e-0", {.version = "11"}))));
    CHECK(rig.reflector.watched(R"({"type":"ADDED","object":{"metadata":{"name":"half)"));
    rig.reflector.watch_ended(rig.now, ok(""));
    const auto [what, after] = rig.next();
    CHECK(what == Reflector::Ask::watch);
    CHECK(after == Millis{0});
    CHECK(rig.reflector.path().find("resourceVersion=11") != std::string::npos);
    CHECK(rig.names() == std::set<std::string>{"e-0"});
  }
  TEST_CASE("410 Gone, as an answer or as an event: a new list replaces what was known") {
    for (const bool as_event : {false, true}) {
      Rig rig;
      rig.list({pod_json("e-0"), pod_json("e-1")}, "10");
      rig.watch();
      if (as_event) {
        CHECK(rig.reflector.watched(event("ADDED", pod_json("e-9", {.version = "11"}))));
        CHECK_FALSE(rig.reflector.watched(
            event("ERROR", R"({"kind":"Status","code":410,"message":"too old resource version"})") +
            event("ADDED", pod_json("not-believed", {.version = "12"}))));
        rig.reflector.watch_ended(rig.now, ok(""));
      } else {
        rig.reflector.watch_ended(rig.now, status(410, "too old resource version"));
      }
      CHECK(rig.reflector.trouble().find("410") != std::string::npos);
      CHECK(rig.next().first == Reflector::Ask::list);
      rig.reflector.listed(rig.now, ok(list_of({pod_json("e-1")}, "50")));
      CHECK(rig.names() == std::set<std::string>{"e-1"});
      CHECK(rig.reflector.trouble().empty());
    }
  }
  TEST_CASE("a server that answers 410 to every watch is asked ever less often") {
    Rig rig;
    rig.list({}, "10");
    Millis waited{0};
    for (int i = 0; i < 12; ++i) {
      waited = Millis{0};
      for (auto step = rig.next();; step = rig.next()) {
        waited += step.second;
        if (step.first == Reflector::Ask::watch) break;
        rig.reflector.listed(rig.now, ok(list_of({}, "10")));
      }
      rig.reflector.watch_ended(rig.now, status(410, "gone"));
    }
    CHECK(waited >= Retry::kMost / 2);
  }
  TEST_CASE("what is no event, or longer than any object, ends in a new list") {
    for (const std::string& nonsense : {std::string("{\"type\":\n"), std::string("[]\n"),
                                        event("ADDED", "{}"), std::string(Reflector::kMaxLine + 1, 'x')}) {
      Rig rig;
      rig.list({pod_json("e-0")}, "10");
      rig.watch();
      CHECK_FALSE(rig.reflector.watched(nonsense));
      rig.reflector.watch_ended(rig.now, ok(""));
      CHECK(rig.next().first == Reflector::Ask::list);
      CHECK(rig.names() == std::set<std::string>{"e-0"});
    }
  }
  TEST_CASE("a list that fails is asked again, ever later, and what was known stays") {
    Rig rig;
    REQUIRE(rig.ask() == Reflector::Ask::list);
    rig.reflector.listed(rig.now, status(403, "pods is forbidden"));
    CHECK(rig.reflector.trouble().find("pods is forbidden") != std::string::npos);
    const auto [first, soon] = rig.next();
    CHECK(first == Reflector::Ask::list);
    rig.reflector.listed(rig.now, Answer(Error{Errc::timeout, "no answer"}));
    const auto [second, later] = rig.next();
    CHECK(second == Reflector::Ask::list);
    CHECK(later > soon);
    CHECK_FALSE(rig.reflector.synced());
  }
  TEST_CASE("three watches that fail end in a new list") {
    Rig rig;
    rig.list({pod_json("e-0")}, "10");
    for (int i = 0; i < 3; ++i) {
      CHECK(rig.next().first == Reflector::Ask::watch);
      rig.reflector.watch_ended(rig.now, status(500, "etcd"));
    }
    CHECK(rig.next().first == Reflector::Ask::list);
    CHECK(rig.names() == std::set<std::string>{"e-0"});
  }
}

TEST_SUITE("k8s objects") {
  TEST_CASE("ordinals") {
    CHECK(ordinal_in("tocsin-edge", "tocsin-edge-3") == 3);
    CHECK(ordinal_in("tocsin-edge", "tocsin-edge-canary-3") == -1);
    CHECK(ordinal_in("tocsin-edge", "tocsin-edge-") == -1);
    CHECK(ordinal_in("tocsin-edge", "tocsin-edge--3") == -1);
    CHECK(ordinal_in("tocsin-edge", "other-3") == -1);
    CHECK(ordinal_in("", "x") == -1);
  }
  TEST_CASE("a pod that cannot start says why; one that may does not") {
    const auto trouble = [](const std::string& state) {
      const auto doc = json::parse(
          R"({"metadata":{"name":"e-0"},"status":{"phase":"Pending","containerStatuses":[)" + state + "]}}");
      return parse_pod(*doc).trouble;
    };
    CHECK(
        trouble(
            R"({"restartCount":0,"state":{"waiting":{"reason":"ImagePullBackOff","message":"no such image"}}})") ==
        "e-0 cannot start: ImagePullBackOff, no such image");
    CHECK(trouble(R"({"restartCount":1,"state":{"waiting":{"reason":"CrashLoopBackOff"}}})").empty());
    CHECK_FALSE(trouble(R"({"restartCount":3,"state":{"waiting":{"reason":"CrashLoopBackOff"}}})").empty());
    CHECK(trouble(R"({"restartCount":0,"state":{"waiting":{"reason":"ContainerCreating"}}})").empty());
  }
  TEST_CASE("objects of any shape are read without harm") {
    for (
        const char* text :
        {"{}", "[]", "null", R"({"metadata":7,"status":[],"spec":"x"})",
         R"({"metadata":{"name":3,"ownerReferences":[7,{}],"labels":[]},"status":{"containerStatuses":{}}})"}) {
      const auto doc = json::parse(text);
      REQUIRE(doc);
      CHECK(parse_pod(*doc).name.empty());
      CHECK(parse_set(*doc).name.empty());
    }
  }
  TEST_CASE("an edge's address is made from its pod") {
    Pod pod;
    pod.name = "e-0";
    CHECK(url_of("http://{ip}:8080", pod, "ns").empty());
    pod.ip = "10.0.0.7";
    CHECK(url_of("http://{ip}:8080", pod, "ns") == "http://10.0.0.7:8080");
    CHECK(url_of("https://{name}.pods.{namespace}.svc:8443", pod, "ns") == "https://e-0.pods.ns.svc:8443");
  }
}

}  // namespace
}  // namespace tocsin::ops::k8s
