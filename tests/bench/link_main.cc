// mvmd-bench-link: the hop between edge and cloud: forwards 127.0.0.1:LISTEN to 127.0.0.1:TO and counts what passes.
// The link is cut by killing this process: its port then refuses, and open connections break.
//
// The counters are a file of two native uint64: bytes upward (from who connects) and bytes downward. A later process
// adds to what it finds there. Headers of TCP and IP are not counted.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>

namespace mvmd {
namespace {

using Counters = std::array<std::atomic<uint64_t>, 2>;

Counters* MapCounters(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, sizeof(Counters)) != 0) return nullptr;
  void* memory = mmap(nullptr, sizeof(Counters), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  return memory == MAP_FAILED ? nullptr : static_cast<Counters*>(memory);
}

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool WriteAll(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t n = write(fd, data, size);
    if (n <= 0) return false;
    data += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

// Until either side closes.
void Forward(int from, int to, std::atomic<uint64_t>* bytes) {
  std::string buffer(256 * 1024, '\0');
  for (ssize_t n; (n = read(from, buffer.data(), buffer.size())) > 0;) {
    bytes->fetch_add(static_cast<uint64_t>(n), std::memory_order_relaxed);
    if (!WriteAll(to, buffer.data(), static_cast<size_t>(n))) break;
  }
  shutdown(from, SHUT_RDWR);
  shutdown(to, SHUT_RDWR);
}

void Serve(int client, uint16_t to_port, Counters* counters) {
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(to_port);
  if (connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    const int on = 1;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    std::thread down([&] { Forward(server, client, &(*counters)[1]); });
    Forward(client, server, &(*counters)[0]);
    down.join();
  }
  close(client);
  close(server);
}

int Main(int argc, char** argv) {
  uint16_t listen_port = 0;
  uint16_t to_port = 0;
  std::string counters_path;
  CLI::App app{"Forwards a local port and counts the bytes"};
  app.add_option("--listen", listen_port)->required();
  app.add_option("--to", to_port)->required();
  app.add_option("--counters", counters_path)->required();
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  Counters* counters = MapCounters(counters_path);
  if (counters == nullptr) {
    std::perror(counters_path.c_str());
    return 1;
  }
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = Loopback(listen_port);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || listen(listener, 64) != 0) {
    std::perror("listen");
    return 1;
  }
  while (true) {
    const int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client >= 0) std::thread(Serve, client, to_port, counters).detach();
  }
}

}  // namespace
}  // namespace mvmd

int main(int argc, char** argv) { return mvmd::Main(argc, argv); }
