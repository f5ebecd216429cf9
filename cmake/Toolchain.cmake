# How this project's own code is compiled. Nothing here applies to dependencies: they come as system headers.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

option(MVMD_TESTS "Build tests and benchmarks" ON)
set(MVMD_SANITIZE "" CACHE STRING "Sanitizers: empty, address,undefined or thread")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
# Release keeps asserts out but symbols of the stack in, so that a crash report from the field can be read.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
# The same for the sanitizers' presets, which are compiled twice and run once: quick to build, with lines in reports.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1 -DNDEBUG")

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

add_library(mvmd_compile_options INTERFACE)
target_compile_options(mvmd_compile_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wcast-qual -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # False positives of GCC 12 in inlined standard library code at -O2.
  target_compile_options(mvmd_compile_options INTERFACE -Wno-maybe-uninitialized -Wno-restrict -Wno-stringop-overflow)
endif()
if(MVMD_SANITIZE)
  add_compile_options(-fsanitize=${MVMD_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${MVMD_SANITIZE})
endif()
if(MVMD_SANITIZE STREQUAL "thread")
  # protobuf's headers give map fields another layout under it than Debian's library has.
  add_compile_options(-U__SANITIZE_THREAD__)
endif()

# What every executable of ours needs beside its own parts.
function(mvmd_executable_options name)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE mvmd_compile_options)
  if(MVMD_SANITIZE STREQUAL "thread")
    # Debian's Abseil is not instrumented: without this, every use of absl::Mutex looks like a race.
    target_sources(${name} PRIVATE ${CMAKE_SOURCE_DIR}/cmake/tsan_absl_mutex.cc)
    target_link_options(${name} PRIVATE -rdynamic)
    target_link_libraries(${name} PRIVATE absl::synchronization ${CMAKE_DL_LIBS})
  endif()
endfunction()

# mvmd_library(NAME SOURCES... DEPS...): a static library of this project, headers included as "folder/file.h".
function(mvmd_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${ARG_DEPS} PRIVATE mvmd_compile_options)
endfunction()

# mvmd_binary(NAME SOURCES... DEPS...): a program in bin/.
function(mvmd_binary name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  mvmd_executable_options(${name})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
endfunction()

# All GoogleTest programs, without benchmarks and tools.
add_custom_target(mvmd_test_programs)

# mvmd_test(NAME SOURCES... DEPS... [LABELS...]): a GoogleTest program, run by ctest as one test.
function(mvmd_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  mvmd_executable_options(${name})
  target_compile_definitions(${name} PRIVATE MVMD_TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data")
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock_main)
  add_dependencies(mvmd_test_programs ${name})
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT 300)
  if(MVMD_SANITIZE)
    set_tests_properties(${name} PROPERTIES TIMEOUT 900 ENVIRONMENT
      "LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/cmake/lsan.supp;TSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/cmake/tsan.supp ignore_noninstrumented_modules=1;UBSAN_OPTIONS=print_stacktrace=1")
  endif()
endfunction()
