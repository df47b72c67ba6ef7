// From ONNX to a plan.
#pragma once

#include "logger.hpp"
#include <NvOnnxParser.h>
#include <cstring>
#include <string>
#if NV_TENSORRT_MAJOR == 10
#include "pin.hpp"
#endif

namespace {

// Tells of a build's phases, and stops it.
class Progress final : public IProgressMonitor {
public:
    Progress(vlunet_trt_progress call, void* context)
        : call_(call)
        , context_(context)
    {
    }

    void phaseStart(char const* phase, char const* parent, int32_t steps) noexcept override
    {
        call_(context_, VLUNET_TRT_PHASE_STARTS, phase, parent, steps);
    }

    bool stepComplete(char const* phase, int32_t step) noexcept override
    {
        return call_(context_, VLUNET_TRT_STEP_DONE, phase, nullptr, step) != 0;
    }

    void phaseFinish(char const* phase) noexcept override
    {
        call_(context_, VLUNET_TRT_PHASE_ENDS, phase, nullptr, 0);
    }

private:
    vlunet_trt_progress call_;
    void* context_;
};

bool parse(nvonnxparser::IParser& parser, vlunet_trt_build const& request)
{
    if (parser.parse(request.onnx, request.onnx_size)) {
        return true;
    }
    for (int32_t i = 0; i < parser.getNbErrors(); ++i) {
        if (nvonnxparser::IParserError const* const error = parser.getError(i)) {
            complain("node " + std::to_string(error->node()) + ": " + error->desc());
        }
    }
    return false;
}

// Sets the shapes of one profile. An input of fixed shape needs none, and must be asked for as it is.
bool set_shapes(INetworkDefinition& network, IOptimizationProfile& profile, vlunet_trt_range const& range)
{
    for (int32_t i = 0; i < network.getNbInputs(); ++i) {
        ITensor const* const input = network.getInput(i);
        if (std::strcmp(input->getName(), range.input) != 0) {
            continue;
        }
        Dims const own = input->getDimensions();
        bool fits = own.nbDims == range.opt.rank;
        bool fixed = true;
        for (int32_t side = 0; fits && side < own.nbDims; ++side) {
            bool const same = range.min.sides[side] == own.d[side] && range.max.sides[side] == own.d[side];
            fixed = fixed && own.d[side] >= 0;
            fits = own.d[side] < 0 || same;
        }
        if (!fits) {
            complain(std::string("the model's input ") + range.input + " has another shape");
            return false;
        }
        return fixed
            || (profile.setDimensions(range.input, OptProfileSelector::kMIN, to_dims(range.min))
                && profile.setDimensions(range.input, OptProfileSelector::kOPT, to_dims(range.opt))
                && profile.setDimensions(range.input, OptProfileSelector::kMAX, to_dims(range.max)));
    }
    complain(std::string("the model has no input ") + range.input);
    return false;
}

void set_flags(IBuilderConfig& config, INetworkDefinition& network, vlunet_trt_build const& request, int32_t& pinned)
{
    if (request.tf32 == 0) {
        config.clearFlag(BuilderFlag::kTF32);
    }
    if (request.lean != 0) {
        config.setFlag(BuilderFlag::kVERSION_COMPATIBLE);
        config.setFlag(BuilderFlag::kEXCLUDE_LEAN_RUNTIME);
    }
#if NV_TENSORRT_MAJOR == 10
    if (request.fp16 != 0) {
        config.setFlag(BuilderFlag::kFP16);
    }
    if (request.int8 != 0) {
        config.setFlag(BuilderFlag::kINT8);
    }
    if (request.pin != 0 && request.fp16 != 0) {
        // Prefer, as obey fails the build for one layer without an implementation.
        config.setFlag(BuilderFlag::kPREFER_PRECISION_CONSTRAINTS);
        pinned = Layers(network).pin();
    }
#else
    // Networks are strongly typed: the model says what is float16.
    static_cast<void>(network);
    static_cast<void>(pinned);
#endif
}

vlunet_trt_memory lend(std::unique_ptr<IHostMemory> memory)
{
    if (!memory) {
        return {nullptr, nullptr, 0};
    }
    void const* const data = memory->data();
    size_t const size = memory->size();
    return {memory.release(), data, size};
}

// What follows is destroyed from the end: parser, configuration, network, builder, and then the
// timing cache, which must outlive every builder that uses it.
int32_t build_plan(IBuilder* given, vlunet_trt_build const& request, vlunet_trt_built& built)
{
    Progress progress(request.progress, request.progress_context);
    std::unique_ptr<ITimingCache> timing;
    std::unique_ptr<IBuilder> const builder(given);

    built.step = VLUNET_TRT_STEP_NETWORK;
    // No flags: 10 has explicit batches without being told, and 11 strong types.
    auto const network = own(builder->createNetworkV2(0));
    if (!network) {
        return VLUNET_TRT_REFUSED;
    }
    built.step = VLUNET_TRT_STEP_CONFIG;
    auto const config = own(builder->createBuilderConfig());
    if (!config) {
        return VLUNET_TRT_REFUSED;
    }
    built.step = VLUNET_TRT_STEP_PARSER;
    ILogger& logger = Logger::the();
    auto const parser = own(static_cast<nvonnxparser::IParser*>(
        request.create_parser(network.get(), &logger, NV_ONNX_PARSER_VERSION)));
    if (!parser) {
        return VLUNET_TRT_REFUSED;
    }
    built.step = VLUNET_TRT_STEP_PARSE;
    if (!parse(*parser, request)) {
        return VLUNET_TRT_REFUSED;
    }

    built.step = VLUNET_TRT_STEP_DLA;
    if (request.dla_core >= 0) {
        if (request.dla_core >= builder->getNbDLACores()) {
            complain("this GPU has " + std::to_string(builder->getNbDLACores()) + " DLA cores");
            return VLUNET_TRT_REFUSED;
        }
        config->setDefaultDeviceType(DeviceType::kDLA);
        config->setDLACore(request.dla_core);
        config->setFlag(BuilderFlag::kGPU_FALLBACK);
    }
    built.step = VLUNET_TRT_STEP_PROFILE;
    for (int32_t at = 0; at < request.profile_count; ++at) {
        // The builder's own.
        IOptimizationProfile* const profile = builder->createOptimizationProfile();
        if (!usable(profile)) {
            return VLUNET_TRT_REFUSED;
        }
        for (size_t i = 0; i < request.range_count; ++i) {
            if (request.ranges[i].profile == at && !set_shapes(*network, *profile, request.ranges[i])) {
                return VLUNET_TRT_REFUSED;
            }
        }
        if (config->addOptimizationProfile(profile) < 0) {
            return VLUNET_TRT_REFUSED;
        }
    }

    set_flags(*config, *network, request, built.pinned);
    if (request.workspace != 0) {
        config->setMemoryPoolLimit(MemoryPoolType::kWORKSPACE, static_cast<size_t>(request.workspace));
    }
    if (request.optimization_level >= 0) {
        config->setBuilderOptimizationLevel(request.optimization_level);
    }
    timing = own(config->createTimingCache(request.timing, request.timing_size));
    if (!timing || !config->setTimingCache(*timing, false)) {
        // Of another GPU or version: begin a new one.
        timing = own(config->createTimingCache(nullptr, 0));
        if (timing) {
            config->setTimingCache(*timing, false);
        }
    }
    config->setProgressMonitor(&progress);

    built.step = VLUNET_TRT_STEP_BUILD;
    built.plan = lend(own(builder->buildSerializedNetwork(*network, *config)));
    // What was timed before a stop is of use to the next try.
    if (ITimingCache const* const used = config->getTimingCache()) {
        built.timing = lend(own(used->serialize()));
    }
    return built.plan.handle != nullptr ? VLUNET_TRT_OK : VLUNET_TRT_REFUSED;
}

} // namespace
