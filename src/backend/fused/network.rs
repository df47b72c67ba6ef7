//! A program made ready to run: its weights packed for this processor, shared by all sessions.

use super::crew::Crew;
use super::memory::Plan;
use super::program::{Layer, Program, Step, Value, Weights};
use super::{float, int};
use crate::backend::kernels;

/// A restorer that is ready to run at any size.
#[derive(Debug)]
pub(crate) struct Network {
    pub(super) program: Program,
    pub(super) stages: Vec<Stage>,
}

/// Instructions that kernels are chosen for: of floats, and of integers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forms {
    pub(crate) float: kernels::float::Form,
    pub(crate) int: kernels::int8::Form,
}

impl Forms {
    /// The fastest that this processor has.
    pub(super) fn best() -> Self {
        Self { float: kernels::float::Form::best(), int: kernels::int8::Form::best() }
    }
}

/// What computes a step.
#[derive(Debug)]
pub(super) enum Stage {
    Unshuffle {
        from: Value,
        to: Value,
        factor: usize,
    },
    Conv {
        from: Value,
        to: Value,
        add: Option<Value>,
        conv: Conv,
    },
    /// Its parts lie in it already.
    Concat,
    Attend {
        x: Value,
        to: Value,
        attention: Attention,
    },
    Feed {
        x: Value,
        to: Value,
        feed: Feed,
    },
    Gradient {
        x: Value,
        y: Value,
        to: Value,
        prompted: float::Prompted,
        gradient: Gradient,
    },
}

/// A convolution, of floats or of integers, as all below.
#[derive(Debug)]
pub(super) enum Conv {
    Float(float::Conv),
    Int(int::Conv),
}

#[derive(Debug)]
pub(super) enum Attention {
    Float(float::Attention),
    Int(int::Attention),
}

#[derive(Debug)]
pub(super) enum Feed {
    Float(float::Feed),
    Int(int::Feed),
}

/// Φ and what undoes it, and the step size.
#[derive(Debug)]
pub(super) enum Gradient {
    Float { phi: float::Attention, phit: float::Attention, r: f32 },
    Int { phi: int::Attention, phit: int::Attention, r: f32 },
}

impl Network {
    /// Names of a restorer's inputs and its output.
    pub(crate) const IMAGE: &str = "image";
    pub(crate) const DEGRADATION: &str = "degradation";
    pub(crate) const RESTORED: &str = "restored";

    /// Packs the weights of a program for this processor; none where it has a layer that there is no
    /// kernel for, or values that can't lie where they should.
    pub(crate) fn new(program: Program) -> Option<Self> {
        Self::of(program, Forms::best())
    }

    /// The same for instructions that this processor has.
    pub(crate) fn of(program: Program, forms: Forms) -> Option<Self> {
        if !program.parts_lie_once() {
            return None;
        }
        let stages = program.steps.iter().map(|step| Stage::new(step, forms)).collect::<Option<_>>()?;
        Some(Self { program, stages })
    }

    /// What the sides of a picture must be multiples of.
    pub(crate) fn multiple(&self) -> usize {
        self.program.values.iter().map(|extent| extent.shrink).max().unwrap_or(1)
    }

    /// Bytes that a session for pictures of this size holds beside the weights, to a percent or so: what
    /// doesn't grow with the picture is left out.
    pub(crate) fn session_bytes(&self, threads: usize, height: usize, width: usize) -> usize {
        let plan = Plan::new(&self.program, height, width);
        let [scratch, sums] = self.scratch(&plan);
        let keys = self.stages.iter().map(|stage| match stage {
            Stage::Gradient { x, gradient, .. } => {
                let numbers = plan.values[*x].layout.floats();
                numbers * if matches!(gradient, Gradient::Float { .. }) { size_of::<f32>() } else { 1 }
            }
            _ => 0,
        });
        let floats = plan.floats + threads * scratch + Crew::parts_of(threads) * sums + 3 * height * width;
        size_of::<f32>() * floats + keys.sum::<usize>()
    }

