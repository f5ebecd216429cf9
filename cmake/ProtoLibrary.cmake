# mvmd_proto_library(NAME [SERVICES] PROTOS...): compiles .proto files (paths relative to proto/) into a static library:
# their messages, or with SERVICES their gRPC services only. Generated headers are included as system headers, so that our
# warnings do not apply to them.
function(mvmd_proto_library name)
  cmake_parse_arguments(ARG "SERVICES" "" "PROTOS;DEPS" ${ARGN})
  set(out ${CMAKE_BINARY_DIR}/gen)
  file(MAKE_DIRECTORY ${out})
  set(sources)
  foreach(proto IN LISTS ARG_PROTOS)
    string(REGEX REPLACE "\\.proto$" "" base ${proto})
    if(ARG_SERVICES)
      set(generated ${out}/${base}.grpc.pb.cc ${out}/${base}.grpc.pb.h)
      set(flags --grpc_out=${out} --plugin=protoc-gen-grpc=${GRPC_CPP_PLUGIN})
    else()
      set(generated ${out}/${base}.pb.cc ${out}/${base}.pb.h)
      set(flags --cpp_out=${out})
    endif()
    add_custom_command(
      OUTPUT ${generated}
      COMMAND protobuf::protoc -I ${CMAKE_SOURCE_DIR}/proto ${flags} ${proto}
      DEPENDS ${CMAKE_SOURCE_DIR}/proto/${proto}
      VERBATIM)
    list(APPEND sources ${generated})
  endforeach()
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} SYSTEM PUBLIC ${out})
  target_link_libraries(${name} PUBLIC protobuf::libprotobuf ${ARG_DEPS})
  if(ARG_SERVICES)
    target_link_libraries(${name} PUBLIC gRPC::grpc++)
  endif()
endfunction()
