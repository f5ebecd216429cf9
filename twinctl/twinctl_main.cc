#include "twinctl/command.h"
#include "twinctl/console.h"

int main(int argc, char** argv) {
  mvmd::Console console = mvmd::Console::Standard();
  return mvmd::RunTwinctl(argc, argv, console);
}