    /// Floats that a thread needs of its own, and those that it sums up in.
    pub(super) fn scratch(&self, plan: &Plan) -> [usize; 2] {
        let mut most = [0, 0];
        for stage in &self.stages {
            let layout = |value: Value| plan.values[value].layout;
            let needs = match stage {
                Stage::Unshuffle { .. } | Stage::Concat => [0, 0],
                Stage::Conv { from, conv: Conv::Float(conv), .. } => [conv.scratch(layout(*from)), 0],
                Stage::Conv { from, conv: Conv::Int(conv), .. } => [conv.scratch(layout(*from)), 0],
                Stage::Attend { x, attention: Attention::Float(attention), .. } => {
                    [attention.scratch(layout(*x)), attention.sums()]
                }
                Stage::Attend { x, attention: Attention::Int(attention), .. } => {
                    [attention.scratch(layout(*x)), 0]
                }
                Stage::Feed { x, feed: Feed::Float(feed), .. } => [feed.scratch(layout(*x)), 0],
                Stage::Feed { x, feed: Feed::Int(feed), .. } => [feed.scratch(layout(*x)), 0],
                Stage::Gradient { x, prompted, gradient, .. } => {
                    let layout = layout(*x);
                    let [scratch, sums] = match gradient {
                        Gradient::Float { phi, phit, .. } => {
                            [phi.scratch(layout).max(phit.scratch(layout)), phi.sums().max(phit.sums())]
                        }
                        Gradient::Int { phi, phit, .. } => [phi.scratch(layout).max(phit.scratch(layout)), 0],
                    };
                    [scratch.max(prompted.scratch(layout)), sums]
                }
            };
            most = [most[0].max(needs[0]), most[1].max(needs[1])];
        }
        most
    }
}

impl Stage {
    /// What it is called in a profile.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Unshuffle { .. } => "unshuffle",
            Self::Conv { .. } => "conv",
            Self::Concat => "concat",
            Self::Attend { .. } => "MDTA",
            Self::Feed { .. } => "GDFN",
            Self::Gradient { .. } => "D-GDM",
        }
    }

    fn new(step: &Step, forms: Forms) -> Option<Self> {
        let Forms { float: form, int: int_form } = forms;
        Some(match step {
            &Step::Unshuffle { from, to, factor } => Self::Unshuffle { from, to, factor },
            Step::Conv { from, to, layer, resample, add } => {
                let conv = if is_int(layer) {
                    Conv::Int(int::Conv::new(int_form, layer, *resample)?)
                } else {
                    Conv::Float(float::Conv::new(form, layer, *resample))
                };
                Self::Conv { from: *from, to: *to, add: *add, conv }
            }
            Step::Concat { .. } => Self::Concat,
            Step::Attend { x, to, norm, attention } => {
                let attention = if is_int(&attention.point) {
                    Attention::Int(int::Attention::new(int_form, Some(norm), attention)?)
                } else {
                    Attention::Float(float::Attention::new(form, Some(norm), attention)?)
                };
                Self::Attend { x: *x, to: *to, attention }
            }
            Step::Feed { x, to, norm, gdfn } => {
                let feed = if is_int(&gdfn.point) {
                    Feed::Int(int::Feed::new((form, int_form), norm, gdfn)?)
                } else {
                    Feed::Float(float::Feed::new(form, norm, gdfn))
                };
                Self::Feed { x: *x, to: *to, feed }
            }
            Step::Gradient { x, y, to, prompt, phi, phit, r } => {
                let prompted = float::Prompted::new(prompt, phi.key.as_ref()?);
                let gradient = match (is_int(&phi.point), is_int(&phit.point)) {
                    (true, true) => Gradient::Int {
                        phi: int::Attention::new(int_form, None, phi)?,
                        phit: int::Attention::new(int_form, None, phit)?,
                        r: *r,
                    },
                    (false, false) => Gradient::Float {
                        phi: float::Attention::new(form, None, phi)?,
                        phit: float::Attention::new(form, None, phit)?,
                        r: *r,
                    },
                    _ => return None,
                };
                Self::Gradient { x: *x, y: *y, to: *to, prompted, gradient }
            }
        })
    }
}

fn is_int(layer: &Layer) -> bool {
    matches!(layer.weights, Weights::Int { .. })
}
