// TensorRT's C++ interface as a table of C functions. Compiled once for each major version, with
// TensorRT's namespaces renamed, so that both are in one binary; nothing of TensorRT is linked.

#include "api.h"
#include "build.hpp"
#include "logger.hpp"
#include "slots.hpp"

#ifndef VLUNET_TRT_API
#error "VLUNET_TRT_API names the function that gives the table"
#endif

namespace {

// Runs what may throw, and says so in place of throwing.
template <class Work>
int32_t guarded(Work&& work) noexcept
{
    try {
        return work();
    } catch (...) {
        return VLUNET_TRT_EXCEPTION;
    }
}

int32_t outcome(bool good) noexcept
{
    return good ? VLUNET_TRT_OK : VLUNET_TRT_REFUSED;
}

template <class Object>
Object& as(void* handle) noexcept
{
    return *static_cast<Object*>(handle);
}

template <class Object>
void destroy(void* handle) noexcept
{
    try {
        delete static_cast<Object*>(handle);
    } catch (...) {
        // It is gone as far as it goes.
    }
}

void set_log(vlunet_trt_log log) noexcept
{
    static_cast<void>(guarded([&] {
        Logger::the().set(log);
        return 0;
    }));
}

void* logger() noexcept
{
    try {
        // As the base that TensorRT casts it back to.
        return static_cast<ILogger*>(&Logger::the());
    } catch (...) {
        return nullptr;
    }
}

int32_t build(void* builder, vlunet_trt_build const* request, vlunet_trt_built* built) noexcept
{
    *built = {};
    return guarded([&] { return build_plan(static_cast<IBuilder*>(builder), *request, *built); });
}

int32_t runtime_dla_cores(void* runtime) noexcept
{
    return as<IRuntime>(runtime).getNbDLACores();
}

int32_t runtime_deserialize(void* runtime, void const* plan, size_t size, int32_t dla_core, void** engine) noexcept
{
    *engine = nullptr;
    return guarded([&] {
        if (dla_core >= 0) {
            as<IRuntime>(runtime).setDLACore(dla_core);
        }
        *engine = own(as<IRuntime>(runtime).deserializeCudaEngine(plan, size)).release();
        return outcome(*engine != nullptr);
    });
}

int32_t engine_tensor_count(void* engine) noexcept
{
    return as<ICudaEngine>(engine).getNbIOTensors();
}

int32_t engine_tensor(void* engine, int32_t index, vlunet_trt_tensor* tensor) noexcept
{
    *tensor = {};
    return guarded([&] {
        ICudaEngine const& in = as<ICudaEngine>(engine);
        char const* const name = in.getIOTensorName(index);
        if (name == nullptr) {
            return outcome(false);
        }
        tensor->name = name;
        tensor->is_input = in.getTensorIOMode(name) == TensorIOMode::kINPUT ? 1 : 0;
        tensor->type = static_cast<int32_t>(in.getTensorDataType(name));
        tensor->on_host = in.getTensorLocation(name) == TensorLocation::kHOST ? 1 : 0;
        return outcome(from_dims(in.getTensorShape(name), tensor->dims));
    });
}

int32_t engine_profile_count(void* engine) noexcept
{
    return as<ICudaEngine>(engine).getNbOptimizationProfiles();
}

int32_t engine_range(
    void* engine, char const* input, int32_t profile, vlunet_trt_dims* min, vlunet_trt_dims* max) noexcept
{
    return guarded([&] {
        ICudaEngine const& in = as<ICudaEngine>(engine);
        return outcome(from_dims(in.getProfileShape(input, profile, OptProfileSelector::kMIN), *min)
            && from_dims(in.getProfileShape(input, profile, OptProfileSelector::kMAX), *max));
    });
}

int64_t engine_memory(void* engine) noexcept
{
    return as<ICudaEngine>(engine).getDeviceMemorySizeV2();
}

int32_t engine_context(void* engine, void** context) noexcept
{
    *context = nullptr;
    return guarded([&] {
        // For the profile in use, not for the largest of all.
        auto const strategy = ExecutionContextAllocationStrategy::kON_PROFILE_CHANGE;
        *context = own(as<ICudaEngine>(engine).createExecutionContext(strategy)).release();
        return outcome(*context != nullptr);
    });
}

int32_t context_profile(void* context, int32_t profile, void* stream) noexcept
{
    return outcome(as<IExecutionContext>(context).setOptimizationProfileAsync(
        profile, static_cast<cudaStream_t>(stream)));
}

int32_t context_set_shape(void* context, char const* input, vlunet_trt_dims const* dims) noexcept
{
    return outcome(as<IExecutionContext>(context).setInputShape(input, to_dims(*dims)));
}

int32_t context_shape(void* context, char const* tensor, vlunet_trt_dims* dims) noexcept
{
    return outcome(from_dims(as<IExecutionContext>(context).getTensorShape(tensor), *dims));
}

int32_t context_address(void* context, char const* tensor, void* address) noexcept
{
    return outcome(as<IExecutionContext>(context).setTensorAddress(tensor, address));
}

int32_t context_enqueue(void* context, void* stream) noexcept
{
    return outcome(as<IExecutionContext>(context).enqueueV3(static_cast<cudaStream_t>(stream)));
}

vlunet_trt_api const api = {
    NV_TENSORRT_MAJOR * 10000 + NV_TENSORRT_MINOR * 100 + NV_TENSORRT_PATCH,
    set_log,
    logger,
    build,
    destroy<IHostMemory>,
    runtime_dla_cores,
    runtime_deserialize,
    destroy<IRuntime>,
    engine_tensor_count,
    engine_tensor,
    engine_profile_count,
    engine_range,
    engine_memory,
    engine_context,
    destroy<ICudaEngine>,
    context_profile,
    context_set_shape,
    context_shape,
    context_address,
    context_enqueue,
    destroy<IExecutionContext>,
    slots,
    sizeof(slots) / sizeof(slots[0]),
    {sizeof(vlunet_trt_dims), sizeof(vlunet_trt_range), sizeof(vlunet_trt_build), sizeof(vlunet_trt_built),
        sizeof(vlunet_trt_tensor), sizeof(vlunet_trt_slot), sizeof(vlunet_trt_api)},
};

} // namespace

extern "C" vlunet_trt_api const* VLUNET_TRT_API() noexcept
{
    return &api;
}
