//! How the kernels' gradients enter burn's autodiff graph.

use super::Kernels;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend};

/// Registers a kernel: how it is called, and what its backward step does with the saved
/// tensors.
macro_rules! differentiable {
    ($step:ident, [$($input:ident),+], $forward:expr, $saved:expr) => {{
        let nodes = [$($input.node()),+];
        $(let $input = $input.primitive().clone();)+
        match $step.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let saved = $saved;
                prepared.finish(saved, $forward)
            }
            OpsKind::UnTracked(prepared) => prepared.finish($forward),
        }
    }};
}

#[derive(Debug)]
struct Depthwise;

impl<B: Kernels> Backward<B, 2> for Depthwise {
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (x, weight) = ops.state;
        let gradient = gradients.consume::<B>(&ops.node);
        let [of_x, of_weight] = ops.parents;
        if let Some(node) = of_weight {
            gradients.register::<B>(node.id, B::depthwise_weight_gradient(x, gradient.clone()));
        }
        if let Some(node) = of_x {
            gradients.register::<B>(node.id, B::depthwise(gradient, weight, true));
        }
    }
}

#[derive(Debug)]
struct ChannelNorm;

impl<B: Kernels> Backward<B, 3> for ChannelNorm {
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (x, gain) = ops.state;
        let gradient = gradients.consume::<B>(&ops.node);
        let (of_x, of_gain, of_bias) = B::channel_norm_gradients(x, gain, gradient);
        for (node, gradient) in ops.parents.into_iter().zip([of_x, of_gain, of_bias]) {
            if let Some(node) = node {
                gradients.register::<B>(node.id, gradient);
            }
        }
    }
}

#[derive(Debug)]
struct Gate;

impl<B: Kernels> Backward<B, 1> for Gate {
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let [node] = ops.parents;
        if let Some(node) = node {
            gradients.register::<B>(node.id, B::gate_gradient(ops.state, gradient));
        }
    }
}

#[derive(Debug)]
struct Attention;

impl<B: Kernels> Backward<B, 4> for Attention {
    type State = [FloatTensor<B>; 4];

    fn backward(self, ops: Ops<Self::State, 4>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [q, k, v, temperature] = ops.state;
        let gradient = gradients.consume::<B>(&ops.node);
        let (q, k, v, temperature) = B::channel_attention_gradients(q, k, v, temperature, gradient);
        for (node, gradient) in ops.parents.into_iter().zip([q, k, v, temperature]) {
            if let Some(node) = node {
                gradients.register::<B>(node.id, gradient);
            }
        }
    }
}

#[derive(Debug)]
struct Neighbours;

impl<B: Kernels> Backward<B, 1> for Neighbours {
    type State = ();

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let [node] = ops.parents;
        if let Some(node) = node {
            gradients.register::<B>(node.id, B::neighbours_gradient(gradient));
        }
    }
}

#[derive(Debug)]
struct FakeQuantize;

impl<B: Kernels> Backward<B, 2> for FakeQuantize {
    type State = (FloatTensor<B>, FloatTensor<B>, [f32; 2]);

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (x, scales, [least, most]) = ops.state;
        let gradient = gradients.consume::<B>(&ops.node);
        let (of_x, of_scales) = B::fake_quantize_gradients(x, scales, gradient, least, most);
        for (node, gradient) in ops.parents.into_iter().zip([of_x, of_scales]) {
            if let Some(node) = node {
                gradients.register::<B>(node.id, gradient);
            }
        }
    }
}

impl<B: Kernels, C: CheckpointStrategy> Kernels for Autodiff<B, C> {
    fn depthwise(x: FloatTensor<Self>, weight: FloatTensor<Self>, flipped: bool) -> FloatTensor<Self> {
        assert!(!flipped, "only gradients use flipped kernels, and those have no gradient");
        differentiable!(Depthwise, [x, weight], B::depthwise(x, weight, false), (x.clone(), weight.clone()))
    }

    fn channel_norm(
        x: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        differentiable!(
            ChannelNorm,
            [x, gain, bias],
            B::channel_norm(x, gain, bias),
            (x.clone(), gain.clone())
        )
    }

    fn gate(h: FloatTensor<Self>) -> FloatTensor<Self> {
        differentiable!(Gate, [h], B::gate(h), h.clone())
    }

    fn channel_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        temperature: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let saved = [&q, &k, &v, &temperature].map(|tensor| tensor.primitive().clone());
        differentiable!(Attention, [q, k, v, temperature], B::channel_attention(q, k, v, temperature), saved)
    }

    fn neighbours(x: FloatTensor<Self>) -> FloatTensor<Self> {
        differentiable!(Neighbours, [x], B::neighbours(x), ())
    }

    fn fake_quantize(
        x: FloatTensor<Self>,
        scales: FloatTensor<Self>,
        least: f32,
        most: f32,
    ) -> FloatTensor<Self> {
        differentiable!(
            FakeQuantize,
            [x, scales],
            B::fake_quantize(x, scales, least, most),
            (x.clone(), scales.clone(), [least, most])
        )
    }

    fn weight_scales(weights: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::from_inner(B::weight_scales(weights.primitive().clone()))
    }

    fn fake_quantize_gradients(
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: f32,
        _: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        unreachable!("gradients of gradients are not recorded")
    }

    fn channel_attention_gradients(
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        unreachable!("gradients of gradients are not recorded")
    }

    fn neighbours_gradient(_: FloatTensor<Self>) -> FloatTensor<Self> {
        unreachable!("gradients of gradients are not recorded")
    }

    fn depthwise_weight_gradient(_: FloatTensor<Self>, _: FloatTensor<Self>) -> FloatTensor<Self> {
        unreachable!("gradients of gradients are not recorded")
    }

    fn channel_norm_gradients(
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        unreachable!("gradients of gradients are not recorded")
    }

    fn gate_gradient(_: FloatTensor<Self>, _: FloatTensor<Self>) -> FloatTensor<Self> {
        unreachable!("gradients of gradients are not recorded")
    }
}
