// TensorRT 10: which layers stay in float32 where the rest may be in float16.
#pragma once

#include <NvInfer.h>
#include <unordered_map>
#include <vector>

namespace {

using namespace nvinfer1;

// The layers of a network by what reads and makes their tensors; the rules are those of
// `onnx/precision.rs`, in TensorRT's layers.
class Layers {
public:
    explicit Layers(INetworkDefinition& network)
        : count_(network.getNbLayers())
        , wide_(static_cast<size_t>(count_), false)
    {
        for (int32_t at = 0; at < count_; ++at) {
            ILayer* const layer = network.getLayer(at);
            layers_.push_back(layer);
            for (int32_t i = 0; i < layer->getNbInputs(); ++i) {
                if (ITensor* const tensor = layer->getInput(i)) {
                    readers_[tensor].push_back(at);
                }
            }
            for (int32_t i = 0; i < layer->getNbOutputs(); ++i) {
                makers_[layer->getOutput(i)] = at;
            }
        }
    }

    // Keeps what is sensitive in float32; how many layers those are.
    int32_t pin()
    {
        for (int32_t at = 0; at < count_; ++at) {
            wide_[at] = is_of_floats(at) && is_sensitive(at);
        }
        for (bool changed = true; changed;) {
            changed = false;
            for (int32_t at = count_ - 1; at >= 0; --at) {
                if (!wide_[at] && is_of_floats(at) && (multiplies_wide(at) || serves_wide(at))) {
                    wide_[at] = changed = true;
                }
            }
        }
        int32_t pinned = 0;
        for (int32_t at = 0; at < count_; ++at) {
            if (wide_[at]) {
                pin_one(at);
                ++pinned;
            }
        }
        return pinned;
    }

private:
    static bool is_float(ITensor const* tensor)
    {
        return tensor != nullptr
            && (tensor->getType() == DataType::kFLOAT || tensor->getType() == DataType::kHALF);
    }

    // A layer that computes on floats: shapes are integers, and constants, casts and Q/DQ have types
    // of their own.
    bool is_of_floats(int32_t at) const
    {
        ILayer const* const layer = layers_[at];
        switch (layer->getType()) {
        case LayerType::kCONSTANT:
        case LayerType::kQUANTIZE:
        case LayerType::kDEQUANTIZE:
        case LayerType::kCAST:
        case LayerType::kIDENTITY:
        case LayerType::kSHAPE: return false;
        default: break;
        }
        for (int32_t i = 0; i < layer->getNbOutputs(); ++i) {
            if (!is_float(layer->getOutput(i))) {
                return false;
            }
        }
        return layer->getNbOutputs() > 0 && is_float(layer->getInput(0));
    }

    // Sums over many numbers, steep functions, what interpolates, and what divides by something
    // computed.
    bool is_sensitive(int32_t at) const
    {
        ILayer* const layer = layers_[at];
        switch (layer->getType()) {
        case LayerType::kNORMALIZATION:
        case LayerType::kREDUCE:
        case LayerType::kRESIZE:
        case LayerType::kSOFTMAX: return true;
        case LayerType::kUNARY:
            switch (static_cast<IUnaryLayer*>(layer)->getOperation()) {
            case UnaryOperation::kEXP:
            case UnaryOperation::kLOG:
            case UnaryOperation::kRECIP:
            case UnaryOperation::kSQRT: return true;
            default: return false;
            }
        case LayerType::kELEMENTWISE:
            switch (static_cast<IElementWiseLayer*>(layer)->getOperation()) {
            case ElementWiseOperation::kPOW: return true;
            case ElementWiseOperation::kDIV: return !is_constant(layer->getInput(1));
            default: return false;
            }
        default: return false;
        }
    }

    int32_t maker_of(ITensor const* tensor) const
    {
        auto const found = makers_.find(tensor);
        return found == makers_.end() ? -1 : found->second;
    }

    // Constants may be broadcast by layers that move values about.
    bool is_constant(ITensor const* tensor) const
    {
        for (int32_t steps = 0; steps < 4; ++steps) {
            int32_t const maker = maker_of(tensor);
            if (maker < 0) {
                return false;
            }
            if (layers_[maker]->getType() == LayerType::kCONSTANT) {
                return true;
            }
            if (!moves(maker)) {
                return false;
            }
            tensor = layers_[maker]->getInput(0);
        }
        return false;
    }

    bool moves(int32_t at) const
    {
        switch (layers_[at]->getType()) {
        case LayerType::kCONCATENATION:
        case LayerType::kGATHER:
        case LayerType::kIDENTITY:
        case LayerType::kSHUFFLE:
        case LayerType::kSLICE: return true;
        default: return false;
        }
    }

    // A product of what was normalised: an attention's, whose sums run over all pixels.
    bool multiplies_wide(int32_t at) const
    {
        ILayer const* const layer = layers_[at];
        if (layer->getType() != LayerType::kMATRIX_MULTIPLY) {
            return false;
        }
        for (int32_t i = 0; i < layer->getNbInputs(); ++i) {
            int32_t maker = maker_of(layer->getInput(i));
            while (maker >= 0 && !wide_[maker] && moves(maker)) {
                maker = maker_of(layers_[maker]->getInput(0));
            }
            if (maker < 0 || !wide_[maker]) {
                return false;
            }
        }
        return true;
    }

    // Works on each element, or moves it, for readers that are all wide: the squares before a
    // sum, the epsilon after it.
    bool serves_wide(int32_t at) const
    {
        ILayer const* const layer = layers_[at];
        auto const type = layer->getType();
        bool const cheap = moves(at) || type == LayerType::kELEMENTWISE || type == LayerType::kUNARY
            || type == LayerType::kACTIVATION;
        bool read = false;
        for (int32_t i = 0; cheap && i < layer->getNbOutputs(); ++i) {
            auto const found = readers_.find(layer->getOutput(i));
            if (found == readers_.end()) {
                return false;
            }
            for (int32_t const reader : found->second) {
                if (!wide_[reader]) {
                    return false;
                }
                read = true;
            }
        }
        return cheap && read;
    }

    // What goes from one wide layer to others only, or out of the network, is float32, too.
    void pin_one(int32_t at)
    {
        ILayer* const layer = layers_[at];
        layer->setPrecision(DataType::kFLOAT);
        for (int32_t i = 0; i < layer->getNbOutputs(); ++i) {
            ITensor const* const tensor = layer->getOutput(i);
            auto const found = readers_.find(tensor);
            bool all = found != readers_.end() || tensor->isNetworkOutput();
            if (found != readers_.end()) {
                for (int32_t const reader : found->second) {
                    all = all && wide_[reader];
                }
            }
            if (all) {
                layer->setOutputType(i, DataType::kFLOAT);
            }
        }
    }

    int32_t count_;
    std::vector<ILayer*> layers_;
    std::vector<bool> wide_;
    std::unordered_map<ITensor const*, std::vector<int32_t>> readers_;
    std::unordered_map<ITensor const*, int32_t> makers_;
};

} // namespace
