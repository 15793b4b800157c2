#include "ops/cluster/cluster_file.h"

#include <unistd.h>

#include <cstdlib>
#include <limits>

#include "common/json/json.h"
#include "ops/cluster/file.h"
#include "ops/cluster/members.h"

namespace tocsin::ops {
namespace {

/// Reads members of one object; the first thing that is wrong is kept.
class Reader {
 public:
  Reader(const json::Value& object, std::string where) : object_(object), where_(std::move(where)) {}

  void text(std::string_view name, std::string& into, bool required) {
    auto member = json::string_member(object_, name);
    if (!member || (required && !*member)) return fail(name, "must be a string");
    if (*member) into = **member;
  }
  void pid(std::string_view name, pid_t& into) {
    auto member = json::uint_member(object_, name);
    if (!member || !*member || **member > static_cast<std::uint64_t>(std::numeric_limits<pid_t>::max()))
      return fail(name, "must be a process id");
    into = static_cast<pid_t>(**member);
  }
  [[nodiscard]] Status status() const {
    if (wrong_.empty()) return Done{};
    return Error{Errc::invalid_argument, wrong_};
  }

 private:
  void fail(std::string_view name, std::string_view what) {
    if (wrong_.empty()) wrong_ = where_ + "." + std::string(name) + " " + std::string(what);
  }
  const json::Value& object_;
  std::string where_;
  std::string wrong_;
};

Status read_edges(const json::Value& root, std::vector<ClusterFile::Edge>& edges) {
  const json::Value* list = json::find(root, "edges");
  if (list == nullptr || !list->IsArray()) return Error{Errc::invalid_argument, "edges must be an array"};
  for (const json::Value& item : list->GetArray()) {
    ClusterFile::Edge edge;
    Reader reader(item, "edges[" + std::to_string(edges.size()) + "]");
    reader.text("id", edge.id, true);
    reader.pid("pid", edge.pid);
    reader.text("ws", edge.ws, true);
    reader.text("http", edge.http, true);
    if (auto ok = reader.status(); !ok) return ok;
    edges.push_back(std::move(edge));
  }
  return Done{};
}

}  // namespace

std::string ClusterFile::to_json() const {
  std::string out;
  Members root(out);
  root.lead("broker");
  Members(out)
      .number("pid", broker.pid)
      .text("ingest", broker.ingest)
      .text("http", broker.http)
      .text("public_key", broker.public_key)
      .end();
  root.lead("supervisor");
  Members(out)
      .number("pid", supervisor.pid)
      .text("http", supervisor.http)
      .text("token_file", supervisor.token_file)
      .end();
  root.lead("edges");
  out += '[';
  for (const Edge& edge : edges) {
    if (out.back() != '[') out += ',';
    Members(out)
        .text("id", edge.id)
        .number("pid", edge.pid)
        .text("ws", edge.ws)
        .text("http", edge.http)
        .end();
  }
  out += ']';
  root.text("dir", dir).text("client_key_file", client_key_file).end();
  out += '\n';
  return out;
}

Result<ClusterFile> ClusterFile::parse(std::string_view text) {
  auto document = json::parse(text);
  if (!document) return document.error();
  const json::Value& root = *document;
  if (!root.IsObject()) return Error{Errc::invalid_argument, "not a JSON object"};
  ClusterFile file;
  for (const std::string_view part : {"broker", "supervisor"}) {
    const json::Value* object = json::find(root, part);
    if (object == nullptr || !object->IsObject())
      return Error{Errc::invalid_argument, std::string(part) + " must be an object"};
    Reader reader(*object, std::string(part));
    if (part == "broker") {
      reader.pid("pid", file.broker.pid);
      reader.text("ingest", file.broker.ingest, true);
      reader.text("http", file.broker.http, false);
      reader.text("public_key", file.broker.public_key, false);
    } else {
      reader.pid("pid", file.supervisor.pid);
      reader.text("http", file.supervisor.http, true);
      reader.text("token_file", file.supervisor.token_file, false);
    }
    if (auto ok = reader.status(); !ok) return ok.error();
  }
  if (auto ok = read_edges(root, file.edges); !ok) return ok.error();
  Reader rest(root, "cluster");
  rest.text("dir", file.dir, false);
  rest.text("client_key_file", file.client_key_file, false);
  if (auto ok = rest.status(); !ok) return ok.error();
  return file;
}

Result<ClusterFile> load_cluster_file(const std::string& path) {
  auto text = read_file(path);
  if (!text) return Error{text.error().code, text.error().detail + "; is the cluster up (tocsinctl up)?"};
  auto file = ClusterFile::parse(*text);
  if (!file) return Error{Errc::invalid_argument, path + " is not a cluster file: " + file.error().detail};
  return file;
}

Result<std::string> find_cluster_file(const std::string& flag) {
  if (!flag.empty()) return flag;
  if (const char* named = std::getenv("TOCSIN_CLUSTER"); named != nullptr && *named != '\0')
    return std::string(named);
  const std::string dev = std::string(kDevFolder) + "/cluster.json";
  for (const std::string& path : {std::string("cluster.json"), dev}) {
    if (::access(path.c_str(), R_OK) == 0) return path;
  }
  return Error{Errc::not_found,
               "no cluster.json found ($TOCSIN_CLUSTER is not set; tried ./cluster.json and " + dev +
                   "): start one with tocsinctl up, or name it with --cluster"};
}

Result<ClusterFile> open_cluster(const std::string& flag) {
  const auto path = find_cluster_file(flag);
  if (!path) return path.error();
  return load_cluster_file(*path);
}

}  // namespace tocsin::ops
