// What the shim offers to Rust, and what it takes; `shim.rs` has the same in Rust.
//
// No function throws. A handle is what the shim gave out, and is destroyed once, in the order context,
// engine, runtime.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

// TensorRT's own limit, `nvinfer1::Dims::MAX_DIMS`.
enum { VLUNET_TRT_MAX_RANK = 8 };

// Outcomes of functions that return int32_t.
enum vlunet_trt_outcome : int32_t {
    VLUNET_TRT_OK = 0,
    // TensorRT said no: null or false.
    VLUNET_TRT_REFUSED = 1,
    // An exception was caught; nothing is known of the objects' state.
    VLUNET_TRT_EXCEPTION = 2,
};

// Where a build failed.
enum vlunet_trt_step : int32_t {
    VLUNET_TRT_STEP_NETWORK = 0,
    VLUNET_TRT_STEP_PARSER = 1,
    VLUNET_TRT_STEP_PARSE = 2,
    VLUNET_TRT_STEP_CONFIG = 3,
    VLUNET_TRT_STEP_DLA = 4,
    VLUNET_TRT_STEP_PROFILE = 5,
    VLUNET_TRT_STEP_BUILD = 6,
};

enum vlunet_trt_event : int32_t {
    VLUNET_TRT_PHASE_STARTS = 0,
    VLUNET_TRT_STEP_DONE = 1,
    VLUNET_TRT_PHASE_ENDS = 2,
};

// Called from any thread, at any time until the process ends; never unwinds.
typedef void (*vlunet_trt_log)(int32_t severity, char const* message);

// Returns 0 to stop the build. Called from any thread of the build; never unwinds.
typedef int32_t (*vlunet_trt_progress)(
    void* context, int32_t event, char const* phase, char const* parent, int32_t number);

// `createNvOnnxParser_INTERNAL`.
typedef void* (*vlunet_trt_create_parser)(void* network, void* logger, int version);

struct vlunet_trt_dims {
    int32_t rank;
    int64_t sides[VLUNET_TRT_MAX_RANK];
};

// The shapes that an input has in a profile.
struct vlunet_trt_range {
    char const* input;
    int32_t profile;
    vlunet_trt_dims min;
    vlunet_trt_dims opt;
    vlunet_trt_dims max;
};

struct vlunet_trt_build {
    void const* onnx;
    size_t onnx_size;
    vlunet_trt_range const* ranges;
    size_t range_count;
    int32_t profile_count;
    // Bytes; 0 for TensorRT's own limit.
    uint64_t workspace;
    // What TensorRT 10 may choose beside float32; 11 takes the types of the model.
    int32_t fp16;
    int32_t int8;
    int32_t tf32;
    // Keep normalisations in float32 (10).
    int32_t pin;
    // A plan for the lean library.
    int32_t lean;
    // -1 for none.
    int32_t dla_core;
    // -1 for TensorRT's own.
    int32_t optimization_level;
    void const* timing;
    size_t timing_size;
    vlunet_trt_create_parser create_parser;
    vlunet_trt_progress progress;
    void* progress_context;
};

// Memory that TensorRT owns until `memory_destroy`.
struct vlunet_trt_memory {
    void* handle;
    void const* data;
    size_t size;
};

struct vlunet_trt_built {
    // Of `vlunet_trt_step`, where the outcome isn't OK.
    int32_t step;
    // Layers kept in float32.
    int32_t pinned;
    vlunet_trt_memory plan;
    // Empty where there is none.
    vlunet_trt_memory timing;
};

struct vlunet_trt_tensor {
    // Lives as long as the engine.
    char const* name;
    int32_t is_input;
    // Of `nvinfer1::DataType`.
    int32_t type;
    int32_t on_host;
    // -1 where a side is dynamic.
    vlunet_trt_dims dims;
};

// A virtual function that the shim calls, and its place in the vtable as compiled.
struct vlunet_trt_slot {
    char const* type;
    char const* method;
    int32_t slot;
};

struct vlunet_trt_api {
    // Of the headers it was compiled with, as `getInferLibVersion` has it.
    int32_t headers;
    void (*set_log)(vlunet_trt_log log);
    // The one logger of the process, as TensorRT keeps a single one.
    void* (*logger)();
    // Takes the builder, which is destroyed whatever comes of it.
    int32_t (*build)(void* builder, vlunet_trt_build const* request, vlunet_trt_built* built);
    void (*memory_destroy)(void* handle);
    int32_t (*runtime_dla_cores)(void* runtime);
    int32_t (*runtime_deserialize)(
        void* runtime, void const* plan, size_t size, int32_t dla_core, void** engine);
    void (*runtime_destroy)(void* runtime);
    int32_t (*engine_tensor_count)(void* engine);
    int32_t (*engine_tensor)(void* engine, int32_t index, vlunet_trt_tensor* tensor);
    int32_t (*engine_profile_count)(void* engine);
    // The smallest and largest shape that an input may have in a profile.
    int32_t (*engine_range)(
        void* engine, char const* input, int32_t profile, vlunet_trt_dims* min, vlunet_trt_dims* max);
    int64_t (*engine_memory)(void* engine);
    int32_t (*engine_context)(void* engine, void** context);
    void (*engine_destroy)(void* engine);
    int32_t (*context_profile)(void* context, int32_t profile, void* stream);
    int32_t (*context_set_shape)(void* context, char const* input, vlunet_trt_dims const* dims);
    int32_t (*context_shape)(void* context, char const* tensor, vlunet_trt_dims* dims);
    int32_t (*context_address)(void* context, char const* tensor, void* address);
    int32_t (*context_enqueue)(void* context, void* stream);
    void (*context_destroy)(void* context);
    vlunet_trt_slot const* slots;
    size_t slot_count;
    // Of dims, range, build, built, tensor, slot and this table, for the tests.
    size_t sizes[7];
};

vlunet_trt_api const* vlunet_trt10_api() noexcept;
vlunet_trt_api const* vlunet_trt11_api() noexcept;

} // extern "C"
