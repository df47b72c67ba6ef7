// TensorRT's one logger, and what all of the shim needs.
#pragma once

#include "api.h"
#include <NvInfer.h>
#include <algorithm>
#include <atomic>
#include <memory>
#include <string>

namespace {

using namespace nvinfer1;

class Logger final : public ILogger {
public:
    // Never destroyed: TensorRT keeps the first logger that it is given, and logs at the end of the
    // process, too.
    static Logger& the()
    {
        static Logger* const logger = new Logger;
        return *logger;
    }

    void log(Severity severity, AsciiChar const* message) noexcept override
    {
        vlunet_trt_log const sink = sink_.load(std::memory_order_acquire);
        if (sink != nullptr && message != nullptr) {
            sink(static_cast<int32_t>(severity), message);
        }
    }

    void set(vlunet_trt_log sink) noexcept
    {
        sink_.store(sink, std::memory_order_release);
    }

private:
    std::atomic<vlunet_trt_log> sink_{nullptr};
};

// An error of the shim's own, told where TensorRT's are.
void complain(std::string const& message)
{
    Logger::the().log(ILogger::Severity::kERROR, message.c_str());
}

// Without a GPU, TensorRT has given out small numbers in place of pointers.
bool usable(void const* pointer) noexcept
{
    return reinterpret_cast<uintptr_t>(pointer) >= 4096;
}

// Takes what TensorRT made; null where it made nothing.
template <class Made>
std::unique_ptr<Made> own(Made* made) noexcept
{
    return std::unique_ptr<Made>(usable(made) ? made : nullptr);
}

Dims to_dims(vlunet_trt_dims const& dims) noexcept
{
    Dims made{};
    made.nbDims = std::clamp(dims.rank, 0, static_cast<int32_t>(VLUNET_TRT_MAX_RANK));
    std::copy_n(dims.sides, made.nbDims, made.d);
    return made;
}

// False where TensorRT says by a negative rank that there is no such shape.
bool from_dims(Dims const& dims, vlunet_trt_dims& out) noexcept
{
    out = {};
    if (dims.nbDims < 0 || dims.nbDims > VLUNET_TRT_MAX_RANK) {
        return false;
    }
    out.rank = dims.nbDims;
    std::copy_n(dims.d, dims.nbDims, out.sides);
    return true;
}

} // namespace
