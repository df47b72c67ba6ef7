//! An image tower made ready to run: its weights packed for this processor, shared by all sessions.

use super::block::Block;
use super::description::{self, Tower};
use super::flat::{Chunks, Flat, Unit};
use super::int_block::IntBlock;
use super::int_patches::IntDown;
use super::patches::{Down, Planes};
use super::row::Step;
use crate::backend::fused::network::Forms;
use crate::backend::fused::program::{Layer, Weights};
use crate::backend::kernels::Shared;
use crate::backend::kernels::float::Form;
use std::ops::Range;

/// The image tower of a VLM head, ready to run.
#[derive(Debug)]
pub(crate) struct Head {
    image: String,
    feature: String,
    pub(super) form: Form,
    /// Of the picture.
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) stages: Vec<Stage>,
    pub(super) steps: Vec<Step>,
}

/// A stage, and how its pixels lie.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) flat: Flat,
    unit: Unit,
    /// One for each pixel, zero for what is between them.
    pub(super) shares: Vec<f32>,
    pub(super) down: AnyDown,
    pub(super) blocks: Vec<AnyBlock>,
    /// What is added to a variance before its logarithm.
    pub(super) epsilon: f32,
}

/// The beginning of a stage, of floats or of integers, as is a block.
#[derive(Debug)]
pub(super) enum AnyDown {
    Float(Down),
    Int(IntDown),
}

#[derive(Debug)]
pub(super) enum AnyBlock {
    Float(Block),
    Int(IntBlock),
}

impl Head {
    /// Packs the weights of a tower for this processor; none where it has a layer that there is no
    /// kernel for.
    pub(crate) fn new(tower: &Tower) -> Option<Self> {
        Self::of(tower, Forms::best())
    }

    /// The same for instructions that this processor has.
    pub(crate) fn of(tower: &Tower, forms: Forms) -> Option<Self> {
        let (mut height, mut width) = (tower.height, tower.width);
        let stages = tower.stages.iter().map(|stage| {
            let side = stage.patches.side.max(1);
            (height, width) = (height / side, width / side);
            Stage::new(forms, stage, Flat::new(stage.patches.layer.outputs, height, width))
        });
        Some(Self {
            image: tower.image.clone(),
            feature: tower.feature.clone(),
            form: forms.float,
            height: tower.height,
            width: tower.width,
            stages: stages.collect::<Option<_>>()?,
            steps: tower.steps.iter().map(|step| Step::new(forms.float, step)).collect::<Option<_>>()?,
        })
    }

    /// The input's name.
    pub(crate) fn image(&self) -> &str {
        &self.image
    }

    /// The output's name.
    pub(crate) fn feature(&self) -> &str {
        &self.feature
    }

    /// Numbers that all stages are summed up in.
    pub(super) fn statistics(&self) -> usize {
        self.stages.iter().map(|stage| 2 * stage.flat.channels).sum()
    }
}

impl Stage {
    fn new(forms: Forms, stage: &description::Stage, flat: Flat) -> Option<Self> {
        let down = if is_int(&stage.patches.layer) {
            AnyDown::Int(IntDown::new(forms.int, stage)?)
        } else {
            AnyDown::Float(Down::new(forms.float, stage))
        };
        let blocks = stage.blocks.iter().map(|block| {
            Some(if is_int(&block.depthwise) {
                AnyBlock::Int(IntBlock::new(forms.int, block)?)
            } else {
                AnyBlock::Float(Block::new(forms.float, block))
            })
        });
        let blocks: Vec<AnyBlock> = blocks.collect::<Option<_>>()?;
        let has_floats = matches!(down, AnyDown::Float(_))
            || blocks.iter().any(|block| matches!(block, AnyBlock::Float(_)));
        let unit = if has_floats { Unit::FLOATS } else { Unit::BYTES };
        Some(Self { flat, unit, shares: flat.shares(), down, blocks, epsilon: stage.epsilon })
    }

    /// The parts that so many threads work on.
    pub(super) fn chunks(&self, threads: usize) -> Chunks {
        self.flat.chunks(threads, self.unit)
    }

    /// Floats that one of so many threads needs of its own.
    pub(super) fn scratch(&self, threads: usize) -> usize {
        let pixels = self.chunks(threads).most();
        let down = match &self.down {
            AnyDown::Float(down) => down.scratch(pixels),
            AnyDown::Int(down) => down.scratch(pixels),
        };
        let blocks = self.blocks.iter().map(|block| match block {
            AnyBlock::Float(block) => block.scratch(pixels),
            AnyBlock::Int(block) => block.scratch(&self.flat, pixels),
        });
        blocks.fold(down, usize::max)
    }
}

impl AnyDown {
    /// # Safety
    /// Nobody else may have these pixels of the output in hands.
    #[allow(unsafe_code)]
    pub(super) unsafe fn run(
        &self,
        from: Planes<'_>,
        to: (&Flat, &Shared<'_, f32>),
        pixels: Range<usize>,
        scratch: &mut [f32],
    ) {
        // SAFETY: handed on.
        unsafe {
            match self {
                Self::Float(down) => down.run(from, to, pixels, scratch),
                Self::Int(down) => down.run(from, to, pixels, scratch),
            }
        }
    }
}

impl AnyBlock {
    /// # Safety
    /// Nobody else may have these pixels of the output in hands.
    #[allow(unsafe_code)]
    pub(super) unsafe fn run(
        &self,
        flat: &Flat,
        x: &[f32],
        out: &Shared<'_, f32>,
        pixels: Range<usize>,
        scratch: &mut [f32],
    ) {
        // SAFETY: handed on.
        unsafe {
            match self {
                Self::Float(block) => block.run(flat, x, out, pixels, scratch),
                Self::Int(block) => block.run(flat, x, out, pixels, scratch),
            }
        }
    }
}

fn is_int(layer: &Layer) -> bool {
    matches!(layer.weights, Weights::Int { .. })
}
