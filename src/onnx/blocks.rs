//! The blocks of the restorer: MDTA, GDFN, D-GDM, PMM, resampling (paper, section 3;
//! reference: `net/Final.py`).

use super::graph::{Attribute, Value};
use super::layers::Net;
use super::restorer::Size;
use crate::Result;
use crate::arch::{DGDM_HEADS, Level, VluNetConfig};

/// Smallest L2 norm that q and k are divided by, as in PyTorch's `normalize`.
const NORM_EPSILON: f32 = 1e-12;

impl Net<'_> {
    /// Multi-Dconv head transposed attention: self-attention across channels.
    pub(super) fn mdta(&mut self, name: &str, x: &Value, channels: usize, heads: usize) -> Result<Value> {
        let qkv = self.conv(&format!("{name}.qkv"), x, false)?;
        let qkv = self.conv(&format!("{name}.qkv_dwconv"), &qkv, true)?;
        let [q, k, v] = self.graph.node_with_outputs(
            "Split",
            &format!("{name}.split"),
            &[&qkv],
            &CHANNEL_AXIS,
            [".q", ".k", ".v"],
        );
        self.attention(name, [&q, &k, &v], channels, heads)
    }

    /// Φ(x, p): as MDTA, with k from the degradation prompt p.
    fn cross_attention(&mut self, name: &str, x: &Value, prompt: &Value, channels: usize) -> Result<Value> {
        let qv = self.conv(&format!("{name}.qv"), x, false)?;
        let qv = self.conv(&format!("{name}.qv_dwconv"), &qv, true)?;
        let [q, v] = self.graph.node_with_outputs(
            "Split",
            &format!("{name}.split"),
            &[&qv],
            &CHANNEL_AXIS,
            [".q", ".v"],
        );
        let k = self.conv(&format!("{name}.k"), prompt, false)?;
        let k = self.conv(&format!("{name}.k_dwconv"), &k, true)?;
        self.attention(name, [&q, &k, &v], channels, DGDM_HEADS)
    }

    /// project_out(softmax(q̂·k̂ᵀ·τ)·v), q̂ and k̂ of unit length along the pixels.
    fn attention(
        &mut self,
        name: &str,
        [q, k, v]: [&Value; 3],
        channels: usize,
        heads: usize,
    ) -> Result<Value> {
        let per_head = [1, heads as i64, (channels / heads) as i64, -1];
        let q = self.unit_rows(&format!("{name}.q"), q, &per_head);
        let k = self.unit_rows(&format!("{name}.k"), k, &per_head);
        let k = self.transpose(&format!("{name}.kt"), &k, &[0, 1, 3, 2]);
        let gram = self.matmul(&format!("{name}.gram"), &q, &k);
        let temperature = self.weight(&format!("{name}.temperature"))?;
        let scaled = self.mul(&format!("{name}.scaled"), &gram, &temperature);
        let map = self.softmax(&format!("{name}.map"), &scaled);

        let rows = self.reshape(&format!("{name}.v.rows"), v, &per_head);
        let mixed = self.matmul(&format!("{name}.mixed"), &map, &rows);
        // The picture's own shape brings the rows back without naming H and W.
        let shape = self.graph.node("Shape", &format!("{name}.v.shape"), &[v], &[]);
        let mixed = self.graph.node("Reshape", &format!("{name}.mixed.image"), &[&mixed, &shape], &[]);
        self.conv(&format!("{name}.project_out"), &mixed, false)
    }

    /// One row of all pixels per channel, each of unit length. Normalising before the
    /// product, as the reference does, keeps it in the range of float16.
    fn unit_rows(&mut self, name: &str, x: &Value, per_head: &[i64]) -> Value {
        let rows = self.reshape(&format!("{name}.rows"), x, per_head);
        let axes = [("axes", Attribute::Ints(&[-1])), ("keepdims", Attribute::Int(1))];
        let norm = self.graph.node("ReduceL2", &format!("{name}.norm"), &[&rows], &axes);
        let epsilon = self.graph.scalar("norm_epsilon", NORM_EPSILON);
        let norm = self.graph.node("Max", &format!("{name}.norm.max"), &[&norm, &epsilon], &[]);
        self.graph.node("Div", &format!("{name}.unit"), &[&rows, &norm], &[])
    }

    /// Gated-Dconv feed-forward network.
    fn gdfn(&mut self, name: &str, x: &Value) -> Result<Value> {
        let hidden = self.conv(&format!("{name}.project_in"), x, false)?;
        let hidden = self.conv(&format!("{name}.dwconv"), &hidden, true)?;
        let [gate, value] = self.graph.node_with_outputs(
            "Split",
            &format!("{name}.split"),
            &[&hidden],
            &CHANNEL_AXIS,
            [".a", ".b"],
        );
        let gate = self.gelu(&format!("{name}.gelu"), &gate);
        let gated = self.mul(&format!("{name}.gated"), &gate, &value);
        self.conv(&format!("{name}.project_out"), &gated, false)
    }

    /// LayerNorm over the channels at each pixel.
    fn channel_norm(&mut self, name: &str, x: &Value) -> Result<Value> {
        let last = self.transpose(&format!("{name}.to_last"), x, &[0, 2, 3, 1]);
        let normed = self.layer_norm(&format!("{name}.body"), &last)?;
        Ok(self.transpose(name, &normed, &[0, 3, 1, 2]))
    }

    /// Proximal mapping module: transformer blocks, x ← x + MDTA(LN(x)), x ← x + GDFN(LN(x)).
    fn pmm(&mut self, level: &Level, mut x: Value) -> Result<Value> {
        for block in 0..level.blocks {
            let name = format!("{}.denoiser.blocks.{block}", level.name);
            let normed = self.channel_norm(&format!("{name}.norm1"), &x)?;
            let attended = self.mdta(&format!("{name}.attn"), &normed, level.channels, level.heads)?;
            x = self.add(&format!("{name}.attn.add"), &x, &attended);
            let normed = self.channel_norm(&format!("{name}.norm2"), &x)?;
            let fed = self.gdfn(&format!("{name}.ffn"), &normed)?;
            x = self.add(&format!("{name}.ffn.add"), &x, &fed);
        }
        Ok(x)
    }

    /// Degradation-guided gradient descent module: x ← x − r·Φᵀ(Φ(x, p) − y).
    fn gradient_descent(&mut self, level: &Level, x: &Value, y: &Value, prompt: &Value) -> Result<Value> {
        let name = format!("{}.gradient_descent", level.name);
        let degraded = self.cross_attention(&format!("{name}.phi"), x, prompt, level.channels)?;
        let error = self.sub(&format!("{name}.error"), &degraded, y);
        let gradient = self.mdta(&format!("{name}.phit"), &error, level.channels, DGDM_HEADS)?;
        let step_size = self.weight(&format!("{name}.r"))?;
        let step = self.mul(&format!("{name}.step"), &gradient, &step_size);
        Ok(self.sub(&name, x, &step))
    }

    /// The degradation prompt of a level: p = Σ wᵢ·promptᵢ with w = softmax(Linear(d_I)),
    /// brought to the size of `like` bilinearly (half-pixel centres).
    fn prompt(
        &mut self,
        level: &Level,
        config: &VluNetConfig,
        like: &Value,
        d: &Value,
        size: Size,
    ) -> Result<Value> {
        let name = format!("{}.gradient_descent", level.name);
        let linear = format!("{name}.linear");
        let scores = self.linear(&linear, &format!("{linear}.weight"), &format!("{linear}.bias"), d)?;
        let mix = self.softmax(&format!("{name}.mix"), &scores);
        let (channels, side) = (level.prompt_channels(), level.prompt_size());
        // One row per prompt, so that the mix is a matrix product.
        let rows = format!("{name}.prompt_param");
        let prompts =
            self.tensor(&rows)?.to_shape((config.de_dim, channels * side * side)).map_err(|_| {
                crate::Error::Weights(format!(
                    "{rows} does not hold {} prompts of {channels}×{side}×{side}",
                    config.de_dim
                ))
            })?;
        let prompts = prompts.into_owned().into_dyn();
        let prompts = self.graph.floats(&rows, &prompts);
        let prompt = self.matmul(&format!("{name}.prompt.rows"), &mix, &prompts);
        let extents = [1, channels as i64, side as i64, side as i64];
        let prompt = self.reshape(&format!("{name}.prompt"), &prompt, &extents);
        let target = match size {
            Size::Fixed { height, width } => {
                let divisor = config.stem * level.scale;
                let extents = [1, channels as i64, (height / divisor) as i64, (width / divisor) as i64];
                self.graph.ints(&format!("{name}.prompt.size"), &extents)
            }
            Size::Symbolic => {
                let extents = self.graph.ints(&format!("{name}.prompt.extents"), &extents[..2]);
                let shape = self.graph.node("Shape", &format!("{name}.x.shape"), &[like], &[]);
                let (from, to) = (self.graph.ints("two", &[2]), self.graph.ints("four", &[4]));
                let sides = self.graph.node("Slice", &format!("{name}.x.sides"), &[&shape, &from, &to], &[]);
                self.concat(&format!("{name}.prompt.size"), &[&extents, &sides], 0)
            }
        };
        let none = self.graph.absent();
        Ok(self.graph.node(
            "Resize",
            &format!("{name}.prompt.resized"),
            &[&prompt, &none, &none, &target],
            &[
                ("mode", Attribute::Text("linear")),
                ("coordinate_transformation_mode", Attribute::Text("half_pixel")),
            ],
        ))
    }

    /// One stage block: D-GDM, then PMM. y passes through unchanged.
    pub(super) fn stage(
        &mut self,
        level: &Level,
        config: &VluNetConfig,
        x: &Value,
        y: &Value,
        d: &Value,
        size: Size,
    ) -> Result<Value> {
        let prompt = self.prompt(level, config, x, d, size)?;
        let x = self.gradient_descent(level, x, y, &prompt)?;
        self.pmm(level, x)
    }

    /// 3x3 convolution to half the channels, then PixelUnshuffle(2).
    pub(super) fn downsample(&mut self, name: &str, x: &Value, channels: usize) -> Result<Value> {
        let x = self.conv(&format!("{name}.body.0"), x, false)?;
        Ok(self.pixel_unshuffle(name, &x, channels / 2, 2))
    }

    /// 3x3 convolution to twice the channels, then PixelShuffle(2).
    pub(super) fn upsample(&mut self, name: &str, x: &Value) -> Result<Value> {
        let x = self.conv(&format!("{name}.body.0"), x, false)?;
        Ok(self.pixel_shuffle(name, &x, 2))
    }

    /// PixelShuffle: channel c·f² + f·dy + dx becomes pixel (f·y + dy, f·x + dx) of channel c.
    pub(super) fn pixel_shuffle(&mut self, name: &str, x: &Value, factor: usize) -> Value {
        self.graph.node(
            "DepthToSpace",
            &format!("{name}.shuffle"),
            &[x],
            &[("blocksize", Attribute::Int(factor as i64)), ("mode", Attribute::Text("CRD"))],
        )
    }

    /// PixelUnshuffle. ONNX's SpaceToDepth puts the offsets before the channels; applied to
    /// each channel alone, as a batch, it gives PyTorch's order without naming H and W.
    pub(super) fn pixel_unshuffle(&mut self, name: &str, x: &Value, channels: usize, factor: usize) -> Value {
        let apart = self.reshape(&format!("{name}.apart"), x, &[channels as i64, 1, 0, 0]);
        // With 0 for "keep", extents 2 and 3 stay H and W.
        let folded = self.graph.node(
            "SpaceToDepth",
            &format!("{name}.unshuffle"),
            &[&apart],
            &[("blocksize", Attribute::Int(factor as i64))],
        );
        self.reshape(&format!("{name}.together"), &folded, &[1, (channels * factor * factor) as i64, 0, 0])
    }
}

const CHANNEL_AXIS: [(&str, Attribute<'static>); 1] = [("axis", Attribute::Int(1))];
