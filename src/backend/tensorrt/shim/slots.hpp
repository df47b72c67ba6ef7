// Every virtual function of TensorRT that the shim calls, with its place in the vtable as this
// compiler and these headers have it. The tests hold it against TensorRT 10.3; they also read the
// shim's sources, so that none is forgotten here.
#pragma once

#include "api.h"
#include <NvInfer.h>
#include <NvOnnxParser.h>
#include <cstring>

namespace {

// Of the Itanium C++ ABI: a pointer to a virtual member function is its offset in the vtable. ARM
// has the mark of a virtual one in the second word, others in the lowest bit of the first.
template <class Method>
int32_t slot_of(Method method) noexcept
{
    static_assert(sizeof(method) == 2 * sizeof(std::ptrdiff_t), "not the Itanium ABI");
    std::ptrdiff_t words[2];
    std::memcpy(words, &method, sizeof(words));
    int32_t const pointer = sizeof(void*);
#if defined(__aarch64__) || defined(__arm__)
    return (words[1] & 1) != 0 ? static_cast<int32_t>(words[0] / pointer) : -1;
#else
    return (words[0] & 1) != 0 ? static_cast<int32_t>((words[0] - 1) / pointer) : -1;
#endif
}

using namespace nvinfer1;

using Deserialize = ICudaEngine* (apiv::VRuntime::*) (void const*, std::size_t) noexcept;

#define VLUNET_SLOT(type, method) {#type, #method, slot_of(&apiv::type::method)}
#define VLUNET_PARSER_SLOT(type, method) {#type, #method, slot_of(&nvonnxparser::type::method)}

vlunet_trt_slot const slots[] = {
    {"VRuntime", "deserializeCudaEngine",
        slot_of(static_cast<Deserialize>(&apiv::VRuntime::deserializeCudaEngine))},
    VLUNET_SLOT(VRuntime, getNbDLACores),
    VLUNET_SLOT(VRuntime, setDLACore),
    VLUNET_SLOT(VCudaEngine, createExecutionContext),
    VLUNET_SLOT(VCudaEngine, getDeviceMemorySizeV2),
    VLUNET_SLOT(VCudaEngine, getIOTensorName),
    VLUNET_SLOT(VCudaEngine, getNbIOTensors),
    VLUNET_SLOT(VCudaEngine, getNbOptimizationProfiles),
    VLUNET_SLOT(VCudaEngine, getProfileShape),
    VLUNET_SLOT(VCudaEngine, getTensorDataType),
    VLUNET_SLOT(VCudaEngine, getTensorIOMode),
    VLUNET_SLOT(VCudaEngine, getTensorLocation),
    VLUNET_SLOT(VCudaEngine, getTensorShape),
    VLUNET_SLOT(VExecutionContext, enqueueV3),
    VLUNET_SLOT(VExecutionContext, getTensorShape),
    VLUNET_SLOT(VExecutionContext, setInputShape),
    VLUNET_SLOT(VExecutionContext, setOptimizationProfileAsync),
    VLUNET_SLOT(VExecutionContext, setTensorAddress),
    VLUNET_SLOT(VNetworkDefinition, getInput),
    VLUNET_SLOT(VNetworkDefinition, getNbInputs),
    VLUNET_SLOT(VBuilder, buildSerializedNetwork),
    VLUNET_SLOT(VBuilder, createBuilderConfig),
    VLUNET_SLOT(VBuilder, createNetworkV2),
    VLUNET_SLOT(VBuilder, createOptimizationProfile),
    VLUNET_SLOT(VBuilder, getNbDLACores),
    VLUNET_SLOT(VBuilderConfig, addOptimizationProfile),
    VLUNET_SLOT(VBuilderConfig, clearFlag),
    VLUNET_SLOT(VBuilderConfig, createTimingCache),
    VLUNET_SLOT(VBuilderConfig, getTimingCache),
    VLUNET_SLOT(VBuilderConfig, setBuilderOptimizationLevel),
    VLUNET_SLOT(VBuilderConfig, setDLACore),
    VLUNET_SLOT(VBuilderConfig, setDefaultDeviceType),
    VLUNET_SLOT(VBuilderConfig, setFlag),
    VLUNET_SLOT(VBuilderConfig, setMemoryPoolLimit),
    VLUNET_SLOT(VBuilderConfig, setProgressMonitor),
    VLUNET_SLOT(VBuilderConfig, setTimingCache),
    VLUNET_SLOT(VOptimizationProfile, setDimensions),
    VLUNET_SLOT(VTimingCache, serialize),
    VLUNET_SLOT(VHostMemory, data),
    VLUNET_SLOT(VHostMemory, size),
    VLUNET_SLOT(VTensor, getDimensions),
    VLUNET_SLOT(VTensor, getName),
#if NV_TENSORRT_MAJOR == 10
    VLUNET_SLOT(VNetworkDefinition, getLayer),
    VLUNET_SLOT(VNetworkDefinition, getNbLayers),
    VLUNET_SLOT(VLayer, getInput),
    VLUNET_SLOT(VLayer, getNbInputs),
    VLUNET_SLOT(VLayer, getNbOutputs),
    VLUNET_SLOT(VLayer, getOutput),
    VLUNET_SLOT(VLayer, getType),
    VLUNET_SLOT(VLayer, setOutputType),
    VLUNET_SLOT(VLayer, setPrecision),
    VLUNET_SLOT(VTensor, getType),
    VLUNET_SLOT(VTensor, isNetworkOutput),
    VLUNET_SLOT(VUnaryLayer, getOperation),
    VLUNET_SLOT(VElementWiseLayer, getOperation),
#endif
    VLUNET_PARSER_SLOT(IParser, getError),
    VLUNET_PARSER_SLOT(IParser, getNbErrors),
    VLUNET_PARSER_SLOT(IParser, parse),
    VLUNET_PARSER_SLOT(IParserError, desc),
    VLUNET_PARSER_SLOT(IParserError, node),
};

} // namespace
