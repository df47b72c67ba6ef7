//! MDTA, GDFN, D-GDM, PMM (paper, section 3; reference: `net/Final.py`).

use super::layers::resize_bilinear;
use super::scope::Scope;
use crate::arch::Level;
use crate::train::kernels;
use burn::tensor::{Tensor, activation::softmax};

/// Multi-Dconv head transposed attention.
fn mdta(p: &Scope<'_>, x: Tensor<4>) -> Tensor<4> {
    attend(p, p.projected("qkv", "qkv_dwconv", x))
}

/// Φ(x, p): as MDTA, with k from the degradation prompt.
fn cross_attention(p: &Scope<'_>, x: Tensor<4>, prompt: Tensor<4>) -> Tensor<4> {
    let [q, v] = p.projected("qv", "qv_dwconv", x);
    let [k] = p.projected("k", "k_dwconv", prompt);
    attend(p, [q, k, v])
}

fn attend(p: &Scope<'_>, qkv: [Tensor<4>; 3]) -> Tensor<4> {
    let temperature = p.get::<3>("temperature");
    let heads = temperature.dims()[0];
    p.pointwise("project_out", kernels::attention(qkv, temperature.reshape([heads])))
}

/// Gated-Dconv feed-forward network.
fn gdfn(p: &Scope<'_>, x: Tensor<4>) -> Tensor<4> {
    let [hidden] = p.projected("project_in", "dwconv", x);
    p.pointwise("project_out", kernels::gate(hidden))
}

/// Proximal mapping module: transformer blocks, x ← x + MDTA(LN(x)), x ← x + GDFN(LN(x)).
fn pmm(p: &Scope<'_>, blocks: usize, mut x: Tensor<4>) -> Tensor<4> {
    let norm = |p: &Scope<'_>, x: &Tensor<4>| {
        kernels::channel_norm(x.clone(), p.get("body.weight"), p.get("body.bias"))
    };
    for block in 0..blocks {
        let p = p.at(&format!("blocks.{block}"));
        x = x.clone() + mdta(&p.at("attn"), norm(&p.at("norm1"), &x));
        x = x.clone() + gdfn(&p.at("ffn"), norm(&p.at("norm2"), &x));
    }
    x
}

/// The degradation prompts of a batch, `[B, P, H, W]`: Σ wᵢ·promptᵢ with w = softmax(Linear(d)).
///
/// Resizing comes before mixing, which is the same and done once for all pictures.
fn prompt(p: &Scope<'_>, d: &Tensor<2>, [height, width]: [usize; 2]) -> Tensor<4> {
    let prompts = p.get::<5>("prompt_param");
    let [_, count, channels, side, _] = prompts.dims();
    let prompts = p.matrix("prompt.rows", prompts.reshape([count, channels, side, side]));
    let resized = resize_bilinear(prompts, [height, width]);
    let scores = d.clone().matmul(p.matrix("linear.matmul", p.get::<2>("linear.weight").transpose()));
    let weights = softmax(scores + p.get::<1>("linear.bias").unsqueeze(), 1);
    let [batch, _] = d.dims();
    weights
        .matmul(resized.reshape([count, channels * height * width]))
        .reshape([batch, channels, height, width])
}

/// Degradation-guided gradient descent module: x ← x − r·Φᵀ(Φ(x, p) − y).
fn gradient_descent(p: &Scope<'_>, x: Tensor<4>, y: &Tensor<4>, d: &Tensor<2>) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let error = cross_attention(&p.at("phi"), x.clone(), prompt(p, d, [height, width])) - y.clone();
    x - mdta(&p.at("phit"), error) * p.get::<1>("r").reshape([1, 1, 1, 1])
}

/// One stage block: D-GDM, then PMM. `y` passes through unchanged.
pub(super) fn stage(p: &Scope<'_>, level: &Level, x: Tensor<4>, y: &Tensor<4>, d: &Tensor<2>) -> Tensor<4> {
    let x = gradient_descent(&p.at("gradient_descent"), x, y, d);
    pmm(&p.at("denoiser"), level.blocks, x)
}
